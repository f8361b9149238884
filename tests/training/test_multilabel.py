import numpy as np
import pytest

from models.bundle import OperatingPoint
from training import multilabel

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (4000, 2)).astype(np.float32)
LABELS = (RNG.random((4000, 2)) < multilabel.sigmoid(LOGITS)).astype(np.float32)


def test_temperature_undoes_overconfidence() -> None:
    assert multilabel.fit_temperature(LABELS, LOGITS) == pytest.approx(1.0, abs=0.06)
    assert multilabel.fit_temperature(LABELS, 3 * LOGITS) == pytest.approx(3.0, abs=0.2)


def test_calibration_error_sees_a_shift() -> None:
    calibrated = multilabel.sigmoid(LOGITS)
    assert multilabel.expected_calibration_error(LABELS, calibrated) < 0.03
    assert multilabel.expected_calibration_error(LABELS, np.clip(calibrated + 0.2, 0, 1)) > 0.1


def test_a_class_that_is_always_or_never_there_is_left_out_of_the_mean() -> None:
    labels = np.array([[0, 1], [1, 1], [0, 1]], np.float32)
    assert multilabel.macro_auroc(labels, np.array([[0.1, 0.5], [0.9, 0.5], [0.2, 0.5]], np.float32)) == 1.0


def test_figures_come_with_intervals_around_them() -> None:
    point = OperatingPoint(code="b", threshold=0.5, rule="half", sensitivity=0, specificity=0)
    chances = multilabel.sigmoid(LOGITS)
    figures = multilabel.measure(LABELS, chances, ("a", "b"), [point], list(range(4000)), repeats=50)
    assert set(figures) == {"macro_auroc", "ece", "brier", "auroc_a", "auroc_b", "sensitivity_b", "specificity_b"}
    assert figures["brier"].value == pytest.approx(float(np.mean((LABELS - chances) ** 2)), abs=1e-4)
    sensitivity = float(np.mean(chances[LABELS[:, 1] > 0, 1] >= 0.5))
    assert figures["sensitivity_b"].value == pytest.approx(sensitivity, abs=1e-4)
    assert figures["auroc_a"].low < figures["auroc_a"].value < figures["auroc_a"].high
