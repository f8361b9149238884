"""How unlike the training data a picture may be."""

import numpy as np
import pytest

from training.novelty import choose_threshold, fit_gaussian

FEATURES = np.random.default_rng(0).normal(size=(3000, 3)).astype(np.float32) * [1, 10, 0.1] + [0, 5, -1]


def test_whitened_training_features_spread_by_one_in_every_direction() -> None:
    gaussian = fit_gaussian(FEATURES.astype(np.float32))
    whitened = (FEATURES - gaussian.mean) @ gaussian.whitening
    np.testing.assert_allclose(whitened.std(axis=0), 1, atol=0.03)
    assert np.mean(whitened**2) == pytest.approx(1, abs=0.03)


def test_a_feature_that_never_varied_costs_no_more_than_the_least_that_did() -> None:
    flat = np.concatenate([FEATURES, np.zeros((3000, 1))], axis=1).astype(np.float32)
    assert np.isfinite(fit_gaussian(flat).whitening).all()


def test_the_threshold_stands_by_its_margin_above_the_quantile() -> None:
    scores = np.linspace(0, 1, 1001, dtype=np.float32)
    found = choose_threshold(scores, 0.9, 1.05)
    assert found.threshold == pytest.approx(0.945)
    assert found.false_alarms == pytest.approx(0.055, abs=0.001)


def test_with_the_usual_margin_validation_raises_no_alarm_unless_something_stands_apart() -> None:
    calm = np.full(999, 1.0, np.float32)
    assert choose_threshold(calm).false_alarms == 0
    assert choose_threshold(np.r_[calm, 5.0].astype(np.float32)).false_alarms == pytest.approx(0.001)
