"""From pictures to a bundle: train, calibrate, export, measure on validation; and, once, measure the test split."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from models.serving.bundle import Bundle, DataSource, Metadata, read_bundle
from training import metrics
from training.calibrate import OperatingRule, answers_for
from training.datasets.pictures import Sample, labels_of, load_tensors
from training.diagnoses.training import Job, Option, Training
from training.draft import BundleDraft, notes_of, record_figures
from training.errors import TrainingError
from training.evaluate import Evaluation, evaluate, predict
from training.recipe import AugmentationName, Recipe
from training.splits import Splits, assert_no_leak, group_folds, split_groups

if TYPE_CHECKING:
    import keras

    from training.picture_trainer import Objective

log = logging.getLogger(__name__)

NOVELTY_PICTURES = 2000
OUTSIDE_SHARE, OUTSIDE_SEED, FOLD_SEED = 0.5, 5, 6
"""With folds, which half of the test split's groups stays outside everything, and how the rest is divided: drawn once,
and never changed to make a figure better."""
NETWORK = "model.keras"
OUT_OF_FOLD = "out_of_fold.csv"
STUDENT, SEEN = "student", 512
ALIKE, COMPARED = (0.8, 1.25), 256
"""Within which factor the logits of what ships lie of those of the folds' networks, and on how many pictures."""
STUDENT_STEPS, STUDENT_WARMUP, STUDENT_RATE, STUDENT_AVERAGING = 400, 40, 1e-4, 0.98

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]

FIGURES: Mapping[str, Callable[[IntArray, Mapping[str, FloatArray]], float]] = {
    "balanced_accuracy": lambda labels, outputs: metrics.balanced_accuracy(labels, outputs["probabilities"]),
    "macro_auroc": lambda labels, outputs: metrics.macro_auroc(labels, outputs["probabilities"]),
}


def whole_numbers(text: str) -> tuple[int, ...]:
    """`128,160,224` as numbers."""
    return tuple(int(part) for part in text.split(","))


def numbers(text: str) -> tuple[float, ...]:
    """`0.4,0.3,0.3` as numbers."""
    return tuple(float(part) for part in text.split(","))


RECIPE_OPTIONS = (
    Option("steps", "steps of phase 2", int),
    Option("warmup", "steps until the learning rate is reached", int),
    Option("batch_size", "pictures a step", int),
    Option("learning_rate", "the highest learning rate of phase 2", float),
    Option("first_stage", "the lowest stage that phase 2 trains, 1 to 8", int),
    Option("smoothing", "share of each target spread over all classes, 0 to 1", float),
    Option("mixup", "parameter of MixUp, 0 for none", float),
    Option("cutmix", "parameter of CutMix, 0 for none", float),
    Option("balance", "0 draws classes as often as there are pictures, 1 all alike", float),
    Option("balance_undone", "share of the balance, 0 to 1, that the answers take back", float),
    Option("validate_every", "steps from one validation and backup to the next", int),
    Option("patience", "validations without a better score until the run ends", int),
    Option("seed", "fixes every draw of the training; who is held out stays the same", int),
    Option("sizes", "edges of growing pictures, such as 128,160,224; the last is the model's own", whole_numbers),
    Option("size_shares", "shares of the steps for each of --sizes; default: even", numbers),
    Option("restarts", "the learning rate that each of --sizes starts anew from, as shares of the highest", numbers),
    Option("folds", "train one network without each of so many parts, and average their weights; 0 for one run", int),
    Option(
        "augmentation",
        "which random changes pictures get",
        choices=get_args(AugmentationName),
    ),
    Option("backbone", "the pretrained network", choices=("efficientnet_lite0", "efficientnet_b0", "mobilenet_v2")),
    Option("loss", "what is minimised", choices=("cross_entropy", "focal")),
    Option("class_weighting", "weigh each class's loss by its rarity", bool),
)
RUN_OPTIONS = (
    Option("smoke", "a run of a minute on made-up pictures", bool),
    Option("tensorboard", "also write the run's tensorboard/", bool),
    Option("student", "with folds: one network distilled from theirs, in the place of the mean of their weights", bool),
    Option("predecessor", "a bundle of the same classes and backbone whose network teaches the student too", Path),
    Option("fold", "train this fold alone, from 1 on, so that folds can run side by side; --resume joins them", int),
)


