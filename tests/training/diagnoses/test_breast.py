from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from training.datasets.pictures import Sample
from training.diagnoses import breast

LARGE = 30.0


def _sample(group: str, label: int, birads: str, name: str = "bus_bra") -> Sample:
    return Sample(Path(f"{group}.png"), label, group, name, {"set": name, "birads": birads})


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
    # Squared differences sum to 2 in the 6 pairs, to 78 in all 36: 1 - (2 / 6) / (78 / 36).
    assert breast.quadratic_kappa(truth, found) == pytest.approx(11 / 13)
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


def test_platt_scaling_is_the_one_searched_for_before() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, 500)
    labels = (rng.random(500) < breast.platt(logits.astype(np.float32), 0.7, 0.4)).astype(np.int64)

    def loss(parameters: np.ndarray) -> float:
        shifted = np.exp(parameters[0]) * logits + parameters[1]
        return float(np.mean(np.logaddexp(0.0, shifted) - labels * shifted))

    log_scale, bias = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}).x
    assert breast.fit_platt(labels, logits.astype(np.float32)) == pytest.approx((np.exp(log_scale), bias), abs=1e-3)
