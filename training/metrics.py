"""Figures of merit; labels are class indices (n,), scores are logits or probabilities (n, classes).

Where classes may occur together, labels are 0 or 1, (n, classes), and functions are called `multilabel_...`. They are
scikit-learn's, but for those of one line that are bootstrapped hundreds of thousands of times: there its checks of
inputs would take ten times as long as the arithmetic.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import rankdata
from sklearn.metrics import f1_score, precision_score, recall_score

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32] | NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CONFIDENCE_BINS, CHANCE_BINS = 15, 10


def balanced_accuracy(labels: IntArray, scores: FloatArray) -> float:
    """Mean of the classes' sensitivities where the highest score decides; classes without cases are left out."""
    present = np.unique(labels)
    return float(recall_score(labels, scores.argmax(axis=1), labels=present, average="macro"))


def macro_f1(labels: IntArray, scores: FloatArray) -> float:
    """Mean of the classes' F1 where the highest score decides; classes without cases are left out."""
    return float(f1_score(labels, scores.argmax(axis=1), labels=np.unique(labels), average="macro", zero_division=0))


def auroc(positive: BoolArray, scores: FloatArray) -> float:
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
        values = softmax(values, axis=1)
    return _mean_of_known([auroc(labels == index, values[:, index]) for index in range(values.shape[1])])


def multilabel_macro_auroc(labels: FloatArray, scores: FloatArray) -> float:
    """Mean over the classes of the AUROC of each against its absence; classes without both are left out."""
    return _mean_of_known([auroc(labels[:, index] > 0, scores[:, index]) for index in range(labels.shape[1])])


def sensitivity(positive: BoolArray, called: BoolArray) -> float:
    """Share of the positive cases that are called; NaN without positive cases."""
    return float(np.mean(called[positive])) if positive.any() else float("nan")


def specificity(positive: BoolArray, called: BoolArray) -> float:
    """Share of the negative cases that are not called; NaN without negative cases."""
    return sensitivity(~positive, ~called)


def precision(positive: BoolArray, called: BoolArray) -> float:
    """Share of the calls that are right (positive predictive value); 0 without calls."""
    return float(precision_score(positive, called, zero_division=0))


def f1(positive: BoolArray, called: BoolArray) -> float:
    """Harmonic mean of precision and sensitivity."""
    return float(f1_score(positive, called, zero_division=0))


def calibration_error(truth: BoolArray | FloatArray, chances: FloatArray, bins: int = CHANCE_BINS) -> float:
    """Mean gap between the chance of an event, 0-1, and its frequency, `truth` being 0 or 1, both (n,), over `bins` of
    equal width (Naeini et al. 2015, AAAI)."""
    which = np.minimum((chances * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(which, truth - chances, bins)).sum() / len(truth))


def expected_calibration_error(labels: IntArray, probabilities: FloatArray) -> float:
    """The calibration error of the leading class's probability, over 15 bins (Guo et al. 2017, arXiv:1706.04599)."""
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    return calibration_error(right, probabilities.max(axis=1), CONFIDENCE_BINS)


def multilabel_calibration_error(labels: FloatArray, probabilities: FloatArray) -> float:
    """Mean over the classes of the calibration error of each, over ten bins."""
    return float(np.mean([calibration_error(*each) for each in zip(labels.T, probabilities.T, strict=True)]))


def brier(labels: IntArray, probabilities: FloatArray) -> float:
    """Mean squared distance of the probabilities from the truth, summed over the classes (Brier 1950), 0-2."""
    truth = np.eye(probabilities.shape[1])[labels]
    return float(probabilities.shape[1] * multilabel_brier(truth, probabilities))


def multilabel_brier(labels: BoolArray | FloatArray | IntArray, probabilities: FloatArray) -> float:
    """Mean squared distance of the probabilities from the labels, both of any same shape, 0-1."""
    return float(np.mean((probabilities - labels) ** 2))


def _mean_of_known(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