@dataclass(frozen=True)
class PictureTask:
    """A picture model: `load` takes the folder that holds the data sets in their published layouts. Values of the
    stratum `test_by` are measured apart, those of `report_by` as subgroups. With folds, half of the groups of the test
    split are trained on too, but for the samples that are `only_tested` on."""

    title: str
    version: str
    licence: str
    sources: tuple[DataSource, ...]
    recipe: Recipe
    load: Callable[[Path], Splits]
    operating_rules: tuple[OperatingRule, ...] = ()
    report_by: tuple[str, ...] = ()
    described: Callable[[Sequence[Sample]], Sequence[Sample]] = lambda samples: samples
    """Samples with the strata that are read off their pictures, where `report_by` names such."""
    test_by: str | None = None
    only_tested: Callable[[Sample], bool] = lambda _: False
    objective: Callable[[Recipe], "Objective"] | None = None
    """What is learned, where it is something else than one class of several."""
    more: Callable[[Sequence[Sample], Path], list[Sample]] = lambda _samples, _folder: []
    """Pictures made of those trained on, into a folder; each belongs to the group of its source."""
    made_up: Callable[[Sample], Sample] = lambda sample: sample
    """What a made-up picture of a class, by its index, stands for."""
    finish: Callable[[Bundle], Bundle] = lambda bundle: bundle
    """What else belongs into the bundle's folder."""
    int8_figures: Mapping[str, Callable[[IntArray, Mapping[str, FloatArray]], float]] = field(
        default_factory=lambda: dict(FIGURES)
    )
    """What must not suffer by int8: figures of labels (n,) and the network's outputs."""

    @property
    def name(self) -> str:
        return self.recipe.name

    def chosen(self, options: dict[str, Any]) -> "PictureTask":
        """With what the options say of the recipe."""
        known = {option.name for option in RECIPE_OPTIONS}
        given = {name: value for name, value in options.items() if name in known and value is not None}
        return replace(self, recipe=replace(self.recipe, **given))


@dataclass(frozen=True)
class Run:
    """One run of a picture task: its folder holds checkpoints, history.csv, model.keras, report/ and bundle/."""

    task: PictureTask
    folder: Path
    cache: Path
    splits: Splits
    resume: bool = False
    tensorboard: bool = False
    student: bool = False
    fold: int | None = None
    predecessor: Path | None = None

    @property
    def network(self) -> Path:
        """The network that a bundle is made of: with folds their mean, or what was distilled from them."""
        return self.folder / STUDENT / NETWORK if self.student else self.folder / NETWORK


def picture_training(task: PictureTask) -> Training:
    """The training of a picture task that is known beforehand."""

    def task_of(job: Job) -> PictureTask:
        return task.chosen(dict(job.options))

    return training_of_pictures(task.name, task.title, task.version, task_of)


def training_of_pictures(
    name: str,
    title: str,
    version: str,
    task_of: Callable[[Job], PictureTask],
    options: tuple[Option, ...] = (),
    *,
    own_data: bool = False,
) -> Training:
    """A training whose task is found when it is asked for."""
    return Training(
        name=name,
        title=title,
        version=version,
        train=lambda job: train(open_run(task_of(job), job)),
        make_bundle=lambda job: make_bundle(open_run(task_of(job), job)),
        measure_test=lambda job: record(open_run(task_of(job), job), test=True),
        task_of=task_of,
        int8=task_of,
        options=(*options, *RECIPE_OPTIONS, *RUN_OPTIONS),
        own_data=own_data,
    )


