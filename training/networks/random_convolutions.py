"""Fixed random convolutions of an ECG, read by a linear model: what deep networks learn, from far fewer records.

MiniRocket (Dempster, Schmidt, Webb 2021, KDD, arXiv:2012.08791): 84 kernels of length 9 with weights -1 and 2, each
over a few random leads, at many dilations. A feature is the share of time that a kernel's output is above a threshold,
a quantile of what training records give. A ridge regression reads the features (Hoerl and Kennard 1970); logistic
regression turns its answers for records that it had not seen into log odds (Platt 1999). Nothing here needs gradients
through the convolutions, so it takes minutes where networks take hours.

There may be two linear models. That of the shape, each lead scaled to variance 1, learns from every record; that of the
voltage only from those whose voltage is known.

Of a median beat, which is aligned, the shares are counted part by part: where in the beat something is, is most of what
it means.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from training.datasets.ptbxl import EcgData
from training.recipe import ConvolutionRecipe

FloatArray = NDArray[np.float32]
Array = NDArray[np.float64]

KERNELS = tuple(combinations(range(9), 3))
"""Where each kernel's three weights of 2 stand; the other six are -1."""
MOST_LEADS = 9.99
QUIETEST = 0.01
"""A lead below this root mean square, in mV, counts as silent when it is scaled."""
CLIP = 3.0
"""Voltages beyond that, in mV, are cut off."""
SLOPE_PENALTY = 1e-3
"""Keeps the slopes of the log odds finite where few records separate the classes; no more than that."""
_SAMPLE = 64
_BATCH = 64


@dataclass(frozen=True)
class Convolutions:
    """`model` makes of a signal (n, samples, 12) in mV linear answers of its shape, (n, t), or of its shape and of its
    voltage, (n, 2 x t).

    `answers` (1 or 2, n, t) are those for the training ECGs, each by a model that had not seen its fold; those of
    voltage are 0 where the voltage is unknown.
    """

    model: keras.Model
    answers: FloatArray


def fit_convolutions(recipe: ConvolutionRecipe, train: EcgData, folds: Sequence[int]) -> Convolutions:
    """Fit the readings of `train`, whose `folds` (n,) say which records belong together."""
    signal = keras.Input(train.signals.shape[1:], name="signal")
    groups, voiced = np.asarray(folds), train.known > 0
    everything = np.ones(len(voiced), dtype=bool)
    readings, answers = [], []
    for number, (scaled, learned, strength) in enumerate(
        ((_shape, everything, recipe.shape_ridge), (_voltage, voiced, recipe.voltage_ridge))
    ):
        if strength is None:
            continue
        rng = np.random.default_rng([recipe.seed, number])
        sample = rng.choice(np.flatnonzero(learned), min(_SAMPLE, int(learned.sum())), replace=False)
        convolve = _convolutions(recipe, scaled, train.signals[sample], rng)
        features = convolve.predict(train.signals[learned], batch_size=_BATCH, verbose=0)
        labels = train.labels[learned]
        unseen = np.zeros(train.labels.shape, np.float32)
        for fold in np.unique(groups):
            left_out = groups[learned] == fold
            weights, bias = ridge(features[~left_out], labels[~left_out], strength)
            unseen[learned & (groups == fold)] = features[left_out] @ weights + bias
        read = layers.Dense(labels.shape[1], trainable=False)
        readings.append(read(convolve(signal)))
        read.set_weights(list(ridge(features, labels, strength)))
        answers.append(unseen)
    together = keras.ops.concatenate(readings, axis=1) if len(readings) > 1 else readings[0]
    model = keras.Model(signal, together, name=f"random_convolutions_{signal.shape[1]}")
    return Convolutions(model, np.stack(answers))


def _shape(signal: Any) -> Any:
    level = keras.ops.sqrt(keras.ops.mean(keras.ops.square(signal), axis=1, keepdims=True))
    return signal / keras.ops.maximum(level, QUIETEST)


def _voltage(signal: Any) -> Any:
    return keras.ops.clip(signal, -CLIP, CLIP)


