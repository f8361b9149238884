"""One bootstrap, over whole groups, for every kind of figure."""

import numpy as np
import pytest
from scipy.special import expit

from models.serving.bundle import OperatingPoint
from training.evaluate import bootstrap, mean, measure_multilabel, share
from training.intervals import wilson
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


def test_a_share_of_all_or_none_has_an_interval_of_as_many_answers_as_there_are_groups() -> None:
    groups = [str(i // 2) for i in range(20)]
    none, every = share([False] * 20, groups), share([True] * 20, groups)
    _, high = wilson(0, 10)
    assert (none.value, none.low, none.n) == (0, 0, 20)
    assert none.high == pytest.approx(high, abs=1e-4)
    assert (every.value, every.high) == (1, 1)
    assert every.low == pytest.approx(1 - high, abs=1e-4)
    some = [i % 3 == 0 for i in range(20)]
    assert share(some, groups, 50) == mean(some, groups, 50)


def test_figures_of_classes_that_occur_together_come_with_intervals_around_them() -> None:
    point = OperatingPoint(code="b", threshold=0.5, rule="half", sensitivity=0, specificity=0)
    chances = expit(LOGITS)
    figures = measure_multilabel(LABELS, chances, ("a", "b"), [point], list(range(1000)), repeats=50)
    assert set(figures) == {"macro_auroc", "ece", "brier", "auroc_a", "auroc_b", "sensitivity_b", "specificity_b"}
    assert figures["brier"].value == pytest.approx(float(np.mean((LABELS - chances) ** 2)), abs=1e-4)
    sensitivity = float(np.mean(chances[LABELS[:, 1] > 0, 1] >= 0.5))
    assert figures["sensitivity_b"].value == pytest.approx(sensitivity, abs=1e-4)
    assert figures["auroc_a"].low < figures["auroc_a"].value < figures["auroc_a"].high
