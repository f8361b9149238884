"""The breast ultrasound model from data to bundle: one network, two heads, measured on patients held out.

The heads are malignancy (biopsy truth) and the radiologist's assessment on its ordinal scale, as one logit for each
step "graver than 1, 2, 3, 4" (Frank and Hall 2001). BUSI's lesions carry no assessment: of them only "graver than 1" is
known, since a lesion is there.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score

from models.diagnoses.breast.explanation import ROWS
from models.diagnoses.breast.interpretation import NO_LESION, SUSPICIOUS
from models.preprocessing.picture import ImagePreprocessing
from models.serving.bundle import Bundle, Estimate, OperatingPoint
from training import novelty
from training.datasets import bus_bra, busi
from training.datasets.pictures import Sample, labels_of, load_tensors
from training.datasets.ultrasound import assessment_of
from training.diagnoses.picture_task import (
    OUT_OF_FOLD,
    RECIPE_OPTIONS,
    RUN_OPTIONS,
    PictureTask,
    Run,
    check_alike,
    fit,
    folds_of,
    open_run,
    out_of_fold,
    train_folds,
)
from training.diagnoses.training import Job, Option, Training
from training.draft import BundleDraft, notes_of
from training.evaluate import bootstrap, tensor_specs
from training.evaluate import predict as run_onnx
from training.metrics import IntArray, auroc, calibration_error, multilabel_brier
from training.recipe import Recipe
from training.splits import TEST_SEED, Splits, split_groups

if TYPE_CHECKING:
    from training.picture_trainer import Objective

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float32]

NAME = "breast"
TITLE = "Breast ultrasound, BI-RADS 1 to 5 and malignancy"
VERSION = "1.1.2"
MISSED, MISSED_AT_MOST, OVERLOOKED = 0.02, 0.05, 0.02
"""Of lesions answered 2 or 3, the share that may be malignant and the upper bound of its interval (ACR: category 3 is
up to 2 %); of malignant lesions, the share that may be overlooked altogether."""
PROBABLY_BENIGN = 3
_NOTHING = 1e-9
OUTSIDE_SHARE = 0.1
SMOKE_FOLDS = 2
CATEGORIES = ("1", "2", "3", "4", "5")

RECIPE = Recipe(
    name=NAME,
    classes=CATEGORIES,
    preprocessing=ImagePreprocessing(size=224, framing="letterbox"),
    augmentation="ultrasound",
    stratum="origin",
    stratum_shares={"busi": 0.3, "bus_bra": 0.5, "changed": 0.2},
    balance_by="pathology",
    first_stage=4,
    steps=2400,
    warmup=100,
    learning_rate=3e-4,
    weight_decay=0.05,
    dropout=0.4,
    balance=0.6,
    smoothing=0.1,
    mixup=0.3,
    averaging=0.995,
    validate_every=200,
    patience=99,
    sizes=(128, 224),
    size_shares=(0.5, 0.5),
    restarts=(1.0, 0.6),
    folds=3,
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


def load(data: Path) -> Splits:
    """Both sets: a tenth of the groups to test on, the rest to train on by folds. Raises `DatasetError`."""
    samples = [*busi.load(data / "breast_ultrasound"), *bus_bra.load(data / "bus_bra")]
    train, test = split_groups(samples, OUTSIDE_SHARE, TEST_SEED)
    return Splits(train, [], test)


def made_of(samples: Sequence[Sample], folder: Path) -> list[Sample]:
    """Pictures whose lesion is taken out, and their counterparts."""
    from training.datasets.lesion_removal import changed_pictures

    return changed_pictures(samples, folder)


def objective(recipe: Recipe) -> "Objective":
    """Lesion, malignancy and assessment."""
    from training.networks.breast_heads import BreastObjective

    return BreastObjective(recipe)


def made_up(sample: Sample) -> Sample:
    """A made-up picture as an ultrasound of the category that its class stands for; of every three groups one is of
    BUS-BRA, one of BUSI, and one of BUSI as if changed."""
    category, origins = sample.label + 1, tuple(RECIPE.stratum_shares)
    pathology = "normal" if category == 1 else "malignant" if category > PROBABLY_BENIGN else "benign"
    origin = origins[int(sample.group.rsplit("_", 1)[1]) % len(origins)]
    strata = {"set": "bus_bra" if origin == "bus_bra" else "busi", "origin": origin, "pathology": pathology}
    label = int(pathology == "malignant")
    return replace(sample, label=label, strata={**sample.strata, **strata, "birads": str(category)})


TASK = PictureTask(
    title=TITLE,
    version=VERSION,
    licence="CC BY 4.0 (as BUS-BRA); BUSI as published by its authors"
    "; HAM10000's CC BY-NC 4.0 by the classifier that refuses other pictures",
    sources=(busi.SOURCE, bus_bra.SOURCE),
    recipe=RECIPE,
    load=load,
    report_by=("pathology",),
    test_by="set",
    only_tested=lambda _: True,
    objective=objective,
    more=made_of,
    made_up=made_up,
)


def run_of(job: Job) -> Run:
    """The run of a job; of made-up pictures one with two folds."""
    if job.options.get("smoke"):
        job = replace(job, options={"folds": SMOKE_FOLDS, **job.options})
    return open_run(TASK.chosen(dict(job.options)), job)


def train(job: Job) -> None:
    """Train one network without each fold, then one on BUS-BRA alone, in bus_bra_alone, which says what becomes of it
    on BUSI; with `resume`, only those not finished. The option `across` trains the other alone, or nothing else."""
    run = run_of(job)
    if not job.options.get("across"):
        train_folds(run)
    if run.fold is not None:
        return
    name = job.options.get("across", "bus_bra")
    folder = run.folder / f"{name}_alone"
    if job.resume and (folder / OUT_OF_FOLD).is_file():
        return
    own = [sample for sample in run.splits.train if sample.strata["set"] == name]
    others = [sample for sample in run.splits.train if sample.strata["set"] != name]
    fit(alone(run, name), folder, own, others)


def alone(run: Run, name: str) -> Run:
    """The run with the recipe of one set's pictures."""
    kept = {name, "changed"} if name == "busi" else {name}
    shares = {origin: share for origin, share in RECIPE.stratum_shares.items() if origin in kept}
    return replace(run, task=replace(run.task, recipe=replace(run.task.recipe, stratum_shares=shares)))


