"""Measures a bundle on a split: figures with 95 % intervals from a bootstrap over groups (lesions, patients)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.preprocessing.picture import UInt8Array
from models.serving.bundle import Estimate, OperatingPoint, TensorSpec
from training import metrics
from training.datasets.pictures import Sample, labels_of
from training.intervals import wilson

REPEATS = 1000
SMALLEST_SUBGROUP = 20

FloatArray = NDArray[np.float32]
Statistic = Callable[[Any, Any], float]
"""A figure of labels (n, ...) and probabilities (n, ...) of the same cases."""


@dataclass(frozen=True)
class ClassRow:
    """One row of the per-class table; the leading class counts as the call."""

    code: str
    precision: float
    recall: float
    f1: float
    auroc: float
    cases: int


@dataclass(frozen=True)
class Evaluation:
    """What was measured on one set: `figures` by name, `subgroups` by `stratum=value`, one row a class, and the
    inputs they come from for plots."""

    name: str
    figures: dict[str, Estimate]
    subgroups: dict[str, dict[str, Estimate]]
    classes: tuple[ClassRow, ...]
    labels: NDArray[np.int64]
    probabilities: FloatArray


def predict(model: Path, inputs: UInt8Array | FloatArray, batch_size: int = 16) -> dict[str, FloatArray]:
    """Every output of an ONNX network for its inputs (n, ...), from ONNX Runtime as in service."""
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    entry = session.get_inputs()[0].name
    parts = [
        session.run(names, {entry: np.ascontiguousarray(inputs[start : start + batch_size])})
        for start in range(0, len(inputs), batch_size)
    ]
    return {name: np.concatenate([part[index] for part in parts]) for index, name in enumerate(names)}


def tensor_specs(exported: Path) -> tuple[TensorSpec, tuple[TensorSpec, ...]]:
    """The graph's input and outputs, as metadata.json records them."""
    session = ort.InferenceSession(str(exported), providers=["CPUExecutionProvider"])

    def spec(value: Any) -> TensorSpec:
        shape = tuple(size if isinstance(size, int) else None for size in value.shape)
        return TensorSpec(name=value.name, dtype=value.type.removeprefix("tensor(").removesuffix(")"), shape=shape)

    return spec(session.get_inputs()[0]), tuple(spec(output) for output in session.get_outputs())


def evaluate(
    name: str,
    samples: Sequence[Sample],
    probabilities: FloatArray,
    classes: Sequence[str],
    operating_points: Sequence[OperatingPoint],
    report_by: Sequence[str],
    *,
    repeats: int | None = None,
) -> Evaluation:
    """Measure `probabilities` (n, classes) of `samples`. Subgroups under 20 cases are left out."""
    labels = labels_of(samples)
    groups = [sample.group for sample in samples]
    statistics = _statistics(classes, operating_points)
    subgroups: dict[str, dict[str, Estimate]] = {}
    for stratum in report_by:
        for value in sorted({sample.strata[stratum] for sample in samples}):
            chosen = np.flatnonzero([sample.strata[stratum] == value for sample in samples])
            if len(chosen) >= SMALLEST_SUBGROUP:
                subgroups[f"{stratum}={value}"] = _estimates(
                    {key: statistics[key] for key in _subgroup_figures(statistics)},
                    labels[chosen],
                    probabilities[chosen],
                    [groups[i] for i in chosen],
                    max(1, (repeats or REPEATS) // 4),
                )
    figures = _estimates(statistics, labels, probabilities, groups, repeats)
    return Evaluation(name, figures, subgroups, _class_rows(labels, probabilities, classes), labels, probabilities)


def measure_multilabel(
    labels: FloatArray,
    probabilities: FloatArray,
    classes: Sequence[str],
    points: Sequence[OperatingPoint],
    groups: Sequence[Any],
    *,
    repeats: int | None = None,
) -> dict[str, Estimate]:
    """Figures of classes that may occur together; labels, 0 or 1, and probabilities are (n, classes)."""
    statistics: dict[str, Statistic] = {
        "macro_auroc": metrics.multilabel_macro_auroc,
        "ece": metrics.multilabel_calibration_error,
        "brier": metrics.multilabel_brier,
    }
    statistics |= {f"auroc_{code}": partial(_auroc_of_column, index) for index, code in enumerate(classes)}
    for point in points:
        at_point = partial(_column_at_point, classes.index(point.code), point.threshold)
        statistics[f"sensitivity_{point.code}"] = partial(at_point, metrics.sensitivity)
        statistics[f"specificity_{point.code}"] = partial(at_point, metrics.specificity)
    return _estimates(statistics, labels, probabilities, groups, repeats)


def bootstrap(
    statistic: Statistic,
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    groups: Sequence[Any],
    repeats: int | None = None,
    seed: int = 0,
) -> Estimate:
    """The statistic and its percentile 95 % interval, whole groups drawn with replacement."""
    repeats = REPEATS if repeats is None else repeats
    _, membership = np.unique(groups, return_inverse=True)
    order = np.argsort(membership, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(membership))[:-1])
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(repeats):
        drawn = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        values.append(statistic(labels[drawn], probabilities[drawn]))
    finite = np.array(values)[np.isfinite(values)]
    low, high = np.percentile(finite, [2.5, 97.5]) if len(finite) else (float("nan"), float("nan"))
    return Estimate(
        value=_rounded(statistic(labels, probabilities)), low=_rounded(low), high=_rounded(high), n=len(labels)
    )