def _convolutions(
    recipe: ConvolutionRecipe, scaled: Callable[[Any], Any], sample: FloatArray, rng: np.random.Generator
) -> keras.Model:
    """Signals to features (n, dilations x thresholds x 84, or times the parts), with thresholds at quantiles of a
    sample's outputs.

    Time is the last axis where means are taken: ONNX Runtime takes them along the first of two axes many times slower.
    """
    signal = keras.Input(sample.shape[1:])
    leads = sample.shape[2]
    count = _count_in_parts if recipe.parts else _count
    features = []
    for dilation in recipe.dilations:
        layer = layers.Conv1D(len(KERNELS), 9, padding="same", dilation_rate=dilation, use_bias=False, trainable=False)
        convolved = layer(scaled(signal))
        kernels = _kernels(leads, rng)
        layer.set_weights([kernels * rng.choice((-1, 1), kernels.shape[1:]) if recipe.parts else kernels])
        seen = keras.Model(signal, convolved).predict(sample, verbose=0)
        features += count(recipe, keras.ops.transpose(convolved, (0, 2, 1)), seen, rng)
    return keras.Model(signal, keras.ops.concatenate(features, axis=1))


def _count(recipe: ConvolutionRecipe, by_kernel: Any, seen: FloatArray, rng: np.random.Generator) -> list[Any]:
    """For each threshold the share of time (n, 84) in which the kernels' outputs (n, 84, time) are above it."""
    return [
        keras.ops.mean(keras.ops.cast(keras.ops.greater(by_kernel, _levels(seen, rng)[:, None]), "float32"), axis=2)
        for _ in range(recipe.thresholds)
    ]


def _count_in_parts(recipe: ConvolutionRecipe, by_kernel: Any, seen: FloatArray, rng: np.random.Generator) -> list[Any]:
    """The shares (n, 84 x thresholds x parts) of each part in which the kernels' outputs (n, 84, time) are above the
    thresholds of that part."""
    first, last = recipe.parts[0], recipe.parts[-1]
    lengths = np.diff(recipe.parts)
    levels = [
        [_levels(seen[:, start : start + length], rng) for _ in range(recipe.thresholds)]
        for start, length in zip(recipe.parts, lengths, strict=False)
    ]
    in_time = np.repeat(np.transpose(levels, (2, 1, 0)), lengths, axis=2)
    share = np.repeat(np.diag(1 / lengths), lengths, axis=0).astype(np.float32)
    above = keras.ops.greater(keras.ops.expand_dims(by_kernel[:, :, first:last], 2), in_time)
    shares = keras.ops.matmul(keras.ops.cast(above, "float32"), share)
    return [keras.ops.reshape(shares, (-1, len(KERNELS) * recipe.thresholds * len(lengths)))]


def _levels(seen: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A random quantile of each kernel's outputs (n, time, 84), (84,)."""
    values = seen.reshape(-1, len(KERNELS)).T
    quantiles = rng.uniform(0.02, 0.98, len(KERNELS))
    return np.array([np.quantile(*each) for each in zip(values, quantiles, strict=True)], np.float32)


def _kernels(leads: int, rng: np.random.Generator) -> FloatArray:
    """Weights (9, leads, 84): each kernel reads from one to nine random leads, few more often than many."""
    weights = np.zeros((9, leads, len(KERNELS)), dtype=np.float32)
    for index, doubled in enumerate(KERNELS):
        count = int(2 ** rng.uniform(0, np.log2(MOST_LEADS)))
        kernel = np.full(9, -1.0, dtype=np.float32)
        kernel[list(doubled)] = 2.0
        weights[:, rng.choice(leads, min(count, leads), replace=False), index] = kernel[:, None]
    return weights


def ridge(features: FloatArray, labels: FloatArray, strength: float) -> tuple[FloatArray, FloatArray]:
    """Weights (d, classes) and bias (classes,) of a ridge regression on standardised features over the root of d."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    unit = 1.0 / (spread * np.sqrt(features.shape[1], dtype=np.float32))
    found = Ridge(strength, solver="cholesky").fit(((features - mean) * unit).astype(np.float64), labels)
    weights = (found.coef_.reshape(labels.shape[1], -1).T * unit[:, None]).astype(np.float32)
    return weights, (found.intercept_ - mean @ weights).astype(np.float32)


def log_odds(answers: Sequence[Array], labels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slopes (models, classes) and bias (classes,) that make log odds of a few models' answers, class by class."""
    slopes, biases = [], []
    for index, truth in enumerate(labels.T):
        inputs = np.stack([answer[:, index] for answer in answers], axis=1)
        found = LogisticRegression(C=1 / SLOPE_PENALTY, max_iter=10_000, tol=1e-8).fit(inputs, truth > 0)
        slopes.append(found.coef_[0])
        biases.append(found.intercept_[0])
    return np.array(slopes, dtype=np.float32).T, np.array(biases, dtype=np.float32)
