"""Figures of merit; labels are class indices (n,), scores are logits or probabilities (n, classes)."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32] | NDArray[np.float64]


def balanced_accuracy(labels: IntArray, scores: FloatArray) -> float:
    """Mean of the classes' sensitivities where the highest score decides; classes without cases are left out."""
    chosen = np.argmax(scores, axis=1)
    return float(np.mean([np.mean(chosen[labels == index] == index) for index in np.unique(labels)]))


def auroc(positive: NDArray[np.bool_], scores: FloatArray) -> float:
    """Area under the ROC curve (Mann-Whitney U, ties counted half); NaN where one side is empty."""
    count, total = int(positive.sum()), len(positive)
    if count in (0, total):
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (total - count)))


def macro_auroc(labels: IntArray, scores: FloatArray) -> float:
    """Mean over the classes of one class against the rest, on the softmax of `scores` where they are logits."""
    values = np.asarray(scores, dtype=np.float64)
    if values.min() < 0 or values.max() > 1:
        values = softmax(values)
    areas = [auroc(labels == index, values[:, index]) for index in range(values.shape[1])]
    known = [area for area in areas if np.isfinite(area)]
    return float(np.mean(known)) if known else float("nan")


def softmax(logits: FloatArray) -> NDArray[np.float64]:
    """Row-wise softmax."""
    shifted = np.asarray(logits, dtype=np.float64) - np.max(logits, axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def sensitivity(positive: NDArray[np.bool_], called: NDArray[np.bool_]) -> float:
    """Share of the positive cases that are called; NaN without positive cases."""
    return float(np.mean(called[positive])) if positive.any() else float("nan")


def specificity(positive: NDArray[np.bool_], called: NDArray[np.bool_]) -> float:
    """Share of the negative cases that are not called; NaN without negative cases."""
    return float(np.mean(~called[~positive])) if not positive.all() else float("nan")


def precision(positive: NDArray[np.bool_], called: NDArray[np.bool_]) -> float:
    """Share of the calls that are right (positive predictive value); 0 without calls."""
    return float(np.mean(positive[called])) if called.any() else 0.0


def f1(positive: NDArray[np.bool_], called: NDArray[np.bool_]) -> float:
    """Harmonic mean of precision and sensitivity."""
    hits = int((positive & called).sum())
    return 2 * hits / (int(positive.sum()) + int(called.sum())) if hits else 0.0


def expected_calibration_error(labels: IntArray, probabilities: FloatArray, bins: int = 15) -> float:
    """Mean gap between the confidence and the accuracy of the leading class over equal-width bins (Guo et al. 2017)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(which, minlength=bins)
    gaps = np.abs(np.bincount(which, right, bins) - np.bincount(which, confidence, bins))
    return float(gaps.sum() / counts.sum())


def brier(labels: IntArray, probabilities: FloatArray) -> float:
    """Mean squared distance of the probabilities from the truth, summed over the classes (Brier 1950), 0-2."""
    truth = np.eye(probabilities.shape[1])[labels]
    return float(np.mean(np.sum((probabilities - truth) ** 2, axis=1)))
