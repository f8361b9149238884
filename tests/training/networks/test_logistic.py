import numpy as np
import pytest

from training.networks.logistic import fit_logistic

RNG = np.random.default_rng(0)
DESIGN = RNG.normal([50, 0, 3], [10, 1, 0.1], (4000, 3))
TRUTH = 0.08 * DESIGN[:, 0] - 0.5 * DESIGN[:, 1] - 4 > RNG.logistic(size=4000)
FREE = np.zeros(3, bool)


def test_it_finds_the_coefficients_the_labels_were_drawn_with() -> None:
    intercept, slopes = fit_logistic(DESIGN, TRUTH, penalty=0.0, nonnegative=FREE)
    assert slopes[:2] == pytest.approx([0.08, -0.5], abs=0.1)
    expected = 1 / (1 + np.exp(-(DESIGN @ slopes + intercept)))
    assert expected.mean() == pytest.approx(TRUTH.mean(), abs=1e-4)


def test_a_bound_holds_and_leaves_the_others_free() -> None:
    _, slopes = fit_logistic(DESIGN, TRUTH, penalty=0.0, nonnegative=np.array([False, True, False]))
    assert slopes[1] == 0
    assert slopes[0] > 0.05


def test_a_penalty_shrinks() -> None:
    sizes = [np.abs(fit_logistic(DESIGN, TRUTH, penalty=p, nonnegative=FREE)[1]).sum() for p in (0.0, 100.0, 10000.0)]
    assert sizes == sorted(sizes, reverse=True)


def test_a_constant_column_has_no_part() -> None:
    _, slopes = fit_logistic(np.c_[DESIGN, np.ones(4000)], TRUTH, penalty=1.0, nonnegative=np.zeros(4, bool))
    assert slopes[3] == 0
