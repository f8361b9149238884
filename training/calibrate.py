"""Temperature and operating points, from the validation split or from what networks of folds had not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, softmax

from models.serving.bundle import OperatingPoint
from training.metrics import FloatArray, IntArray

VALIDATION, OUT_OF_FOLD = "on validation", "out of fold"
"""What the rule of a point says that it was chosen on."""


@dataclass(frozen=True)
class OperatingRule:
    """How the threshold of one class is chosen: the highest with at least `minimum_sensitivity`, or, without one, the
    middle or an end of the range (in log odds) where the sum of sensitivity and specificity stays within `slack` of its
    best.

    The probabilities of several classes, `codes`, may be added up under another code; the sensitivity is then that for
    the classes `of`. Predictive values are stated for a `prevalence`.
    """

    code: str
    minimum_sensitivity: float | None = None
    codes: tuple[str, ...] = ()
    of: tuple[str, ...] = ()
    prevalence: float | None = None
    place: Literal["lowest", "middle", "highest"] = "middle"
    slack: float = 0.01


def fit_temperature(labels: IntArray, logits: FloatArray, weights: NDArray[np.float64] | None = None) -> float:
    """The temperature T > 0 that minimises the (weighted) negative log-likelihood of softmax(logits / T).

    Guo et al. 2017, On calibration of modern neural networks (arXiv:1706.04599), section 4.2.
    """

    exact = np.asarray(logits, dtype=np.float64)

    def loss(log_temperature: float) -> float:
        chances = softmax(exact / np.exp(log_temperature), axis=1)[np.arange(len(labels)), labels]
        return float(np.average(-np.log(np.maximum(chances, 1e-12)), weights=weights))

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def answers_for(counts: IntArray, balance: float, undone: float) -> NDArray[np.float32]:
    """What is added to the logits (k,) of a network whose draws were balanced, see `Recipe`, so that it answers for a
    population in which a share `undone` of that is taken back: with 1 classes are as frequent as in `counts` (k,). The
    mean is 0. Of logits that are calibrated: where they are divided by a temperature later, it acts so much stronger.

    Saerens et al. 2002, Adjusting the outputs of a classifier to new a priori probabilities (Neural Computation
    14:21-41).
    """
    shift = undone * balance * np.log(np.maximum(counts, 1))
    return np.asarray(shift - shift.mean(), dtype=np.float32)


def fit_multilabel_temperature(labels: FloatArray, logits: FloatArray) -> float:
    """The temperature T > 0 that minimises the binary cross-entropy of sigmoid(logits / T), both (n, classes)."""

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0.0, scaled) - labels * scaled))

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def choose_operating_point(
    rule: OperatingRule,
    positive: NDArray[np.bool_],
    scores: NDArray[np.float64],
    weights: NDArray[np.float64],
    on: str = VALIDATION,
) -> OperatingPoint:
    """The threshold of one class by its rule; `positive`, `scores` and `weights` have shape (n,), `on` says of what.

    Raises `ValueError` where the class has no cases or nothing but cases.
    """
    if positive.all() or not positive.any():
        raise ValueError(f"No operating point for {rule.code}: validation needs cases with and without it.")
    thresholds = np.unique(scores)
    sensitivity = _share_at_or_above(thresholds, scores[positive], weights[positive])
    specificity = 1.0 - _share_at_or_above(thresholds, scores[~positive], weights[~positive])
    if rule.minimum_sensitivity is not None:
        threshold = float(thresholds[np.flatnonzero(sensitivity >= rule.minimum_sensitivity)[-1]])
        text = f"highest threshold with sensitivity of at least {rule.minimum_sensitivity:g} {on}"
    else:
        gain = sensitivity + specificity
        best = thresholds[gain >= gain.max() - rule.slack]
        odds = logit(np.clip(best, 1e-6, 1 - 1e-6))
        middle = float(expit((odds.min() + odds.max()) / 2))
        threshold = {"lowest": float(best[0]), "middle": middle, "highest": float(best[-1])}[rule.place]
        text = f"{rule.place} of the range where sensitivity + specificity {on} is within {rule.slack:g} of its best"
    found = (
        float(np.average(scores[positive] >= threshold, weights=weights[positive])),
        float(np.average(scores[~positive] < threshold, weights=weights[~positive])),
    )
    values = predictive_values(*found, rule.prevalence) if rule.prevalence else (None, None)
    return OperatingPoint(
        code=rule.code,
        threshold=threshold,
        rule=text,
        sensitivity=found[0],
        specificity=found[1],
        prevalence=rule.prevalence,
        positive_predictive_value=values[0],
        negative_predictive_value=values[1],
    )


def choose_points(
    rules: Sequence[OperatingRule],
    classes: Sequence[str],
    labels: IntArray,
    chances: NDArray[np.float64],
    weights: NDArray[np.float64],
    on: str = VALIDATION,
) -> tuple[OperatingPoint, ...]:
    """The threshold of each rule, from labels (n,) and chances (n, classes) of classes that exclude one another; `on`
    says of what."""
    points = []
    for rule in rules:
        added = [classes.index(code) for code in rule.codes or (rule.code,)]
        sought = [classes.index(code) for code in rule.of] or added
        positive = np.isin(labels, sought)
        counted = positive | ~np.isin(labels, added)
        scores = chances[:, added].sum(axis=1)
        points.append(choose_operating_point(rule, positive[counted], scores[counted], weights[counted], on))
    return tuple(points)


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float | None, float | None]:
    """The positive and the negative predictive value at a prevalence, all 0-1; None where nobody is called so."""
    called = sensitivity * prevalence + (1.0 - specificity) * (1.0 - prevalence)
    spared = (1.0 - sensitivity) * prevalence + specificity * (1.0 - prevalence)
    positive = sensitivity * prevalence / called if called else None
    return positive, specificity * (1.0 - prevalence) / spared if spared else None


def choose_multilabel_points(
    classes: Sequence[str], labels: FloatArray, chances: FloatArray
) -> tuple[OperatingPoint, ...]:
    """One threshold for each of the classes, which may occur together; labels, 0 or 1, and chances are (n, classes)."""
    exact, even = np.asarray(chances, dtype=np.float64), np.ones(len(chances))
    return tuple(
        choose_operating_point(OperatingRule(code), labels[:, index] > 0, exact[:, index], even)
        for index, code in enumerate(classes)
    )


def _share_at_or_above(
    thresholds: NDArray[np.float64], scores: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    order = np.argsort(scores)
    below = np.r_[0.0, np.cumsum(weights[order])]
    shares: NDArray[np.float64] = 1.0 - below[np.searchsorted(scores[order], thresholds, side="left")] / below[-1]
    return shares
