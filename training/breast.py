"""The breast ultrasound model from data to bundle: one network, two heads, measured on patients held out.

The heads are malignancy (biopsy truth) and the radiologist's assessment on its ordinal scale, as one logit for each
step "graver than 1, 2, 3, 4" (Frank and Hall 2001). BUSI's lesions carry no assessment: of them only "graver than 1" is
known, since a lesion is there.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.preprocessing.image import ImagePreprocessing
from training.augmentation import ULTRASOUND
from training.datasets import bus_bra, busi
from training.datasets.pictures import Sample, load_tensors
from training.datasets.ultrasound import assessment_of
from training.metrics import FloatArray, IntArray, auroc
from training.recipes import Recipe
from training.splits import split_groups
from training.two_phase import Objective, Trainer, predict_in_batches

FOLDS = 5
FOLD_SEED = 3
CATEGORIES = ("1", "2", "3", "4", "5")
ASSESSMENT_SHARE = 0.5
"""Weight of the assessment's loss beside that of malignancy."""

RECIPE = Recipe(
    name="breast",
    classes=CATEGORIES,
    preprocessing=ImagePreprocessing(size=224, framing="letterbox"),
    augmentation=ULTRASOUND,
    stratum="set",
    stratum_shares={"busi": 0.45, "bus_bra": 0.55},
    first_stage=4,
    steps=900,
    warmup=100,
    learning_rate=4e-4,
    weight_decay=0.05,
    dropout=0.4,
    balance=0.6,
    smoothing=0.1,
    averaging=0.995,
    validate_every=150,
    patience=99,
)


class BreastObjective(Objective):
    """Malignancy and assessment of a picture, as one label: 6 x malignancy + assessment, 0 where none was given."""

    @property
    def logits(self) -> int:
        """One of malignancy, four of the assessment's steps."""
        return len(self.recipe.classes)

    def labels(self, samples: Sequence[Sample]) -> NDArray[np.int64]:
        return np.array([6 * sample.label + (assessment_of(sample) or 0) for sample in samples], dtype=np.int64)

    def loss(self, labels: Any, logits: Any) -> Any:
        labels = tf.cast(tf.reshape(labels, [-1]), tf.int32)
        malignant = tf.cast(labels // 6, tf.float32)
        assessment = (labels % 6)[:, None]
        steps = tf.range(1, 5)[None, :]
        known = tf.cast((assessment > 0) | (steps == 1), tf.float32)
        graver = tf.cast((assessment > steps) | ((assessment == 0) & (steps == 1)), tf.float32)
        soft = self.recipe.smoothing
        targets = tf.concat([malignant[:, None], graver], 1) * (1.0 - soft) + soft / 2.0
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
        assessed = tf.reduce_sum(losses[:, 1:] * known) / tf.reduce_sum(known)
        return tf.reduce_mean(losses[:, 0]) + ASSESSMENT_SHARE * assessed

    def score(self, labels: NDArray[np.int64], logits: FloatArray) -> dict[str, float]:
        found = {"auroc": auroc(labels // 6 > 0, logits[:, 0])}
        lesion = labels % 6 != 1
        found["auroc_of_lesions"] = auroc(labels[lesion] // 6 > 0, logits[lesion, 0])
        rated = labels % 6 > 1
        if rated.any():
            found["kappa"] = quadratic_kappa(labels[rated] % 6, median_category(assessment_chances(logits[rated])))
        return found


def assessment_chances(logits: FloatArray) -> NDArray[np.float64]:
    """Probabilities (n, 5) of the categories 1 to 5 from logits (n, 5), whose last four are the steps."""
    graver = 1.0 / (1.0 + np.exp(-np.asarray(logits[:, 1:], dtype=np.float64)))
    falling = np.minimum.accumulate(graver, axis=1)
    edges = np.concatenate([np.ones((len(falling), 1)), falling, np.zeros((len(falling), 1))], axis=1)
    return np.asarray(edges[:, :-1] - edges[:, 1:])


def median_category(chances: NDArray[np.float64]) -> IntArray:
    """The median category, 1 to 5, of each row (n, 5)."""
    return np.asarray((np.cumsum(chances, axis=1) <= 0.5).sum(axis=1) + 1, dtype=np.int64)


def quadratic_kappa(truth: IntArray, found: IntArray) -> float:
    """Cohen's kappa with quadratic weights (Cohen 1968); 1 is full agreement, 0 that of chance."""
    disagreement = np.mean((truth - found) ** 2)
    by_chance = np.mean((truth[:, None] - found[None, :]) ** 2)
    return float(1.0 - disagreement / by_chance)


def load(data: Path) -> list[Sample]:
    """Both sets. Raises `DatasetError`."""
    return [*busi.load(data / "breast_ultrasound"), *bus_bra.load(data / "bus_bra")]


def folds_of(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Five parts that keep patients and duplicates together, with the malignant spread evenly."""
    parts, rest = [], list(samples)
    for remaining in range(FOLDS, 1, -1):
        rest, part = split_groups(rest, 1 / remaining, FOLD_SEED)
        parts.append(part)
    return [*parts, rest]


def fit(
    train: Sequence[Sample],
    held_out: Sequence[Sample],
    folder: Path,
    cache: Path,
    recipe: Recipe = RECIPE,
    *,
    resume: bool = False,
) -> NDArray[np.float32]:
    """Train on `train`, save model.keras and logits.npy in `folder`; the logits (n, 5) of `held_out`."""
    present = {sample.strata["set"] for sample in train}
    shares = {name: share for name, share in recipe.stratum_shares.items() if name in present}
    trainer = Trainer(replace(recipe, stratum_shares=shares), folder, BreastObjective(recipe))
    pictures = [load_tensors(part, recipe.preprocessing, cache) for part in (train, held_out)]
    trainer.fit(train, pictures[0], held_out, pictures[1], resume=resume)
    network = keras.models.load_model(folder / "model.keras")
    logits = predict_in_batches(network, pictures[1], recipe.batch_size)
    np.save(folder / "logits.npy", logits)
    return logits


def train_folds(data: Path, run: Path, cache: Path, recipe: Recipe = RECIPE, *, resume: bool = False) -> None:
    """Train one network without each fold, in `run`/fold<n>; with `resume`, only those not finished."""
    folds = folds_of(load(data))
    for number, held_out in enumerate(folds, 1):
        folder = run / f"fold{number}"
        if resume and (folder / "logits.npy").is_file():
            continue
        train = [sample for part in folds if part is not held_out for sample in part]
        fit(train, held_out, folder, cache, recipe, resume=resume)


def train_across(
    data: Path, run: Path, cache: Path, name: str, recipe: Recipe = RECIPE, *, resume: bool = False
) -> None:
    """Train on the set called `name` alone, in `run`/<name>_alone; history.jsonl and logits.npy are of the other."""
    samples = load(data)
    train = [sample for sample in samples if sample.strata["set"] == name]
    others = [sample for sample in samples if sample.strata["set"] != name]
    fit(train, others, run / f"{name}_alone", cache, recipe, resume=resume)
