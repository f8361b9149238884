"""The breast ultrasound model from data to bundle: one network, two heads, measured on patients held out.

The heads are malignancy (biopsy truth) and the radiologist's assessment on its ordinal scale, as one logit for each
step "graver than 1, 2, 3, 4" (Frank and Hall 2001). BUSI's lesions carry no assessment: of them only "graver than 1" is
known, since a lesion is there.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score

from models.preprocessing.picture import ImagePreprocessing
from models.serving.bundle import Bundle, Estimate, OperatingPoint
from training import novelty
from training.calibrate import OperatingRule, choose_operating_point
from training.datasets import bus_bra, busi
from training.datasets.pictures import Sample, labels_of, load_tensors
from training.datasets.ultrasound import assessment_of
from training.diagnoses.picture_task import NETWORK, RECIPE_OPTIONS, RUN_OPTIONS, PictureTask, average
from training.diagnoses.training import Job, Option, Training
from training.draft import BundleDraft, notes_of
from training.errors import TrainingError
from training.evaluate import bootstrap, tensor_specs
from training.evaluate import predict as run_onnx
from training.metrics import IntArray, auroc, calibration_error, multilabel_brier
from training.recipe import Recipe
from training.splits import Splits, split_groups

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float32]

NAME = "breast"
TITLE = "Breast ultrasound, BI-RADS 1 to 5 and malignancy"
VERSION = "1.0.0"
LOGITS = "logits.npy"
SCREENING_SENSITIVITY = 0.98
FOLDS = 5
FOLD_SEED = 3
CATEGORIES = ("1", "2", "3", "4", "5")

RECIPE = Recipe(
    name=NAME,
    classes=CATEGORIES,
    preprocessing=ImagePreprocessing(size=224, framing="letterbox"),
    augmentation="ultrasound",
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


def assessment_chances(logits: FloatArray) -> NDArray[np.float64]:
    """Probabilities (n, 5) of the categories 1 to 5 from logits (n, 5), whose last four are the steps."""
    graver = expit(np.asarray(logits[:, 1:], dtype=np.float64))
    falling = np.minimum.accumulate(graver, axis=1)
    edges = np.concatenate([np.ones((len(falling), 1)), falling, np.zeros((len(falling), 1))], axis=1)
    return np.asarray(edges[:, :-1] - edges[:, 1:])


def median_category(chances: NDArray[np.float64]) -> IntArray:
    """The median category, 1 to 5, of each row (n, 5)."""
    return np.asarray((np.cumsum(chances, axis=1) <= 0.5).sum(axis=1) + 1, dtype=np.int64)


def quadratic_kappa(truth: IntArray, found: IntArray) -> float:
    """Cohen's kappa with quadratic weights (Cohen 1968); 1 is full agreement, 0 that of chance."""
    return float(cohen_kappa_score(truth, found, weights="quadratic"))


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
    recipe: Recipe, train: Sequence[Sample], held_out: Sequence[Sample], folder: Path, job: Job
) -> NDArray[np.float32]:
    """Train on `train`, save model.keras and logits.npy in `folder`; the logits (n, 5) of `held_out`."""
    import keras

    from training import picture_trainer
    from training.networks.breast_heads import BreastObjective
    from training.trainer import predict_in_batches

    present = {sample.strata["set"] for sample in train}
    shares = {name: share for name, share in recipe.stratum_shares.items() if name in present}
    run = picture_trainer.PictureRun(folder, job.cache, job.resume, bool(job.options.get("tensorboard")))
    balanced = replace(recipe, stratum_shares=shares)
    picture_trainer.train(balanced, train, held_out, run, BreastObjective(balanced))
    network = keras.models.load_model(folder / NETWORK)
    pictures = load_tensors(held_out, recipe.preprocessing, job.cache)
    logits = predict_in_batches(network, pictures, recipe.batch_size)
    np.save(folder / LOGITS, logits)
    return logits


