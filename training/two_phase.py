"""The two-phase recipe: a linear head on frozen features, then the upper stages at a low rate.

Batch normalisation stays frozen, the weights are averaged exponentially (the average is validated and exported), the
rate follows a cosine after a warm-up. Every step's batch and augmentation depend on the seed and the step's number
alone, so a resumed run goes on exactly as it would have.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.preprocessing.image import UInt8Array
from training.augmentation import augment
from training.backbones import build_backbone, fold_norms, trainable_layers
from training.datasets.pictures import Sample, labels_of
from training.losses import classification_loss, inverse_frequency_weights
from training.metrics import balanced_accuracy, macro_auroc
from training.recipes import Recipe

log = logging.getLogger(__name__)

HEAD_EPOCHS = 30

FloatArray = NDArray[np.float32]


class Objective:
    """What a network learns: its labels, its loss and its score. This one: one class out of `recipe.classes`."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.class_weights: list[float] | None = None

    @property
    def logits(self) -> int:
        """How many logits the network has."""
        return len(self.recipe.classes)

    def labels(self, samples: Sequence[Sample]) -> NDArray[np.int64]:
        """One label a sample, shape (n,)."""
        return labels_of(samples)

    def prepare(self, labels: NDArray[np.int64]) -> None:
        """See the training labels before the first step."""
        if self.recipe.class_weighting:
            counts = [int((labels == index).sum()) for index in range(len(self.recipe.classes))]
            self.class_weights = inverse_frequency_weights(counts)

    def loss(self, labels: Any, logits: Any) -> Any:
        """The mean loss of a batch."""
        recipe = self.recipe
        return classification_loss(
            recipe.loss, labels, logits, smoothing=recipe.smoothing, class_weights=self.class_weights
        )

    def score(self, labels: NDArray[np.int64], logits: FloatArray) -> dict[str, float]:
        """Figures of a validation by name; their sum decides whether it was the best."""
        return {"balanced_accuracy": balanced_accuracy(labels, logits), "macro_auroc": macro_auroc(labels, logits)}


def build_network(recipe: Recipe, logits: int, *, pretrained: bool = True) -> keras.Model:
    """Pictures (n, size, size, 3), 0-255, to logits (n, logits)."""
    size = recipe.preprocessing.size
    base = build_backbone(recipe.backbone, size, pretrained=pretrained)
    x = layers.GlobalAveragePooling2D(name="pool")(base.output)
    x = layers.Dropout(recipe.dropout, name="dropout", seed=recipe.seed)(x)
    output = layers.Dense(logits, dtype="float32", name="logits")(x)
    return keras.Model(base.inputs[0], output, name=recipe.name)


def prepare_accelerators(*, mixed_precision: bool) -> None:
    """Let GPU memory grow as needed; compute in half precision where there is a GPU and it was asked for."""
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if mixed_precision and gpus:
        keras.mixed_precision.set_global_policy("mixed_float16")


def sampling_weights(samples: Sequence[Sample], recipe: Recipe) -> NDArray[np.float64]:
    """The chance of each sample to be drawn, shape (n,), summing to 1; see `Recipe`."""
    classes = Counter(sample.label for sample in samples)
    cells = Counter((sample.label, sample.strata[recipe.stratum]) for sample in samples)
    shares = recipe.stratum_shares

    def weight(sample: Sample) -> float:
        stratum = sample.strata[recipe.stratum]
        present = sum(share for value, share in shares.items() if cells[sample.label, value])
        class_share = float(classes[sample.label]) ** (1.0 - recipe.balance)
        return float(class_share * shares[stratum] / present / cells[sample.label, stratum])

    weights = np.array([weight(sample) for sample in samples], dtype=np.float64)
    return np.asarray(weights / weights.sum())


