"""The network that reads a 12-lead ECG record: a one-dimensional residual network, several of them averaged.

The family is that of resnet1d_wang, which leads the benchmark of PTB-XL (Strodthoff et al. 2020, IEEE J Biomed Health
Inform 25:1519). Each lead is seen twice: scaled to variance 1, which shows its shape, and in millivolts, which shows
hypertrophy. Where the voltage is unknown (normalised records) the second is zero, and at times it is withheld in
training, so that the network learns to do without.
"""

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from training.multilabel import macro_auroc

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float32]

QUIETEST = 0.01
"""A lead below this root mean square, in mV, counts as silent when it is scaled."""


@dataclass(frozen=True)
class RecordRecipe:
    """Everything that decides the training of one network, data aside.

    `shift` is the most, in samples, that a record is shifted in time; `lead_loss` the chance of each lead to be
    silenced in an augmented record; `voltage_loss` the chance that the voltage is withheld; `mixup` as in Zhang et al.
    2018 (arXiv:1710.09412).
    """

    filters: tuple[int, ...] = (64, 96, 128, 160)
    kernel: int = 7
    dropout: float = 0.4
    steps: int = 1500
    warmup: int = 150
    batch_size: int = 48
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    shift: int = 200
    lead_loss: float = 0.08
    voltage_loss: float = 0.15
    noise: float = 0.03
    gain: float = 0.1
    mixup: float = 0.3
    averaging: float = 0.995
    validate_every: int = 300
    seed: int = 20260


@dataclass(frozen=True)
class EcgData:
    """Signals (n, 1000, 12), band-passed, mV or z-scores; whether the voltage is known (n,); labels (n, 5), 0 or 1."""

    signals: FloatArray
    known: FloatArray
    labels: FloatArray


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


def train_network(recipe: RecordRecipe, train: EcgData, validation: EcgData, folder: Path) -> keras.Model:
    """Train one network and save its averaged weights as model.keras in `folder`."""
    keras.utils.set_random_seed(recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)
    network = build_network(recipe)
    rate = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate * 0.02,
        decay_steps=max(1, recipe.steps - recipe.warmup),
        warmup_target=recipe.learning_rate,
        warmup_steps=recipe.warmup,
        alpha=0.01,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay, global_clipnorm=2.0)
    variables = network.trainable_variables
    optimizer.build(variables)
    average = [tf.Variable(variable.value) for variable in variables]

    @tf.function(autograph=False)
    def step(signals: Any, known: Any, labels: Any, seed: Any, share: Any, done: Any) -> Any:
        signals, known = augment(signals, known, recipe, seed)
        with tf.GradientTape() as tape:
            if recipe.mixup:
                signals = share * signals + (1.0 - share) * tf.roll(signals, 1, axis=0)
                known = known * tf.roll(known, 1, axis=0)
                labels = share * labels + (1.0 - share) * tf.roll(labels, 1, axis=0)
            logits = network([signals, known], training=True)
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))
        optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        pace = tf.minimum(recipe.averaging, (1.0 + done) / (10.0 + done))
        for mean, variable in zip(average, variables, strict=True):
            mean.assign(pace * mean + (1.0 - pace) * variable.value)
        return loss

    losses: list[float] = []
    for number in range(recipe.steps):
        rng = np.random.default_rng([recipe.seed, number])
        drawn = rng.choice(len(train.labels), recipe.batch_size, replace=False)
        share = np.float32(rng.beta(recipe.mixup, recipe.mixup) if recipe.mixup else 1.0)
        seed = tf.constant([recipe.seed, number], tf.int32)
        batch = (tf.constant(values[drawn]) for values in (train.signals, train.known[:, None], train.labels))
        losses.append(float(step(*batch, seed, tf.constant(share), tf.constant(float(number)))))
        if (number + 1) % recipe.validate_every and number + 1 != recipe.steps:
            continue
        kept = [variable.numpy() for variable in variables]
        _settle(network, average, recipe, train)
        score = macro_auroc(validation.labels, predict(network, validation))
        log.info("step %d: loss %.4f, validation macro AUROC %.4f", number + 1, np.mean(losses), score)
        with (folder / "history.jsonl").open("a", encoding="utf-8") as file:
            entry = {"step": number + 1, "loss": float(np.mean(losses)), "macro_auroc": score, "time": time.time()}
            file.write(json.dumps(entry) + "\n")
        losses.clear()
        if number + 1 != recipe.steps:
            for variable, value in zip(variables, kept, strict=True):
                variable.assign(value)
    network.save(folder / "partial.keras")
    (folder / "partial.keras").rename(folder / "model.keras")
    return network


def augment(signals: Any, known: Any, recipe: RecordRecipe, seed: Any) -> tuple[Any, Any]:
    """Shift, scale, silence and disturb signals (n, 1000, 12), and withhold the voltage of some."""
    seeds = tf.random.split(seed, 8)
    n, samples, leads = signals.shape
    start = tf.random.stateless_uniform((n,), seeds[0], -recipe.shift, recipe.shift + 1, tf.int32)
    mirrored = tf.concat([signals[:, ::-1], signals, signals[:, ::-1]], axis=1)
    places = samples + start[:, None] + tf.range(samples)[None, :]
    signals = tf.gather(mirrored, places, axis=1, batch_dims=1)
    gain = tf.random.stateless_uniform((n, 1, 1), seeds[1], 1.0 - recipe.gain, 1.0 + recipe.gain)
    level = tf.sqrt(tf.reduce_mean(tf.square(signals), axis=1, keepdims=True))
    noise = tf.random.stateless_normal(tf.shape(signals), seeds[2])
    loudness = tf.random.stateless_uniform((n, 1, 1), seeds[3], 0.0, recipe.noise)
    signals = signals * gain + noise * loudness * level
    silenced = tf.random.stateless_uniform((n, 1, leads), seeds[4]) < recipe.lead_loss
    some = tf.random.stateless_uniform((n, 1, 1), seeds[5]) < 0.5
    signals = tf.where(silenced & some, 0.0, signals)
    withheld = tf.random.stateless_uniform((n, 1), seeds[6]) < recipe.voltage_loss
    signals = tf.where(withheld[:, :, None], signals / tf.maximum(level, QUIETEST), signals)
    return signals, tf.where(withheld, 0.0, known)


def predict(network: keras.Model, data: EcgData, batch_size: int = 48) -> FloatArray:
    """Logits (n, 5), the last batch padded to keep one shape."""
    outputs = []
    for start in range(0, len(data.signals), batch_size):
        batch = [values[start : start + batch_size] for values in (data.signals, data.known[:, None])]
        missing = batch_size - len(batch[0])
        padded = [np.pad(values, ((0, missing), *((0, 0) for _ in values.shape[1:]))) for values in batch]
        outputs.append(np.asarray(network.predict_on_batch(padded))[: batch_size - missing])
    return np.concatenate(outputs)


def _settle(network: keras.Model, average: Any, recipe: RecordRecipe, data: EcgData) -> None:
    """Put the averaged weights in place and measure batch normalisation's statistics again for them."""
    for variable, mean in zip(network.trainable_variables, average, strict=True):
        variable.assign(mean)
    rng = np.random.default_rng(0)
    for _ in range(40):
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
