"""Random convolutions learn shapes from few records, and voltages where they are known."""

import numpy as np
import pytest

from training.ecg_record import EcgData, predict
from training.metrics import auroc
from training.random_convolutions import ConvolutionRecipe, log_odds, train_reading

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
    return held_out, predict(train_reading(RECIPE, train, [n % 5 for n in range(150)]), held_out)


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


def test_classes_that_a_reading_separates_get_finite_log_odds() -> None:
    answers = np.array([[0.1], [0.2], [0.8], [0.9]])
    slopes, bias = log_odds([answers], np.array([[0.0], [0.0], [1.0], [1.0]], np.float32))
    chances = 1 / (1 + np.exp(-(answers * slopes[0] + bias)))
    assert np.isfinite(slopes).all()
    np.testing.assert_array_equal(chances[:, 0] > 0.5, [False, False, True, True])
