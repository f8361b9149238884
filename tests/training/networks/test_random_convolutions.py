"""Random convolutions learn shapes from few records, and voltages where they are known."""

import numpy as np
import pytest

from training.datasets.ptbxl import EcgData
from training.metrics import auroc
from training.networks.random_convolutions import fit_convolutions, log_odds, ridge
from training.networks.residual_ecg import predict
from training.recipe import ConvolutionRecipe

RECIPE = ConvolutionRecipe(dilations=(1, 4), thresholds=3)


def _records(count: int, seed: int) -> EcgData:
    """Noise; of class 0 with narrow peaks in one lead, of class 1 twice as loud; every third without voltage."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (count, 2)).astype(np.float32)
    signals = rng.normal(0, 0.3, (count, 400, 12)).astype(np.float32)
    signals[:, ::40, 3] += 3.0 * labels[:, :1]
    signals *= 1 + labels[:, 1, None, None]
    known = (np.arange(count) % 3 > 0).astype(np.float32)
    unknown = known == 0
    signals[unknown] /= signals[unknown].std(axis=1, keepdims=True)
    return EcgData(signals, known, labels)


@pytest.fixture(scope="module")
def logits() -> tuple[EcgData, np.ndarray]:
    train, held_out = _records(150, 0), _records(90, 1)
    return held_out, predict(fit_convolutions(RECIPE, train, [n % 5 for n in range(150)]), held_out)


def test_shapes_are_told_with_and_without_voltage(logits: tuple[EcgData, np.ndarray]) -> None:
    data, found = logits
    for chosen in (data.known > 0, data.known == 0):
        assert auroc(data.labels[chosen, 0] > 0, found[chosen, 0]) > 0.9


def test_loudness_is_told_where_the_voltage_is_known_and_only_there(logits: tuple[EcgData, np.ndarray]) -> None:
    data, found = logits
    voiced = data.known > 0
    assert auroc(data.labels[voiced, 1] > 0, found[voiced, 1]) > 0.95
    assert auroc(data.labels[~voiced, 1] > 0, found[~voiced, 1]) < 0.8


def test_log_odds_are_those_of_records_left_out(logits: tuple[EcgData, np.ndarray]) -> None:
    data, found = logits
    chances = 1 / (1 + np.exp(-found[data.known > 0]))
    truth = data.labels[data.known > 0]
    assert np.mean((chances - truth) ** 2) < 0.15


def test_classes_that_answers_separate_get_finite_log_odds() -> None:
    answers = np.array([[0.1], [0.2], [0.8], [0.9]])
    slopes, bias = log_odds([answers], np.array([[0.0], [0.0], [1.0], [1.0]], np.float32))
    chances = 1 / (1 + np.exp(-(answers * slopes[0] + bias)))
    assert np.isfinite(slopes).all()
    np.testing.assert_array_equal(chances[:, 0] > 0.5, [False, False, True, True])


def test_the_ridge_is_the_one_solved_by_hand() -> None:
    """In the dual, as it was before scikit-learn's took its place."""
    rng = np.random.default_rng(4)
    features = rng.normal(3, 2, (40, 90)).astype(np.float32)
    labels = rng.integers(0, 2, (40, 3)).astype(np.float32)
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    unit = 1.0 / (spread * np.sqrt(90))
    standard = (features - mean) * unit
    centred = labels - labels.mean(axis=0)
    by_hand = (standard.T @ np.linalg.solve(standard @ standard.T + 2.0 * np.eye(40), centred)) * unit[:, None]
    weights, bias = ridge(features, labels, 2.0)
    np.testing.assert_allclose(weights, by_hand, atol=1e-5)
    np.testing.assert_allclose(bias, labels.mean(axis=0) - mean @ by_hand, atol=1e-4)
