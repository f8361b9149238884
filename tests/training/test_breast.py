from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from training import breast
from training.datasets.pictures import Sample

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
