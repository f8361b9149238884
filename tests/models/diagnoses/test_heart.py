"""ECG readings: findings that may occur together."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.diagnoses.heart import interpretation as heart
from models.diagnoses.heart.knowledge import heart_knowledge
from models.diagnoses.probabilities import gravity
from schemas.heart import HeartReading
from tests import contract
from tests.models.serving.metadata import make_metadata

CODES = ("NORM", "MI", "STTC", "CD", "HYP")
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
    expected = CLASSES["MI"].treatment_options.value + CLASSES["STTC"].treatment_options.value
    assert reading.treatment_options == expected


def test_normal_is_not_answered_for_want_of_a_better_name() -> None:
    reading = read(0.1, 0.05, 0.05, 0.4, 0.05)
    assert not any(finding.present for finding in reading.findings)
    assert reading.prediction.name == "Conduction Disturbance"
    assert reading.severity == "moderate"


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5), st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_findings_prediction_and_severity_agree(values: list[float], thresholds: list[float]) -> None:
    reading = read(*values, **dict(zip(CODES, thresholds, strict=True)))
    assert [finding.code for finding in reading.findings] == list(CODES)
    assert all(finding.present == (finding.probability >= finding.threshold) for finding in reading.findings)
    abnormal = [finding for finding in reading.findings[1:] if finding.present]
    if abnormal:
        assert reading.prediction.name != "Normal"
        assert reading.prediction.confidence == max(finding.probability for finding in abnormal)
    gravest = max((gravity(CLASSES[finding.code].severity) for finding in abnormal), default=0)
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
