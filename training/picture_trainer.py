"""Trains a picture network by its recipe, in two phases: a linear head on frozen features, then the upper stages. A
recipe without steps ends with the first.

Batch normalisation stays frozen. Pictures are decoded once for each size, by the service's own preprocessing, and kept
as uint8, memory-mapped.
"""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_sample_weight

from training.augmentation import AUGMENTATIONS, PictureChanges
from training.datasets.pictures import Pictures, Sample, labels_of, load_tensors, rows_of
from training.errors import TrainingError
from training.file_changes import FILE_CHANGES
from training.metrics import IntArray, balanced_accuracy, macro_auroc
from training.networks.backbones import MeansAndSpreads, build_backbone, fold_norms, take_folded, trainable_layers
from training.recipe import Recipe
from training.trainer import (
    Draws,
    FloatArray,
    Learner,
    Stage,
    fit,
    jit_compiles,
    kept_epochs,
    predict_in_batches,
    scaled,
)

log = logging.getLogger(__name__)

HEAD_BATCH = 256
COPIES = 2
"""How often each picture is seen with its file changed where a head is fitted."""


class Objective:
    """What a network learns: targets, loss and score. This one: one class out of `recipe.classes`."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        losses: dict[str, keras.losses.Loss] = {
            "cross_entropy": keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.smoothing),
            "focal": keras.losses.CategoricalFocalCrossentropy(
                alpha=1.0, gamma=2.0, from_logits=True, label_smoothing=recipe.smoothing
            ),
        }
        self._loss = losses[recipe.loss]

    @property
    def logits(self) -> int:
        """How many logits the network has."""
        return len(self.recipe.classes)

    def targets(self, samples: Sequence[Sample]) -> FloatArray:
        """What is to be learned of each sample, (n, k)."""
        return np.eye(len(self.recipe.classes), dtype=np.float32)[labels_of(samples)]

    def weights(self, samples: Sequence[Sample]) -> FloatArray:
        """What each sample counts, (n,), with a mean of 1."""
        balanced = "balanced" if self.recipe.class_weighting else None
        return np.asarray(compute_sample_weight(balanced, labels_of(samples)), dtype=np.float32)

    def loss(self, targets: Any, logits: Any, weights: Any) -> Any:
        """The mean loss of a batch of targets (n, k) and logits, weighted by (n,)."""
        return self._loss(targets, logits, sample_weight=weights)

    def distilled(self, targets: Any, logits: Any) -> Any:
        """Targets (n, k) of which half is what teachers say, as the mean of their logits (n, k); both are tensors."""
        return (targets + ops.softmax(logits, axis=1)) / 2.0

    def score(self, targets: FloatArray, logits: FloatArray, samples: Sequence[Sample]) -> dict[str, float]:
        """Figures of a validation of `samples` by name; their sum decides whether it was the best."""
        labels = targets.argmax(axis=1)
        return {"balanced_accuracy": balanced_accuracy(labels, logits), "macro_auroc": macro_auroc(labels, logits)}


class Taught(layers.Layer):
    """Changes a batch as `changes` does, then mixes into its targets what `teachers` say of the very pictures that the
    student sees, blended ones too: there they differ most, so there is most to learn (Beyer et al. 2022,
    arXiv:2106.05237)."""

    def __init__(self, changes: layers.Layer, teachers: Sequence[keras.Model], objective: Objective) -> None:
        super().__init__(name="taught", dtype="float32")
        self._changes, self._teachers, self._objective = changes, list(teachers), objective
        for teacher in teachers:
            teacher.trainable = False

    def call(self, batch: Any) -> tuple[Any, Any, Any]:
        pictures, targets, weights = self._changes(batch)
        said = ops.mean(ops.stack([teacher(pictures, training=False) for teacher in self._teachers]), axis=0)
        return pictures, self._objective.distilled(targets, said), weights


@dataclass(frozen=True)
class PictureRun:
    """What a training needs beside its recipe: the run's `folder`, the `cache` of decoded pictures, and options. Where
    several runs draw from one `pool` of pictures, it is decoded once."""

    folder: Path
    cache: Path | None = None
    resume: bool = False
    tensorboard: bool = False
    pool: Sequence[Sample] = ()

    def pictures(self, samples: Sequence[Sample], recipe: Recipe, size: int) -> Pictures:
        """The tensors of `samples` at a size."""
        spec = resized(recipe, size)
        return rows_of(samples, self.pool, spec, self.cache) if self.pool else load_tensors(samples, spec, self.cache)


def train(
    recipe: Recipe,
    samples: Sequence[Sample],
    validation: Sequence[Sample],
    run: PictureRun,
    objective: Objective | None = None,
    start: Path | None = None,
    teachers: Sequence[keras.Model] = (),
) -> None:
    """Train a network and save its averaged weights as model.keras in the run's folder. It begins with the network
    saved in `start`, or with phase 1. With `teachers`, networks of the recipe's own size, it learns from them as well.

    Raises `DatasetError` for a picture that doesn't decode, `BackboneError` where pretrained weights can't be had,
    `TrainingError` for sizes that don't fit the recipe.
    """
    keras.utils.set_random_seed(recipe.seed)
    run.folder.mkdir(parents=True, exist_ok=True)
    objective = objective or Objective(recipe)
    parts = divide(recipe)
    size = recipe.preprocessing.size if len(parts) == 1 else None
    network = build_network(recipe, objective.logits, size=size)
    chances = sampling_weights(samples, recipe)
    learned = {"targets": objective.targets(samples), "weights": objective.weights(samples)}
    if start:
        take_folded(network, keras.models.load_model(start))
    elif not (run.resume and kept_epochs(run.folder)):
        train_head(recipe, network, objective, run.pictures(samples, recipe, parts[0].size), learned, chances)
    if not recipe.steps:
        save(recipe, network, objective.logits, run.folder / "model.keras")
        return
    freeze(network, recipe.first_stage)
    truth = objective.targets(validation)

    def stage(number: int, part: "Part") -> Stage:
        shown = run.pictures(validation, recipe, part.size)
        return Stage(
            part.first,
            part.last,
            {"pictures": run.pictures(samples, recipe, part.size), **learned},
            lambda found: objective.score(truth, predict_in_batches(found, shown, recipe.batch_size), validation),
            chances,
            {"pictures": FILE_CHANGES[recipe.augmentation]} if recipe.augmentation in FILE_CHANGES else {},
            recipe.restarts[number] if recipe.restarts else None,
        )

    learner = Learner(network, changes_of(recipe, objective, teachers), objective.loss)
    stages = [stage(number, part) for number, part in enumerate(parts)]
    fit(learner, recipe, stages, run.folder, resume=run.resume, tensorboard=run.tensorboard)
    save(recipe, network, objective.logits, run.folder / "model.keras")


def changes_of(recipe: Recipe, objective: Objective, teachers: Sequence[keras.Model]) -> layers.Layer:
    """What makes of a batch what a network sees and is to say of it."""
    how = AUGMENTATIONS[recipe.augmentation]
    changes = PictureChanges(how, mixup=recipe.mixup, cutmix=recipe.cutmix, seed=recipe.seed)
    return Taught(changes, teachers, objective) if teachers else changes


@dataclass(frozen=True)
class Part:
    """The epochs, from `first` up to `last`, that see pictures of one size."""

    size: int
    first: int
    last: int


def divide(recipe: Recipe) -> list[Part]:
    """The epochs of a run among its sizes. Raises `TrainingError` where they don't fit."""
    sizes = recipe.sizes or (recipe.preprocessing.size,)
    shares = np.array(recipe.size_shares or [1.0] * len(sizes), dtype=np.float64)
    if len(shares) != len(sizes) or not (shares > 0).all():
        raise TrainingError("Give a share above 0 for each of --sizes.")
    if recipe.restarts and len(recipe.restarts) != len(sizes):
        raise TrainingError("Give a share of the learning rate for each of --sizes.")
    if sizes[-1] != recipe.preprocessing.size:
        raise TrainingError(f"The last of --sizes must be the model's own, {recipe.preprocessing.size}.")
    if recipe.steps and recipe.epochs < len(sizes):
        raise TrainingError(f"{len(sizes)} sizes need as many validations; there are {recipe.epochs}.")
    ends = np.rint(np.cumsum(shares) / shares.sum() * recipe.epochs).astype(int)
    ends = np.maximum(ends, np.arange(1, len(sizes) + 1))
    return [Part(*each) for each in zip(sizes, [0, *ends[:-1].tolist()], ends.tolist(), strict=True)]


