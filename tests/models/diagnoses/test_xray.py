"""Chest X-ray readings: the name follows the operating point."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.diagnoses.xray import interpretation as xray
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
    assert read(0.25, pneumonia=0.2501).prediction.name == "Normal"


def test_a_normal_that_is_the_less_probable_does_not_reassure() -> None:
    reading = read(0.625, pneumonia=0.75)
    assert (reading.prediction.name, reading.prediction.confidence) == ("Normal", 0.375)
    assert reading.severity == "moderate"
    assert reading.urgency.color == "orange"
    assert "No signs of pneumonia detected" not in reading.recommendations


def test_without_an_operating_point_a_half_decides() -> None:
    assert read(0.5).prediction.name == "Pneumonia"
    assert read(0.49).prediction.name == "Normal"


@given(st.floats(0, 1), st.floats(0, 1))
def test_name_confidence_and_threshold_agree(probability: float, threshold: float) -> None:
    reading = read(probability, pneumonia=threshold)
    normal, sick = reading.probabilities
    assert [(each.class_id, each.code) for each in reading.probabilities] == list(enumerate(CODES))
    assert normal.probability + sick.probability == pytest.approx(1, abs=1e-5)
    named = sick if reading.prediction.name == "Pneumonia" else normal
    assert (named is sick) == (sick.probability >= threshold)
    assert reading.prediction.confidence == named.probability
    assert (reading.urgency.color == "green") == (named is normal and normal.probability >= sick.probability)


def test_a_bundle_with_other_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="the contract has normal, pneumonia"):
        xray.interpret({"probabilities": np.full(2, 0.5, np.float32)}, make_metadata("xray", CODES[::-1]))


def test_the_sample_is_the_contracts_example() -> None:
    sample = json.loads(xray.sample().model_dump_json())
    assert contract.departures(contract.XRAY, sample) == []
    assert [each["code"] for each in sample["probabilities"]] == list(CODES)
    assert sum(each["probability"] for each in sample["probabilities"]) == pytest.approx(1)