class Trainer:
    """One training run in `folder`: checkpoints, history.jsonl and, at the end, model.keras.

    Training stops early after `patience` validations without a better sum of the objective's scores. The
    average of the last step is kept: it changes slowly, and picking the best of several validations flatters.
    """

    def __init__(
        self, recipe: Recipe, folder: Path, objective: Objective | None = None, *, pretrained: bool = True
    ) -> None:
        keras.utils.set_random_seed(recipe.seed)
        self.recipe, self.folder = recipe, folder
        self.objective = objective or Objective(recipe)
        folder.mkdir(parents=True, exist_ok=True)
        self.network = build_network(recipe, self.objective.logits, pretrained=pretrained)
        trained = trainable_layers(self.network, recipe.first_stage)
        for layer in self.network.layers:
            layer.trainable = layer in trained
        self.optimizer = keras.optimizers.AdamW(self._schedule(), weight_decay=recipe.weight_decay, global_clipnorm=5.0)
        self.optimizer.exclude_from_weight_decay(var_names=["bias"])
        self.optimizer.build(self.network.trainable_variables)
        self.average = [tf.Variable(variable.value) for variable in self.network.trainable_variables]
        self.step = tf.Variable(0, dtype=tf.int64)
        state = tf.train.Checkpoint(
            network=self.network, optimizer=self.optimizer, average=tuple(self.average), step=self.step
        )
        self.checkpoints = tf.train.CheckpointManager(state, str(folder / "checkpoints"), max_to_keep=1)
        self._train_step = tf.function(self._step, autograph=False)

    def fit(
        self,
        samples: Sequence[Sample],
        pictures: UInt8Array,
        validation: Sequence[Sample],
        validation_pictures: UInt8Array,
        *,
        resume: bool,
    ) -> None:
        """Run both phases; with `resume`, go on from the last checkpoint of this folder."""
        labels = self.objective.labels(samples)
        self.objective.prepare(labels)
        weights = sampling_weights(samples, self.recipe)
        if resume and self.checkpoints.restore_or_initialize():
            log.info("resumed at step %d", int(self.step))
        else:
            self._train_head(pictures, labels, weights)
        self._fine_tune(pictures, labels, weights, self.objective.labels(validation), validation_pictures)
        self._use_average()
        partial = self.folder / "partial.keras"
        fold_norms(self.network).save(partial)
        partial.rename(self.folder / "model.keras")

    def predict(self, pictures: UInt8Array) -> FloatArray:
        """Logits (n, classes) of uint8 pictures."""
        return predict_in_batches(self.network, pictures, self.recipe.batch_size)

    def _schedule(self) -> Any:
        return keras.optimizers.schedules.CosineDecay(
            self.recipe.learning_rate * 0.02,
            decay_steps=max(1, self.recipe.steps - self.recipe.warmup),
            warmup_target=self.recipe.learning_rate,
            warmup_steps=self.recipe.warmup,
            alpha=0.01,
        )

    def _train_head(self, pictures: UInt8Array, labels: NDArray[np.int64], weights: NDArray[np.float64]) -> None:
        """Phase 1: the base is frozen, so its features are computed once."""
        started = time.monotonic()
        pooled = keras.Model(self.network.input, self.network.get_layer("pool").output)
        features = predict_in_batches(pooled, pictures, self.recipe.batch_size)
        inputs = keras.Input(features.shape[1:])
        dropped = layers.Dropout(self.recipe.dropout, seed=self.recipe.seed)(inputs)
        head = keras.Model(inputs, layers.Dense(self.objective.logits)(dropped))
        head.compile(keras.optimizers.AdamW(3e-3, weight_decay=0.01), self._head_loss)
        rng = np.random.default_rng(self.recipe.seed)
        for _ in range(HEAD_EPOCHS):
            drawn = rng.choice(len(labels), len(labels), p=weights)
            head.fit(features[drawn], labels[drawn], batch_size=256, verbose=0)
        self.network.get_layer("logits").set_weights(head.layers[-1].get_weights())
        for mean, variable in zip(self.average, self.network.trainable_variables, strict=True):
            mean.assign(variable.value)
        log.info("phase 1: head trained on frozen features in %.0f s", time.monotonic() - started)

    def _head_loss(self, labels: Any, logits: Any) -> Any:
        """Keras hands labels over as a column of floats."""
        return self.objective.loss(tf.cast(tf.reshape(labels, [-1]), tf.int64), logits)

    def _fine_tune(
        self,
        pictures: UInt8Array,
        labels: NDArray[np.int64],
        weights: NDArray[np.float64],
        validation_labels: NDArray[np.int64],
        validation_pictures: UInt8Array,
    ) -> None:
        """Phase 2: the stages from `first_stage` up."""
        recipe, losses = self.recipe, []
        best, stale = -np.inf, 0
        columns = (
            TextColumn("phase 2"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns) as progress:
            bar = progress.add_task("", total=recipe.steps, completed=int(self.step), status="")
            for step in range(int(self.step), recipe.steps):
                drawn = np.random.default_rng([recipe.seed, step]).choice(len(labels), recipe.batch_size, p=weights)
                seed = tf.constant([recipe.seed, step], tf.int32)
                share = self._mixing_share(step)
                loss = self._train_step(tf.constant(pictures[drawn]), tf.constant(labels[drawn]), seed, share)
                losses.append(float(loss))
                if not np.isfinite(losses[-1]):
                    raise FloatingPointError(f"The loss is {losses[-1]} at step {step}; lower the learning rate.")
                progress.update(bar, advance=1, status=f"loss {np.mean(losses[-50:]):.3f}")
                if (step + 1) % recipe.validate_every and step + 1 != recipe.steps:
                    continue
                logits = self._validate(validation_pictures)
                score = self._record(step + 1, float(np.mean(losses)), logits, validation_labels)
                losses.clear()
                self.checkpoints.save()
                best, stale = (score, 0) if score > best else (best, stale + 1)
                if stale >= recipe.patience:
                    log.info("stopped early: no better validation score in %d validations", stale)
                    return

    def _mixing_share(self, step: int) -> Any:
        mixup = self.recipe.mixup
        share = np.random.default_rng([self.recipe.seed, step, 1]).beta(mixup, mixup) if mixup else 1.0
        return tf.constant(share, tf.float32)

    def _step(self, pictures: Any, labels: Any, seed: Any, share: Any) -> Any:
        """One step; `share` of each picture is itself, the rest its neighbour in the batch."""
        changed = augment(tf.cast(pictures, tf.float32), self.recipe.augmentation, seed)
        if self.recipe.mixup:
            changed = share * changed + (1.0 - share) * tf.roll(changed, 2, axis=0)
        with tf.GradientTape() as tape:
            logits = self.network(changed, training=True)
            loss = self.objective.loss(labels, logits)
            if self.recipe.mixup:
                loss = share * loss + (1.0 - share) * self.objective.loss(tf.roll(labels, 2, axis=0), logits)
        variables = self.network.trainable_variables
        self.optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        self.step.assign_add(1)
        done = tf.cast(self.step, tf.float32)
        rate = tf.minimum(self.recipe.averaging, (1.0 + done) / (10.0 + done))
        for mean, variable in zip(self.average, variables, strict=True):
            mean.assign(rate * mean + (1.0 - rate) * variable.value)
        return loss

    def _validate(self, pictures: UInt8Array) -> FloatArray:
        current = [variable.numpy() for variable in self.network.trainable_variables]
        self._use_average()
        logits = self.predict(pictures)
        for variable, value in zip(self.network.trainable_variables, current, strict=True):
            variable.assign(value)
        return logits

    def _use_average(self) -> None:
        for variable, mean in zip(self.network.trainable_variables, self.average, strict=True):
            variable.assign(mean)

    def _record(self, step: int, loss: float, logits: FloatArray, labels: NDArray[np.int64]) -> float:
        scores = self.objective.score(labels, logits)
        entry = {"step": step, "loss": loss, **scores, "time": time.time()}
        with (self.folder / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        listed = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in scores.items())
        log.info("step %d: loss %.3f, validation %s", step, loss, listed)
        return sum(scores.values())


def predict_in_batches(model: keras.Model, pictures: UInt8Array, batch_size: int) -> FloatArray:
    """Outputs (n, ...) of a single-output model for uint8 pictures, the last batch padded to keep one shape."""
    outputs = []
    for start in range(0, len(pictures), batch_size):
        batch = np.asarray(pictures[start : start + batch_size], dtype=np.float32)
        missing = batch_size - len(batch)
        padded = np.pad(batch, ((0, missing), (0, 0), (0, 0), (0, 0)))
        outputs.append(np.asarray(model.predict_on_batch(padded))[: len(batch)])
    return np.concatenate(outputs)
