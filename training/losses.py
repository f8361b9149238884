"""Losses on logits, each a mean over the batch."""

from collections.abc import Sequence
from typing import Any, Literal

import tensorflow as tf

LossName = Literal["cross_entropy", "focal"]


def classification_loss(
    name: LossName,
    labels: Any,
    logits: Any,
    *,
    smoothing: float,
    class_weights: Sequence[float] | None,
    gamma: float = 2.0,
) -> Any:
    """Cross-entropy, or the focal loss of Lin et al. 2017 (arXiv:1708.02002, equation 4, without alpha).

    `labels` (n,) class indices, `logits` (n, classes); `smoothing` 0-1 spreads that much of each target evenly;
    `class_weights` multiply each sample's loss by the weight of its class.
    """
    classes = tf.shape(logits)[1]
    targets = tf.one_hot(labels, classes)
    targets = targets * (1.0 - smoothing) + smoothing / tf.cast(classes, tf.float32)
    log_p = tf.nn.log_softmax(logits)
    if name == "focal":
        log_p *= tf.pow(1.0 - tf.exp(log_p), gamma)
    losses = -tf.reduce_sum(targets * log_p, axis=1)
    if class_weights is not None:
        losses *= tf.gather(tf.constant(class_weights, tf.float32), labels)
    return tf.reduce_mean(losses)


def inverse_frequency_weights(counts: Sequence[int], power: float = 1.0) -> list[float]:
    """count^-power for each class, scaled to a mean of 1 over the samples."""
    raw = [count**-power for count in counts]
    mean = sum(weight * count for weight, count in zip(raw, counts, strict=True)) / sum(counts)
    return [weight / mean for weight in raw]