def resized(recipe: Recipe, size: int) -> Any:
    """The recipe's preprocessing at another size."""
    return recipe.preprocessing.model_copy(update={"size": size})


def build_network(recipe: Recipe, logits: int, *, size: int | None, pretrained: bool | None = None) -> keras.Model:
    """Pictures (n, size, size, 3), 0-255, of any size where it is None, to logits (n, logits)."""
    wanted = recipe.pretrained if pretrained is None else pretrained
    base = build_backbone(recipe.backbone, size, pretrained=wanted, window=recipe.window)
    x = pool(base, recipe.pooled)
    x = layers.Dropout(recipe.dropout, name="dropout", seed=recipe.seed)(x)
    output = layers.Dense(logits, dtype="float32", name="logits")(x)
    return keras.Model(base.inputs[0], output, name=recipe.name)


def pool(base: keras.Model, stages: Sequence[str]) -> Any:
    """What a head reads of a backbone, (n, d): the means of its last maps, or with `stages` the means and spreads of
    theirs and of the last, each made even by a normalisation that phase 1 sets."""
    if not stages:
        return layers.GlobalAveragePooling2D(name="pool")(base.output)
    maps = [*(base.get_layer(stage).output for stage in stages), base.output]
    read = [MeansAndSpreads(name=f"pooled_{number}")(each) for number, each in enumerate(maps)]
    return layers.BatchNormalization(center=False, scale=False, trainable=False, name="pool")(
        layers.Concatenate(name="pooled")(read)
    )


