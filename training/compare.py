"""Losses and ways to meet class imbalance, compared on validation: linear heads on frozen features, which take seconds.

`medidiagnose-train compare skin`. Fine-tuning shifts the figures up, rarely the order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
from rich.table import Table
from scipy.special import softmax

from training.calibrate import fit_temperature
from training.datasets.pictures import Sample, labels_of, load_tensors
from training.diagnoses.picture_task import Run
from training.metrics import balanced_accuracy, expected_calibration_error, macro_auroc
from training.picture_trainer import FeaturesAsTheyAre, Objective, build_network, sampling_weights
from training.recipe import LossName, Recipe
from training.trainer import Draws, FloatArray, Learner, jit_compiles, predict_in_batches

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


def compare(run: Run) -> Table:
    """A table of each variant's balanced accuracy, macro AUROC and ECE on validation."""
    recipe, splits = run.task.recipe, run.splits
    network = build_network(recipe, len(recipe.classes), size=recipe.preprocessing.size)
    pooled = keras.Model(network.input, network.get_layer("pool").output)
    features, checks = (
        predict_in_batches(pooled, load_tensors(part, recipe.preprocessing, run.cache), recipe.batch_size)
        for part in (splits.train, splits.validation)
    )
    truth = labels_of(splits.validation)
    table = Table("variant", "balanced accuracy", "macro AUROC", "ECE", "ECE after temperature")
    for variant in VARIANTS:
        scores = np.asarray(_train_head(variant, recipe, features, splits.train)(checks))
        chances = softmax(scores.astype(np.float64), axis=1)
        cooled = softmax(scores.astype(np.float64) / fit_temperature(truth, scores), axis=1)
        figures = (
            balanced_accuracy(truth, scores),
            macro_auroc(truth, scores),
            expected_calibration_error(truth, chances),
            expected_calibration_error(truth, cooled),
        )
        table.add_row(variant.name, *(f"{figure:.3f}" for figure in figures))
    return table


def _train_head(variant: Variant, recipe: Recipe, features: FloatArray, samples: Sequence[Sample]) -> keras.Model:
    """A linear head trained on features (n, d) by one variant."""
    keras.utils.set_random_seed(recipe.seed)
    objective = Objective(replace(recipe, loss=variant.loss, class_weighting=variant.class_weighting, smoothing=0.0))
    inputs = keras.Input(features.shape[1:])
    head = keras.Model(inputs, keras.layers.Dense(objective.logits)(inputs))
    arrays = {"features": features, "targets": objective.targets(samples), "weights": objective.weights(samples)}
    chances = sampling_weights(samples, recipe) if variant.balanced_draw else np.full(len(samples), 1 / len(samples))
    learner = Learner(head, FeaturesAsTheyAre(), objective.loss)
    learner.compile(keras.optimizers.AdamW(2e-3, weight_decay=0.01), loss=None, jit_compile=jit_compiles())
    draws = Draws(arrays, chances, batch_size=BATCH, steps=STEPS, seed=recipe.seed)
    learner.fit(draws, shuffle=False, verbose=0)
    return head
