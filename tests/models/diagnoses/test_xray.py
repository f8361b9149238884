"""Chest X-ray readings: the name follows the operating point."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.diagnoses.xray import interpretation as xray
from schemas.common import Reliability
from schemas.xray import XrayReading
from tests import contract
from tests.models.serving.metadata import make_metadata

CODES = ("normal", "pneumonia")


def read(probability: float, **thresholds: float) -> XrayReading:
    values = np.array([1 - probability, probability], dtype=np.float32)
    return xray.interpret({"probabilities": values}, make_metadata("xray", CODES, **thresholds))


def test_normal_answers_the_contracts_advice() -> None:
    reading = read(0.06, pneumonia=0.4)
    assert contract.departures(contract.XRAY, json.loads(reading.model_dump_json())) == []


def test_pneumonia_is_named_from_the_operating_point_on_even_below_a_half() -> None:
    reading = read(0.25, pneumonia=0.25)
    assert (reading.prediction.name, reading.prediction.confidence) == ("Pneumonia", 0.25)
    assert reading.prediction.confidence_percent == "25.0%"
    assert reading.severity == "high"
    assert reading.urgency.color == "red"
    assert not set(reading.recommendations) & set(contract.XRAY["recommendations"])


def test_just_below_the_operating_point_is_normal() -> None:
    reading = read(0.25, pneumonia=0.2501)
    assert (reading.prediction.name, reading.prediction.settled) == ("Normal", True)


@pytest.mark.parametrize(
    ("probability", "thresholds"),
    [
        (0.625, {"pneumonia": 0.75}),
        (0.25, {"pneumonia": 0.3, "normal": 0.8}),
        (0.55, {"pneumonia": 0.7, "normal": 0.2}),
    ],
)
def test_neither_over_its_operating_point_is_not_settled(probability: float, thresholds: dict[str, float]) -> None:
    reading = read(probability, **thresholds)
    assert reading.prediction.settled is False
    assert (reading.prediction.class_id, reading.prediction.code) == (1, "pneumonia")
    assert reading.prediction.name == "Not settled: Pneumonia not excluded"
    assert reading.prediction.confidence == pytest.approx(probability)
    assert (reading.severity, reading.urgency.color) == ("uncertain", "orange")
    assert "No signs of pneumonia detected" not in reading.recommendations


@given(st.floats(0, 1))
def test_a_picture_that_is_not_accepted_settles_nothing(probability: float) -> None:
    metadata = make_metadata("xray", CODES, pneumonia=0.4)
    reading = xray.conclude(read(probability, pneumonia=0.4), metadata, Reliability(accepted=False, reason="Blurred."))
    assert (reading.prediction.settled, reading.prediction.code, reading.severity) == (False, "pneumonia", "uncertain")
    assert reading.urgency.color != "green"
    assert xray.conclude(reading, metadata, Reliability(accepted=True)) is reading


def test_what_was_not_looked_for_is_listed_and_nobody_is_told_to_stay_away() -> None:
    for probability in (0.01, 0.99):
        reading = read(probability)
        assert any("Pneumothorax" in each for each in reading.not_assessed)
        assert any("Nodules" in each for each in reading.not_assessed)
        assert "no follow-up" not in reading.model_dump_json().casefold()


def test_without_an_operating_point_a_half_decides() -> None:
    assert read(0.5).prediction.name == "Pneumonia"
    assert read(0.49).prediction.name == "Normal"


@given(st.floats(0, 1), st.floats(0, 1))
def test_name_confidence_and_threshold_agree(probability: float, threshold: float) -> None:
    reading = read(probability, pneumonia=threshold)
    normal, sick = reading.probabilities
    assert [(each.class_id, each.code) for each in reading.probabilities] == list(enumerate(CODES))
    assert normal.probability + sick.probability == pytest.approx(1, abs=1e-5)
    named = sick if reading.prediction.code == "pneumonia" else normal
    assert (reading.prediction.name == "Pneumonia") == (sick.probability >= threshold)
    assert reading.prediction.confidence == named.probability
    assert (reading.prediction.name == "Normal") == (named is normal) == (reading.urgency.color == "green")
    if named is normal:
        assert sick.probability < threshold
        assert normal.probability >= 0.5


def test_a_bundle_with_other_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="the contract has normal, pneumonia"):
        xray.interpret({"probabilities": np.full(2, 0.5, np.float32)}, make_metadata("xray", CODES[::-1]))


def test_the_sample_is_the_contracts_example() -> None:
    sample = json.loads(xray.sample().model_dump_json())
    assert contract.departures(contract.XRAY, sample) == []
    assert [each["code"] for each in sample["probabilities"]] == list(CODES)
    assert sum(each["probability"] for each in sample["probabilities"]) == pytest.approx(1)
