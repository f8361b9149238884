import numpy as np
import pytest

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
    assert metrics.macro_auroc(labels, logits) == pytest.approx(metrics.macro_auroc(labels, metrics.softmax(logits)))
