"""ECG readings: findings that may occur together."""

import json
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.diagnoses.heart import interpretation as heart
from models.diagnoses.heart.knowledge import heart_knowledge
from models.diagnoses.heart.measured import prepare_sheet
from models.diagnoses.heart.sent import SentSheet
from models.diagnoses.probabilities import gravity
from models.preprocessing.ecg_sheet import SheetPreprocessing
from models.preprocessing.inputs import Limits
from schemas.common import Alert, Reliability, Urgency
from schemas.heart import MEASUREMENTS_EXAMPLE, HeartMeasurements, HeartReading
from tests import contract
from tests.models.serving.metadata import make_metadata
from tests.sheets import ecg, sheet

CODES = ("NORM", "MI", "STTC", "CD", "HYP")
MEASURED = HeartMeasurements.model_validate(MEASUREMENTS_EXAMPLE)
UNREAD = Reliability(accepted=False, reason="The picture shows no lines.")
CLASSES = dict(zip(CODES, heart_knowledge().classes, strict=True))


def read(*values: float, **thresholds: float) -> HeartReading:
    return heart.interpret(
        {"probabilities": np.array(values, dtype=np.float32)}, make_metadata("heart_record", CODES, **thresholds)
    )


def test_normal_answers_the_contracts_texts() -> None:
    reading = read(0.92, 0.03, 0.05, 0.04, 0.02)
    assert contract.departures(contract.HEART, json.loads(reading.model_dump_json())) == []
    assert [finding.present for finding in reading.findings] == [True, False, False, False, False]


def test_an_abnormal_finding_over_its_threshold_leads_over_a_more_probable_normal() -> None:
    reading = read(0.7, 0.05, 0.3, 0.05, 0.05, STTC=0.25)
    assert reading.prediction.name == "ST/T Changes"
    assert reading.severity == "moderate"
    assert [finding.threshold for finding in reading.findings] == [0.5, 0.5, 0.25, 0.5, 0.5]


def test_the_gravest_of_several_findings_sets_severity_urgency_and_the_first_options() -> None:
    reading = read(0.02, 0.6, 0.9, 0.1, 0.1)
    assert reading.prediction.name == "ST/T Changes"
    assert reading.staging == CLASSES["STTC"].staging.value
    assert reading.severity == "critical"
    assert reading.urgency == CLASSES["MI"].urgency.value
    assert reading.urgency_from == "Myocardial Infarction"
    graver = tuple(f"Myocardial Infarction: {option}" for option in CLASSES["MI"].treatment_options.value)
    assert reading.treatment_options == graver + CLASSES["STTC"].treatment_options.value


def test_normal_is_not_answered_for_want_of_a_better_name() -> None:
    reading = read(0.1, 0.05, 0.05, 0.4, 0.05)
    assert not any(finding.present for finding in reading.findings)
    assert reading.prediction.name == "Not settled: Conduction Disturbance not excluded"
    assert (reading.prediction.code, reading.prediction.settled) == ("CD", False)
    assert reading.prediction.confidence == pytest.approx(0.4)
    assert (reading.severity, reading.urgency_from) == ("uncertain", reading.prediction.name)
    settled_by = CLASSES["CD"].settled_by
    assert settled_by
    assert reading.treatment_options == settled_by.value


def test_of_what_is_not_excluded_the_gravest_is_named() -> None:
    reading = read(0.45, 0.26, 0.4, 0.05, 0.05)
    assert reading.prediction.name == "Not settled: Myocardial Infarction not excluded"
    assert reading.prediction.class_id == 1
    assert reading.prediction.confidence == pytest.approx(0.26)
    assert reading.urgency.color == "orange"


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5), st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_findings_prediction_and_severity_agree(values: list[float], thresholds: list[float]) -> None:
    reading = read(*values, **dict(zip(CODES, thresholds, strict=True)))
    assert [finding.code for finding in reading.findings] == list(CODES)
    assert all(finding.present == (finding.probability >= finding.threshold) for finding in reading.findings)
    abnormal = [finding for finding in reading.findings[1:] if finding.present]
    if abnormal:
        assert reading.prediction.name != "Normal"
        assert reading.prediction.confidence == max(finding.probability for finding in abnormal)
        gravest = max(gravity(CLASSES[finding.code].severity) for finding in abnormal)
        assert gravity(reading.severity) >= gravest


def test_the_sample_is_the_contracts_example() -> None:
    sample = json.loads(heart.sample().model_dump_json())
    assert contract.departures(contract.HEART, sample) == []
    assert [finding["code"] for finding in sample["findings"]] == list(CODES)
    assert [each["code"] for each in sample["probabilities"]] == list(CODES)
    assert sample["urgency"] == CLASSES["NORM"].urgency.value.model_dump()


def test_a_bundle_with_other_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="the contract has NORM, MI, STTC, CD, HYP"):
        heart.interpret({"probabilities": np.zeros(5, dtype=np.float32)}, make_metadata("heart_record", CODES[::-1]))