def recipe_of(job: Job) -> Recipe:
    """The recipe with what the job's options say."""
    known = {option.name for option in RECIPE_OPTIONS}
    return replace(RECIPE, **{name: value for name, value in job.options.items() if name in known})


def train(job: Job) -> None:
    """Train one network without each fold, in fold<n>; with `resume`, only those not finished. Or, with the option
    `across`, one on a set alone, in <set>_alone, whose history and logits are of the other."""
    samples, folder, recipe = load(job.data), job.runs / NAME, recipe_of(job)
    if across := job.options.get("across"):
        others = [sample for sample in samples if sample.strata["set"] != across]
        own = [sample for sample in samples if sample.strata["set"] == across]
        fit(recipe, own, others, folder / f"{across}_alone", job)
        return
    folds = folds_of(samples)
    for number, held_out in enumerate(folds, 1):
        if job.resume and (folder / f"fold{number}" / LOGITS).is_file():
            continue
        others = [sample for part in folds if part is not held_out for sample in part]
        fit(recipe, others, held_out, folder / f"fold{number}", job)


def make_bundle(job: Job) -> Bundle:
    """The mean of the folds' weights as one network, calibrated on what each fold's network said of those held out.

    The figures are those of the folds' networks: the shipped mean has seen every picture, so it can't be measured here.
    """
    recipe, folder = recipe_of(job), job.runs / NAME
    folds = folds_of(load(job.data))
    samples = [sample for fold in folds for sample in fold]
    paths = [folder / f"fold{number}" for number in range(1, FOLDS + 1)]
    if missing := [path for path in paths if not (path / LOGITS).is_file()]:
        raise TrainingError(f"{missing[0]} has no {LOGITS}: train the folds first.")
    logits = [np.load(path / LOGITS) for path in paths]
    scale, point = calibrated(samples, np.concatenate(logits))
    average(folder, paths)
    exported = export_mean(recipe, samples, folder, scale, job.cache)
    entry, outputs = tensor_specs(exported)
    scores = run_onnx(exported, load_tensors(samples, recipe.preprocessing, job.cache))["novelty"]
    draft = BundleDraft(
        name=NAME,
        title=TITLE,
        version=VERSION,
        task="multiclass",
        classes=CATEGORIES,
        input=entry,
        outputs=outputs,
        preprocessing=recipe.preprocessing,
        temperature=1.0 / scale[0],
        operating_points=(point,),
        novelty=novelty.choose_threshold(scores),
        licence="CC BY 4.0 (as BUS-BRA); BUSI as published by its authors",
        data=(busi.SOURCE, bus_bra.SOURCE),
        metrics=measure(folds, logits) | measure_across(job.data, folder),
        training={
            "backbone": recipe.backbone,
            "steps": recipe.steps,
            "batch_size": recipe.batch_size,
            "seed": recipe.seed,
            "networks": FOLDS,
            "pictures": len(samples),
        },
        notes=notes_of(NAME),
    )
    return draft.write(folder / "bundle", exported)


def calibrated(samples: Sequence[Sample], logits: FloatArray) -> tuple[tuple[float, float], OperatingPoint]:
    """Scale and bias of malignancy's logit, and the threshold that screens, from logits (n, 5) of networks that had not
    seen the samples."""
    labels = labels_of(samples)
    scale = fit_platt(labels, logits[:, 0])
    rule = OperatingRule("malignant", minimum_sensitivity=SCREENING_SENSITIVITY)
    return scale, choose_operating_point(rule, labels > 0, platt(logits[:, 0], *scale), np.ones(len(labels)))


