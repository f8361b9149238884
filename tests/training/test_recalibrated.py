"""A new temperature: probabilities calm down, their order stays, and nothing else changes by a bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from PIL import Image
from scipy.special import softmax

from models.diagnoses.xray import XRAY
from models.serving.bundle import MEASURED_FILE
from models.serving.engine import PROBABILITIES, Engine
from tests.fake_bundle import make_bundle
from training.calibrate import OperatingRule
from training.card import SET_ON
from training.datasets.pictures import Sample
from training.diagnoses import xray
from training.errors import ExportError
from training.operating import choose_again
from training.recalibrated import cooled, factor_of, mapped, recalibrate
from training.served import Answer
from training.splits import Splits

CODES = ("normal", "pneumonia")


def _answer(chance: float, label: int, *, accepted: bool = True) -> Answer:
    sample = Sample(Path(f"{chance}-{label}.png"), label, "group", "made up")
    return Answer(sample, None, dict(zip(CODES, (1 - chance, chance), strict=True)), accepted)


def test_who_is_too_sure_is_divided_by_more_than_one_and_what_is_refused_has_no_say() -> None:
    sure = [_answer(0.98, int(place < 80)) for place in range(100)]
    factor = factor_of(sure, lambda sample: CODES[sample.label])
    assert 1 / (1 + np.exp(-np.log(0.98 / 0.02) / factor)) == pytest.approx(0.8, abs=0.01)
    refused = [_answer(0.98, 1, accepted=False)] * 500
    assert factor_of([*sure, *refused], lambda sample: CODES[sample.label]) == pytest.approx(factor)


def test_the_bundle_says_less_in_the_same_order_and_keeps_what_else_it_says(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "xray")
    (bundle.folder / MEASURED_FILE).write_text("{}")
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (6, 224, 224, 3)).astype(np.uint8)
    made = recalibrate(bundle, "9.9.9", 2.0, "made-up pictures", pictures)
    assert made.metadata.version == made.folder.name == "9.9.9"
    assert made.metadata.temperature == pytest.approx(2 * bundle.metadata.temperature)
    assert made.metadata.training[SET_ON] == "made-up pictures"
    assert not (made.folder / MEASURED_FILE).exists()
    before, now = (Engine(each).run(pictures) for each in (bundle, made))
    log_odds = [np.log(each[PROBABILITIES][:, 1] / each[PROBABILITIES][:, 0]) for each in (before, now)]
    np.testing.assert_allclose(log_odds[1], log_odds[0] / 2, atol=1e-5)
    for name in before.keys() - {PROBABILITIES}:
        assert before[name].tobytes() == now[name].tobytes()
    XRAY.check(made.metadata)


def test_a_network_without_softmax_has_no_temperature_to_set(tmp_path: Path) -> None:
    model = onnx.load(str(make_bundle(tmp_path, "xray").model_path))
    for node in model.graph.node:
        if node.op_type == "Softmax":
            node.CopyFrom(helper.make_node("Sigmoid", node.input, node.output))
    with pytest.raises(ExportError, match="no softmax"):
        cooled(model, 1.5)


def test_points_move_so_that_they_find_as_many() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 400)
    logits = rng.normal(size=(400, 3)) + 2 * np.eye(3)[labels]
    before, after = softmax(logits, axis=1), softmax(logits / 3, axis=1)
    rules = [OperatingRule("b"), OperatingRule("both", codes=("a", "b"), of=("b",))]
    points = mapped({"b": 0.3, "both": 0.6}, rules, ("a", "b", "c"), labels, before, after)
    for point, columns, threshold in zip(points, ([1], [0, 1]), (0.3, 0.6), strict=True):
        sought = labels == 1
        found = (before[sought][:, columns].sum(axis=1) >= threshold).sum()
        assert (after[sought][:, columns].sum(axis=1) >= point.threshold).sum() == found
        assert point.threshold > threshold if columns == [1] else point.threshold != threshold
        assert "did before" in point.rule
        assert point.sensitivity == pytest.approx(found / sought.sum())


def test_points_that_are_chosen_again_stand_in_metadata_and_card(tmp_path: Path) -> None:
    samples = []
    for light in range(60, 200, 10):
        path = tmp_path / f"{light}.png"
        Image.fromarray(np.full((40, 40, 3), light, np.uint8)).save(path)
        samples.append(Sample(path, int(light < 128), f"{light}", "made-up", {"set": "made-up"}))
    rules = (OperatingRule("pneumonia", minimum_sensitivity=1.0),)
    task = replace(xray.TASK, load=lambda _: Splits([], samples, []), operating_rules=rules)
    point = {"code": "pneumonia", "threshold": 0.99, "rule": "by hand", "sensitivity": 0.1, "specificity": 0.9}
    bundle = make_bundle(tmp_path / "bundles", "xray", operating_points=(point,))
    chosen = choose_again(bundle, task, tmp_path, tmp_path / "cache", "9.9.9")
    [found] = chosen.metadata.operating_points
    assert chosen.metadata.version == "9.9.9"
    assert (found.sensitivity, found.specificity) == (1.0, 1.0)
    assert found.threshold < 0.99
    XRAY.check(chosen.metadata)
