"""Prediction sets hold the truth as often as they promise, and say in words what they hold."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.diagnoses.prediction_sets import prediction_set
from models.diagnoses.xray import XRAY
from models.serving.bundle import Metadata, PredictionSetSpec
from models.serving.loading import read_newest_bundle
from schemas.common import Reliability
from tests.fake_bundle import make_bundle
from training.datasets.pictures import Sample
from training.prediction_sets import (
    Known,
    Sets,
    calibrate,
    calibrate_bundle,
    least_probability,
    left_out,
    measure,
    with_spec,
)

ACCEPTED, REFUSED = Reliability(accepted=True), Reliability(accepted=False, reason="no")
NAMES = {"normal": "Normal", "pneumonia": "Pneumonia"}


@pytest.mark.parametrize(("n", "place"), [(9, 1), (10, 1), (18, 1), (19, 2), (99, 10)])
def test_the_threshold_is_the_quantile_of_split_conformal_prediction(n: int, place: int) -> None:
    """Of n inputs the ceil(0.9 (n + 1)) most probable reach it, so it is the n + 1 less that from below."""
    values = np.random.default_rng(n).permutation(np.arange(1, n + 1)) / 100
    assert least_probability(values) == pytest.approx(place / 100)


def test_too_few_inputs_promise_nothing() -> None:
    assert least_probability(np.full(8, 0.9)) == 0


def test_new_inputs_are_covered_as_often_as_promised() -> None:
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(300):
        threshold = least_probability(rng.beta(5, 2, 60))
        covered.append(np.mean(rng.beta(5, 2, 400) >= threshold))
    assert np.mean(covered) == pytest.approx(0.9, abs=0.01)
    assert np.mean(covered) >= 0.9 - 0.005


def test_the_most_cautious_set_decides_and_small_ones_do_not() -> None:
    sure = [Known({"a": 0.9 + index / 1000, "b": 0}, ["a"], "sure") for index in range(20)]
    unsure = [Known({"a": 0.2 + index / 1000, "b": 0}, ["a"], "unsure") for index in range(20)]
    few = [Known({"a": 0.01, "b": 0}, ["a"], "few") for _ in range(3)]
    spec = calibrate([*sure, *unsure, *few], [["a"], ["b"]], "made up")
    assert spec.least["a"] == pytest.approx(0.201, abs=1e-5)
    assert spec.least["b"] == 0
    assert spec.n == {"a": 43, "b": 0}


def test_whose_set_is_measured_has_no_part_in_its_threshold() -> None:
    chances = [0.01, 0.02, *np.linspace(0.5, 0.9, 18).tolist()]
    owners = ["first", "first", *(f"owner {place}" for place in range(18))]
    inputs = [Known({"a": chance}, ["a"]) for chance in chances]
    specs = left_out(inputs, owners, [["a"]], "made up")
    assert set(specs) == set(owners)
    assert specs["first"].least["a"] == pytest.approx(0.5, abs=1e-5), "the least of the 18 others"
    assert specs["owner 3"].least["a"] == pytest.approx(0.02, abs=1e-5), "the second least of 19"
    assert calibrate(inputs, [["a"]], "made up").least["a"] == pytest.approx(0.02, abs=1e-5)


def test_coverage_with_each_left_out_is_what_is_promised() -> None:
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(30):
        chances = rng.beta(5, 2, 50)
        specs = left_out(
            [Known({"a": chance}, ["a"]) for chance in chances], [str(place) for place in range(50)], [["a"]], ""
        )
        covered += [specs[str(place)].fits("a", chance) for place, chance in enumerate(chances)]
    assert np.mean(covered) == pytest.approx(0.9, abs=0.02)


@pytest.fixture
def metadata(tmp_path: Path) -> Metadata:
    spec = PredictionSetSpec(coverage=0.9, least={"normal": 0.4, "pneumonia": 0.3}, n={}, calibrated_on="made up")
    return with_spec(make_bundle(tmp_path, "xray"), spec).metadata


@pytest.mark.parametrize(
    ("chances", "named", "codes", "said"),
    [
        ((0.9, 0.1), "normal", ("normal",), "Normal alone fits"),
        ((0.65, 0.35), "normal", ("normal", "pneumonia"), "Nothing can be ruled out"),
        ((0.9, 0.1), "pneumonia", ("normal", "pneumonia"), "Nothing can be ruled out"),
    ],
)
def test_the_set_holds_what_fits_and_what_is_named(
    metadata: Metadata, chances: tuple[float, float], named: str, codes: tuple[str, ...], said: str
) -> None:
    outputs = {"probabilities": np.array(chances, np.float32)}
    found = prediction_set(outputs, metadata, [named], ACCEPTED, NAMES)
    assert found
    assert found.codes == codes
    assert said in found.says


def test_an_empty_set_is_said_and_an_input_that_is_not_accepted_rules_nothing_out(metadata: Metadata) -> None:
    spec = PredictionSetSpec(coverage=0.9, least={"normal": 0.8, "pneumonia": 0.8}, n={}, calibrated_on="made up")
    sure = metadata.model_copy(update={"prediction_set": spec})
    outputs = {"probabilities": np.array([0.6, 0.4], np.float32)}
    empty = prediction_set(outputs, sure, ["normal"], ACCEPTED, NAMES)
    assert empty
    assert empty.codes == ("normal",)
    assert "No class fits well" in empty.says
    refused = prediction_set(outputs, sure, ["normal"], REFUSED, NAMES)
    assert refused
    assert refused.codes == ("normal", "pneumonia")
    assert "not accepted" in refused.says


def test_what_is_known_from_elsewhere_is_no_estimate(metadata: Metadata) -> None:
    found = prediction_set({"probabilities": np.array([0.6, 0.4], np.float32)}, metadata, ["6"], ACCEPTED, NAMES)
    assert found
    assert found.codes == ("6",)
    assert "not estimated" in found.says


def test_a_bundle_without_thresholds_has_no_sets(tmp_path: Path) -> None:
    plain = make_bundle(tmp_path, "xray").metadata
    assert prediction_set({"probabilities": np.array([0.6, 0.4], np.float32)}, plain, [], ACCEPTED, NAMES) is None


def test_what_is_measured_is_told_by_others_and_holds_what_is_named(tmp_path: Path) -> None:
    """Nineteen pictures of even light, each a group of its own, the dark ones of one class and the light of another."""
    samples = []
    for light in range(40, 230, 10):
        path = tmp_path / f"{light}.png"
        Image.fromarray(np.full((40, 40, 3), light, np.uint8)).save(path)
        samples.append(Sample(path, int(light > 127), f"{light}", "made-up"))
    codes = ("normal", "pneumonia")
    truth = lambda sample: codes[sample.label]  # noqa: E731
    sets = Sets(samples[:-3], "made up", {"all": samples}, truth, [[code] for code in codes])
    bundle = calibrate_bundle(XRAY, make_bundle(tmp_path / "bundles", "xray"), sets)
    spec = bundle.metadata.prediction_set
    assert spec
    assert spec.n == {"normal": 9, "pneumonia": 7}
    assert spec.least["pneumonia"] == 0, "seven are too few"
    figures = measure(XRAY, bundle, sets)["Prediction sets: all"]
    assert figures["coverage"].n == 19
    assert figures["coverage, pneumonia"].value == 1
    assert figures["coverage, normal"].value == 1, "eight others are too few for each"


@pytest.mark.parametrize("name", ["skin", "xray", "breast"])
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_what_ships_states_sets_for_each_precision(name: str, precision: str) -> None:
    metadata = read_newest_bundle(Path("models/bundles") / name, precision).metadata  # type: ignore[arg-type]
    assert metadata.prediction_set
    assert set(metadata.prediction_set.least) == set(metadata.classes)
    assert all(0 <= least < 0.9 for least in metadata.prediction_set.least.values())