def make_bundle(job: Job) -> Bundle:
    """The mean of the folds' weights as one network, calibrated on what each fold's network said of those held out.

    The figures out of fold are those of the folds' networks; what ships is measured on the groups outside.
    """
    run = run_of(job)
    recipe, folder = run.task.recipe, run.folder
    samples, logits = out_of_fold(run)
    malignancy, points = calibrated(samples, logits)
    exported = export_mean(run, malignancy)
    entry, outputs = tensor_specs(exported)
    scores = run_onnx(exported, load_tensors(run.splits.train, recipe.preprocessing, run.cache))["novelty"]
    draft = BundleDraft(
        name=NAME,
        title=TITLE,
        version=run.task.version,
        task="multiclass",
        classes=CATEGORIES,
        input=entry,
        outputs=outputs,
        preprocessing=recipe.preprocessing,
        temperature=1.0,
        operating_points=points,
        novelty=novelty.choose_threshold(scores),
        explains=ROWS,
        licence=run.task.licence,
        data=run.task.sources,
        metrics=measure(run) | measure_across(run),
        training={
            "backbone": recipe.backbone,
            "steps": recipe.steps,
            "batch_size": recipe.batch_size,
            "seed": recipe.seed,
            "folds": recipe.folds,
            "pictures": len(samples),
        },
        notes=notes_of(NAME),
    )
    return draft.write(folder / "bundle", exported)


@dataclass(frozen=True)
class Platt:
    """Malignancy of a lesion as sigmoid(logits @ weights + bias) of all logits (n, 5), that of malignancy and the steps
    of the assessment, which know something of it too; of a picture, times the chance that it shows a lesion."""

    weights: NDArray[np.float64]
    bias: float

    def __call__(self, logits: FloatArray) -> NDArray[np.float64]:
        """Probabilities (n,) that a picture shows a malignant lesion."""
        exact = np.asarray(logits, np.float64)
        return np.asarray(expit(exact @ self.weights + self.bias) * expit(exact[:, 1]))


