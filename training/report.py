"""The report folder of a run: pictures, one HTML page and a table for the console."""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from models.bundle import Estimate
from training.evaluate import Evaluation

BINS = 15
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


def format_estimate(estimate: Estimate) -> str:
    """`0.812 (0.790 to 0.833)`."""
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


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
    history = folder.parent / "history.jsonl"
    if not history.is_file():
        return ""
    entries = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    steps = [entry["step"] for entry in entries]
    figure, axes = plt.subplots(1, 2, figsize=(11, 4))
    axes[0].plot(steps, [entry["loss"] for entry in entries])
    axes[0].set(title="training loss", xlabel="step")
    for name in ("balanced_accuracy", "macro_auroc"):
        axes[1].plot(steps, [entry[name] for entry in entries], label=name.replace("_", " "))
    axes[1].set(title="validation", xlabel="step")
    axes[1].legend()
    figure.tight_layout()
    figure.savefig(folder / "training.png", dpi=110)
    plt.close(figure)
    return '<h2>Training</h2><img src="training.png" alt="training curves">'


def _confusion(axes: Axes, evaluation: Evaluation, classes: Sequence[str]) -> None:
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (evaluation.labels, evaluation.probabilities.argmax(axis=1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    axes.set(xticks=range(len(classes)), yticks=range(len(classes)), xticklabels=classes, yticklabels=classes)
    axes.set(title="confusion matrix", xlabel="leading class", ylabel="truth")


def _roc(axes: Axes, evaluation: Evaluation, classes: Sequence[str]) -> None:
    rows = evaluation.classes[1:] if len(classes) == 2 else evaluation.classes
    for row in rows:
        index = list(classes).index(row.code)
        sensitivity, false_alarms = _roc_curve(evaluation.labels == index, evaluation.probabilities[:, index])
        axes.plot(false_alarms, sensitivity, label=f"{row.code} {row.auroc:.3f}")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.set(title="ROC (one against the rest)", xlabel="1 - specificity", ylabel="sensitivity")
    axes.legend()


def _roc_curve(
    positive: NDArray[np.bool_], scores: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ranked = positive[np.argsort(-scores, kind="stable")]
    hits, alarms = np.cumsum(ranked), np.cumsum(~ranked)
    return np.r_[0.0, hits / max(1, hits[-1])], np.r_[0.0, alarms / max(1, alarms[-1])]


def _reliability(axes: Axes, evaluation: Evaluation) -> None:
    confidence = evaluation.probabilities.max(axis=1)
    right = evaluation.probabilities.argmax(axis=1) == evaluation.labels
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    used = np.unique(which)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.plot([confidence[which == b].mean() for b in used], [right[which == b].mean() for b in used], marker="o")
    axes.bar([(b + 0.5) / BINS for b in used], [(which == b).mean() for b in used], width=0.9 / BINS, alpha=0.25)
    axes.set(title=f"reliability, ECE {evaluation.figures['ece'].value:.3f}", xlabel="confidence", ylabel="accuracy")


def _calibration(axes: Axes, name: str, labels: NDArray[np.bool_], chances: NDArray[np.float32]) -> None:
    """Mean chance against the share of positive labels in tenths of equal size, with 95 % intervals (normal)."""
    tenths = np.array_split(np.argsort(chances, kind="stable"), TENTHS)
    expected = np.array([chances[tenth].mean() for tenth in tenths])
    found = np.array([labels[tenth].mean() for tenth in tenths])
    spread = 1.96 * np.sqrt(found * (1 - found) / np.array([len(tenth) for tenth in tenths]))
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.errorbar(expected, found, yerr=spread, marker="o", capsize=3)
    axes.set(title=f"calibration, {name}", xlabel="mean probability", ylabel="share with the finding")
