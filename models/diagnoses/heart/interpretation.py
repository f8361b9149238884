"""What a 12-lead ECG shows: findings that may occur together, alerts that were measured, and what of it is settled.

A class is present where its probability reaches its threshold. `prediction` is the most probable abnormal finding
present. Normal is named only where it is present itself, no other finding is, no alert stands, QRS was not measured as
wide as a block's, and the input is accepted; in all other cases nothing is settled (`models.diagnoses.settling`). The
urgency is that of the most urgent among the findings present and the alerts, and the answer says which one that is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from models.diagnoses.heart.figures import Figures
from models.diagnoses.heart.knowledge import HeartClass, heart_knowledge
from models.diagnoses.heart.measured import MeasuredRecord, MeasuredSheet
from models.diagnoses.heart.measurements import tell
from models.diagnoses.heart.rhythm import tell_rhythm
from models.diagnoses.probabilities import gravity, name_classes, percent, threshold_of
from models.diagnoses.settling import Weighed, settle
from models.preprocessing.ecg_sheet.preparation import leads_shown, qualities
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from models.serving.registry import Prediction
from schemas.common import Alert, Reliability, Severity, Urgency, UrgencyColor
from schemas.heart import READING_EXAMPLE, Finding, HeartPrediction, HeartReading, RecordSummary, SheetSummary

_KNOWLEDGE = heart_knowledge()
_CLASSES: Mapping[str, HeartClass] = {known.code: known for known in _KNOWLEDGE.classes}
_SAMPLE = HeartReading.model_validate(READING_EXAMPLE)
_NORMAL, _CONDUCTION = "NORM", "CD"
_NOT_SETTLED = "Not settled: {} not excluded"
_URGENCIES: tuple[UrgencyColor, ...] = ("green", "yellow", "orange", "red")
_SEVERITY_OF_ALERTS: Mapping[UrgencyColor, Severity] = {
    "green": "low",
    "yellow": "moderate",
    "orange": "high",
    "red": "critical",
}


class _Voice(NamedTuple):
    """A finding or an alert that has something to say: its name, how urgent it is, and its options."""

    name: str
    urgency: Urgency
    options: tuple[str, ...]


def interpret(outputs: Outputs, metadata: Metadata) -> HeartReading:
    """Read `probabilities`, (5,), of `NORM`, `MI`, `STTC`, `CD` and `HYP`, each 0-1 by itself.

    Raises `ValueError` where the bundle's classes are not the contract's.
    """
    named = name_classes(outputs[PROBABILITIES], metadata, _KNOWLEDGE.classes)
    findings = []
    for each in named:
        threshold = threshold_of(each.code, metadata, default=_KNOWLEDGE.default_threshold.value)
        present = each.probability >= threshold
        findings.append(
            Finding(code=each.code, name=each.name, probability=each.probability, threshold=threshold, present=present)
        )
    return HeartReading(
        probabilities=named,
        findings=tuple(findings),
        not_assessed=_KNOWLEDGE.not_assessed.value,
        **_say(findings),
    )


def describe_record(reading: HeartReading, record: MeasuredRecord, prediction: Prediction) -> HeartReading:
    """The reading with what of the record was read, what was measured on it, and the alerts this raises."""
    windows = record.windows
    summary = RecordSummary(
        rate=windows.record.rate,
        seconds=round(windows.record.seconds, 3),
        windows=len(windows.tensors),
        derived_leads=windows.record.derived_leads,
        flat_leads=windows.flat_leads,
        calibrated=windows.record.calibrated,
    )
    unsure = () if windows.record.calibrated else (_KNOWLEDGE.voltages_not_assessed.value,)
    measured = _measured(reading, record.figures, record.alerts, prediction, unsure)
    return reading.model_copy(update={"record": summary, **measured})


def describe_sheet(reading: HeartReading, sheet: MeasuredSheet, prediction: Prediction) -> HeartReading:
    """The reading with what of the sheet was read, what was measured on it, and the alerts this raises; unchanged where
    nothing was read."""
    found = sheet.sheet.reading
    if found is None:
        return reading
    summary = SheetSummary(
        layout=found.layout,
        rhythm_strips=found.strips,
        speed=found.speed,
        gain=found.gain,
        speed_from=found.speed_from,
        gain_from=found.gain_from,
        leads=leads_shown(found),
        lead_order=found.order,
        quality=qualities(found),
    )
    if sheet.figures is None:
        return reading.model_copy(update={"sheet": summary, "alerts": sheet.alerts})
    unsure = [
        said.value
        for said, not_told in (
            (_KNOWLEDGE.voltages_not_assessed, found.gain_from == "assumed"),
            (_KNOWLEDGE.times_not_assessed, found.speed_from == "beats"),
        )
        if not_told
    ]
    measured = _measured(reading, sheet.figures, sheet.alerts, prediction, unsure)
    return reading.model_copy(update={"sheet": summary, **measured})


def conclude(reading: HeartReading, _: Metadata, reliability: Reliability) -> HeartReading:
    """What of the reading stands beside its alerts and for an input of that reliability.

    Where nothing could be measured the probabilities are of no heart's traces, so they raise no urgency.
    """
    wide = _is_wide(reading)
    if reliability.accepted and not reading.alerts and not wide:
        return reading
    read = reading.measurements is not None
    said = _say(reading.findings, reading.alerts, accepted=reliability.accepted, read=read, wide=wide)
    return reading.model_copy(update=said)


def named(reading: HeartReading) -> set[str]:
    """The codes of what is named, of the findings that are present, and of those that an alert suspects."""
    present = {each.code for each in reading.findings if each.present}
    return {reading.prediction.code, *present, *_KNOWLEDGE.suspects(alert.name for alert in reading.alerts)}


def sample() -> HeartReading:
    """The fixed answer of the demo mode, the contract's example."""
    return _SAMPLE


