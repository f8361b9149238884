"""Random convolutions learn shapes from few records, and voltages where they are known."""

from dataclasses import replace

import numpy as np
import pytest

from training.datasets.ptbxl import EcgData
from training.metrics import auroc
from training.networks.random_convolutions import Convolutions, fit_convolutions, log_odds, ridge
from training.recipe import ConvolutionRecipe

RECIPE = ConvolutionRecipe(dilations=(1, 4), thresholds=3, voltage_ridge=2.0)
GROUPS = [n % 5 for n in range(150)]


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
def fitted() -> tuple[EcgData, Convolutions]:
    train = _records(150, 0)
    return train, fit_convolutions(RECIPE, train, GROUPS)


@pytest.fixture(scope="module")
def answers(fitted: tuple[EcgData, Convolutions]) -> tuple[EcgData, np.ndarray, np.ndarray]:
    """Records held out, and what the readings of their shape and voltage answer."""
    held_out = _records(90, 1)
    shape, voltage = np.split(fitted[1].model.predict(held_out.signals, verbose=0), 2, axis=1)
    return held_out, shape, voltage


def test_shapes_are_told_with_and_without_voltage(answers: tuple[EcgData, np.ndarray, np.ndarray]) -> None:
    data, shape, _ = answers
    for chosen in (data.known > 0, data.known == 0):
        assert auroc(data.labels[chosen, 0] > 0, shape[chosen, 0]) > 0.9


def test_loudness_is_told_by_the_voltage_alone(answers: tuple[EcgData, np.ndarray, np.ndarray]) -> None:
    data, shape, voltage = answers
    voiced = data.known > 0
    assert auroc(data.labels[voiced, 1] > 0, voltage[voiced, 1]) > 0.95
    assert auroc(data.labels[voiced, 1] > 0, shape[voiced, 1]) < 0.8


def test_answers_of_training_records_are_those_of_models_that_had_not_seen_them(
    fitted: tuple[EcgData, Convolutions], answers: tuple[EcgData, np.ndarray, np.ndarray]
) -> None:
    train, convolutions = fitted
    data, shape, _ = answers
    unseen = auroc(train.labels[:, 0] > 0, convolutions.answers[0][:, 0])
    seen = auroc(train.labels[:, 0] > 0, convolutions.model.predict(train.signals, verbose=0)[:, 0])
    assert unseen < seen
    assert unseen == pytest.approx(auroc(data.labels[:, 0] > 0, shape[:, 0]), abs=0.1)
    assert not convolutions.answers[1][train.known == 0].any()


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


def test_where_in_a_beat_a_peak_stands_is_told_by_parts_alone() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, (150, 1)).astype(np.float32)
    beats = rng.normal(0, 0.02, (150, 112, 12)).astype(np.float32)
    for beat, late in zip(beats, labels[:, 0], strict=True):
        place = int(rng.integers(62, 84) if late else rng.integers(14, 28))
        beat[place - 2 : place + 3, rng.integers(0, 12)] += 1
    data = EcgData(beats, np.ones(150, np.float32), labels)
    of_shape = replace(RECIPE, voltage_ridge=None)
    whole, parted = (
        fit_convolutions(replace(of_shape, parts=parts), data, GROUPS).answers for parts in ((), (8, 40, 112))
    )
    assert whole.shape == parted.shape == (1, 150, 1)
    assert auroc(labels[:, 0] > 0, whole[0, :, 0]) < 0.75
    assert auroc(labels[:, 0] > 0, parted[0, :, 0]) > 0.95
