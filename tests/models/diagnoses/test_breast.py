"""Breast readings: assessment and probability of malignancy made one on the BI-RADS scale."""

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.diagnoses.breast import interpretation as breast
from models.diagnoses.breast.interpretation import median, suspicious_from
from models.diagnoses.breast.knowledge import breast_knowledge
from schemas.breast import BreastReading, Setting
from schemas.common import ClassProbability, Reliability
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
    shares: Shares,
    malignancy: float,
    *,
    points: dict[str, float] | None = None,
    biopsy_proven: bool = False,
    setting: Setting = "diagnostic",
) -> BreastReading:
    outputs = {"probabilities": np.array(shares, np.float32), "malignancy": np.array(malignancy, np.float32)}
    metadata = make_metadata("breast", CODES, **(points or {}))
    return breast.interpret(outputs, metadata, biopsy_proven=biopsy_proven, setting=setting)


def grade(reading: BreastReading) -> str:
    return reading.prediction.subcategory or reading.prediction.birads.removeprefix("BI-RADS ")


def candidates(*shares: float) -> list[ClassProbability]:
    return [
        ClassProbability(class_id=index, code=code, name=code, probability=share)
        for index, (code, share) in enumerate(zip(CODES, shares, strict=True))
    ]


def test_a_benign_finding_answers_the_contracts_fields_without_advice_of_old() -> None:
    reading = read((0.05, 0.85, 0.07, 0.02, 0.01), 0.01)
    live = json.loads(reading.model_dump_json())
    assert contract.type_departures(contract.BREAST, live) == []
    assert live["prediction"].items() >= contract.BREAST["prediction"].items()
    assert "self-exam" not in breast_knowledge().model_dump_json().casefold().replace("no self-examination", "")
    assert "2 weeks" not in breast_knowledge().model_dump_json()
    assert reading.not_assessed == breast_knowledge().not_assessed.value
    assert (reading.malignancy_probability, reading.adjustment) == (0.01, None)