def _measured(
    reading: HeartReading, figures: Figures, alerts: tuple[Alert, ...], prediction: Prediction, unsure: Sequence[str]
) -> dict[str, Any]:
    """The fields of a reading that were measured, and what is then left to assess, what is `unsure` last."""
    rhythm = tell_rhythm(prediction.outputs, prediction.metadata, figures)
    left = list(reading.not_assessed)
    if not rhythm.value:
        left.append(_KNOWLEDGE.rhythm_not_assessed.value)
    return {"measurements": tell(figures, rhythm), "alerts": alerts, "not_assessed": (*left, *unsure)}


def _say(
    findings: Sequence[Finding],
    alerts: Sequence[Alert] = (),
    *,
    accepted: bool = True,
    read: bool = True,
    wide: bool = False,
) -> dict[str, Any]:
    """The fields of a reading that name something and say what to do; a `wide` QRS speaks for a conduction disorder."""
    suspected = _KNOWLEDGE.suspects(alert.name for alert in alerts) | ({_CONDUCTION} if wide else set())
    verdict = settle(
        [
            Weighed(each.code, each.probability, each.threshold, _CLASSES[each.code].severity, each.code == _NORMAL)
            for each in findings
        ],
        excluded_below=_KNOWLEDGE.excluded_below.value,
        suspected=suspected,
        alarmed=bool(alerts),
        accepted=accepted,
    )
    leading = next(each for each in findings if each.code == verdict.code)
    known = _CLASSES[verdict.code]
    others = [each for each in findings if read and each.present and each.code not in (_NORMAL, verdict.code)]
    if verdict.settled:
        first = _Voice(known.name, known.urgency.value, known.treatment_options.value)
        severity = max((known.severity, *_severities(others, alerts)), key=gravity)
    else:
        first = _unsettled(known)
        severity = "uncertain"
        if read and leading.present:
            others = [leading, *others]
    urgent = max([first, *_of_alerts(alerts), *_of_findings(others)], key=_urgency)
    labelled = () if urgent is first else tuple(f"{urgent.name}: {option}" for option in urgent.options)
    return {
        "prediction": HeartPrediction(
            class_id=_KNOWLEDGE.classes.index(known),
            code=verdict.code,
            settled=verdict.settled,
            name=first.name,
            confidence=leading.probability,
            confidence_percent=percent(leading.probability),
        ),
        "severity": severity,
        "staging": _staging(known, settled=verdict.settled, accepted=accepted),
        "treatment_options": tuple(dict.fromkeys((*labelled, *first.options))),
        "urgency": urgent.urgency,
        "urgency_from": urgent.name,
    }


def _is_wide(reading: HeartReading) -> bool:
    """Whether QRS was measured so wide that the ECG is not normal, whatever the network says."""
    qrs = reading.measurements.qrs.value if reading.measurements else None
    return qrs is not None and qrs >= _KNOWLEDGE.no_normal_from_qrs.value


def _staging(known: HeartClass, *, settled: bool, accepted: bool) -> Any:
    if settled:
        return known.staging.value
    texts = _KNOWLEDGE.not_settled
    return texts.read.value if accepted else texts.not_relied_upon.value


def _unsettled(known: HeartClass) -> _Voice:
    texts = _KNOWLEDGE.not_settled
    urgency = texts.critical if known.severity == "critical" else texts.other
    options = known.settled_by.value if known.settled_by else ()
    return _Voice(_NOT_SETTLED.format(known.name), urgency.value, options)


def _severities(findings: Sequence[Finding], alerts: Sequence[Alert]) -> list[Severity]:
    return [_CLASSES[each.code].severity for each in findings] + [
        _SEVERITY_OF_ALERTS[alert.urgency.color] for alert in alerts
    ]


def _of_alerts(alerts: Sequence[Alert]) -> list[_Voice]:
    return [_Voice(alert.name, alert.urgency, (alert.urgency.action,)) for alert in alerts]


def _of_findings(findings: Sequence[Finding]) -> list[_Voice]:
    known = sorted((_CLASSES[each.code] for each in findings), key=lambda each: gravity(each.severity), reverse=True)
    return [_Voice(each.name, each.urgency.value, each.treatment_options.value) for each in known]


def _urgency(voice: _Voice) -> int:
    return _URGENCIES.index(voice.urgency.color)