def export_mean(
    recipe: Recipe, samples: Sequence[Sample], folder: Path, scale: tuple[float, float], cache: Path
) -> Path:
    """Write the network in `folder` as what is served. Raises `ExportError` where the graph differs from it."""
    import keras

    from training import export
    from training.networks.breast_heads import served_model
    from training.trainer import predict_in_batches

    network, taps = keras.models.load_model(folder / NETWORK), export.TAPS[recipe.backbone]
    pictures = load_tensors(samples, recipe.preprocessing, cache)
    tapped = keras.Model(network.input, export.tapped_features(network, taps))
    gaussian = novelty.fit_gaussian(predict_in_batches(tapped, pictures, recipe.batch_size))
    served, exported = served_model(network, *scale, gaussian, taps), folder / "fp32.onnx"
    export.export_onnx(served, exported)
    difference = export.check_parity(served, exported, np.asarray(pictures[: recipe.batch_size]))
    log.info("Keras and ONNX differ by at most %.1e", difference)
    return exported


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
            figures[title] = {"auroc": bootstrap(_auroc, labels, np.load(file)[lesion], groups)}
    return figures


def fit_platt(labels: IntArray, logits: FloatArray) -> tuple[float, float]:
    """Scale and bias that minimise the log-loss of sigmoid(scale x logit + bias); Platt 1999."""
    found = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(
        np.asarray(logits, np.float64)[:, None], labels > 0
    )
    return float(found.coef_[0, 0]), float(found.intercept_[0])


def platt(logits: FloatArray, scale: float, bias: float) -> NDArray[np.float64]:
    """Calibrated probabilities (n,)."""
    return np.asarray(expit(scale * np.asarray(logits, np.float64) + bias))


def _figures(samples: Sequence[Sample], malignancy: NDArray[np.float64], logits: FloatArray) -> dict[str, Estimate]:
    groups = [sample.group for sample in samples]
    labels = np.array([sample.label for sample in samples])
    two = np.stack([1.0 - malignancy, malignancy], axis=1).astype(np.float32)
    figures = {
        "auroc": bootstrap(_auroc, labels, logits, groups),
        "ece": bootstrap(_malignancy_ece, labels, two, groups),
        "brier": bootstrap(lambda y, p: multilabel_brier(y, p[:, 1]), labels, two, groups),
    }
    rated = [index for index, sample in enumerate(samples) if assessment_of(sample)]
    if rated:
        truth = np.array([assessment_of(samples[index]) or 0 for index in rated])
        found = assessment_chances(logits[rated]).astype(np.float32)
        kept = [groups[index] for index in rated]
        figures["kappa"] = bootstrap(_kappa, truth, found, kept)
        figures["accuracy_2_3_45"] = bootstrap(_three_way_accuracy, truth, found, kept)
    return figures


def _auroc(labels: IntArray, logits: FloatArray) -> float:
    return auroc(labels > 0, logits[:, 0])


def _malignancy_ece(labels: IntArray, chances: FloatArray) -> float:
    return calibration_error(labels.astype(np.float64), chances[:, 1])


def _kappa(truth: IntArray, chances: FloatArray) -> float:
    return quadratic_kappa(truth, median_category(chances.astype(np.float64)))


def _three_way_accuracy(truth: IntArray, chances: FloatArray) -> float:
    found = median_category(chances.astype(np.float64))
    return float(np.mean(np.clip(truth, 2, 4) == np.clip(found, 2, 4)))


def int8_task(job: Job) -> PictureTask:
    """What int8 is measured by: the network has seen all pictures, and both precisions are asked of the same."""
    samples = load(job.data)
    return PictureTask(
        title=TITLE,
        version=VERSION,
        licence="",
        sources=(),
        recipe=RECIPE,
        load=lambda _: Splits(samples, samples, []),
        int8_figures={"malignancy_auroc": lambda labels, outputs: auroc(labels > 0, outputs["malignancy"])},
    )


TRAINING = Training(
    name=NAME,
    title=TITLE,
    version=VERSION,
    train=train,
    make_bundle=make_bundle,
    int8=int8_task,
    options=(
        Option("across", "train on one set alone, measure on the other", choices=("busi", "bus_bra")),
        *RECIPE_OPTIONS,
        *RUN_OPTIONS[1:],
    ),
)
