"""Thresholds and figures of ECG models."""

import numpy as np
import pytest

from models.serving.bundle import OperatingPoint
from training.diagnoses.ecg_figures import MOST_MISSED, choose_points, choose_rhythm_points, measure, named_normal


def _ecgs(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n, 8) and chances that know them roughly; a few infarctions look normal."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 5, count)
    labels = np.zeros((count, 8), np.float32)
    labels[np.arange(count), kinds] = 1
    labels[:, 5] = rng.random(count) < 0.1
    labels[:, 6] = 1 - labels[:, 5]
    labels[:, 7] = rng.random(count) < 0.2
    chances = np.clip(0.15 + 0.7 * labels + rng.normal(0, 0.1, labels.shape), 0.01, 0.99).astype(np.float32)
    hidden = (kinds == 1) & (rng.random(count) < 0.1)
    chances[hidden, :2] = chances[hidden, 1::-1]
    return labels, chances


def test_at_most_one_infarction_in_twenty_is_named_normal() -> None:
    labels, chances = _ecgs()
    infarction = labels[:, 1] > 0
    points = choose_points(labels[:, :5], chances[:, :5])
    named = named_normal(chances[:, :5], points)
    assert 0 < named[infarction].mean() <= MOST_MISSED
    lower = (points[0].model_copy(update={"threshold": points[0].threshold - 0.02}), *points[1:])
    assert named_normal(chances[:, :5], lower)[infarction].mean() > MOST_MISSED
    assert points[1].rule.startswith("lowest")
    assert points[2].rule.startswith("highest")
    assert named[labels[:, 0] > 0].mean() > 0.3


def test_where_no_infarction_looks_normal_every_normal_ecg_may_be_named() -> None:
    labels = np.repeat(np.eye(5, dtype=np.float32), 20, axis=0)
    points = choose_points(labels, np.where(labels > 0, 0.9, 0.1).astype(np.float32))
    assert points[0].threshold <= 0.9


def test_what_is_over_another_threshold_is_not_named_normal() -> None:
    points = [
        OperatingPoint(code=code, threshold=0.5, rule="", sensitivity=1, specificity=1)
        for code in ("NORM", "MI", "STTC", "CD", "HYP")
    ]
    chances = np.array([[0.9, 0, 0, 0, 0], [0.9, 0.5, 0, 0, 0], [0.4, 0, 0, 0, 0]], np.float32)
    np.testing.assert_array_equal(named_normal(chances, points), [True, False, False])


def test_fibrillation_has_the_highest_threshold_that_finds_enough_of_it() -> None:
    labels, chances = _ecgs()
    first, *others = choose_rhythm_points(labels[:, 5:], chances[:, 5:])
    assert first.sensitivity >= 0.92
    assert [point.code for point in (first, *others)] == ["AFIB_AFLT", "SINUS", "EXTRASYSTOLES"]


def test_every_figure_that_the_cases_define_is_told() -> None:
    labels, chances = _ecgs()
    points = choose_points(labels[:, :5], chances[:, :5])
    rhythm_points = choose_rhythm_points(labels[:, 5:], chances[:, 5:])
    figures = measure(labels, chances[:, :5], chances[:, 5:], points, rhythm_points, range(len(labels)))
    named = named_normal(chances[:, :5], points)
    assert figures["infarction_named_normal"].value == pytest.approx(named[labels[:, 1] > 0].mean(), abs=1e-4)
    assert figures["normal_not_named"].value == pytest.approx(1 - named[labels[:, 0] > 0].mean(), abs=1e-4)
    assert {"ece_MI", "auroc_AFIB_AFLT", "sensitivity_AFIB_AFLT", "specificity_SINUS"} <= set(figures)
    healthy = labels[:, 1] == 0
    fewer = measure(
        labels[healthy], chances[healthy, :5], chances[healthy, 5:], points, rhythm_points, range(int(healthy.sum()))
    )
    assert "infarction_named_normal" not in fewer
