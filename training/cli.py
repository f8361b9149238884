"""medidiagnose-train: train, evaluate and export the models, and check downloaded data sets.

Data sets lie in data/, or where MEDIDIAGNOSE_DATA or --data says, each in its published layout. Runs are kept in runs/.
KERAS_BACKEND chooses what computes: tensorflow (the default), jax or torch.
"""

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.command_line import add_completion, with_examples
from training.errors import TrainingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.serving.bundle import Bundle
    from training.datasets.pictures import Sample
    from training.diagnoses import Job, Option, Training
    from training.served import Figures

EXTRA_MODULES = (
    *("jax", "keras", "matplotlib", "onnx", "pandas", "rich"),
    *("scipy", "sklearn", "tensorflow", "tf2onnx", "wfdb"),
)

_PICTURES, _ECGS = ("skin", "xray", "breast"), ("heart_record", "heart_image")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when it did what was asked, 1 with a sentence on standard error when it couldn't."""
    from models.serving.bundle import BundleError

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    try:
        options = build_parser().parse_args(arguments)
        status: int = options.run(options)
    except (TrainingError, BundleError, FileNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except ModuleNotFoundError as error:
        if error.name not in EXTRA_MODULES:
            raise
        extra = "training-jax" if error.name == "jax" else "training"
        sys.stderr.write(
            f"{error.name} is missing. Training needs its extra: pip install 'medidiagnose-ai[{extra}]'.\n"
        )
        return 1
    return status


def build_parser() -> argparse.ArgumentParser:
    """The command line; `run` of the parsed options is the function to call."""
    from training.diagnoses import TRAININGS

    parser = argparse.ArgumentParser(
        prog="medidiagnose-train",
        description=__doc__,
        **with_examples(
            "medidiagnose-train skin --smoke",
            "medidiagnose-train pictures --data my_pictures --name retina --install my_bundles",
            "medidiagnose-train skin --data /path/to/data --resume",
            "medidiagnose-train evaluate skin --data /path/to/data --split test --predictions predictions.csv",
        ),
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for training in TRAININGS:
        _add_training(commands.add_parser(training.command, help=f"make the model: {training.title}"), training)
    series = commands.add_parser("series", help="train the networks of several models, one after the other")
    series.add_argument("names", nargs="+", choices=[each.command for each in TRAININGS if each.train], help="which")
    _add_folders(series)
    series.add_argument("--resume", action="store_true", help="go on from what an earlier run left")
    series.add_argument("--smoke", action="store_true", default=None, help="a run of a minute on made-up pictures")
    series.set_defaults(run=_series)
    _add_finishing(commands)
    _add_measuring(commands)
    data = commands.add_parser("data", help="check downloaded data sets").add_subparsers(required=True)
    verify = data.add_parser("verify", help="compare a folder with the published layout and counts")
    verify.add_argument("set", choices=tuple(_data_sets()), help="which data set")
    verify.add_argument("folder", type=Path, help="where it lies")
    verify.set_defaults(run=_verify)
    add_completion(commands, build_parser, "medidiagnose-train")
    return parser


def _add_measuring(commands: Any) -> None:
    from training.diagnoses import TRAININGS

    measured = [training for training in TRAININGS if training.task_of]
    evaluate = commands.add_parser("evaluate", help="measure a picture bundle on a split")
    _add_choice(evaluate, measured)
    evaluate.add_argument("--split", choices=("validation", "test"), default="validation", help="what to measure on")
    evaluate.add_argument("--bundle", type=Path, help="bundle folder; default: that of the run")
    evaluate.add_argument("--record", action="store_true", help="write the figures into the run's bundle and report")
    evaluate.add_argument("--predictions", type=Path, help="also write path and probabilities to this CSV file")
    evaluate.set_defaults(run=_evaluate)
    measure = commands.add_parser(
        "measure", help="measure a shipped picture bundle as it is served, into measured.json"
    )
    measure.add_argument("name", choices=("skin", "xray", "breast"), help="which model")
    measure.add_argument("bundle", type=Path, help="bundle folder")
    measure.add_argument("--note", default="", help="what has to be known of these figures")
    measure.add_argument("--precision", choices=("int8", "fp32"), default="int8", help="int8 where the bundle has it")
    _add_folders(measure)
    measure.set_defaults(run=_measure)
    tables = commands.add_parser("tables", help="write cards and pages of figures from the bundles' measured.json")
    tables.add_argument("--bundles", type=Path, default=Path("models/bundles"), help="folder of the bundles")
    tables.add_argument("--page", type=Path, default=Path("docs/figures.md"), help="the page with the table's marks")
    page = Path("docs/explanations.md")
    tables.add_argument("--explanations", type=Path, default=page, help="the page with the marks of its tables")
    tables.set_defaults(run=_tables)
    explained = commands.add_parser(
        "explained", help="measure whether a bundle's maps show what its answers rest on, into measured.json"
    )
    sets = commands.add_parser(
        "prediction-sets", help="calibrate a picture bundle's prediction sets, and measure them, into measured.json"
    )
    reliability = commands.add_parser(
        "reliability", help="measure how often what a bundle says comes true, in tenths, into measured.json"
    )
    for command, run in ((explained, _explained), (sets, _prediction_sets), (reliability, _reliability)):
        others = {explained: (), sets: ("disease",), reliability: ("disease", "heart_risk")}[command]
        command.add_argument("name", choices=(*_PICTURES, *_ECGS, *others), help="which model")
        command.add_argument("bundle", type=Path, help="bundle folder")
        command.add_argument("--precision", choices=("int8", "fp32"), default="int8", help="int8 where there is one")
        _add_folders(command)
        command.set_defaults(run=run)
    compare = commands.add_parser("compare", help="compare losses and ways to meet class imbalance on validation")
    _add_choice(compare, measured)
    compare.set_defaults(run=_compare)


def _add_finishing(commands: Any) -> None:
    """What is done with a network that is trained."""
    from training.diagnoses import TRAININGS

    quantize = commands.add_parser("quantize", help="add an int8 network to a bundle, where it loses little enough")
    _add_choice(quantize, [training for training in TRAININGS if training.int8])
    quantize.add_argument("bundle", type=Path, help="bundle folder")
    quantize.set_defaults(run=_quantize)
    average = commands.add_parser("average", help="average the weights of several runs from the same start")
    average.add_argument(
        "name", choices=[training.command for training in TRAININGS if training.task_of], help="which model"
    )
    average.add_argument("folders", type=Path, nargs="+", metavar="RUN", help="run folders with a model.keras")
    average.add_argument("--runs", type=Path, default=Path("runs"), help="where runs are kept")
    average.set_defaults(run=_average)
    explainable = commands.add_parser(
        "explainable", help="give a bundle's networks the map that explains them, as a new version beside it"
    )
    explainable.add_argument("name", choices=(*_PICTURES, *_ECGS), help="which model")
    explainable.add_argument("bundle", type=Path, help="bundle folder")
    explainable.add_argument("version", help="the bundle's new version")
    _add_folders(explainable)
    explainable.set_defaults(run=_explainable)
    taught = commands.add_parser("strangers", help="teach a bundle to tell strangers, as a new version")
    taught.add_argument("name", choices=("skin", "xray", "breast"), help="which model")
    taught.add_argument("bundle", type=Path, help="bundle folder")
    taught.add_argument("version", help="the bundle's new version")
    _add_folders(taught)
    taught.set_defaults(run=_strangers)


def _add_training(command: argparse.ArgumentParser, training: "Training") -> None:
    _add_folders(command)
    if training.own_data:
        command.set_defaults(data=None)
    command.add_argument("--resume", action="store_true", help="go on from what an earlier run left")
    command.add_argument("--install", type=Path, metavar="BUNDLES", help="copy the bundle to BUNDLES/<name>/<version>")
    if training.train:
        command.add_argument("--bundle-only", action="store_true", help="make the bundle of an earlier run again")
        command.add_argument(
            "--mixed-precision",
            nargs="?",
            const="mixed_float16",
            choices=("mixed_float16", "mixed_bfloat16"),
            help="compute in half precision, where the hardware is faster so",
        )
    if training.measure_test:
        command.add_argument("--test", action="store_true", help="measure the test split, and nothing else")
    _add_options(command, training.options)
    command.set_defaults(run=_train, training=training)


def _add_choice(command: argparse.ArgumentParser, trainings: Sequence["Training"]) -> None:
    command.add_argument("name", choices=[training.command for training in trainings], help="which model")
    _add_folders(command)
    own = {option.name: option for training in trainings for option in training.options}
    _add_options(command, [own[name] for name in ("like", "version", "smoke", "folds") if name in own])
    command.add_argument("--called", metavar="NAME", help="of pictures of one's own: what their model is called")


def _add_folders(command: argparse.ArgumentParser) -> None:
    from training.diagnoses.training import default_data

    command.add_argument("--data", type=Path, default=default_data(), help="folder that holds the data sets")
    command.add_argument("--runs", type=Path, default=Path("runs"), help="where runs are kept")


def _add_options(command: argparse.ArgumentParser, options: Sequence["Option"]) -> None:
    for option in options:
        flag = f"--{option.name.replace('_', '-')}"
        if option.kind is bool:
            command.add_argument(flag, action="store_true", default=None, help=option.help)
        else:
            command.add_argument(flag, type=option.kind, choices=option.choices, help=option.help)


def _job(options: argparse.Namespace) -> "Job":
    from training.diagnoses import Job

    given = {name: value for name, value in vars(options).items() if value is not None}
    if "called" in given:
        given["name"] = given.pop("called")
    return Job(options.data or Path(), options.runs, given.get("resume", False), given)


def _train(options: argparse.Namespace) -> int:
    from rich.console import Console

    training, job, console = options.training, _job(options), Console()
    if options.data is None and not job.options.get("smoke"):
        raise TrainingError("Say with --data where the pictures are: a folder of folders, or a CSV table.")
    if precision := job.options.get("mixed_precision"):
        import keras

        keras.config.set_dtype_policy(precision)
    if job.options.get("test"):
        bundle = training.measure_test(job)
    else:
        if training.train and not options.bundle_only:
            training.train(job)
        if job.options.get("across") or job.options.get("fold"):
            return 0
        bundle = training.make_bundle(job)
    _print_figures(bundle, console)
    console.print(f"bundle: {bundle.folder}")
    if options.install:
        target = options.install / bundle.metadata.name / bundle.metadata.version
        shutil.copytree(bundle.folder, target, dirs_exist_ok=True)
        console.print(f"installed: {target}")
    return 0


def _series(options: argparse.Namespace) -> int:
    """Networks alone: bundles are made from them by `--bundle-only`. One that fails leaves the others their turn."""
    from training import picture_trainer  # noqa: F401 so that a long run doesn't read code that changed meanwhile
    from training.diagnoses import training_called
    from training.networks import breast_heads, chest_objective  # noqa: F401

    log, failed = logging.getLogger(__name__), []
    for name in options.names:
        try:
            training_called(name).train(_job(options))  # type: ignore[misc]
        except Exception:
            log.exception("%s failed", name)
            failed.append(name)
    log.info("done: %s", ", ".join(name for name in options.names if name not in failed) or "none")
    return 1 if failed else 0


def _print_figures(bundle: "Bundle", console: Any) -> None:
    from training.card import format_estimate

    for part, figures in bundle.metadata.metrics.items():
        console.print(part)
        for name, estimate in figures.items():
            console.print(f"  {name:<24}{format_estimate(estimate)}")


def _evaluate(options: argparse.Namespace) -> int:
    from rich.console import Console

    from models.serving.bundle import read_bundle
    from training.diagnoses import training_called
    from training.diagnoses.picture_task import measure, open_run, record
    from training.report import print_classes

    job, training = _job(options), training_called(options.name)
    run = open_run(training.task_of(job), job)  # type: ignore[misc]
    bundle = read_bundle(options.bundle or run.folder / "bundle")
    samples = {"validation": run.splits.validation, "test": run.splits.test}[options.split]
    if not samples:
        raise TrainingError("With folds there is no validation: what they say is in the run's report. Say --folds 0.")
    for evaluation in measure(run.task, bundle, options.split, samples, run.cache):
        print_classes(evaluation, Console())
    if options.predictions:
        _write_predictions(options.predictions, bundle, samples, run.cache)
    if options.record:
        record(run, test=options.split == "test", bundle=bundle)
    return 0


def _write_predictions(file: Path, bundle: "Bundle", samples: Sequence["Sample"], cache: Path) -> None:
    import pandas as pd

    from training.datasets.pictures import load_tensors
    from training.evaluate import predict

    pictures = load_tensors(samples, bundle.metadata.image_preprocessing, cache)
    table = pd.DataFrame(predict(bundle.model_path, pictures)["probabilities"], columns=list(bundle.metadata.classes))
    table = table.add_prefix("prob_")
    table.insert(0, "path", [str(sample.path) for sample in samples])
    table.to_csv(file, index=False)


def _quantize(options: argparse.Namespace) -> int:
    from models.serving.bundle import read_bundle
    from training.diagnoses import training_called
    from training.diagnoses.picture_task import open_run
    from training.quantize import HEADING, add_int8

    job, training = _job(options), training_called(options.name)
    run = open_run(training.int8(job), job, disjoint=training.task_of is not None)  # type: ignore[misc]
    bundle = add_int8(read_bundle(options.bundle), run.task, run.splits, run.cache)
    sys.stdout.write(HEADING + bundle.card.rsplit(HEADING, 1)[1])
    return 0


def _measure(options: argparse.Namespace) -> int:
    from models.diagnoses.catalogue import DIAGNOSES
    from models.serving.bundle import read_bundle
    from training import served
    from training.served_sets import SETS
    from training.strangers_told import told

    bundle = read_bundle(options.bundle, options.precision)
    diagnosis = next(each for each in DIAGNOSES if each.name == options.name)
    found = served.measure(diagnosis, bundle, SETS[options.name](options.data))
    found["pictures of another kind"] = told(diagnosis, bundle, options.data)
    file = served.write_measured(bundle, found, options.note)
    sys.stdout.write(served.card_section(served.read_measured(file)))
    return 0


def _explained(options: argparse.Namespace) -> int:
    from models.diagnoses.catalogue import BY_NAME
    from models.serving.bundle import read_bundle
    from training import explained, explained_ecg, served
    from training.served_sets import SETS

    bundle = read_bundle(options.bundle, options.precision)
    if options.name in explained_ecg.ECGS:
        found = explained_ecg.measure(bundle, options.data)
    else:
        found = explained.measure(BY_NAME[options.name], bundle, SETS[options.name](options.data))
    _tell(served.add_measured(bundle, found), found)
    return 0


def _prediction_sets(options: argparse.Namespace) -> int:
    from models.diagnoses.catalogue import BY_NAME
    from models.serving.bundle import read_bundle
    from training import prediction_sets, prediction_sets_of_rows, served

    bundle = read_bundle(options.bundle, options.precision)
    if options.name in prediction_sets_of_rows.SETS:
        cache = options.runs / "digitised_sheets"
        rows = prediction_sets_of_rows.SETS[options.name](bundle, options.data, cache)
        bundle, found = prediction_sets_of_rows.apply(bundle, rows)
    else:
        diagnosis, sets = BY_NAME[options.name], prediction_sets.SETS[options.name](options.data)
        bundle = prediction_sets.calibrate_bundle(diagnosis, bundle, sets)
        found = prediction_sets.measure(diagnosis, bundle, sets)
    if bundle.metadata.int8 is None or bundle.metadata.precision == "int8":
        served.add_measured(bundle, found)
    _tell(bundle.folder, found)
    return 0


def _reliability(options: argparse.Namespace) -> int:
    from models.diagnoses.catalogue import BY_NAME
    from models.serving.bundle import read_bundle
    from training import reliability, served

    bundle = read_bundle(options.bundle, options.precision)
    cache = options.runs / "digitised_sheets"
    found = reliability.measure(BY_NAME[options.name], bundle, options.data, cache)
    note = served.HELD_OUT if options.name == "heart_risk" else ""
    _tell(served.add_measured(bundle, found, note), found)
    return 0


def _tell(where: Path, found: "Mapping[str, Figures]") -> None:
    from training.card import format_estimate

    for name, figures in found.items():
        sys.stdout.write(f"{name}\n")
        for key, value in figures.items():
            sys.stdout.write(f"  {key}: {format_estimate(value)}, {value.n}\n")
    sys.stdout.write(f"{where}\n")


def _strangers(options: argparse.Namespace) -> int:
    from models.serving.bundle import read_bundle
    from training.diagnoses import breast, skin, xray
    from training.strangers_told import teach

    task = {"skin": skin.TASK, "xray": xray.TASK, "breast": breast.TASK}[options.name]
    taught = teach(read_bundle(options.bundle), task, options.data, options.runs / "cache", options.version)
    sys.stdout.write(f"{taught.folder}: {taught.metadata.version}\n")
    return 0


def _explainable(options: argparse.Namespace) -> int:
    from models.serving.bundle import read_bundle
    from training.datasets.pictures import load_tensors
    from training.diagnoses import breast, skin, xray
    from training.diagnoses.picture_task import hold_some_outside
    from training.explainable import PROOFS, make_explainable
    from training.explained_ecg import ECGS, proofs_of
    from training.learned_maps import learned_map
    from training.served_sets import SETS

    if options.name in ECGS:
        bundle = read_bundle(options.bundle)
        proofs: NDArray[Any] = proofs_of(bundle.metadata, options.data, PROOFS)
        made = make_explainable(bundle, options.version, proofs)
    else:
        bundle = read_bundle(options.bundle, "int8")
        samples = SETS[options.name](options.data)[0].samples
        chosen = samples[:: max(1, len(samples) // PROOFS)][:PROOFS]
        proofs = load_tensors(chosen, bundle.metadata.image_preprocessing)
        task = {"skin": skin.TASK, "xray": xray.TASK, "breast": breast.TASK}[options.name]
        splits = hold_some_outside(task.load(options.data), task.only_tested)
        made = make_explainable(bundle, options.version, proofs, learned_map(bundle, splits.train))
    sys.stdout.write(f"{made.folder}: {made.metadata.version}, maps of {', '.join(made.metadata.explains)}\n")
    return 0


def _tables(options: argparse.Namespace) -> int:
    from training.served import write_tables

    for file in write_tables(options.bundles, options.page, options.explanations):
        sys.stdout.write(f"{file}\n")
    return 0


def _average(options: argparse.Namespace) -> int:
    from training.diagnoses import training_called
    from training.diagnoses.picture_task import average

    average(options.runs / training_called(options.name).name, options.folders)
    return 0


def _compare(options: argparse.Namespace) -> int:
    from rich.console import Console

    from training.compare import compare
    from training.diagnoses import training_called
    from training.diagnoses.picture_task import open_run

    job = _job(options)
    job = replace(job, options={"folds": 0, **job.options})
    Console().print(compare(open_run(training_called(options.name).task_of(job), job)))  # type: ignore[misc]
    return 0


def _verify(options: argparse.Namespace) -> int:
    kind, check = _data_sets()[options.set]
    count, problems = check(options.folder)
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    verdict = "differs from what was published" if problems else f"as published, all {kind} can be read"
    sys.stdout.write(f"{options.set}: {count} {kind}, {verdict}.\n")
    return 1 if problems else 0


def _data_sets() -> Mapping[str, tuple[str, Callable[[Path], tuple[int, list[str]]]]]:
    """What is counted in each data set, and what checks it."""
    from training.datasets import bus_bra, busi, chest_nih, chest_xray, ham10000, ptbxl, uci_heart
    from training.datasets.pictures import verify_counts

    def pictures(
        load: Callable[[Path], list["Sample"]], classes: Sequence[str], published: dict[str, int]
    ) -> tuple[str, Callable[[Path], tuple[int, list[str]]]]:
        def check(folder: Path) -> tuple[int, list[str]]:
            samples = load(folder)
            return len(samples), verify_counts(samples, classes, published)

        return "pictures", check

    return {
        "ham10000": pictures(ham10000.load, ham10000.CLASSES, ham10000.PUBLISHED_COUNTS),
        "chest-xray": pictures(chest_xray.load_all, chest_xray.CLASSES, chest_xray.PUBLISHED_COUNTS),
        "chest-nih": pictures(chest_nih.load, chest_nih.CLASSES, chest_nih.PUBLISHED_COUNTS),
        "busi": pictures(busi.load_all, busi.CLASSES, busi.PUBLISHED_COUNTS),
        "bus-bra": pictures(bus_bra.load, bus_bra.CLASSES, bus_bra.PUBLISHED_COUNTS),
        "ptb-xl": ("ECGs", ptbxl.verify),
        "uci-heart": ("patients", uci_heart.verify),
    }


if __name__ == "__main__":
    sys.exit(main())
