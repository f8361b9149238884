import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from training import metrics


def test_auroc_counts_ordered_pairs_and_ties_half() -> None:
    positive = np.array([True, True, False, False])
    assert metrics.auroc(positive, np.array([0.9, 0.4, 0.5, 0.1])) == 0.75
    assert metrics.auroc(positive, np.array([0.5, 0.5, 0.5, 0.5])) == 0.5
    assert np.isnan(metrics.auroc(np.array([True]), np.array([0.5])))


def test_balanced_accuracy_is_the_mean_of_sensitivities() -> None:
    labels = np.array([0, 0, 0, 1])
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    assert metrics.balanced_accuracy(labels, scores) == pytest.approx((2 / 3 + 1) / 2)


def test_sensitivity_specificity_precision_f1() -> None:
    truth = np.array([True, True, True, False, False])
    called = np.array([True, True, False, True, False])
    assert metrics.sensitivity(truth, called) == pytest.approx(2 / 3)
    assert metrics.specificity(truth, called) == 0.5
    assert metrics.precision(truth, called) == pytest.approx(2 / 3)
    assert metrics.f1(truth, called) == pytest.approx(2 / 3)
    assert metrics.f1(truth, np.zeros(5, bool)) == 0.0


def test_calibration_error_is_the_gap_of_confidence_and_accuracy() -> None:
    probabilities = np.tile([0.8, 0.2], (10, 1))
    labels = np.array([0] * 6 + [1] * 4)
    assert metrics.expected_calibration_error(labels, probabilities) == pytest.approx(0.2)
    assert metrics.expected_calibration_error(np.array([0] * 8 + [1] * 2), probabilities) == pytest.approx(0.0)


def test_brier_is_zero_for_certainty_and_two_for_the_opposite() -> None:
    truth = np.array([0, 1])
    assert metrics.brier(truth, np.eye(2)) == 0.0
    assert metrics.brier(truth, np.eye(2)[::-1]) == 2.0


def test_macro_auroc_takes_logits_and_probabilities_alike() -> None:
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 3, 60), rng.normal(size=(60, 3)) * 3
    assert metrics.macro_auroc(labels, logits) == pytest.approx(metrics.macro_auroc(labels, softmax(logits, axis=1)))


def test_the_auroc_by_ranks_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    positive, scores = rng.random(300) < 0.3, rng.integers(0, 20, 300) / 20
    assert metrics.auroc(positive, scores) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


def test_figures_are_those_of_the_formulas_that_stood_here_before() -> None:
    rng = np.random.default_rng(2)
    labels, chances = rng.integers(0, 4, 200), softmax(rng.normal(size=(200, 4)), axis=1).astype(np.float32)
    called = chances.argmax(axis=1)
    sensitivities = [np.mean(called[labels == index] == index) for index in range(4)]
    assert metrics.balanced_accuracy(labels, chances) == pytest.approx(np.mean(sensitivities))
    assert metrics.brier(labels, chances) == pytest.approx(
        np.mean(np.sum((chances - np.eye(4)[labels]) ** 2, axis=1)), abs=1e-6
    )
    many = (rng.random((200, 4)) < chances).astype(np.float32)
    assert metrics.multilabel_brier(many, chances) == pytest.approx(np.mean((many - chances) ** 2), abs=1e-6)
    which = np.minimum((chances.max(axis=1) * 15).astype(int), 14)
    gaps = np.bincount(which, called == labels, 15) - np.bincount(which, chances.max(axis=1), 15)
    assert metrics.expected_calibration_error(labels, chances) == pytest.approx(np.abs(gaps).sum() / 200, abs=1e-6)
    f1 = [2 * np.sum((labels == k) & (called == k)) / (np.sum(labels == k) + np.sum(called == k)) for k in range(4)]
    assert metrics.macro_f1(labels, chances) == pytest.approx(np.mean(f1))


def test_figures_without_cases_are_no_number_and_a_class_that_never_occurs_is_left_out() -> None:
    nobody, everybody = np.zeros(4, bool), np.ones(4, bool)
    assert np.isnan(metrics.sensitivity(nobody, everybody))
    assert np.isnan(metrics.specificity(everybody, everybody))
    assert metrics.precision(everybody, nobody) == 0.0
    assert metrics.balanced_accuracy(np.zeros(3, np.int64), np.array([[2, 1], [1, 2], [2, 1]])) == pytest.approx(2 / 3)
    labels = np.array([[0, 1], [1, 1], [0, 1]], np.float32)
    assert metrics.multilabel_macro_auroc(labels, np.array([[0.1, 0.5], [0.9, 0.5], [0.2, 0.5]], np.float32)) == 1.0


def test_a_shift_of_all_chances_is_a_calibration_error() -> None:
    rng = np.random.default_rng(3)
    chances = rng.random((4000, 2))
    labels = (rng.random((4000, 2)) < chances).astype(np.float32)
    assert metrics.multilabel_calibration_error(labels, chances) < 0.03
    assert metrics.multilabel_calibration_error(labels, np.clip(chances + 0.2, 0, 1)) > 0.1
