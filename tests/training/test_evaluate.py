"""One bootstrap, over whole groups, for every kind of figure."""

import numpy as np
import pytest
from scipy.special import expit

from models.serving.bundle import OperatingPoint
from training.evaluate import bootstrap, measure_multilabel
from training.metrics import balanced_accuracy

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (1000, 2)).astype(np.float32)
LABELS = (RNG.random((1000, 2)) < expit(LOGITS)).astype(np.float32)


def test_bootstrap_draws_whole_groups() -> None:
    labels = np.array([0, 0, 1, 1] * 25)
    probabilities = np.eye(2, dtype=np.float32)[np.where(np.arange(100) % 10 == 0, 1 - labels, labels)]
    apart = bootstrap(balanced_accuracy, labels, probabilities, [str(i) for i in range(100)], 200)
    together = bootstrap(balanced_accuracy, labels, probabilities, [str(i // 20) for i in range(100)], 200)
    assert apart.low < apart.value < apart.high
    assert together.value == apart.value
    assert together.high - together.low < apart.high - apart.low


def test_figures_of_classes_that_occur_together_come_with_intervals_around_them() -> None:
    point = OperatingPoint(code="b", threshold=0.5, rule="half", sensitivity=0, specificity=0)
    chances = expit(LOGITS)
    figures = measure_multilabel(LABELS, chances, ("a", "b"), [point], list(range(1000)), repeats=50)
    assert set(figures) == {"macro_auroc", "ece", "brier", "auroc_a", "auroc_b", "sensitivity_b", "specificity_b"}
    assert figures["brier"].value == pytest.approx(float(np.mean((LABELS - chances) ** 2)), abs=1e-4)
    sensitivity = float(np.mean(chances[LABELS[:, 1] > 0, 1] >= 0.5))
    assert figures["sensitivity_b"].value == pytest.approx(sensitivity, abs=1e-4)
    assert figures["auroc_a"].low < figures["auroc_a"].value < figures["auroc_a"].high
