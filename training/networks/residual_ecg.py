"""The network that reads a 12-lead ECG record: a one-dimensional residual network, several of them averaged.

The family is that of resnet1d_wang, which leads the benchmark of PTB-XL (Strodthoff et al. 2020, IEEE J Biomed Health
Inform 25:1519). Each lead is seen twice: scaled to variance 1, which shows its shape, and in millivolts, which shows
hypertrophy. Where the voltage is unknown (normalised records) the second is zero, and at times it is withheld in
training, so that the network learns to do without.
"""

from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from training.datasets.ptbxl import EcgData
from training.metrics import multilabel_macro_auroc
from training.recipe import RecordRecipe
from training.trainer import Learner, Stage, fit, predict_in_batches

FloatArray = NDArray[np.float32]

QUIETEST = 0.01
"""A lead below this root mean square, in mV, counts as silent when it is scaled."""
SETTLING = 40
"""Batches over which batch normalisation is measured again."""


def build_network(recipe: RecordRecipe, classes: int = 5) -> keras.Model:
    """Signals (n, 1000, 12) and whether their voltage is known (n, 1) to logits (n, classes)."""
    signal = keras.Input((1000, 12), name="signal")
    known = keras.Input((1,), name="known")
    level = keras.ops.sqrt(keras.ops.mean(keras.ops.square(signal), axis=1, keepdims=True))
    level = keras.ops.maximum(level, QUIETEST)
    voltage = keras.ops.clip(2.0 * signal, -6.0, 6.0) * known[:, :, None]
    x = keras.ops.concatenate([signal / level, voltage], axis=2)
    x = _convolve(x, recipe.filters[0], 11, strides=2)
    for number, width in enumerate(recipe.filters, 1):
        x = _residual_block(x, width, recipe.kernel, recipe.dropout / 2, name=f"stage{number}")
    loudness = (keras.ops.log(level[:, 0]) + 2.0) * known
    pooled = [layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x), loudness]
    features = layers.Concatenate(name="features")(pooled)
    x = layers.Dropout(recipe.dropout)(features)
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dropout(recipe.dropout)(x)
    return keras.Model([signal, known], layers.Dense(classes, name="logits")(x))


def train_network(
    recipe: RecordRecipe, train: EcgData, validation: EcgData, folder: Path, *, resume: bool = False
) -> keras.Model:
    """Train one network and save its averaged weights as model.keras in `folder`."""
    keras.utils.set_random_seed(recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)
    network = build_network(recipe, train.labels.shape[1])
    arrays = {"signals": train.signals, "known": train.known[:, None], "targets": train.labels}

    def score(found: keras.Model) -> dict[str, float]:
        settle(found, recipe, train)
        return {"macro_auroc": multilabel_macro_auroc(validation.labels, predict(found, validation))}

    learner = Learner(network, RecordChanges(recipe), _loss)
    fit(learner, recipe, [Stage(0, recipe.epochs, arrays, score)], folder, resume=resume)
    settle(network, recipe, train)
    network.save(folder / "partial.keras")
    (folder / "partial.keras").replace(folder / "model.keras")
    return network


def _loss(targets: Any, logits: Any, weights: Any) -> Any:
    return keras.losses.BinaryCrossentropy(from_logits=True)(targets, logits, sample_weight=weights)


class RecordChanges(layers.Layer):
    """Shifts, scales, silences and disturbs `signals` (n, 1000, 12), withholds the voltage of some, and blends pairs of
    them and their `targets`; gives them as `Learner` wants them. A voltage is known where it was `known` (n, 1) of both
    of a pair."""

    def __init__(self, recipe: RecordRecipe) -> None:
        super().__init__(name="changes", dtype="float32")
        self._recipe = recipe
        self._seed = keras.random.SeedGenerator(recipe.seed)

    def call(self, batch: Any) -> tuple[Any, Any, Any]:
        recipe, targets = self._recipe, batch["targets"]
        signals, known = self.change(batch["signals"], batch["known"])
        if recipe.mixup:
            share = keras.random.beta((1, 1), recipe.mixup, recipe.mixup, seed=self._seed)
            signals = share[:, :, None] * signals + (1.0 - share[:, :, None]) * ops.roll(signals, 1, axis=0)
            known = known * ops.roll(known, 1, axis=0)
            targets = share * targets + (1.0 - share) * ops.roll(targets, 1, axis=0)
        return [signals, known], targets, ops.ones_like(targets[:, 0])

    def change(self, signals: Any, known: Any) -> tuple[Any, Any]:
        """Signals and whether their voltage is known, changed."""
        recipe, uniform = self._recipe, partial(keras.random.uniform, seed=self._seed)
        n, samples, leads = ops.shape(signals)[0], signals.shape[1], signals.shape[2]
        start = ops.cast(ops.floor(uniform((n,), -recipe.shift, recipe.shift + 1)), "int32")
        mirrored = ops.concatenate([signals[:, ::-1], signals, signals[:, ::-1]], axis=1)
        places = samples + start[:, None] + ops.arange(samples, dtype="int32")[None, :]
        signals = ops.take_along_axis(mirrored, ops.repeat(places[:, :, None], leads, axis=2), axis=1)
        gain = uniform((n, 1, 1), 1.0 - recipe.gain, 1.0 + recipe.gain)
        level = ops.sqrt(ops.mean(ops.square(signals), axis=1, keepdims=True))
        noise = keras.random.normal(ops.shape(signals), seed=self._seed)
        signals = signals * gain + noise * uniform((n, 1, 1), 0.0, recipe.noise) * level
        silenced = (uniform((n, 1, leads)) < recipe.lead_loss) & (uniform((n, 1, 1)) < 0.5)
        signals = ops.where(silenced, 0.0, signals)
        withheld = uniform((n, 1)) < recipe.voltage_loss
        signals = ops.where(withheld[:, :, None], signals / ops.maximum(level, QUIETEST), signals)
        return signals, ops.where(withheld, 0.0, known)


def predict(network: keras.Model, data: EcgData, batch_size: int = 48) -> FloatArray:
    """Logits (n, classes)."""
    return predict_in_batches(network, [data.signals, data.known[:, None]], batch_size)


def settle(network: keras.Model, recipe: RecordRecipe, data: EcgData) -> None:
    """Measure batch normalisation's statistics again for the weights that are in place now."""
    rng = np.random.default_rng(0)
    for _ in range(SETTLING):
        drawn = rng.choice(len(data.labels), recipe.batch_size, replace=False)
        network([data.signals[drawn], data.known[drawn][:, None]], training=True)


def _convolve(x: Any, filters: int, kernel: int, *, strides: int = 1) -> Any:
    x = layers.Conv1D(filters, kernel, strides=strides, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def _residual_block(x: Any, filters: int, kernel: int, dropout: float, *, name: str) -> Any:
    kept = layers.AveragePooling1D(2, padding="same")(x)
    kept = layers.BatchNormalization(momentum=0.9)(layers.Conv1D(filters, 1, use_bias=False)(kept))
    x = _convolve(x, filters, kernel, strides=2)
    x = layers.SpatialDropout1D(dropout)(x)
    x = layers.BatchNormalization(momentum=0.9)(layers.Conv1D(filters, kernel, padding="same", use_bias=False)(x))
    return layers.ReLU(name=name)(layers.Add()([x, kept]))
