"""What a 12-lead ECG shows: findings that may occur together.

A class is present where its probability reaches its threshold. `prediction` is the most probable abnormal finding
present; with none present it is the most probable class, so an ECG that resembles nothing well is not called Normal
for want of a better name. Severity and urgency are those of the gravest finding named, and treatment options are
listed for each, the gravest first.
"""

from models.diagnoses.heart.knowledge import heart_knowledge
from models.diagnoses.probabilities import gravity, most_probable, name_classes, percent, threshold_of
from models.preprocessing.ecg_record import EcgWindows
from models.preprocessing.ecg_sheet.preparation import ReadSheet, leads_shown
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from schemas.heart import READING_EXAMPLE, Finding, HeartPrediction, HeartReading, RecordSummary, SheetSummary

_KNOWLEDGE = heart_knowledge()
_SAMPLE = HeartReading.model_validate(READING_EXAMPLE)
_NORMAL = "NORM"


def interpret(outputs: Outputs, metadata: Metadata) -> HeartReading:
    """Read `probabilities`, (5,), of `NORM`, `MI`, `STTC`, `CD` and `HYP`, each 0-1 by itself.

    Raises `ValueError` where the bundle's classes are not the contract's.
    """
    named = name_classes(outputs[PROBABILITIES], metadata, _KNOWLEDGE.classes)
    thresholds = [threshold_of(each.code, metadata, default=_KNOWLEDGE.default_threshold.value) for each in named]
    present = [each.probability >= threshold for each, threshold in zip(named, thresholds, strict=True)]
    abnormal = [each for each, found in zip(named, present, strict=True) if found and each.code != _NORMAL]
    leading = most_probable(abnormal or named)
    told = sorted(
        (_KNOWLEDGE.classes[each.class_id] for each in abnormal or [leading]),
        key=lambda known: gravity(known.severity),
        reverse=True,
    )
    return HeartReading(
        prediction=HeartPrediction(
            class_id=leading.class_id,
            code=leading.code,
            name=leading.name,
            confidence=leading.probability,
            confidence_percent=percent(leading.probability),
        ),
        severity=told[0].severity,
        staging=_KNOWLEDGE.classes[leading.class_id].staging.value,
        treatment_options=tuple(dict.fromkeys(option for known in told for option in known.treatment_options.value)),
        urgency=told[0].urgency.value,
        probabilities=named,
        findings=tuple(
            Finding(code=each.code, name=each.name, probability=each.probability, threshold=threshold, present=found)
            for each, threshold, found in zip(named, thresholds, present, strict=True)
        ),
    )


def describe_record(reading: HeartReading, windows: EcgWindows) -> HeartReading:
    """The reading with what of the record was read."""
    record = windows.record
    summary = RecordSummary(
        rate=record.rate,
        seconds=round(record.seconds, 3),
        windows=len(windows.tensors),
        derived_leads=record.derived_leads,
        flat_leads=windows.flat_leads,
        calibrated=record.calibrated,
    )
    return reading.model_copy(update={"record": summary})


def describe_sheet(reading: HeartReading, sheet: ReadSheet) -> HeartReading:
    """The reading with what of the sheet was read; unchanged where nothing was."""
    found = sheet.reading
    if found is None:
        return reading
    summary = SheetSummary(
        layout=found.layout,
        rhythm_strips=found.strips,
        speed=found.speed,
        gain=found.gain,
        leads=leads_shown(found),
    )
    return reading.model_copy(update={"sheet": summary})


def sample() -> HeartReading:
    """The fixed answer of the demo mode, the contract's example."""
    return _SAMPLE
