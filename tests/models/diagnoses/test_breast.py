"""Breast readings: assessment and probability of malignancy made one on the BI-RADS scale."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.diagnoses.breast import interpretation as breast
from models.diagnoses.breast.interpretation import median, suspicious_from
from models.diagnoses.breast.knowledge import breast_knowledge
from schemas.breast import BreastReading
from schemas.common import ClassProbability
from tests import contract
from tests.models.serving.metadata import make_metadata

CODES = ("1", "2", "3", "4", "5")
CATEGORIES = breast_knowledge().categories
CLEAR = {
    "1": (0.9, 0.1, 0.0, 0.0, 0.0),
    "2": (0.1, 0.8, 0.1, 0.0, 0.0),
    "3": (0.0, 0.2, 0.7, 0.1, 0.0),
    "4": (0.0, 0.0, 0.1, 0.8, 0.1),
    "5": (0.0, 0.0, 0.0, 0.1, 0.9),
}

Shares = tuple[float, ...]
DISTRIBUTIONS = (
    st.lists(st.floats(0, 1), min_size=5, max_size=5)
    .filter(lambda weights: sum(weights) > 0.01)
    .map(lambda weights: tuple(weight / sum(weights) for weight in weights))
)
CHANCES = st.floats(0, 1, width=32)


def read(
    shares: Shares, malignancy: float, *, point: float | None = None, biopsy_proven: bool = False
) -> BreastReading:
    outputs = {"probabilities": np.array(shares, np.float32), "malignancy": np.array(malignancy, np.float32)}
    thresholds = {} if point is None else {"malignant": point}
    return breast.interpret(outputs, make_metadata("breast", CODES, **thresholds), biopsy_proven=biopsy_proven)


def grade(reading: BreastReading) -> str:
    return reading.prediction.subcategory or reading.prediction.birads.removeprefix("BI-RADS ")


def candidates(*shares: float) -> list[ClassProbability]:
    return [
        ClassProbability(class_id=index, code=code, name=code, probability=share)
        for index, (code, share) in enumerate(zip(CODES, shares, strict=True))
    ]


def test_a_benign_finding_answers_the_contracts_advice() -> None:
    reading = read((0.05, 0.85, 0.07, 0.02, 0.01), 0.01)
    assert contract.departures(contract.BREAST, json.loads(reading.model_dump_json())) == []
    assert (reading.malignancy_probability, reading.adjustment) == (0.01, None)


@pytest.mark.parametrize(
    ("assessed", "malignancy", "answered"),
    [
        ("1", 0.0, "1"),
        ("2", 0.02, "2"),
        ("3", 0.02, "3"),
        ("1", 0.03, "4A"),
        ("3", 0.1, "4A"),
        ("2", 0.11, "4B"),
        ("3", 0.5, "4B"),
        ("1", 0.51, "4C"),
        ("2", 0.94, "4C"),
        ("2", 0.95, "5"),
        ("4", 0.0, "4A"),
        ("4", 0.02, "4A"),
        ("4", 0.1, "4A"),
        ("4", 0.5, "4B"),
        ("4", 0.94, "4C"),
        ("4", 0.95, "5"),
        ("5", 0.01, "4C"),
        ("5", 0.6, "4C"),
        ("5", 0.94, "4C"),
        ("5", 0.95, "5"),
        ("5", 1.0, "5"),
    ],
)
def test_the_graver_of_assessment_and_probability_is_answered(assessed: str, malignancy: float, answered: str) -> None:
    reading = read(CLEAR[assessed], malignancy)
    assert grade(reading) == answered
    known = CATEGORIES[int(answered[0]) - 1]
    assert (reading.prediction.class_id, reading.prediction.name) == (int(answered[0]) - 1, known.name)
    assert reading.prediction.confidence == pytest.approx(CLEAR[assessed][int(answered[0]) - 1])
    assert reading.severity == reading.recommendations.level == known.severity
    assert reading.urgency == known.urgency.value
    assert (reading.adjustment is None) == (answered[0] == assessed)


def test_an_adjustment_says_why() -> None:
    assert read(CLEAR["2"], 0.125).adjustment == (
        "The appearance alone would be BI-RADS 2, but a probability of malignancy of 12.5% stands for BI-RADS 4B."
    )
    assert read(CLEAR["5"], 0.625).adjustment == (
        "The appearance alone would be BI-RADS 5, which stands for a probability of malignancy of 95.0% or more; with "
        "62.5% it is BI-RADS 4C."
    )


def test_the_message_of_category_4_says_how_suspicious() -> None:
    messages = [read(CLEAR["4"], chance).recommendations.message for chance in (0.05, 0.3, 0.8)]
    assert [message.split("Suspicion is ")[1].split(":")[0] for message in messages] == [
        "low (4A)",
        "moderate (4B)",
        "high (4C)",
    ]


@pytest.mark.parametrize(
    ("stated", "used"), [(None, 0.02), (0.001, 0.02), (0.02, 0.02), (0.035, 0.035), (0.05, 0.05), (0.4, 0.05)]
)
def test_the_operating_point_decides_what_is_clearly_above_2_percent_within_bounds(
    stated: float | None, used: float
) -> None:
    thresholds = {} if stated is None else {"malignant": stated}
    assert suspicious_from(make_metadata("breast", CODES, **thresholds)) == used


def test_category_3_holds_up_to_the_operating_point() -> None:
    assert grade(read(CLEAR["3"], 0.0349, point=0.035)) == "3"
    assert grade(read(CLEAR["3"], 0.035, point=0.035)) == "4A"
    assert grade(read(CLEAR["3"], 0.05, point=0.5)) == "4A"


def test_the_assessment_is_the_median_and_at_a_tie_the_graver() -> None:
    assert median(candidates(0.0, 0.4, 0.25, 0.35, 0.0)) == 2
    assert median(candidates(0.0, 0.5, 0.0, 0.5, 0.0)) == 3
    assert median(candidates(0.0, 0.51, 0.0, 0.49, 0.0)) == 1
    assert median(candidates(0.0, 0.0, 0.0, 0.0, 1.0)) == 4
    assert median(candidates(1.0, 0.0, 0.0, 0.0, 0.0)) == 0


@given(DISTRIBUTIONS, CHANCES, st.none() | st.floats(0, 1))
def test_every_answer_is_consistent_with_the_probability_it_shows(
    shares: Shares, malignancy: float, point: float | None
) -> None:
    reading = read(shares, malignancy, point=point)
    chance, answered = reading.malignancy_probability, grade(reading)
    assert chance == pytest.approx(malignancy, abs=1e-6)
    assert sum(each.probability for each in reading.probabilities) == pytest.approx(1, abs=1e-5)
    assert reading.prediction.confidence == reading.probabilities[reading.prediction.class_id].probability
    if chance >= 0.05:
        assert answered >= "4A"
    if point is None and chance > 0.02:
        assert answered >= "4A"
    assert (answered == "5") == (chance >= 0.95)
    floors = [(0.1, "4B"), (0.5, "4C")]
    assert all(answered >= floor for bound, floor in floors if chance > bound)
    assert (reading.prediction.subcategory is None) == (reading.prediction.birads != "BI-RADS 4")


@given(DISTRIBUTIONS, CHANCES, CHANCES)
def test_more_malignancy_never_lowers_the_category(shares: Shares, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert grade(read(shares, low)) <= grade(read(shares, high))


@given(st.lists(st.integers(0, 4), min_size=64, max_size=64), CHANCES, st.integers(0, 63))
def test_a_graver_assessment_never_lowers_the_category(votes: list[int], malignancy: float, changed: int) -> None:
    graver = [*votes]
    graver[changed] = min(votes[changed] + 1, 4)
    before, after = [tuple(each.count(index) / 64 for index in range(5)) for each in (votes, graver)]
    assert grade(read(before, malignancy)) <= grade(read(after, malignancy))


@given(DISTRIBUTIONS, CHANCES)
def test_category_6_is_answered_exactly_where_a_biopsy_has_proven_it(shares: Shares, malignancy: float) -> None:
    assert read(shares, malignancy).prediction.birads != "BI-RADS 6"
    known = read(shares, malignancy, biopsy_proven=True)
    assert (known.prediction.birads, known.prediction.subcategory) == ("BI-RADS 6", None)
    assert (known.prediction.confidence, known.malignancy_probability, known.adjustment) == (1, 1, None)
    assert known.probabilities == read(shares, malignancy).probabilities


def test_a_bundle_with_other_classes_is_refused() -> None:
    outputs = {"probabilities": np.full(5, 0.2, np.float32), "malignancy": np.array(0.5, np.float32)}
    with pytest.raises(ValueError, match="the contract has 1, 2, 3, 4, 5"):
        breast.interpret(outputs, make_metadata("breast", CODES[::-1]))


@pytest.mark.parametrize("malignancy", [1.5, -0.1, float("nan")])
def test_a_malignancy_that_is_no_probability_is_refused(malignancy: float) -> None:
    with pytest.raises(ValueError, match="no probability"):
        read(CLEAR["2"], malignancy)


def test_a_bundle_without_malignancy_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Bundle breast 1\.0\.0 has no output `malignancy`"):
        breast.interpret({"probabilities": np.full(5, 0.2, np.float32)}, make_metadata("breast", CODES))
