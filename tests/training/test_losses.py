import numpy as np
import pytest
import tensorflow as tf

from training.losses import classification_loss, inverse_frequency_weights

LOGITS = tf.constant([[2.0, 0.0], [0.0, 1.0]])
LABELS = tf.constant([0, 0], tf.int64)


def loss(name: str, **options: object) -> float:
    arguments = {"smoothing": 0.0, "class_weights": None, **options}
    return float(classification_loss(name, LABELS, LOGITS, **arguments))  # type: ignore[arg-type]


def test_cross_entropy_is_the_negative_log_probability_of_the_truth() -> None:
    p = np.array([1 / (1 + np.exp(-2)), 1 / (1 + np.exp(1))])
    assert loss("cross_entropy") == pytest.approx(-np.log(p).mean(), rel=1e-5)


def test_focal_loss_weighs_by_what_is_missing_to_certainty() -> None:
    p = np.array([1 / (1 + np.exp(-2)), 1 / (1 + np.exp(1))])
    assert loss("focal") == pytest.approx((-((1 - p) ** 2) * np.log(p)).mean(), rel=1e-5)


def test_class_weights_and_smoothing() -> None:
    assert loss("cross_entropy", class_weights=[3.0, 1.0]) == pytest.approx(3 * loss("cross_entropy"), rel=1e-5)
    assert loss("cross_entropy", smoothing=0.2) != pytest.approx(loss("cross_entropy"))


def test_inverse_frequency_weights_have_a_mean_of_one_over_the_samples() -> None:
    weights = inverse_frequency_weights([90, 10])
    assert weights[1] / weights[0] == pytest.approx(9)
    assert (90 * weights[0] + 10 * weights[1]) / 100 == pytest.approx(1)
