"""The report folder of a run: pictures, one HTML page and a table for the console."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from sklearn.calibration import CalibrationDisplay, calibration_curve
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay

from models.serving.bundle import Estimate
from training.card import format_estimate
from training.evaluate import Evaluation
from training.metrics import CONFIDENCE_BINS
from training.recipe import HISTORY

TENTHS = 10


def print_classes(evaluation: Evaluation, console: Console) -> None:
    """Precision, recall, F1, AUROC and cases of each class, as a table on the console."""
    table = Table(title=f"{evaluation.name}: {len(evaluation.labels)} pictures")
    for heading in ("class", "precision", "recall", "F1", "AUROC", "cases"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for row in evaluation.classes:
        numbers = (f"{value:.3f}" for value in (row.precision, row.recall, row.f1, row.auroc))
        table.add_row(row.code, *numbers, str(row.cases))
    console.print(table)
    for name, estimate in evaluation.figures.items():
        console.print(f"  {name:<24}{format_estimate(estimate)}")


def write_report(folder: Path, title: str, classes: Sequence[str], evaluations: Sequence[Evaluation]) -> Path:
    """Write confusion matrices, ROC curves, reliability diagrams and training curves as PNG, and index.html."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [f"<h1>{html.escape(title)}</h1>", _training_curves(folder)]
    for evaluation in evaluations:
        stem = "".join(letter if letter.isalnum() else "_" for letter in evaluation.name)
        figure, axes = plt.subplots(1, 3, figsize=(16, 5))
        _confusion(axes[0], evaluation, classes)
        _roc(axes[1], evaluation, classes)
        _reliability(axes[2], evaluation)
        figure.tight_layout()
        figure.savefig(folder / f"{stem}.png", dpi=110)
        plt.close(figure)
        parts += [
            f"<h2>{html.escape(evaluation.name)}</h2>",
            f'<img src="{stem}.png" alt="confusion matrix, ROC curves, reliability diagram">',
            _html_table(evaluation.figures),
            *(
                f"<details><summary>{html.escape(subgroup)}</summary>{_html_table(figures)}</details>"
                for subgroup, figures in evaluation.subgroups.items()
            ),
        ]
    return _write_page(folder, title, parts)


def write_calibration_report(
    folder: Path,
    title: str,
    metrics: Mapping[str, Mapping[str, Estimate]],
    plotted: Mapping[str, tuple[NDArray[np.bool_], NDArray[np.float32]]],
) -> Path:
    """Write calibration.png, the share of positive labels (n,) in tenths of their chances (n, runs), and index.html
    with every figure."""
    folder.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(1, len(plotted), figsize=(6 * len(plotted), 6), squeeze=False)
    for place, (name, (labels, chances)) in zip(axes[0], plotted.items(), strict=True):
        _calibration(place, name, labels, chances.mean(axis=1))
    figure.tight_layout()
    figure.savefig(folder / "calibration.png", dpi=110)
    plt.close(figure)
    parts = [f"<h1>{html.escape(title)}</h1>", '<img src="calibration.png" alt="calibration curves">']
    for name, figures in metrics.items():
        parts += [f"<h2>{html.escape(name)}</h2>", _html_table(figures)]
    return _write_page(folder, title, parts)


def _write_page(folder: Path, title: str, parts: Sequence[str]) -> Path:
    page = folder / "index.html"
    style = "body{font:15px system-ui;margin:2rem;max-width:70rem}img{max-width:100%}td{padding:.1rem .8rem}"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title><style>{style}</style>"
        + "\n".join(parts),
        encoding="utf-8",
    )
    return page


def _html_table(figures: Mapping[str, Estimate]) -> str:
    rows = (
        f"<tr><td>{html.escape(name)}</td><td>{format_estimate(estimate)}</td><td>n={estimate.n}</td></tr>"
        for name, estimate in figures.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _training_curves(folder: Path) -> str:
    if not (folder.parent / HISTORY).is_file():
        return ""
    history = pd.read_csv(folder.parent / HISTORY).set_index("step")
    figure, axes = plt.subplots(1, 2, figsize=(11, 4))
    history["loss"].plot(ax=axes[0], title="training loss")
    scores = history.filter(like="val_").drop(columns="val_score", errors="ignore")
    scores.rename(columns=lambda name: name.removeprefix("val_").replace("_", " ")).plot(ax=axes[1], title="validation")
    figure.tight_layout()
    figure.savefig(folder / "training.png", dpi=110)
    plt.close(figure)
    return '<h2>Training</h2><img src="training.png" alt="training curves">'


def _confusion(axes: Axes, evaluation: Evaluation, classes: Sequence[str]) -> None:
    called = evaluation.probabilities.argmax(axis=1)
    ConfusionMatrixDisplay.from_predictions(
        evaluation.labels,
        called,
        labels=range(len(classes)),
        display_labels=classes,
        cmap="Blues",
        colorbar=False,
        ax=axes,
    )
    axes.set(title="confusion matrix", xlabel="leading class", ylabel="truth")


def _roc(axes: Axes, evaluation: Evaluation, classes: Sequence[str]) -> None:
    rows = evaluation.classes[1:] if len(classes) == 2 else evaluation.classes
    for row in rows:
        index = list(classes).index(row.code)
        positive = evaluation.labels == index
        if positive.any() and not positive.all():
            RocCurveDisplay.from_predictions(positive, evaluation.probabilities[:, index], name=row.code, ax=axes)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.set(title="ROC (one against the rest)", xlabel="1 - specificity", ylabel="sensitivity")


def _reliability(axes: Axes, evaluation: Evaluation) -> None:
    confidence = evaluation.probabilities.max(axis=1)
    right = evaluation.probabilities.argmax(axis=1) == evaluation.labels
    CalibrationDisplay.from_predictions(
        right, np.clip(confidence, 0, 1), n_bins=CONFIDENCE_BINS, pos_label=True, ax=axes
    )
    shares = np.full(len(confidence), 1 / len(confidence))
    axes.hist(confidence, bins=CONFIDENCE_BINS, range=(0, 1), weights=shares, rwidth=0.9, alpha=0.25)
    axes.set(title=f"reliability, ECE {evaluation.figures['ece'].value:.3f}", xlabel="confidence", ylabel="accuracy")


def _calibration(axes: Axes, name: str, labels: NDArray[np.bool_], chances: NDArray[np.float32]) -> None:
    """Mean chance against the share of positive labels in tenths of equal size, with 95 % intervals (normal)."""
    found, expected = calibration_curve(labels, np.clip(chances, 0, 1), n_bins=TENTHS, strategy="quantile")
    spread = 1.96 * np.sqrt(found * (1 - found) / (len(labels) / len(found)))
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.errorbar(expected, found, yerr=spread, marker="o", capsize=3)
    axes.set(title=f"calibration, {name}", xlabel="mean probability", ylabel="share with the finding")