def calibrated(samples: Sequence[Sample], logits: FloatArray) -> tuple[Platt, tuple[OperatingPoint, ...]]:
    """Malignancy and the operating points, from logits (n, 5) of networks that had not seen the samples."""
    lesions = np.array([sample.strata["pathology"] != "normal" for sample in samples])
    labels = labels_of(samples)
    malignancy = fit_platt(labels[lesions], logits[lesions])
    chances, no_lesion = malignancy(logits), assessment_chances(logits)[:, 0]
    sets = np.array([sample.strata["set"] for sample in samples])
    absent = choose_no_lesion(no_lesion, labels > 0, lesions, sets)
    below = assessed_of(logits) <= PROBABLY_BENIGN
    watched = lesions & below & (no_lesion < absent.threshold)
    groups = [sample.group for sample, taken in zip(samples, watched, strict=True) if taken]
    cut = choose_cut(chances[watched], labels[watched] > 0, groups)
    called = chances >= cut
    sensitivity = float(np.mean((called | ~below)[lesions & (labels > 0)]))
    specificity = float(np.mean(~(called | ~below)[lesions & (labels == 0)]))
    missed = labels[watched & ~called]
    point = OperatingPoint(
        code=SUSPICIOUS,
        threshold=cut,
        rule=f"highest with at most {MISSED:.0%} malignant among lesions answered 2 or 3 out of fold, the upper bound "
        f"of the interval at most {MISSED_AT_MOST:.0%}",
        sensitivity=sensitivity,
        specificity=specificity,
        prevalence=float(np.mean(labels[lesions])),
        positive_predictive_value=float(np.mean(labels[lesions & (called | ~below)])) if sensitivity else None,
        negative_predictive_value=float(1.0 - np.mean(missed)) if len(missed) else None,
    )
    return malignancy, (point, absent)


def assessed_of(logits: FloatArray) -> IntArray:
    """The category, 2 to 5, that a lesion is assessed as: the median of what is left for them (n,)."""
    chances = assessment_chances(logits)
    chances[:, 0] = 0.0
    total = chances.sum(axis=1)
    found = median_category(chances / np.maximum(total, _NOTHING)[:, None])
    return np.where(total > _NOTHING, np.clip(found, 2, 5), 2)


def choose_no_lesion(
    no_lesion: NDArray[np.float64], malignant: NDArray[np.bool_], lesions: NDArray[np.bool_], sets: NDArray[np.str_]
) -> OperatingPoint:
    """From which probability on, at least a half, there is no lesion: the lowest at which at most `OVERLOOKED` of the
    malignant lesions of each set are called none; all normal pictures are of one, whose lesions are the harder to tell
    from them. All are (n,)."""
    thresholds = np.unique(np.r_[0.5, no_lesion[no_lesion > 0.5]])
    found = [no_lesion[malignant & (sets == name)] for name in np.unique(sets[malignant]).tolist()]
    overlooked = np.array([[np.mean(chances >= threshold) for chances in found] for threshold in thresholds])
    few = (overlooked <= OVERLOOKED).all(axis=1)
    allowed = np.flatnonzero(few) if found else np.array([], int)
    threshold = float(thresholds[allowed[0]]) if len(allowed) else 1.0
    return OperatingPoint(
        code=NO_LESION,
        threshold=threshold,
        rule=f"lowest, from a half on, at which at most {OVERLOOKED:.0%} of each set's malignant lesions out of fold "
        "have none",
        sensitivity=float(np.mean(no_lesion[~lesions] >= threshold)) if (~lesions).any() else 0.0,
        specificity=float(np.mean(no_lesion[lesions] < threshold)),
    )


def choose_cut(chances: NDArray[np.float64], malignant: NDArray[np.bool_], groups: Sequence[str]) -> float:
    """The highest cut of malignancy's chances (n,) below which at most `MISSED` are malignant, with an upper bound of
    the 95 % interval over groups of at most `MISSED_AT_MOST`; 0 where there is none."""
    order = np.argsort(chances, kind="stable")
    shares = np.cumsum(malignant[order]) / np.arange(1, len(order) + 1)
    for last in np.flatnonzero(shares <= MISSED)[::-1]:
        kept = order[: last + 1]
        found = bootstrap(
            lambda truth, _: float(np.mean(truth)), malignant[kept], malignant[kept], [groups[i] for i in kept], 300
        )
        if found.high <= MISSED_AT_MOST:
            following = chances[order[last + 1]] if last + 1 < len(order) else 1.0
            return float(following)
    return 0.0