def mean(values: Sequence[float] | NDArray[Any], groups: Sequence[Any], repeats: int | None = None) -> Estimate:
    """The mean of values with its 95 % interval, as `bootstrap` finds it."""
    listed = np.asarray(values, np.float64)
    return bootstrap(lambda drawn, _: float(np.mean(drawn)), listed, listed, groups, repeats)


def share(chosen: Sequence[float] | NDArray[Any], groups: Sequence[Any], repeats: int | None = None) -> Estimate:
    """The share of yes (1) among yes and no (0), with its 95 % interval as `bootstrap` finds it.

    Where all say yes, or all no, draws don't differ, and that interval would have no width: then it is Wilson's, of as
    many answers as there are groups.
    """
    found = mean(chosen, groups, repeats)
    if found.value not in (0.0, 1.0):
        return found
    count = len(set(groups))
    low, high = wilson(count if found.value else 0, count)
    return found.model_copy(update={"low": _rounded(low), "high": _rounded(high)})


def _auroc_of_column(index: int, labels: FloatArray, scores: FloatArray) -> float:
    return metrics.auroc(labels[:, index] > 0, scores[:, index])


def _column_at_point(
    index: int, threshold: float, measure: Callable[..., float], labels: FloatArray, probabilities: FloatArray
) -> float:
    return measure(labels[:, index] > 0, probabilities[:, index] >= threshold)


def _estimates(
    statistics: Mapping[str, Statistic],
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    groups: Sequence[Any],
    repeats: int | None,
) -> dict[str, Estimate]:
    """Every statistic that these cases define; a sensitivity without positive cases, say, is left out."""
    estimates = {
        key: bootstrap(statistic, labels, probabilities, groups, repeats) for key, statistic in statistics.items()
    }
    return {key: estimate for key, estimate in estimates.items() if np.isfinite(estimate.value)}


def _statistics(classes: Sequence[str], points: Sequence[OperatingPoint]) -> dict[str, Statistic]:
    def class_auroc(index: int) -> Statistic:
        return lambda labels, chances: metrics.auroc(labels == index, chances[:, index])

    def at_point(point: OperatingPoint, measure: Callable[..., float]) -> Statistic:
        index = classes.index(point.code)
        return lambda labels, chances: measure(labels == index, chances[:, index] >= point.threshold)

    found: dict[str, Statistic] = {
        "balanced_accuracy": metrics.balanced_accuracy,
        "accuracy": lambda labels, chances: float(np.mean(chances.argmax(axis=1) == labels)),
        "macro_auroc": metrics.macro_auroc,
        "macro_f1": metrics.macro_f1,
        "ece": metrics.expected_calibration_error,
        "brier": metrics.brier,
    }
    if len(classes) > 2:
        found |= {f"auroc_{code}": class_auroc(index) for index, code in enumerate(classes)}
    for point in points:
        if point.code not in classes:
            continue
        found[f"sensitivity_{point.code}"] = at_point(point, metrics.sensitivity)
        found[f"specificity_{point.code}"] = at_point(point, metrics.specificity)
        found[f"accuracy_{point.code}"] = at_point(point, lambda truth, called: float(np.mean(truth == called)))
    return found


def _subgroup_figures(statistics: dict[str, Statistic]) -> list[str]:
    wanted = ("balanced_accuracy", "macro_auroc", "ece")
    return [key for key in statistics if key in wanted or key.startswith(("sensitivity_", "specificity_"))]


def _class_rows(labels: NDArray[np.int64], chances: FloatArray, classes: Sequence[str]) -> tuple[ClassRow, ...]:
    called = chances.argmax(axis=1)
    return tuple(
        ClassRow(
            code=code,
            precision=metrics.precision(labels == index, called == index),
            recall=metrics.sensitivity(labels == index, called == index),
            f1=metrics.f1(labels == index, called == index),
            auroc=metrics.auroc(labels == index, chances[:, index]),
            cases=int((labels == index).sum()),
        )
        for index, code in enumerate(classes)
    )


def _rounded(value: float) -> float:
    return round(float(value), 4)
