"""Figures of classes that may occur together: labels and probabilities are (n, classes), each class by itself."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from models.bundle import Estimate, OperatingPoint
from training.metrics import auroc, sensitivity, specificity

BINS = 10
REPEATS = 1000

FloatArray = NDArray[np.float32]
Statistic = Callable[[FloatArray, FloatArray], float]


def macro_auroc(labels: FloatArray, scores: FloatArray) -> float:
    """Mean over the classes of the AUROC of each against its absence; classes without both are left out."""
    areas = [auroc(labels[:, index] > 0, scores[:, index]) for index in range(labels.shape[1])]
    return float(np.nanmean(areas))


def expected_calibration_error(labels: FloatArray, probabilities: FloatArray) -> float:
    """Mean over the classes of the gap between probability and frequency, over ten bins of equal width."""
    gaps = []
    for truth, chance in zip(labels.T, probabilities.T, strict=True):
        which = np.minimum((chance * BINS).astype(int), BINS - 1)
        gaps.append(np.abs(np.bincount(which, truth - chance, BINS)).sum() / len(truth))
    return float(np.mean(gaps))


def brier(labels: FloatArray, probabilities: FloatArray) -> float:
    """Mean squared distance of the probabilities from the labels (Brier 1950), 0-1."""
    return float(np.mean((labels - probabilities) ** 2))


def sigmoid(logits: FloatArray) -> FloatArray:
    """Logits to probabilities."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0))), dtype=np.float32)


def fit_temperature(labels: FloatArray, logits: FloatArray) -> float:
    """The temperature T > 0 that minimises the binary cross-entropy of sigmoid(logits / T); Guo et al. 2017."""

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0.0, scaled) - labels * scaled))

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def measure(
    labels: FloatArray,
    probabilities: FloatArray,
    classes: Sequence[str],
    points: Sequence[OperatingPoint],
    groups: Sequence[int],
    *,
    repeats: int = REPEATS,
) -> dict[str, Estimate]:
    """Every figure with its 95 % interval, from a bootstrap over `groups` (patients)."""
    statistics: dict[str, Statistic] = {
        "macro_auroc": macro_auroc,
        "ece": expected_calibration_error,
        "brier": brier,
    }
    statistics |= {f"auroc_{code}": partial(_class_auroc, index) for index, code in enumerate(classes)}
    for point in points:
        at_point = partial(_at_point, classes.index(point.code), point.threshold)
        statistics[f"sensitivity_{point.code}"] = partial(at_point, sensitivity)
        statistics[f"specificity_{point.code}"] = partial(at_point, specificity)
    _, membership = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(membership == group) for group in range(membership.max() + 1)]
    rng = np.random.default_rng(0)
    draws = [
        np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))]) for _ in range(repeats)
    ]
    figures = {}
    for name, statistic in statistics.items():
        low, high = np.nanpercentile([statistic(labels[drawn], probabilities[drawn]) for drawn in draws], [2.5, 97.5])
        value = statistic(labels, probabilities)
        figures[name] = Estimate(value=round(value, 4), low=round(low, 4), high=round(high, 4), n=len(labels))
    return figures


def _class_auroc(index: int, labels: FloatArray, scores: FloatArray) -> float:
    return auroc(labels[:, index] > 0, scores[:, index])


def _at_point(
    index: int,
    threshold: float,
    measure: Callable[[NDArray[np.bool_], NDArray[np.bool_]], float],
    labels: FloatArray,
    probabilities: FloatArray,
) -> float:
    return measure(labels[:, index] > 0, probabilities[:, index] >= threshold)
