"""medidiagnose-train: train, evaluate and export the models, and check downloaded data sets."""

import argparse
import csv
import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from training.datasets import bus_bra, busi, chest_nih, chest_xray, ham10000, ptbxl, uci_heart
from training.datasets.pictures import Sample, verify_counts
from training.errors import TrainingError

if TYPE_CHECKING:
    from rich.console import Console

    from models.bundle import Bundle, Estimate
    from training.tasks import Task

DATA_SETS: dict[str, tuple[Callable[[Path], list[Sample]], Sequence[str], dict[str, int]]] = {
    "ham10000": (ham10000.load, ham10000.CLASSES, ham10000.PUBLISHED_COUNTS),
    "chest-xray": (chest_xray.load_all, chest_xray.CLASSES, chest_xray.PUBLISHED_COUNTS),
    "chest-nih": (chest_nih.load, chest_nih.CLASSES, chest_nih.PUBLISHED_COUNTS),
    "busi": (busi.load_all, busi.CLASSES, busi.PUBLISHED_COUNTS),
    "bus-bra": (bus_bra.load, bus_bra.CLASSES, bus_bra.PUBLISHED_COUNTS),
}
OTHER_SETS: dict[str, tuple[str, Callable[[Path], tuple[int, list[str]]]]] = {
    "ptb-xl": ("ECGs", ptbxl.verify),
    "uci-heart": ("patients", uci_heart.verify),
}
NAMES = ("skin", "xray")
EXTRA_MODULES = ("keras", "matplotlib", "onnx", "rich", "scipy", "tensorflow", "tf2onnx")
NUMBERS: dict[str, type[int] | type[float]] = {
    "steps": int,
    "batch_size": int,
    "learning_rate": float,
    "first_stage": int,
    "smoothing": float,
    "mixup": float,
    "balance": float,
    "validate_every": int,
    "seed": int,
    "patience": int,
}
OVERRIDES = (*NUMBERS, "backbone", "loss", "class_weighting")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when it did what was asked, 1 with a sentence on standard error when it couldn't."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        status: int = options.run(options)
    except (TrainingError, FileNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except ModuleNotFoundError as error:
        if error.name not in EXTRA_MODULES:
            raise
        sys.stderr.write(
            f"{error.name} is missing. Training needs its extra: pip install 'medidiagnose-ai[training]'.\n"
        )
        return 1
    return status


def build_parser() -> argparse.ArgumentParser:
    """The command line; `run` of the parsed options is the function to call."""
    parser = argparse.ArgumentParser(prog="medidiagnose-train", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for name in NAMES:
        _add_train_options(commands.add_parser(name, help=f"train the {name} model and write its bundle"), name)
    breast = commands.add_parser("breast", help="train the breast model, once without each of five folds")
    _add_folders(breast)
    breast.add_argument("--resume", action="store_true", help="train only the folds that are not finished")
    breast.add_argument("--across", choices=("busi", "bus_bra"), help="train on one set alone, measure on the other")
    breast.add_argument("--bundle-only", action="store_true", help="export the networks of an earlier run again")
    breast.add_argument("--install", type=Path, metavar="BUNDLES", help="copy the bundle to BUNDLES/<name>/<version>")
    breast.set_defaults(run=_breast)
    record = commands.add_parser("heart-record", help="train the ECG record model and write its bundle")
    _add_folders(record)
    record.add_argument("--resume", action="store_true", help="train only the networks that are not finished")
    record.add_argument("--members", type=int, help="how many networks to average")
    record.add_argument("--steps", type=int, help="steps of each network")
    record.add_argument("--bundle-only", action="store_true", help="export the networks of an earlier run again")
    record.add_argument("--test", action="store_true", help="measure the test folds, and nothing else")
    record.add_argument("--install", type=Path, metavar="BUNDLES", help="copy the bundle to BUNDLES/<name>/<version>")
    record.set_defaults(run=_heart_record)
    sheets = commands.add_parser("heart-image", help="train the ECG sheet model and write its bundle")
    _add_folders(sheets)
    sheets.add_argument("--bundle-only", action="store_true", help="export the model of an earlier run again")
    sheets.add_argument("--test", action="store_true", help="measure the test fold, and nothing else")
    sheets.add_argument(
        "--record-bundle", type=Path, help="heart_record bundle that --test compares with; default: that of its run"
    )
    sheets.add_argument("--install", type=Path, metavar="BUNDLES", help="copy the bundle to BUNDLES/<name>/<version>")
    sheets.set_defaults(run=_heart_image)
    symptoms = commands.add_parser("disease", help="make the symptom model from tables and vignettes")
    _add_folders(symptoms)
    symptoms.add_argument("--install", type=Path, metavar="BUNDLES", help="copy the bundle to BUNDLES/<name>/<version>")
    symptoms.set_defaults(run=_disease)
    risk = commands.add_parser("heart-risk", help="fit the heart-risk model and write its bundle")
    _add_folders(risk)
    risk.add_argument("--install", type=Path, metavar="BUNDLES", help="copy the bundle to BUNDLES/<name>/<version>")
    risk.set_defaults(run=_heart_risk)
    command = commands.add_parser("evaluate", help="measure a bundle on a split")
    command.add_argument("name", choices=NAMES)
    command.add_argument("--split", choices=("validation", "test"), default="validation")
    command.add_argument("--bundle", type=Path, help="bundle folder; default: that of the run")
    command.add_argument("--record", action="store_true", help="write the figures into the run's bundle and report")
    command.add_argument("--predictions", type=Path, help="also write path and probabilities to this CSV file")
    _add_folders(command)
    command.set_defaults(run=_evaluate)
    quantised = commands.add_parser("quantize", help="add an int8 network to a bundle, where it loses little enough")
    quantised.add_argument("name", choices=NAMES)
    quantised.add_argument("bundle", type=Path, help="bundle folder")
    _add_folders(quantised)
    quantised.set_defaults(run=_quantize)
    average = commands.add_parser("average", help="average the weights of several runs from the same start")
    average.add_argument("name", choices=NAMES)
    average.add_argument("folders", type=Path, nargs="+", metavar="RUN", help="run folders with a model.keras")
    average.add_argument("--runs", type=Path, default=Path("runs"), help="where runs are kept")
    average.set_defaults(run=_average)
    comparison = commands.add_parser("compare", help="compare losses and ways to meet class imbalance on validation")
    comparison.add_argument("name", choices=NAMES)
    _add_folders(comparison)
    comparison.set_defaults(run=_compare)
    data = commands.add_parser("data", help="check downloaded data sets").add_subparsers(required=True)
    verify = data.add_parser("verify", help="compare a folder with the published layout and counts")
    verify.add_argument("set", choices=(*DATA_SETS, *OTHER_SETS))
    verify.add_argument("folder", type=Path)
    verify.set_defaults(run=_verify)
    return parser


def _add_folders(command: argparse.ArgumentParser) -> None:
    default = Path(os.environ.get("MEDIDIAGNOSE_DATA", "../shared/data"))
    command.add_argument("--data", type=Path, default=default, help="folder that holds the data sets")
    command.add_argument("--runs", type=Path, default=Path("runs"), help="where runs are kept")


def _add_train_options(command: argparse.ArgumentParser, name: str) -> None:
    _add_folders(command)
    command.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    command.add_argument("--smoke", action="store_true", help="a run of under a minute on made-up pictures")
    command.add_argument("--install", type=Path, metavar="BUNDLES", help="copy the bundle to BUNDLES/<name>/<version>")
    command.add_argument("--bundle-only", action="store_true", help="export an earlier run's model.keras again")
    command.add_argument("--mixed-precision", action="store_true", help="half precision, where there is a GPU")
    for option, kind in NUMBERS.items():
        command.add_argument(f"--{option.replace('_', '-')}", type=kind)
    command.add_argument("--augmentation", choices=("dermoscopy", "chest_xray", "chest_xray_plain", "ultrasound"))
    command.add_argument("--backbone", choices=("efficientnet_lite0", "efficientnet_b0", "mobilenet_v2"))
    command.add_argument("--loss", choices=("cross_entropy", "focal"))
    command.add_argument("--class-weighting", action="store_true", default=None)
    command.set_defaults(run=_train, name=name)


def _train(options: argparse.Namespace) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from rich.console import Console

    from training import pipeline
    from training.report import print_classes
    from training.smoke import smoke_splits, smoke_task
    from training.tasks import TASKS
    from training.two_phase import prepare_accelerators

    prepare_accelerators(mixed_precision=options.mixed_precision)
    task = TASKS[options.name]
    if options.smoke:
        task = smoke_task(task)
    task = replace(task, recipe=replace(task.recipe, **_chosen(options)))
    with TemporaryDirectory() as folder:
        splits = smoke_splits(task, Path(folder)) if options.smoke else task.load(options.data)
        run = pipeline.Run(task, options.runs / (f"{options.name}-smoke" if options.smoke else options.name))
        if not options.bundle_only:
            pipeline.train(run, splits, resume=options.resume)
        bundle = pipeline.make_bundle(run, splits)
        console = Console()
        for evaluation in pipeline.measure(task, bundle, "validation", splits.validation, run.cache):
            print_classes(evaluation, console)
    console.print(f"bundle: {bundle.folder}\nreport: {run.report_folder / 'index.html'}")
    if options.install:
        _install(bundle, options.install, console)
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from rich.console import Console

    from models.bundle import read_bundle
    from training import pipeline
    from training.report import print_classes
    from training.tasks import TASKS

    task = TASKS[options.name]
    run = pipeline.Run(task, options.runs / options.name)
    bundle = read_bundle(options.bundle or run.bundle_folder)
    splits = task.load(options.data)
    parts = {"validation": splits.validation, "test": splits.test}
    evaluations = pipeline.measure(task, bundle, options.split, parts[options.split], run.cache)
    console = Console()
    for evaluation in evaluations:
        print_classes(evaluation, console)
    if options.predictions:
        _write_predictions(options.predictions, task, bundle, parts[options.split], run.cache)
    if options.record:
        if options.split == "test":
            evaluations = [*pipeline.measure(task, bundle, "validation", splits.validation, run.cache), *evaluations]
        pipeline.rewrite(run, bundle.metadata, evaluations)
    return 0


def _breast(options: argparse.Namespace) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from rich.console import Console

    from training import breast

    run, cache = options.runs / "breast", options.runs / "cache"
    if options.across:
        breast.train_across(options.data, run, cache, options.across, resume=options.resume)
        figures = breast.measure_across(options.data, run)
        _print_figures(figures, Console())
        return 0
    if not options.bundle_only:
        breast.train_folds(options.data, run, cache, resume=options.resume)
    bundle = breast.make_bundle(options.data, run, cache)
    _print_figures(bundle.metadata.metrics, Console())
    if options.install:
        _install(bundle, options.install, Console())
    return 0


def _heart_record(options: argparse.Namespace) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from rich.console import Console

    from training import heart_record

    run = options.runs / heart_record.NAME
    if options.test:
        bundle = heart_record.record_test(options.data, run)
    else:
        if not options.bundle_only:
            members = options.members or len(heart_record.MEMBERS)
            heart_record.train(options.data, run, members=members, steps=options.steps, resume=options.resume)
        bundle = heart_record.make_bundle(options.data, run)
    _print_figures(bundle.metadata.metrics, Console())
    if options.install:
        _install(bundle, options.install, Console())
    return 0


def _heart_image(options: argparse.Namespace) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from rich.console import Console

    from models.bundle import read_bundle
    from training import heart_image

    run = options.runs / heart_image.NAME
    if options.test:
        record_bundle = read_bundle(options.record_bundle or options.runs / "heart_record" / "bundle")
        bundle = heart_image.record_test(options.data, run, record_bundle)
    else:
        if not options.bundle_only:
            heart_image.train(options.data, run)
        bundle = heart_image.make_bundle(options.data, run)
    _print_figures(bundle.metadata.metrics, Console())
    if options.install:
        _install(bundle, options.install, Console())
    return 0


def _disease(options: argparse.Namespace) -> int:
    from rich.console import Console

    from training import disease

    bundle = disease.make_bundle(options.data, options.runs / disease.NAME)
    _print_figures(bundle.metadata.metrics, Console())
    if options.install:
        _install(bundle, options.install, Console())
    return 0


def _heart_risk(options: argparse.Namespace) -> int:
    from rich.console import Console

    from training import heart_risk

    run = options.runs / heart_risk.NAME
    bundle = heart_risk.make_bundle(options.data, run)
    _print_figures(bundle.metadata.metrics, Console())
    Console().print(f"bundle: {bundle.folder}\nreport: {run / 'report' / 'index.html'}")
    if options.install:
        _install(bundle, options.install, Console())
    return 0


def _print_figures(metrics: "Mapping[str, Mapping[str, Estimate]]", console: "Console") -> None:
    from training.report import format_estimate

    for part, figures in metrics.items():
        console.print(part)
        for name, estimate in figures.items():
            console.print(f"  {name:<24}{format_estimate(estimate)}")


def _quantize(options: argparse.Namespace) -> int:
    from models.bundle import read_bundle
    from training.quantize import HEADING, add_int8
    from training.tasks import TASKS

    splits = TASKS[options.name].load(options.data)
    bundle = add_int8(read_bundle(options.bundle), splits, options.runs / "cache", TASKS[options.name])
    sys.stdout.write(HEADING + bundle.card.rsplit(HEADING, 1)[1])
    return 0


def _average(options: argparse.Namespace) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from training.pipeline import Run, average
    from training.tasks import TASKS

    average(Run(TASKS[options.name], options.runs / options.name), options.folders)
    return 0


def _compare(options: argparse.Namespace) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from rich.console import Console

    from training.compare import compare
    from training.pipeline import Run
    from training.tasks import TASKS

    task = TASKS[options.name]
    Console().print(compare(Run(task, options.runs / options.name), task.load(options.data)))
    return 0


def _verify(options: argparse.Namespace) -> int:
    if options.set in OTHER_SETS:
        kind, check = OTHER_SETS[options.set]
        count, problems = check(options.folder)
    else:
        load, classes, published = DATA_SETS[options.set]
        samples = load(options.folder)
        kind, count, problems = "pictures", len(samples), verify_counts(samples, classes, published)
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    verdict = "differs from what was published" if problems else f"as published, all {kind} can be read"
    sys.stdout.write(f"{options.set}: {count} {kind}, {verdict}.\n")
    return 1 if problems else 0


def _chosen(options: argparse.Namespace) -> dict[str, Any]:
    from training.augmentation import RECIPES

    chosen = {name: value for name in OVERRIDES if (value := getattr(options, name)) is not None}
    return chosen | ({"augmentation": RECIPES[options.augmentation]} if options.augmentation else {})


def _install(bundle: "Bundle", bundles: Path, console: "Console") -> None:
    target = bundles / bundle.metadata.name / bundle.metadata.version
    shutil.copytree(bundle.folder, target, dirs_exist_ok=True)
    console.print(f"installed: {target}")


def _write_predictions(file: Path, task: "Task", bundle: "Bundle", samples: Sequence[Sample], cache: Path) -> None:
    from training.datasets.pictures import load_tensors
    from training.evaluate import predict

    probabilities = predict(bundle.model_path, load_tensors(samples, bundle.metadata.image_preprocessing, cache))[
        "probabilities"
    ]
    with file.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["path", *(f"prob_{code}" for code in task.recipe.classes)])
        rows.writerows([sample.path, *map(float, row)] for sample, row in zip(samples, probabilities, strict=True))


if __name__ == "__main__":
    sys.exit(main())