ALERT = Alert(
    name="A measured sign",
    evidence="V2 0.4 mV",
    urgency=Urgency(timeline="Emergency - Now", action="Call an ambulance", color="red"),
    source="a guideline",
)
chances = st.lists(st.floats(0, 1), min_size=5, max_size=5)


@given(chances, chances, st.booleans(), st.booleans())
def test_whatever_a_network_says_names_tell_the_truth(
    values: list[float], thresholds: list[float], accepted: bool, alarmed: bool
) -> None:
    """Normal, healthy and green only with positive evidence and nothing against it; texts only under their own name."""
    metadata = make_metadata("heart_record", CODES, **dict(zip(CODES, thresholds, strict=True)))
    seen = heart.interpret({"probabilities": np.array(values, dtype=np.float32)}, metadata)
    seen = seen.model_copy(update={"alerts": (ALERT,) if alarmed else (), "measurements": MEASURED})
    reading = heart.conclude(seen, metadata, Reliability(accepted=accepted, reason=None if accepted else "noise"))
    present = {finding.code for finding in reading.findings if finding.present}
    prediction = reading.prediction
    if not accepted or alarmed or present != {"NORM"}:
        assert prediction.code != "NORM"
        assert reading.severity not in ("healthy", "low")
        assert reading.urgency.color != "green"
        assert not set(reading.treatment_options) & set(CLASSES["NORM"].treatment_options.value)
    assert prediction.settled == (accepted and bool(present) and (present != {"NORM"} or not alarmed))
    assert prediction.settled == (prediction.name == CLASSES[prediction.code].name)
    assert (reading.severity == "uncertain") == (not prediction.settled)
    assert prediction.settled or prediction.name == f"Not settled: {CLASSES[prediction.code].name} not excluded"
    assert prediction.confidence == reading.probabilities[prediction.class_id].probability
    assert not alarmed or reading.urgency.color == "red"
    for code in {*CODES} - {prediction.code}:  # another finding's texts stand under its name
        others = set(CLASSES[code].treatment_options.value) - set(CLASSES[prediction.code].treatment_options.value)
        assert not set(reading.treatment_options) & others
    if any(CLASSES[code].urgency.value.color == "red" for code in present):
        assert reading.urgency.color == "red"
    if reading.urgency_from != prediction.name:
        assert reading.treatment_options[0].startswith(f"{reading.urgency_from}: ")


@pytest.mark.parametrize(("qrs", "code", "severity"), [(134.0, "NORM", "healthy"), (135.0, "CD", "uncertain")])
def test_an_ecg_whose_qrs_is_as_wide_as_a_blocks_is_not_named_normal(qrs: float, code: str, severity: str) -> None:
    """A photograph of a real sheet: QRS 135 ms, V2 raised, and it was "Normal", healthy."""
    metadata = make_metadata("heart_image", CODES)
    wide = MEASURED.qrs.model_copy(update={"value": qrs})
    seen = read(0.9, 0.05, 0.05, 0.05, 0.05)
    seen = seen.model_copy(update={"measurements": MEASURED.model_copy(update={"qrs": wide})})
    reading = heart.conclude(seen, metadata, Reliability(accepted=True))
    assert (reading.prediction.code, reading.severity) == (code, severity)
    assert reading.prediction.settled == (code == "NORM")
    found = read(0.9, 0.9, 0.05, 0.05, 0.05).model_copy(update={"measurements": seen.measurements})
    assert heart.conclude(found, metadata, Reliability(accepted=True)).prediction.code == "MI"


def test_where_nothing_could_be_read_nothing_is_excluded_and_no_emergency_made_of_an_empty_sheet() -> None:
    unread = heart.conclude(read(0.1, 0.9, 0.1, 0.1, 0.1), make_metadata("heart_image", CODES), UNREAD)
    assert unread.prediction.name == "Not settled: Myocardial Infarction not excluded"
    assert (unread.severity, unread.urgency.color, unread.staging.stage) == ("uncertain", "orange", "Not settled")
    assert "relied upon" in unread.staging.description


def of_anterior_injury(*, misread: bool) -> bytes:
    """A sheet with 3 mm of ST elevation in V2-V4; lead III may be another one."""
    signal = ecg()
    beat = np.arange(len(signal)) / 100 % 0.86
    signal[:, 7:10] += 0.4 * ((beat > 0.56) & (beat < 0.78))[:, None]
    if misread:
        signal[:, 0], signal[:, 2] = 0.7 * signal[:, 9], signal[:, 8]
    file = BytesIO()
    sheet(signal).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("misread", [False, True])
def test_st_elevation_alerts_on_a_sheet_that_is_refused_since_its_limb_leads_do_not_add_up_too(misread: bool) -> None:
    wanted = SheetPreprocessing(least_fit=0.4, least_consistency=0.5)
    measured = prepare_sheet(SentSheet(of_anterior_injury(misread=misread)), wanted, Limits(10**7))
    assert (measured.sheet.fault is not None) is misread
    (alert,) = (alert for alert in measured.alerts if alert.name == "ST elevation")
    assert "V3" in alert.evidence
    assert ("misread" in alert.evidence) is misread
    if misread:
        assert measured.alerts == (alert,)
        assert measured.figures is None
