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
    return float(np.nanmean([auroc(labels == index, values[:, index]) for index in range(values.shape[1])]))


def softmax(logits: FloatArray) -> NDArray[np.float64]:
    """Row-wise softmax."""
    shifted = np.asarray(logits, dtype=np.float64) - np.max(logits, axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))
