"""The breast ultrasound model from data to bundle: one network, two heads, measured on patients held out.

The heads are malignancy (biopsy truth) and the radiologist's assessment on its ordinal scale, as one logit for each
step "graver than 1, 2, 3, 4" (Frank and Hall 2001). BUSI's lesions carry no assessment: of them only "graver than 1" is
known, since a lesion is there.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.bundle import Bundle, Estimate, Metadata, write_bundle
from models.preprocessing.image import ImagePreprocessing
from training import export, novelty
from training.augmentation import ULTRASOUND
from training.calibrate import OperatingRule, choose_operating_point
from training.card import write_card
from training.datasets import bus_bra, busi
from training.datasets.pictures import Sample, load_tensors
from training.datasets.ultrasound import assessment_of
from training.evaluate import REPEATS, bootstrap
from training.evaluate import predict as run_onnx
from training.metrics import IntArray, auroc
from training.multilabel import expected_calibration_error
from training.recipes import Recipe
from training.splits import split_groups
from training.two_phase import Objective, Trainer, predict_in_batches

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float32]

VERSION = "1.0.0"
NOTES = Path(__file__).parent / "notes" / "breast.md"
NOVELTY_QUANTILE = 0.99
NOVELTY_MARGIN = 1.75
SCREENING_SENSITIVITY = 0.98
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
    steps=240,
    warmup=40,
    learning_rate=4e-4,
    weight_decay=0.05,
    dropout=0.4,
    balance=0.6,
    smoothing=0.1,
    averaging=0.985,
    validate_every=240,
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
        labels = tf.cast(labels, tf.int32)
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


def make_bundle(data: Path, run: Path, cache: Path) -> Bundle:
    """The mean of the folds' weights as one network, calibrated on what each fold's network said of those held out.

    Networks from the same pretrained weights can be averaged (Wortsman et al. 2022, arXiv:2203.05482). The figures are
    those of the folds' networks: the shipped mean has seen every picture, so it can't be measured here.
    """
    folds = folds_of(load(data))
    samples = [sample for fold in folds for sample in fold]
    paths = [run / f"fold{number}" for number in range(1, FOLDS + 1)]
    logits = [np.load(path / "logits.npy") for path in paths]
    held_out = np.concatenate(logits)
    labels = np.array([sample.label for sample in samples])
    scale, bias = fit_platt(labels, held_out[:, 0])
    chances = platt(held_out[:, 0], scale, bias)
    point = choose_operating_point(
        OperatingRule("malignant", minimum_sensitivity=SCREENING_SENSITIVITY), labels > 0, chances, np.ones(len(labels))
    )
    network = _mean_network(paths)
    network.save(run / "model.keras")
    taps = novelty.TAPS[RECIPE.backbone]
    pictures = load_tensors(samples, RECIPE.preprocessing, cache)
    tapped = keras.Model(network.input, novelty.tapped_features(network, taps))
    gaussian = novelty.fit_gaussian(predict_in_batches(tapped, pictures, RECIPE.batch_size))
    served = served_model(network, scale, bias, gaussian, taps)
    exported = run / "fp32.onnx"
    export.export_onnx(served, exported)
    difference = export.check_parity(served, exported, np.asarray(pictures[: RECIPE.batch_size]))
    log.info("Keras and ONNX differ by at most %.1e", difference)
    scores = run_onnx(exported, pictures)["novelty"]
    entry, outputs = export.tensor_specs(exported)
    metadata: dict[str, Any] = {
        "name": RECIPE.name,
        "version": VERSION,
        "created": date.today(),
        "precision": "fp32",
        "task": "multiclass",
        "classes": CATEGORIES,
        "input": entry,
        "outputs": outputs,
        "preprocessing": RECIPE.preprocessing,
        "temperature": 1.0 / scale,
        "operating_points": (point,),
        "novelty": novelty.choose_threshold(scores, NOVELTY_QUANTILE, NOVELTY_MARGIN),
        "licence": "CC BY 4.0 (as BUS-BRA); BUSI as published by its authors",
        "data": (busi.SOURCE, bus_bra.SOURCE),
        "metrics": measure(folds, logits) | measure_across(data, run),
        "training": {
            "backbone": RECIPE.backbone,
            "steps": RECIPE.steps,
            "batch_size": RECIPE.batch_size,
            "seed": RECIPE.seed,
            "networks": FOLDS,
            "pictures": len(samples),
        },
    }
    draft = Metadata.model_validate({**metadata, "sha256": "0" * 64})
    notes = NOTES.read_text(encoding="utf-8") if NOTES.is_file() else ""
    return write_bundle(run / "bundle", model=exported, card=write_card(draft, {}, notes), metadata=metadata)


def measure(folds: Sequence[Sequence[Sample]], logits: Sequence[FloatArray]) -> dict[str, dict[str, Estimate]]:
    """Figures of each set from the networks that had not seen it, with intervals from a bootstrap over groups.

    The malignancy of each fold is calibrated on the other folds alone.
    """
    labels = [np.array([sample.label for sample in fold]) for fold in folds]
    chances = []
    for number, found in enumerate(logits):
        others = [index for index in range(len(folds)) if index != number]
        fitted = fit_platt(
            np.concatenate([labels[i] for i in others]), np.concatenate([logits[i][:, 0] for i in others])
        )
        chances.append(platt(found[:, 0], *fitted))
    samples = [sample for fold in folds for sample in fold]
    everything = np.concatenate(logits)
    malignancy = np.concatenate(chances)
    figures = {}
    for name, title in (("bus_bra", "held out, BUS-BRA"), ("busi", "held out, BUSI lesions")):
        chosen = np.array([s.strata["set"] == name and s.strata["pathology"] != "normal" for s in samples])
        part = [sample for sample, taken in zip(samples, chosen, strict=True) if taken]
        figures[title] = _figures(part, malignancy[chosen], everything[chosen])
    return figures


def measure_across(data: Path, run: Path) -> dict[str, dict[str, Estimate]]:
    """Malignancy on the lesions of one set from a network trained on the other alone, where it was trained."""
    samples, figures = load(data), {}
    for name, other, title in (("bus_bra", "busi", "BUS-BRA to BUSI lesions"), ("busi", "bus_bra", "BUSI to BUS-BRA")):
        file = run / f"{name}_alone" / "logits.npy"
        if file.is_file():
            part = [sample for sample in samples if sample.strata["set"] == other]
            lesion = np.array([sample.strata["pathology"] != "normal" for sample in part])
            part = [sample for sample, taken in zip(part, lesion, strict=True) if taken]
            groups = [sample.group for sample in part]
            labels = np.array([sample.label for sample in part])
            figures[title] = {"auroc": bootstrap(_auroc, labels, np.load(file)[lesion], groups, REPEATS)}
    return figures


def served_model(
    network: keras.Model, scale: float, bias: float, gaussian: novelty.Gaussian, taps: tuple[str, ...]
) -> keras.Model:
    """uint8 `image` (n, size, size, 3) to `probabilities` (n, 5), `malignancy` (n,) and `novelty` (n,)."""
    trunk = keras.Model(network.input, [network.output, novelty.tapped_features(network, taps)])
    image = keras.Input(network.input.shape[1:], dtype="uint8", name="image")
    logits, features = trunk(keras.ops.cast(image, "float32"))
    steps = [keras.ops.sigmoid(logits[:, 1])]
    for index in range(2, len(CATEGORIES)):
        steps.append(keras.ops.minimum(steps[-1], keras.ops.sigmoid(logits[:, index])))
    edges = [keras.ops.ones_like(steps[0]), *steps, keras.ops.zeros_like(steps[0])]
    chances = keras.ops.stack([upper - lower for upper, lower in pairwise(edges)], axis=1)
    return keras.Model(
        image,
        {
            "probabilities": layers.Identity(name="probabilities")(chances),
            "malignancy": layers.Identity(name="malignancy")(keras.ops.sigmoid(scale * logits[:, 0] + bias)),
            "novelty": layers.Identity(name="novelty")(novelty.score_layer(gaussian, features)),
        },
    )


def fit_platt(labels: IntArray, logits: FloatArray) -> tuple[float, float]:
    """Scale and bias that minimise the log-loss of sigmoid(scale x logit + bias); Platt 1999."""

    def loss(parameters: NDArray[np.float64]) -> float:
        shifted = np.exp(parameters[0]) * logits + parameters[1]
        return float(np.mean(np.logaddexp(0.0, shifted) - labels * shifted))

    log_scale, bias = minimize(loss, np.zeros(2), method="Nelder-Mead").x
    return float(np.exp(log_scale)), float(bias)


def platt(logits: FloatArray, scale: float, bias: float) -> NDArray[np.float64]:
    """Calibrated probabilities (n,)."""
    return np.asarray(1.0 / (1.0 + np.exp(-(scale * np.asarray(logits, np.float64) + bias))))


def _figures(samples: Sequence[Sample], malignancy: NDArray[np.float64], logits: FloatArray) -> dict[str, Estimate]:
    groups = [sample.group for sample in samples]
    labels = np.array([sample.label for sample in samples])
    two = np.stack([1.0 - malignancy, malignancy], axis=1).astype(np.float32)
    figures = {
        "auroc": bootstrap(_auroc, labels, logits, groups, REPEATS),
        "ece": bootstrap(_malignancy_ece, labels, two, groups, REPEATS),
        "brier": bootstrap(lambda y, p: float(np.mean((y - p[:, 1]) ** 2)), labels, two, groups, REPEATS),
    }
    rated = [index for index, sample in enumerate(samples) if assessment_of(sample)]
    if rated:
        truth = np.array([assessment_of(samples[index]) or 0 for index in rated])
        found = assessment_chances(logits[rated]).astype(np.float32)
        kept = [groups[index] for index in rated]
        figures["kappa"] = bootstrap(_kappa, truth, found, kept, REPEATS)
        figures["accuracy_2_3_45"] = bootstrap(_three_way_accuracy, truth, found, kept, REPEATS)
    return figures


def _auroc(labels: IntArray, logits: FloatArray) -> float:
    return auroc(labels > 0, logits[:, 0])


def _malignancy_ece(labels: IntArray, chances: FloatArray) -> float:
    return expected_calibration_error(labels[:, None].astype(np.float32), chances[:, 1:])


def _kappa(truth: IntArray, chances: FloatArray) -> float:
    return quadratic_kappa(truth, median_category(chances.astype(np.float64)))


def _three_way_accuracy(truth: IntArray, chances: FloatArray) -> float:
    found = median_category(chances.astype(np.float64))
    return float(np.mean(np.clip(truth, 2, 4) == np.clip(found, 2, 4)))


def _mean_network(folders: Sequence[Path]) -> keras.Model:
    networks = [keras.models.load_model(folder / "model.keras") for folder in folders]
    weights = zip(*(network.get_weights() for network in networks), strict=True)
    networks[0].set_weights([np.mean(variants, axis=0) for variants in weights])
    return networks[0]