def export_mean(run: Run, malignancy: Platt) -> Path:
    """Write the run's network as what is served. Raises `ExportError` where the graph differs from it, `TrainingError`
    where it answers unlike the folds' networks."""
    import keras
    import onnx

    from training import export
    from training.explainable import add_class_activation, breast_heads
    from training.networks.breast_heads import served_model
    from training.trainer import predict_in_batches

    recipe = run.task.recipe
    network, taps = keras.models.load_model(run.network), export.TAPS[recipe.backbone]
    check_alike(run, network)
    pictures = load_tensors(run.splits.train, recipe.preprocessing, run.cache)
    tapped = keras.Model(network.input, export.tapped_features(network, taps))
    gaussian = novelty.fit_gaussian(predict_in_batches(tapped, pictures, recipe.batch_size))
    served, exported = served_model(network, malignancy, gaussian, taps), run.folder / "fp32.onnx"
    export.export_onnx(served, exported)
    difference = export.check_parity(served, exported, np.asarray(pictures[: recipe.batch_size]))
    log.info("Keras and ONNX differ by at most %.1e", difference)
    mapped = add_class_activation(onnx.load(str(exported)), breast_heads(malignancy.weights.astype(np.float32)))
    onnx.save(mapped, str(exported))
    return exported


def measure(run: Run) -> dict[str, dict[str, Estimate]]:
    """Figures of each set from the networks that had not seen it, with intervals from a bootstrap over groups.

    The malignancy of each fold is calibrated on the other folds alone.
    """
    samples, logits = out_of_fold(run)
    labels = labels_of(samples)
    numbers = np.repeat(np.arange(run.task.recipe.folds), [len(held_out) for _, held_out in folds_of(run)])
    malignancy = np.empty(len(samples))
    lesions = np.array([sample.strata["pathology"] != "normal" for sample in samples])
    for number in range(run.task.recipe.folds):
        own = numbers == number
        others = ~own & lesions
        malignancy[own] = fit_platt(labels[others], logits[others])(logits[own])
    figures = {}
    for name, title in (("bus_bra", "out of fold, BUS-BRA"), ("busi", "out of fold, BUSI lesions")):
        chosen = np.array([s.strata["set"] == name and s.strata["pathology"] != "normal" for s in samples])
        part = [sample for sample, taken in zip(samples, chosen, strict=True) if taken]
        if part:
            figures[title] = _figures(part, malignancy[chosen], logits[chosen])
    return figures


def measure_across(run: Run) -> dict[str, dict[str, Estimate]]:
    """Malignancy on the lesions of one set from a network trained on the other alone, where it was trained."""
    import pandas as pd

    figures = {}
    for name, other, title in (("bus_bra", "busi", "BUS-BRA to BUSI lesions"), ("busi", "bus_bra", "BUSI to BUS-BRA")):
        file = run.folder / f"{name}_alone" / OUT_OF_FOLD
        if file.is_file():
            part = [sample for sample in run.splits.train if sample.strata["set"] == other]
            lesion = np.array([sample.strata["pathology"] != "normal" for sample in part])
            part = [sample for sample, taken in zip(part, lesion, strict=True) if taken]
            logits = pd.read_csv(file)[["logit_0"]].to_numpy(np.float32)[lesion]
            figures[title] = {"auroc": bootstrap(_auroc, labels_of(part), logits, [sample.group for sample in part])}
    return figures


def fit_platt(labels: IntArray, logits: FloatArray) -> Platt:
    """Weights and bias that minimise the log-loss of logits (n, k), nearly without a penalty; Platt 1999."""
    found = LogisticRegression(C=10.0, tol=1e-8, max_iter=2000).fit(np.asarray(logits, np.float64), labels > 0)
    return Platt(np.asarray(found.coef_[0]), float(found.intercept_[0]))


def _figures(samples: Sequence[Sample], malignancy: NDArray[np.float64], logits: FloatArray) -> dict[str, Estimate]:
    groups = [sample.group for sample in samples]
    labels = np.array([sample.label for sample in samples])
    two = np.stack([1.0 - malignancy, malignancy], axis=1).astype(np.float32)
    figures = {
        "auroc": bootstrap(lambda y, p: auroc(y > 0, p[:, 1]), labels, two, groups),
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
    """What int8 is measured by: both precisions are asked of the same pictures, which the network has seen."""
    return replace(TASK, int8_figures={"malignancy_auroc": _int8_auroc})


def _int8_auroc(labels: IntArray, outputs: Mapping[str, FloatArray]) -> float:
    return auroc(labels > 0, outputs["malignancy"])


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
        *RUN_OPTIONS,
    ),
)
