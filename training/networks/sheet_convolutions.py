"""Random convolutions of what is read off an ECG sheet, where every lead is seen for a while only, each at its time.

As `random_convolutions`, but a kernel reads one lead, or a mixture of leads of one column, which sheets show at the
same time in every layout; and a feature is the share of the time in which all that a kernel reaches is shown. A lead
that a sheet does not show for long enough has the features of the average one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet.preparation import SheetPreprocessing
from models.serving.engine import PROBABILITIES
from training.datasets.digitised_sheets import SheetData
from training.metrics import multilabel_macro_auroc
from training.networks.random_convolutions import CLIP, KERNELS, QUIETEST, log_odds, ridge
from training.recipe import SheetRecipe

FloatArray = NDArray[np.float32]

TAPS = 9
SHORTEST = 30
"""Samples that a kernel must see in full, at 100 Hz, for its feature to count."""
LEAST_LEVEL = 1e-3
"""Kernels give nothing but rounding errors where a trace is flat; no threshold stands among those."""
_COLUMNS = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11))
_SAMPLE = 64
_BATCH = 16


@dataclass(frozen=True)
class LinearReadout:
    """A linear model of one kind of features: `answers` (n, 5) for records whose fold was left out."""

    weights: FloatArray
    bias: FloatArray
    answers: FloatArray
    strength: float
    score: float


def fit_convolutions(recipe: SheetRecipe, train: SheetData) -> tuple[keras.Model, dict[str, float]]:
    """A model of tensors (n, 1000, 24) to log odds (n, 5), and what cross-validation chose and scored.

    Shapes are learned from every tensor, voltages from those that were read off sheets. Log odds are fitted on answers
    for folds left out.
    """
    tensor = keras.Input(train.tensors.shape[1:], name="tensor")
    everything = np.ones(len(train.voiced), dtype=bool)
    found: dict[str, float] = {}
    outputs, answers = [], []
    for number, (name, scaled, learned) in enumerate(
        (("shape", _shape, everything), ("voltage", _voltage, train.voiced))
    ):
        rng = np.random.default_rng([recipe.seed, number])
        sample = rng.choice(np.flatnonzero(train.voiced), min(_SAMPLE, int(train.voiced.sum())), replace=False)
        convolve = _convolutions(recipe, scaled, train.tensors[sample], rng)
        features = convolve.predict(train.tensors[learned], batch_size=_BATCH, verbose=0)
        readout = _fit_readout(
            features, train.labels[learned], train.folds[learned], train.voiced[learned], recipe.ridges
        )
        found |= {f"{name}_ridge": readout.strength, f"{name}_macro_auroc": readout.score}
        layer = layers.Dense(readout.bias.size, trainable=False, name=name)
        outputs.append(layer(convolve(tensor)))
        layer.set_weights([readout.weights, readout.bias])
        answers.append(readout.answers[train.voiced[learned]])
    labels = train.labels[train.voiced]
    slopes, bias = log_odds(answers, labels)
    both = sum(answer * slope for answer, slope in zip(answers, slopes, strict=True)) + bias
    found["macro_auroc"] = multilabel_macro_auroc(labels, both)
    combined = outputs[0] * slopes[0] + outputs[1] * slopes[1] + bias
    return keras.Model(tensor, combined, name="sheet_convolutions"), found


def _fit_readout(
    features: FloatArray,
    labels: FloatArray,
    folds: NDArray[np.int64],
    judged: NDArray[np.bool_],
    strengths: Sequence[float],
) -> LinearReadout:
    """The linear model whose ridge has the best macro AUROC in cross-validation, by the records that are `judged`."""
    best: tuple[float, float, FloatArray] | None = None
    for strength in strengths:
        answers = np.zeros(labels.shape, np.float32)
        for fold in np.unique(folds):
            held_out = folds == fold
            weights, bias = ridge(features[~held_out], labels[~held_out], strength)
            answers[held_out] = features[held_out] @ weights + bias
        score = multilabel_macro_auroc(labels[judged], answers[judged])
        if best is None or score > best[0]:
            best = score, strength, answers
    if best is None:
        raise ValueError("No ridge was given.")
    score, strength, answers = best
    return LinearReadout(*ridge(features, labels, strength), answers, strength, score)


def _shape(signal: Any, shown: Any) -> Any:
    seen = keras.ops.maximum(keras.ops.sum(shown, axis=1, keepdims=True), 1.0)
    level = keras.ops.sqrt(keras.ops.sum(keras.ops.square(signal), axis=1, keepdims=True) / seen)
    return signal / keras.ops.maximum(level, QUIETEST)


def _voltage(signal: Any, shown: Any) -> Any:
    return keras.ops.clip(signal, -CLIP, CLIP)


def _mixtures(count: int, rng: np.random.Generator) -> FloatArray:
    """Weights (12, 12 + 4 x count): each lead, then sums and differences of two or three leads of each column."""
    mixed = [np.eye(len(LEADS))]
    for column in _COLUMNS:
        for _ in range(count):
            weights = np.zeros((len(LEADS), 1))
            chosen = rng.choice(column, rng.integers(2, 4), replace=False)
            weights[chosen, 0] = rng.choice([-1.0, 1.0], len(chosen))
            mixed.append(weights)
    return np.concatenate(mixed, axis=1).astype(np.float32)


def _convolutions(
    recipe: SheetRecipe, scaled: Callable[[Any, Any], Any], sample: FloatArray, rng: np.random.Generator
) -> keras.Model:
    """Tensors to features (n, dilations x mixtures x 84), with thresholds at quantiles of a sample's outputs.

    Time is the last axis where it is counted, which takes ONNX Runtime half as long as any other.
    """
    ops = keras.ops
    tensor = keras.Input(sample.shape[1:])
    samples, leads = sample.shape[1], len(LEADS)
    signal, shown = tensor[:, :, :leads], tensor[:, :, leads:]
    mixture = _mixtures(recipe.mixtures, rng)
    used = (mixture != 0).astype(np.float32)
    streams = mixture.shape[1]
    mixed = ops.matmul(scaled(signal, shown), mixture)
    both = ops.cast(ops.matmul(shown, used) > used.sum(axis=0) - 0.5, "float32")
    mixed, both = (ops.reshape(ops.transpose(values, (0, 2, 1)), (-1, samples, 1)) for values in (mixed, both))
    kernels = np.full((TAPS, 1, len(KERNELS)), -1.0, np.float32)
    for index, doubled in enumerate(KERNELS):
        kernels[list(doubled), 0, index] = 2.0
    features = []
    for dilation in recipe.dilations:
        convolved = _convolve(mixed, kernels, dilation)
        whole = ops.cast(_convolve(both, np.ones((TAPS, 1, 1), np.float32), dilation) > TAPS - 0.5, "float32")
        seen, inside = keras.Model(tensor, [convolved, whole]).predict(sample, verbose=0)
        quantiles = rng.uniform(0.02, 0.98, (streams, len(KERNELS)))
        levels = _levels(seen, inside, quantiles)
        by_kernel = ops.reshape(ops.transpose(convolved, (0, 2, 1)), (-1, streams, len(KERNELS), samples))
        whole = ops.reshape(whole, (-1, streams, samples, 1))
        above = ops.matmul(ops.cast(by_kernel > levels[:, :, None], "float32"), whole)[:, :, :, 0]
        count = ops.sum(whole, axis=2)
        share = above / ops.maximum(count, 1.0) - (1.0 - quantiles).astype(np.float32)
        share = share * ops.cast(count >= SHORTEST, "float32")
        features.append(ops.reshape(share, (-1, streams * len(KERNELS))))
    return keras.Model(tensor, ops.concatenate(features, axis=1))


def _convolve(values: Any, kernels: FloatArray, dilation: int) -> Any:
    layer = layers.Conv1D(
        kernels.shape[2], TAPS, padding="same", dilation_rate=dilation, use_bias=False, trainable=False
    )
    convolved = layer(values)
    layer.set_weights([kernels])
    return convolved


def _levels(seen: FloatArray, inside: FloatArray, quantiles: NDArray[np.float64]) -> FloatArray:
    """Thresholds (streams, kernels) at quantiles of what the kernels give where they see a lead in full."""
    streams, kernels = quantiles.shape
    by_stream = seen.reshape(-1, streams, seen.shape[1], kernels)
    shown = inside.reshape(-1, streams, seen.shape[1]) > 0
    levels = np.zeros(quantiles.shape, np.float32)
    for stream in range(streams):
        values = by_stream[:, stream][shown[:, stream]]
        if len(values):
            ordered = np.sort(values, axis=0)
            levels[stream] = ordered[(quantiles[stream] * (len(values) - 1)).astype(int), np.arange(kernels)]
    levels[np.abs(levels) < LEAST_LEVEL] = LEAST_LEVEL
    return levels


def served_model(convolutions: keras.Model, temperature: float) -> keras.Model:
    """`signal` (n, 1000, 24), mV and masks, to `probabilities` (n, 5), each class by itself."""
    signal = keras.Input(SheetPreprocessing().tensor_shape, name="signal")
    probabilities = layers.Activation("sigmoid", name=PROBABILITIES)(convolutions(signal) / temperature)
    return keras.Model(signal, {PROBABILITIES: probabilities})