def open_run(task: PictureTask, job: Job, *, disjoint: bool = True) -> Run:
    """The run of a task in a job's folders, its pictures split, so that no group stands on two sides unless told
    otherwise. Raises `DatasetError`."""
    from training.smoke import smoke_splits, smoke_task

    if job.options.get("smoke"):
        task, folder = smoke_task(task).chosen(dict(job.options)), job.runs / f"{task.name}-smoke"
        splits = smoke_splits(task, folder / "pictures")
    else:
        folder, splits = job.runs / task.name, task.load(job.data)
    if task.recipe.folds:
        splits = hold_some_outside(splits, task.only_tested)
    if disjoint:
        assert_no_leak(splits.train, splits.validation, splits.test)
    tensorboard, student = (bool(job.options.get(name)) for name in ("tensorboard", "student"))
    fold, predecessor = (job.options.get(name) for name in ("fold", "predecessor"))
    return Run(task, folder, job.cache, splits, job.resume, tensorboard, student, fold, predecessor)


def hold_some_outside(splits: Splits, only_tested: Callable[[Sample], bool]) -> Splits:
    """For folds: all but a half of the test split's groups, and those that are only tested on, to train on. There is no
    validation, since each fold is that of the others."""
    kept = [sample for sample in splits.test if not only_tested(sample)]
    train, outside = split_groups(kept, OUTSIDE_SHARE, OUTSIDE_SEED)
    always = [sample for sample in splits.test if only_tested(sample)]
    return Splits([*splits.train, *splits.validation, *train], [], [*always, *outside])


def train(run: Run) -> None:
    """Train and save model.keras. Raises `DatasetError`, `BackboneError` or `TrainingError`."""
    from training import picture_trainer

    recipe, splits = run.task.recipe, run.splits
    if recipe.folds:
        train_folds(run)
        return
    into = picture_trainer.PictureRun(run.folder, run.cache, resume=run.resume, tensorboard=run.tensorboard)
    objective = run.task.objective(recipe) if run.task.objective else None
    picture_trainer.train(recipe, splits.train, splits.validation, into, objective)


def train_folds(run: Run) -> None:
    """Train one network without each fold, in fold<n>, where it leaves what it says of that fold as out_of_fold.csv;
    their mean becomes model.keras. With `resume`, finished folds stay. Where the run has one `fold`, that is all.

    Raises `TrainingError` for a fold that isn't there.
    """
    recipe, parts = run.task.recipe, folds_of(run)
    if run.fold is not None and not 1 <= run.fold <= len(parts):
        raise TrainingError(f"There is no fold {run.fold}; there are {len(parts)}.")
    for number, (train_part, held_out) in enumerate(parts, 1):
        if run.fold not in (None, number):
            continue
        folder = run.folder / f"fold{number}"
        if not (run.resume and (folder / OUT_OF_FOLD).is_file()):
            log.info("%s: fold %d of %d", recipe.name, number, len(parts))
            fit(run, folder, train_part, held_out)
    if run.fold is not None:
        return
    folders = [run.folder / f"fold{number}" for number in range(1, len(parts) + 1)]
    average(run.folder, folders)
    if run.student and not (run.resume and run.network.is_file()):
        train_student(run, folders)


