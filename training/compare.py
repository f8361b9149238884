"""Losses and ways to meet class imbalance, compared on validation: linear heads on frozen features, which take seconds.

`medidiagnose-train compare skin`. Fine-tuning shifts the figures up, rarely the order.
"""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.table import Table

from training.calibrate import fit_temperature
from training.datasets.pictures import labels_of, load_tensors
from training.losses import LossName, classification_loss, inverse_frequency_weights
from training.metrics import balanced_accuracy, expected_calibration_error, macro_auroc, softmax
from training.pipeline import Run
from training.splits import Splits
from training.two_phase import FloatArray, build_network, predict_in_batches, sampling_weights

STEPS = 600
BATCH = 256


@dataclass(frozen=True)
class Variant:
    """One way to train: the loss, whether classes are weighted by inverse frequency, whether draws are balanced."""

    loss: LossName
    class_weighting: bool = False
    balanced_draw: bool = False

    @property
    def name(self) -> str:
        extras = [
            *(["class weights"] if self.class_weighting else []),
            *(["balanced draw"] if self.balanced_draw else []),
        ]
        return ", ".join([self.loss.replace("_", "-"), *extras])


VARIANTS = tuple(
    Variant(loss, class_weighting, balanced_draw)
    for loss in ("cross_entropy", "focal")
    for class_weighting, balanced_draw in ((False, False), (True, False), (False, True))
)


def compare(run: Run, splits: Splits) -> Table:
    """A table of each variant's balanced accuracy, macro AUROC and ECE on validation."""
    recipe = run.task.recipe
    network = build_network(recipe, len(recipe.classes))
    pooled = keras.Model(network.input, network.get_layer("pool").output)
    features, checks = (
        predict_in_batches(pooled, load_tensors(part, recipe.preprocessing, run.cache), recipe.batch_size)
        for part in (splits.train, splits.validation)
    )
    labels, truth = labels_of(splits.train), labels_of(splits.validation)
    table = Table("variant", "balanced accuracy", "macro AUROC", "ECE", "ECE after temperature")
    for variant in VARIANTS:
        shares = sampling_weights(splits.train, recipe) if variant.balanced_draw else np.full(len(labels), 1.0)
        head = _train_head(variant, features, labels, shares / shares.sum(), len(recipe.classes), recipe.seed)
        scores = np.asarray(head(checks))
        cooled = softmax(scores / fit_temperature(truth, scores))
        figures = (
            balanced_accuracy(truth, scores),
            macro_auroc(truth, scores),
            expected_calibration_error(truth, softmax(scores)),
            expected_calibration_error(truth, cooled),
        )
        table.add_row(variant.name, *(f"{figure:.3f}" for figure in figures))
    return table


def _train_head(
    variant: Variant,
    features: FloatArray,
    labels: NDArray[np.int64],
    shares: NDArray[np.float64],
    classes: int,
    seed: int,
) -> keras.layers.Dense:
    """A linear head trained on features (n, d) by one variant."""
    keras.utils.set_random_seed(seed)
    head = keras.layers.Dense(classes)
    head.build(features.shape)
    optimizer = keras.optimizers.AdamW(2e-3, weight_decay=0.01)
    optimizer.build(head.trainable_variables)
    counts = np.bincount(labels, minlength=classes).tolist()
    class_weights = inverse_frequency_weights(counts) if variant.class_weighting else None
    rng = np.random.default_rng(seed)

    @tf.function(autograph=False)
    def step(batch: FloatArray, truth: NDArray[np.int64]) -> None:
        with tf.GradientTape() as tape:
            loss = classification_loss(variant.loss, truth, head(batch), smoothing=0.0, class_weights=class_weights)
        variables = head.trainable_variables
        optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)

    for _ in range(STEPS):
        drawn = rng.choice(len(labels), BATCH, p=shares)
        step(tf.constant(features[drawn]), tf.constant(labels[drawn]))
    return head