@pytest.mark.parametrize(
    ("assessed", "malignancy", "answered"),
    [
        ("1", 0.0, "1"),
        ("2", 0.02, "2"),
        ("3", 0.02, "3"),
        ("1", 0.2, "1"),
        ("1", 0.22, "4A"),
        ("3", 0.1, "4A"),
        ("2", 0.11, "4B"),
        ("3", 0.5, "4B"),
        ("1", 1.0, "4A"),
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


def test_where_no_lesion_is_seen_its_malignancy_counts_by_the_chance_that_there_is_one() -> None:
    reading = read((0.7, 0.2, 0.1, 0.0, 0.0), 0.05, points={"1": 0.65, "suspicious": 0.0218})
    assert grade(reading) == "1"
    assert reading.malignancy_probability == pytest.approx(0.015)
    reading = read((0.7, 0.2, 0.1, 0.0, 0.0), 0.08, points={"1": 0.65, "suspicious": 0.0218})
    assert grade(reading) == "4A"
    assert reading.malignancy_probability == pytest.approx(0.024)
    unseen = read((0.64, 0.2, 0.16, 0.0, 0.0), 0.05, points={"1": 0.65, "suspicious": 0.0218})
    assert unseen.malignancy_probability == pytest.approx(0.05)


def test_an_adjustment_says_why() -> None:
    assert read(CLEAR["2"], 0.125).adjustment == (
        "The appearance alone would be BI-RADS 2, but a probability of malignancy of 12.5%, as among people sent to a "
        "specialist, stands for BI-RADS 4B."
    )
    assert read(CLEAR["5"], 0.625).adjustment == (
        "The appearance alone would be BI-RADS 5, which stands for a probability of malignancy of 95.0% or more; with "
        "62.5%, as among people sent to a specialist, it is BI-RADS 4C."
    )


def test_the_message_of_category_4_says_how_suspicious() -> None:
    messages = [read(CLEAR["4"], chance).recommendations.message for chance in (0.05, 0.3, 0.8)]
    assert [message.split("Suspicion is ")[1].split(":")[0] for message in messages] == [
        "low (4A)",
        "moderate (4B)",
        "high (4C)",
    ]


@pytest.mark.parametrize(
    ("stated", "used"),
    [(None, 0.020001), (0.001, 0.020001), (0.02, 0.020001), (0.035, 0.035), (0.05, 0.05), (0.4, 0.05)],
)
def test_the_older_operating_point_decides_what_is_clearly_above_2_percent_within_bounds(
    stated: float | None, used: float
) -> None:
    thresholds = {} if stated is None else {"malignant": stated}
    assert suspicious_from(make_metadata("breast", CODES, **thresholds)) == used


def test_category_3_holds_up_to_the_operating_point() -> None:
    assert grade(read(CLEAR["3"], 0.0349, points={"malignant": 0.035})) == "3"
    assert grade(read(CLEAR["3"], 0.035, points={"malignant": 0.035})) == "4A"
    assert grade(read(CLEAR["3"], 0.05, points={"malignant": 0.5})) == "4A"


def test_the_cut_for_the_group_holds_wherever_it_lies_and_bands_begin_above_it() -> None:
    assert grade(read(CLEAR["2"], 0.119, points={"suspicious": 0.12, "malignant": 0.03})) == "2"
    assert grade(read(CLEAR["2"], 0.12, points={"suspicious": 0.12, "malignant": 0.03})) == "4B"
    assert grade(read(CLEAR["3"], 0.008, points={"suspicious": 0.008})) == "4A"
    assert grade(read(CLEAR["4"], 0.001, points={"suspicious": 0.12})) == "4A"


def test_what_became_of_the_group_is_said_where_the_bundle_states_it() -> None:
    metadata = make_metadata("breast", CODES, suspicious=0.1)
    [point] = metadata.operating_points
    stated = metadata.model_copy(
        update={"operating_points": (point.model_copy(update={"negative_predictive_value": 0.985}),)}
    )
    outputs = {"probabilities": np.array(CLEAR["3"], np.float32), "malignancy": np.array(0.05, np.float32)}
    assert "1.5% were cancer" in breast.interpret(outputs, stated).recommendations.message
    assert "were cancer" not in breast.interpret(outputs, metadata).recommendations.message


def test_no_lesion_needs_its_own_operating_point_and_a_lesion_its_own() -> None:
    points = {"1": 0.7, "lesion": 0.6, "suspicious": 0.1}
    assert grade(read((0.75, 0.25, 0.0, 0.0, 0.0), 0.01, points=points)) == "1"
    unclear = read((0.6, 0.4, 0.0, 0.0, 0.0), 0.01, points=points)
    assert (unclear.prediction.settled, unclear.prediction.birads) == (False, "BI-RADS 3")
    assert unclear.prediction.name == "Not settled: Probably Benign not excluded"
    assert (unclear.severity, unclear.urgency) == ("uncertain", CATEGORIES[2].urgency.value)
    assert grade(read((0.3, 0.7, 0.0, 0.0, 0.0), 0.01, points=points)) == "2"
    suspicious = read((0.6, 0.4, 0.0, 0.0, 0.0), 0.3, points=points)
    assert (grade(suspicious), suspicious.prediction.settled) == ("4B", True)


def test_a_lesions_category_is_the_median_of_what_is_left_of_it() -> None:
    assert grade(read((0.4, 0.1, 0.2, 0.3, 0.0), 0.01)) == "4A"
    assert grade(read((0.4, 0.1, 0.35, 0.15, 0.0), 0.01)) == "3"
    assert grade(read((0.4, 0.5, 0.1, 0.0, 0.0), 0.01)) == "2"


@given(CHANCES)
def test_screening_moves_the_probability_shown_and_nothing_else(malignancy: float) -> None:
    one, other = read(CLEAR["3"], malignancy), read(CLEAR["3"], malignancy, setting="screening")
    assert (one.setting, one.prevalence, other.setting, other.prevalence) == ("diagnostic", 0.32, "screening", 0.005)
    assert one.malignancy_probability == pytest.approx(malignancy, abs=2e-6)
    assert other.malignancy_probability <= one.malignancy_probability + 1e-6
    same = {"malignancy_probability", "setting", "prevalence"}
    assert one.model_dump(exclude=same) == other.model_dump(exclude=same)


def test_the_shift_is_that_of_bayes_rule() -> None:
    assert breast.shifted(0.32, 0.32, 0.005) == pytest.approx(0.005)
    assert breast.shifted(0.5, 0.2, 0.01) == pytest.approx((0.5 * 0.01 / 0.2) / (0.5 * 0.01 / 0.2 + 0.5 * 0.99 / 0.8))
    assert (breast.shifted(0.0, 0.3, 0.01), breast.shifted(1.0, 0.3, 0.01)) == (0.0, 1.0)


@given(DISTRIBUTIONS, CHANCES, st.booleans())
def test_a_picture_that_is_not_accepted_settles_nothing_but_what_a_biopsy_has(
    shares: Shares, malignancy: float, proven: bool
) -> None:
    reading = read(shares, malignancy, biopsy_proven=proven)
    refused = breast.conclude(reading, make_metadata("breast", CODES), Reliability(accepted=False, reason="Blurred."))
    if proven:
        assert refused is reading
        return
    assert (refused.prediction.settled, refused.prediction.code, refused.severity) == (False, "4", "uncertain")
    assert refused.prediction.name == "Not settled: Suspicious not excluded"
    assert (refused.urgency.color, refused.adjustment, refused.prediction.subcategory) == ("orange", None, None)


def test_the_assessment_is_the_median_and_at_a_tie_the_graver() -> None:
    assert median(candidates(0.0, 0.4, 0.25, 0.35, 0.0)) == 2
    assert median(candidates(0.0, 0.5, 0.0, 0.5, 0.0)) == 3
    assert median(candidates(0.0, 0.51, 0.0, 0.49, 0.0)) == 1
    assert median(candidates(0.0, 0.0, 0.0, 0.0, 1.0)) == 4
    assert median(candidates(1.0, 0.0, 0.0, 0.0, 0.0)) == 0


POINTS = st.fixed_dictionaries(
    {}, optional={name: st.floats(0, 1) for name in ("1", "lesion", "suspicious", "malignant")}
)


@given(DISTRIBUTIONS, CHANCES, POINTS)
def test_every_answer_is_consistent_with_the_probability_it_shows(
    shares: Shares, malignancy: float, points: dict[str, float]
) -> None:
    reading = read(shares, malignancy, points=points)
    known = CATEGORIES[reading.prediction.class_id]
    assert reading.urgency == known.urgency.value
    assert reading.prediction.name.endswith(known.name if reading.prediction.settled else "not excluded")
    assert reading.severity == reading.recommendations.level
    assert reading.severity == (known.severity if reading.prediction.settled else "uncertain")
    chance, cut = reading.malignancy_probability, suspicious_from(make_metadata("breast", CODES, **points))
    if not reading.prediction.settled:
        assert chance < cut
        assert reading.prediction.code == "3"
        assert reading.urgency.color != "green"
        return
    answered, no_lesion = grade(reading), reading.probabilities[0].probability
    seen = 1.0 if no_lesion < points.get("1", 0.5) else 1.0 - no_lesion
    assert chance == pytest.approx(malignancy * seen, abs=2e-6)
    assert sum(each.probability for each in reading.probabilities) == pytest.approx(1, abs=1e-5)
    assert reading.prediction.confidence == reading.probabilities[reading.prediction.class_id].probability
    if chance >= cut:
        assert answered >= "4A"
        assert all(answered >= floor for bound, floor in ((0.1, "4B"), (0.5, "4C")) if chance > bound)
    if not points and chance > 0.0201:
        assert answered >= "4A"
    assert (answered == "5") == (chance >= 0.95)
    if answered == "1":
        assert reading.probabilities[0].probability >= points.get("1", 0.5)
    assert (reading.prediction.subcategory is None) == (reading.prediction.birads != "BI-RADS 4")


@given(DISTRIBUTIONS, CHANCES, CHANCES)
def test_more_malignancy_never_lowers_the_category(shares: Shares, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert grade(read(shares, low)) <= grade(read(shares, high))


@given(st.lists(st.integers(0, 4), min_size=64, max_size=64), CHANCES, st.integers(0, 63))
def test_a_graver_assessment_never_lowers_the_category(votes: list[int], malignancy: float, changed: int) -> None:
    assume(votes[changed] > 0)  # from no lesion to a benign one is another question
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