def train_student(run: Run, folders: Sequence[Path]) -> None:
    """Distil the networks of the folds into one, in student/, that learns from all pictures at once, half by their
    labels and half by the mean of what the networks say of the same changed pictures (Hinton et al. 2015,
    arXiv:1503.02531; Beyer et al. 2022, arXiv:2106.05237). It begins with the mean of their weights, which ranks nearly
    as they do but is far less sure, so a short run at the last size is enough. Its validations are of pictures that it
    learns from. The network of a `predecessor` teaches as the others do."""
    import keras

    from training import picture_trainer
    from training.networks.predecessor import network_of
    from training.trainer import predict_in_batches

    task, recipe, said = run.task, run.task.recipe, run.folder / STUDENT / "teachers.npy"
    made = task.more(run.splits.train, run.cache / f"{recipe.name}_made")
    shown = [*run.splits.train, *made]
    into = picture_trainer.PictureRun(run.folder / STUDENT, run.cache, run.resume, run.tensorboard, shown)
    if not (run.resume and said.is_file()):
        pictures = into.pictures(shown, recipe, recipe.preprocessing.size)
        networks = [keras.models.load_model(folder / NETWORK) for folder in folders]
        logits = [predict_in_batches(network, pictures, recipe.batch_size) for network in networks]
        said.parent.mkdir(parents=True, exist_ok=True)
        np.save(said, np.mean(logits, axis=0))
    keras.backend.clear_session()
    objective = task.objective(recipe) if task.objective else picture_trainer.Objective(recipe)
    seen = run.splits.train[:: max(1, len(run.splits.train) // SEEN)]
    steps = min(STUDENT_STEPS, recipe.steps)
    short = replace(
        recipe,
        steps=steps,
        validate_every=max(1, steps // 4),
        warmup=min(STUDENT_WARMUP, steps),
        learning_rate=STUDENT_RATE,
        averaging=STUDENT_AVERAGING,
        sizes=(),
        size_shares=(),
        restarts=(),
    )
    teachers = [keras.models.load_model(folder / NETWORK) for folder in folders]
    if run.predecessor:
        teachers.append(network_of(read_bundle(run.predecessor), recipe))
    picture_trainer.train(short, shown, seen, into, objective, run.folder / NETWORK, teachers)
    pictures = into.pictures(shown, recipe, recipe.preprocessing.size)
    match(run.network, np.load(said), lambda network: predict_in_batches(network, pictures, recipe.batch_size))


def match(file: Path, wanted: FloatArray, predict: Callable[["keras.Model"], FloatArray]) -> None:
    """Give the logits of the network in `file` the mean and the spread, each of its own, of those `wanted` (n, k), so
    that what was calibrated to these holds for it. What learns from blended pictures and soft labels is less sure."""
    import keras

    network = keras.models.load_model(file)
    found, head = predict(network), network.get_layer("logits")
    gain = wanted.std(axis=0) / np.maximum(found.std(axis=0), 1e-6)
    kernel, bias = head.get_weights()
    head.set_weights([kernel * gain, (bias - found.mean(axis=0)) * gain + wanted.mean(axis=0)])
    network.save(file)
    log.info("the student's logits were stretched by %s", np.round(gain, 2))


def folds_of(run: Run) -> list[tuple[list[Sample], list[Sample]]]:
    """What each fold's network is trained on, and what it is not."""
    recipe = run.task.recipe
    return list(group_folds(run.splits.train, recipe.folds, FOLD_SEED, recipe.stratum))


def fit(run: Run, folder: Path, train_part: Sequence[Sample], held_out: Sequence[Sample]) -> None:
    """Train a network on one part, with what is made of it, and write down what it says of those held out."""
    import keras
    import pandas as pd

    from training import picture_trainer
    from training.trainer import predict_in_batches

    recipe, task = run.task.recipe, run.task
    keras.backend.clear_session()
    made = task.more(run.splits.train, run.cache / f"{recipe.name}_made")
    groups = {sample.group for sample in train_part}
    shown = [*train_part, *(sample for sample in made if sample.group in groups)]
    assert_no_leak(shown, held_out)
    into = picture_trainer.PictureRun(folder, run.cache, run.resume, run.tensorboard, [*run.splits.train, *made])
    picture_trainer.train(recipe, shown, held_out, into, task.objective(recipe) if task.objective else None)
    network = keras.models.load_model(folder / NETWORK)
    pictures = into.pictures(held_out, recipe, recipe.preprocessing.size)
    logits = predict_in_batches(network, pictures, recipe.batch_size)
    table = pd.DataFrame(logits, columns=[f"logit_{number}" for number in range(logits.shape[1])])
    table.insert(0, "path", [str(sample.path) for sample in held_out])
    table.insert(1, "label", [recipe.classes[sample.label] for sample in held_out])
    partial = folder / f"{OUT_OF_FOLD}.partial"
    table.to_csv(partial, index=False)
    partial.replace(folder / OUT_OF_FOLD)


def shift_of(run: Run) -> FloatArray | float:
    """What is added to the logits of the run's networks before anything is calibrated, (k,) or 0.

    Raises `TrainingError` where the recipe's balance is none of the classes that are told.
    """
    recipe = run.task.recipe
    if not recipe.balance_undone:
        return 0.0
    if recipe.balance_by or run.task.objective:
        raise TrainingError("Balance can be taken back only where labels are drawn, and one class is the answer.")
    counts = np.bincount(labels_of(run.splits.train), minlength=len(recipe.classes))
    return answers_for(counts, recipe.balance, recipe.balance_undone)


def out_of_fold(run: Run) -> tuple[list[Sample], FloatArray]:
    """All samples of the folds, and what the network that had not seen them said, logits (n, k), shifted by `shift_of`.

    Raises `TrainingError` where a fold isn't finished.
    """
    import pandas as pd

    samples: list[Sample] = []
    logits = []
    for number, (_, held_out) in enumerate(folds_of(run), 1):
        file = run.folder / f"fold{number}" / OUT_OF_FOLD
        if not file.is_file():
            raise TrainingError(f"{file} is missing: train the folds first, or go on with --resume.")
        table = pd.read_csv(file)
        if table["path"].tolist() != [str(sample.path) for sample in held_out]:
            raise TrainingError(f"{file} is of other pictures than this fold now holds out; train the folds again.")
        samples += held_out
        logits.append(table[[name for name in table if name.startswith("logit_")]].to_numpy(np.float32))
    return samples, np.add(np.concatenate(logits), shift_of(run), dtype=np.float32)


def average(folder: Path, folders: Sequence[Path]) -> None:
    """Save the mean of the weights of these runs' model.keras as that of `folder`; `make_bundle` goes on from there.

    Runs that start from the same pretrained weights can be averaged and often generalise better than each of them
    (Wortsman et al. 2022, Model soups, arXiv:2203.05482).
    """
    import keras

    networks = [keras.models.load_model(each / NETWORK) for each in folders]
    weights = zip(*(network.get_weights() for network in networks), strict=True)
    networks[0].set_weights([np.mean(variants, axis=0) for variants in weights])
    folder.mkdir(parents=True, exist_ok=True)
    networks[0].save(folder / NETWORK)


def check_alike(run: Run, network: "keras.Model") -> None:
    """Make sure that what the folds' networks were calibrated to holds for the one that ships.

    Raises `TrainingError` where its logits are much smaller or larger than theirs, as those of a mean of weights that
    lie too far apart.
    """
    import keras

    from training.trainer import predict_in_batches

    recipe = run.task.recipe
    step = max(1, len(run.splits.train) // COMPARED)
    pictures = load_tensors(run.splits.train, recipe.preprocessing, run.cache)[::step]
    folders = [run.folder / f"fold{number}" for number in range(1, recipe.folds + 1)]
    each = [
        predict_in_batches(keras.models.load_model(folder / NETWORK), pictures, recipe.batch_size) for folder in folders
    ]
    folds = np.mean(each, axis=0)
    folds -= folds.mean(axis=0)
    slope = float(np.sum(predict_in_batches(network, pictures, recipe.batch_size) * folds) / np.sum(folds**2))
    log.info("logits of what ships: %.2f of those of the folds", slope)
    if not ALIKE[0] <= slope <= ALIKE[1]:
        raise TrainingError(
            f"The network's logits are {slope:.2f} of those of the folds' networks, so what they were calibrated to "
            "doesn't hold for it. Distil them into one network: --resume --student."
        )


def make_bundle(run: Run) -> Bundle:
    """Calibrate on validation, or on what the folds say, export model.keras and write a bundle with those figures."""
    from training.calibrated_picture import calibrate_and_export

    found = calibrate_and_export(run, run.folder / "fp32.onnx")
    recipe, task = run.task.recipe, run.task
    draft = BundleDraft(
        name=recipe.name,
        title=task.title,
        version=task.version,
        task="multiclass",
        classes=recipe.classes,
        input=found.input,
        outputs=found.outputs,
        preprocessing=recipe.preprocessing,
        temperature=found.temperature,
        operating_points=found.points,
        novelty=found.novelty,
        explains=found.explains,
        licence=task.licence,
        data=task.sources,
        training={
            "backbone": recipe.backbone,
            "steps": recipe.steps,
            "batch_size": recipe.batch_size,
            "loss": recipe.loss,
            "seed": recipe.seed,
            "pictures": len(run.splits.train),
            **({"folds": recipe.folds} if recipe.folds else {}),
        },
    )
    draft.write(run.folder / "bundle", found.model)
    return record(run)


def record(run: Run, *, test: bool = False, bundle: Bundle | None = None) -> Bundle:
    """Measure on validation, or take what the folds say, and, with `test`, measure on the test split; write the figures
    into the bundle's metadata.json and card.md, and the run's report."""
    from training.report import write_report

    bundle = bundle or read_bundle(run.folder / "bundle")
    if run.task.recipe.folds:
        samples, logits = out_of_fold(run)
        chances = softmax(logits.astype(np.float64) / bundle.metadata.temperature, axis=1).astype(np.float32)
        found = evaluate_sets(run.task, bundle.metadata, "out of fold", run.task.described(samples), chances)
    else:
        found = measure(run.task, bundle, "validation", run.splits.validation, run.cache)
    if test:
        found += measure(run.task, bundle, "test", run.splits.test, run.cache)
    recorded = record_figures(
        bundle,
        run.task.title,
        {each.name: each.figures for each in found},
        subgroups={each.name: each.subgroups for each in found},
        notes=notes_of(run.task.name),
    )
    metadata = recorded.metadata
    write_report(run.folder / "report", f"{metadata.name} {metadata.version}", metadata.classes, found)
    return run.task.finish(recorded)


def measure(
    task: PictureTask, bundle: Bundle, part: str, samples: Sequence[Sample], cache: Path | None
) -> list[Evaluation]:
    """Evaluate the bundle on one part, each value of `task.test_by` apart; `part` is validation or test."""
    pictures = load_tensors(samples, bundle.metadata.image_preprocessing, cache)
    probabilities = predict(bundle.model_path, pictures)["probabilities"]
    return evaluate_sets(task, bundle.metadata, part, task.described(samples), probabilities)


def evaluate_sets(
    task: PictureTask, metadata: Metadata, part: str, samples: Sequence[Sample], probabilities: FloatArray
) -> list[Evaluation]:
    """Evaluate probabilities (n, classes), each value of `task.test_by` apart."""
    values = sorted({sample.strata[task.test_by] for sample in samples}) if task.test_by else [""]
    evaluations = []
    for value in values:
        chosen = [i for i, sample in enumerate(samples) if not task.test_by or sample.strata[task.test_by] == value]
        evaluations.append(
            evaluate(
                f"{part} {value}".strip(),
                [samples[i] for i in chosen],
                probabilities[chosen],
                metadata.classes,
                metadata.operating_points,
                task.report_by,
            )
        )
    return evaluations


def set_weights(samples: Sequence[Sample], stratum: str | None) -> NDArray[np.float64]:
    """Weights (n,) that give each value of `stratum` the same total, with a mean of 1."""
    values = [sample.strata[stratum] if stratum else "" for sample in samples]
    counts = {value: values.count(value) for value in set(values)}
    return np.array([len(values) / len(counts) / counts[value] for value in values])
