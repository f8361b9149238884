"""What the two heads of the breast network learn and answer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from keras import ops

from models.preprocessing.picture import ImagePreprocessing
from training import export, novelty
from training.datasets.pictures import Sample
from training.diagnoses import breast
from training.networks.breast_heads import BreastObjective, served_model
from training.picture_trainer import build_network

OBJECTIVE = BreastObjective(breast.RECIPE)


def _sample(label: int, birads: str) -> Sample:
    return Sample(Path("a.png"), label, "a", "bus_bra", {"set": "bus_bra", "birads": birads})


def _loss(label: int, birads: str, logits: list[float]) -> float:
    targets = OBJECTIVE.targets([_sample(label, birads)])
    return float(OBJECTIVE.loss(targets, np.array([logits], np.float32), np.ones(1, np.float32)))


def test_targets_hold_malignancy_the_steps_and_what_is_known() -> None:
    targets = OBJECTIVE.targets([_sample(1, "4"), _sample(0, "1"), _sample(1, "unknown")])
    assert targets.tolist() == [
        [1, 1, 1, 1, 0, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 1, 1, 1, 1],
        [1, 1, 0, 0, 0, 1, 0, 0, 0],
    ]


def test_the_truth_loses_least() -> None:
    right = _loss(1, "4", [3, 3, 3, 3, -3])
    assert right < _loss(1, "4", [-3, 3, 3, 3, -3])
    assert right < _loss(1, "4", [3, 3, 3, -3, -3]) < _loss(1, "4", [3, -3, -3, -3, -3])


def test_a_lesion_without_assessment_says_only_that_it_is_one() -> None:
    assert _loss(1, "unknown", [3, 3, 3, 3, 3]) == pytest.approx(_loss(1, "unknown", [3, 3, -3, -3, -3]))
    assert _loss(1, "unknown", [3, 3, 0, 0, 0]) < _loss(1, "unknown", [3, -3, 0, 0, 0])


def test_a_student_learns_half_from_its_teachers_and_all_that_nobody_knows() -> None:
    targets = OBJECTIVE.targets([_sample(1, "4"), _sample(1, "unknown")])
    said = np.array([[9, 9, 9, 9, 9], [-9, 9, 9, -9, -9]], np.float32)
    found = np.asarray(OBJECTIVE.distilled(ops.convert_to_tensor(targets), ops.convert_to_tensor(said)))
    np.testing.assert_allclose(found[0], [1, 1, 1, 1, 0.5, 1, 1, 1, 1], atol=1e-3)
    np.testing.assert_allclose(found[1], [0.5, 1, 1, 0, 0, 1, 1, 1, 1], atol=1e-3)


def test_a_student_learns_of_a_blended_pair_what_it_would_of_each() -> None:
    first, second = OBJECTIVE.targets([_sample(1, "4"), _sample(0, "unknown")])
    said, blended = np.array([[0.5, 2.0, -1.0, 0.0, -3.0]], np.float32), (0.3 * first + 0.7 * second)[None]
    apart = [OBJECTIVE.distilled(targets[None], said) for targets in (first, second)]
    together = np.asarray(OBJECTIVE.distilled(blended, said))
    np.testing.assert_allclose(together, 0.3 * np.asarray(apart[0]) + 0.7 * np.asarray(apart[1]), atol=1e-6)


def test_a_validation_is_scored_on_both_heads() -> None:
    samples = [_sample(1, "5"), _sample(1, "4"), _sample(0, "2"), _sample(0, "1"), _sample(0, "unknown")]
    logits = np.array([[3, 9, 9, 9, 9], [2, 9, 9, 9, -9], [-2, 9, -9, -9, -9], [-3, -9, -9, -9, -9], [-1, 9, 0, 0, 0]])
    scores = OBJECTIVE.score(OBJECTIVE.targets(samples), logits.astype(np.float32), samples)
    assert scores == pytest.approx({"auroc_of_lesions": 1.0, "auroc_of_a_lesion": 1.0, "kappa": 1.0})


def test_the_served_graph_answers_both_heads(tmp_path: Path) -> None:
    small = replace(breast.RECIPE, preprocessing=ImagePreprocessing(size=64, framing="letterbox"))
    network = build_network(small, 5, size=64, pretrained=False)
    taps = ("stage1", "stage2")
    features = sum(network.get_layer(tap).output.shape[-1] for tap in taps)
    gaussian = novelty.Gaussian(np.zeros(features, np.float32), np.eye(features, dtype=np.float32))
    malignancy_of = breast.Platt(np.array([0.7, 0.1, 0.0, -0.2, 0.3]), 0.3)
    served = served_model(network, malignancy_of, gaussian, taps)
    exported = tmp_path / "model.onnx"
    export.export_onnx(served, exported)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    assert export.check_parity(served, exported, pictures) < 1e-4
    session = ort.InferenceSession(str(exported))
    names = ["probabilities", "malignancy", "novelty"]
    chances, malignancy, score = session.run(names, {"image": pictures})
    logits = np.asarray(network(pictures.astype(np.float32)))
    np.testing.assert_allclose(chances, breast.assessment_chances(logits), atol=1e-5)
    np.testing.assert_allclose(malignancy, malignancy_of(logits), atol=1e-5)
    assert malignancy.shape == score.shape == (4,)