def freeze(network: keras.Model, first_stage: int) -> None:
    """Leave only what phase 2 trains trainable."""
    trained = trainable_layers(network, first_stage)
    for layer in network.layers:
        layer.trainable = layer in trained


def save(recipe: Recipe, network: keras.Model, logits: int, file: Path) -> None:
    """Write a trained network with plain convolutions and the recipe's own picture size."""
    if network.input.shape[1] is None:
        fixed = build_network(recipe, logits, size=recipe.preprocessing.size, pretrained=False)
        fixed.set_weights(network.get_weights())
        network = fixed
    partial = file.with_name("partial.keras")
    fold_norms(network).save(partial)
    partial.replace(file)


def train_head(
    recipe: Recipe,
    network: keras.Model,
    objective: Objective,
    pictures: Pictures,
    learned: dict[str, FloatArray],
    chances: NDArray[np.float64],
) -> None:
    """Phase 1: the base is frozen, so its features are computed once. By its recipe the head is fitted instead."""
    if recipe.head_ridge is not None:
        fit_head(recipe, network, pictures, learned["targets"].argmax(axis=1), chances)
        return
    started = time.monotonic()
    pooled = keras.Model(network.input, network.get_layer("pool").output)
    features = predict_in_batches(pooled, pictures, recipe.batch_size)
    inputs = keras.Input(features.shape[1:])
    dropped = layers.Dropout(recipe.dropout, seed=recipe.seed)(inputs)
    head = keras.Model(inputs, layers.Dense(objective.logits)(dropped))
    learner = Learner(head, FeaturesAsTheyAre(), objective.loss)
    optimizer = scaled(keras.optimizers.AdamW(3e-3, weight_decay=0.01), head)
    learner.compile(optimizer, loss=None, jit_compile=jit_compiles())
    steps = max(1, recipe.head_epochs * len(pictures) // HEAD_BATCH)
    draws = Draws({"features": features, **learned}, chances, batch_size=HEAD_BATCH, steps=steps, seed=recipe.seed)
    learner.fit(draws, shuffle=False, verbose=0)
    network.get_layer("logits").set_weights(head.layers[-1].get_weights())
    log.info("phase 1: head trained on frozen features in %.0f s", time.monotonic() - started)


def fit_head(
    recipe: Recipe, network: keras.Model, pictures: Pictures, labels: IntArray, chances: NDArray[np.float64]
) -> None:
    """Phase 1 as a logistic regression with the recipe's penalty, each sample weighed by its chance to be drawn: of the
    features of pictures as they are, and `COPIES` times with their files changed as in phase 2."""
    from sklearn.linear_model import LogisticRegression

    started, even = time.monotonic(), network.get_layer("pool")
    read = keras.Model(network.input, even.input if recipe.pooled else even.output)
    changes, rng = FILE_CHANGES.get(recipe.augmentation), np.random.default_rng(recipe.seed)

    def seen(*, changed: bool) -> FloatArray:
        found = []
        for first in range(0, len(pictures), HEAD_BATCH):
            part = pictures[first : first + HEAD_BATCH]
            shown = changes(part, rng) if changes and changed else part
            found.append(predict_in_batches(read, shown, recipe.batch_size))
        return np.concatenate(found)

    kinds = [seen(changed=number > 0) for number in range(1 + COPIES)]
    features = np.concatenate(kinds)
    if recipe.pooled:
        even.set_weights([features.mean(axis=0), features.var(axis=0)])
        features = (features - features.mean(axis=0)) / np.sqrt(features.var(axis=0) + even.epsilon)
    weights = np.tile(chances, len(kinds)) / len(kinds)
    strength = 1.0 / recipe.head_ridge if recipe.head_ridge else np.inf
    found = LogisticRegression(C=strength, max_iter=1000).fit(features, np.tile(labels, len(kinds)), weights)
    kernel, bias = found.coef_.T, found.intercept_
    if kernel.shape[1] == 1:
        kernel, bias = np.concatenate([-kernel, kernel], axis=1) / 2.0, np.r_[-bias, bias] / 2.0
    network.get_layer("logits").set_weights([kernel, bias])
    log.info("phase 1: head fitted to frozen features in %.0f s", time.monotonic() - started)


class FeaturesAsTheyAre(layers.Layer):
    """Changes nothing."""

    def call(self, batch: Any) -> tuple[Any, Any, Any]:
        return batch["features"], batch["targets"], batch["weights"]


def sampling_weights(samples: Sequence[Sample], recipe: Recipe) -> NDArray[np.float64]:
    """The chance of each sample to be drawn, shape (n,), summing to 1; see `Recipe`."""
    stratum, by, shares = recipe.stratum, recipe.balance_by, recipe.stratum_shares
    values = [sample.strata[stratum] if stratum else "" for sample in samples]
    names = [sample.strata[by] if by else str(sample.label) for sample in samples]
    if not stratum:
        shares = {"": 1.0}
    classes = Counter(names)
    cells = Counter(zip(names, values, strict=True))

    def weight(name: str, value: str) -> float:
        present = sum(share for each, share in shares.items() if cells[name, each])
        class_share = float(classes[name]) ** (1.0 - recipe.balance)
        return float(class_share * shares[value] / present / cells[name, value])

    weights = np.array([weight(name, value) for name, value in zip(names, values, strict=True)])
    return np.asarray(weights / weights.sum())
