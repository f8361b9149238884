from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import tensorflow as tf

from models.preprocessing.image import ImagePreprocessing
from training import breast, export, novelty
from training.datasets.pictures import Sample
from training.two_phase import build_network

OBJECTIVE = breast.BreastObjective(breast.RECIPE)
LARGE = 30.0


def _sample(group: str, label: int, birads: str, name: str = "bus_bra") -> Sample:
    return Sample(Path(f"{group}.png"), label, group, name, {"set": name, "birads": birads})


def _loss(label: int, logits: list[float]) -> float:
    return float(OBJECTIVE.loss(tf.constant([label], tf.int64), tf.constant([logits], tf.float32)))


def test_labels_hold_malignancy_and_assessment() -> None:
    samples = [_sample("a", 1, "4"), _sample("b", 0, "1"), _sample("c", 1, "unknown")]
    assert OBJECTIVE.labels(samples).tolist() == [10, 1, 6]


def test_the_truth_loses_least() -> None:
    right = _loss(6 + 4, [3, 3, 3, 3, -3])
    assert right < _loss(6 + 4, [-3, 3, 3, 3, -3])
    assert right < _loss(6 + 4, [3, 3, 3, -3, -3]) < _loss(6 + 4, [3, -3, -3, -3, -3])


def test_a_lesion_without_assessment_says_only_that_it_is_one() -> None:
    assert _loss(6, [3, 3, 3, 3, 3]) == pytest.approx(_loss(6, [3, 3, -3, -3, -3]))
    assert _loss(6, [3, 3, 0, 0, 0]) < _loss(6, [3, -3, 0, 0, 0])


def test_chances_of_the_categories_sum_to_one_and_follow_the_steps() -> None:
    logits = np.array([[0, LARGE, LARGE, -LARGE, -LARGE], [0, -LARGE, LARGE, 0, 0]], np.float32)
    chances = breast.assessment_chances(logits)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_allclose(chances[0], [0, 0, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(chances[1], [1, 0, 0, 0, 0], atol=1e-6)
    assert breast.median_category(chances).tolist() == [3, 1]


def test_quadratic_kappa_of_a_worked_table() -> None:
    truth = np.array([2, 2, 3, 3, 4, 5])
    assert breast.quadratic_kappa(truth, truth) == 1.0
    found = np.array([2, 3, 3, 4, 4, 5])
    observed = np.mean((truth - found) ** 2)
    expected = np.mean([(a - b) ** 2 for a in truth for b in found])
    assert breast.quadratic_kappa(truth, found) == pytest.approx(1 - observed / expected)
    assert breast.quadratic_kappa(truth, np.array([2, 3, 4, 5, 2, 3])) < 0.5


def test_folds_keep_patients_together_and_hold_everyone_once() -> None:
    samples = [_sample(f"p{n // 2}", n // 2 % 3 == 0, "3") for n in range(120)]
    folds = breast.folds_of(samples)
    assert sorted(sample.group for fold in folds for sample in fold) == sorted(sample.group for sample in samples)
    groups = [{sample.group for sample in fold} for fold in folds]
    assert sum(len(group) for group in groups) == 60
    assert all(len(group) == 12 for group in groups)


def test_platt_scaling_finds_scale_and_bias() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20000).astype(np.float32)
    labels = (rng.random(20000) < breast.platt(logits, 0.5, -1.0)).astype(np.int64)
    scale, bias = breast.fit_platt(labels, logits)
    assert scale == pytest.approx(0.5, abs=0.03)
    assert bias == pytest.approx(-1.0, abs=0.06)


def test_the_served_graph_answers_both_heads(tmp_path: Path) -> None:
    small = replace(breast.RECIPE, preprocessing=ImagePreprocessing(size=64, framing="letterbox"))
    network = build_network(small, 5, pretrained=False)
    taps = ("stage1", "stage2")
    features = sum(network.get_layer(tap).output.shape[-1] for tap in taps)
    gaussian = novelty.Gaussian(np.zeros(features, np.float32), np.eye(features, dtype=np.float32))
    served = breast.served_model(network, 0.7, 0.3, gaussian, taps)
    exported = tmp_path / "model.onnx"
    export.export_onnx(served, exported)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    assert export.check_parity(served, exported, pictures) < 1e-4
    session = ort.InferenceSession(str(exported))
    names = ["probabilities", "malignancy", "novelty"]
    chances, malignancy, score = session.run(names, {"image": pictures})
    logits = np.asarray(network(pictures.astype(np.float32)))
    np.testing.assert_allclose(chances, breast.assessment_chances(logits), atol=1e-5)
    np.testing.assert_allclose(malignancy, breast.platt(logits[:, 0], 0.7, 0.3), atol=1e-5)
    assert malignancy.shape == score.shape == (4,)
