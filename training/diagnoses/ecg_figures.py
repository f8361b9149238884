"""Thresholds and figures that the models of ECG records and of sheets share."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.serving.bundle import Estimate, OperatingPoint
from training import metrics
from training.calibrate import OperatingRule, choose_operating_point
from training.datasets.ecg_beats import RHYTHMS
from training.datasets.ptbxl import CLASSES
from training.evaluate import bootstrap, measure_multilabel

MOST_MISSED = 0.05
"""Share of the infarctions without NORM that may be named Normal where thresholds are chosen."""
FIBRILLATION_FOUND = 0.92
SLACK = 0.02
PLACES: dict[str, Literal["lowest", "highest"]] = {"MI": "lowest", "STTC": "highest", "CD": "highest", "HYP": "highest"}
"""Where in the range of thresholds whose sensitivity + specificity is within `SLACK` of the best a class has its own:
to miss an infarction costs most, and every false finding leaves a normal ECG unsettled."""
_NORMAL, _INFARCTION = CLASSES.index("NORM"), CLASSES.index("MI")

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


def choose_points(labels: FloatArray, chances: FloatArray) -> tuple[OperatingPoint, ...]:
    """A threshold a class, labels and chances (n, 5): of infarction the lowest, of the others the highest at which
    sensitivity and specificity are about as good as they can be; of NORM, from its best on, the lowest at which at most
    `MOST_MISSED` of the infarctions without NORM are named Normal."""
    points = _points_of(labels, chances)
    quiet = ~(chances >= np.array([point.threshold for point in points]))[:, 1:].any(axis=1)
    infarctions = (labels[:, _INFARCTION] > 0) & (labels[:, _NORMAL] == 0)
    missed = np.sort(np.where(quiet, chances[:, _NORMAL], 0.0)[infarctions])[::-1]
    allowed = int(MOST_MISSED * len(missed))
    least = float(np.nextafter(np.float32(missed[allowed]), np.float32(1))) if allowed < len(missed) else 0.0
    threshold = max(least, points[0].threshold)
    normal, named = labels[:, _NORMAL] > 0, chances[:, _NORMAL] >= threshold
    first = OperatingPoint(
        code=CLASSES[_NORMAL],
        threshold=threshold,
        rule=f"lowest threshold, from the best for NORM alone on, at which at most {MOST_MISSED:.0%} of infarctions "
        "without NORM are named Normal",
        sensitivity=metrics.sensitivity(normal, named),
        specificity=metrics.specificity(normal, named),
    )
    return (first, *points[1:])


def _points_of(labels: FloatArray, chances: FloatArray) -> tuple[OperatingPoint, ...]:
    """Of NORM the best threshold; of the others what costs infarctions or normal ECGs least, labels, chances (n, 5)."""
    rules = [
        OperatingRule(code, place=PLACES[code], slack=SLACK) if code in PLACES else OperatingRule(code)
        for code in CLASSES
    ]
    even, exact = np.ones(len(labels)), np.asarray(chances, np.float64)
    return tuple(
        choose_operating_point(rule, labels[:, column] > 0, exact[:, column], even) for column, rule in enumerate(rules)
    )


def choose_rhythm_points(labels: FloatArray, chances: FloatArray) -> tuple[OperatingPoint, ...]:
    """A threshold for each of `RHYTHMS`; that of fibrillation and flutter finds `FIBRILLATION_FOUND` of them."""
    even = np.ones(len(labels))
    return tuple(
        choose_operating_point(
            OperatingRule(code, FIBRILLATION_FOUND if code == "AFIB_AFLT" else None),
            labels[:, column] > 0,
            np.asarray(chances[:, column], np.float64),
            even,
        )
        for column, code in enumerate(RHYTHMS)
    )


def named_normal(chances: FloatArray, points: Sequence[OperatingPoint]) -> BoolArray:
    """Which of (n, 5) chances are named Normal: NORM over its threshold and nothing else over its own."""
    over = chances >= np.array([point.threshold for point in points])
    named: BoolArray = over[:, _NORMAL] & ~np.delete(over, _NORMAL, axis=1).any(axis=1)
    return named


def measure(
    labels: FloatArray,
    chances: FloatArray,
    rhythms: FloatArray,
    points: Sequence[OperatingPoint],
    rhythm_points: Sequence[OperatingPoint],
    patients: Sequence[Any],
) -> dict[str, Estimate]:
    """Figures of the classes, and with a name each of the rhythms; labels (n, 8), of classes and rhythms.

    `ece_x` is the calibration error of class x; `infarction_named_normal` the share of infarctions without NORM that
    are, `normal_not_named` that of ECGs that are NORM alone and aren't.
    """
    five = len(CLASSES)
    found = measure_multilabel(labels[:, :five], chances, CLASSES, points, patients)
    for column, code in enumerate(CLASSES):
        found[f"ece_{code}"] = bootstrap(metrics.calibration_error, labels[:, column], chances[:, column], patients)
    named = named_normal(chances, points)
    infarction = (labels[:, _INFARCTION] > 0) & (labels[:, _NORMAL] == 0)
    normal = (labels[:, _NORMAL] > 0) & (labels[:, :five].sum(axis=1) == 1)
    shares = {"infarction_named_normal": (infarction, named), "normal_not_named": (normal, ~named)}
    found |= {name: bootstrap(metrics.sensitivity, *each, patients) for name, each in shares.items() if each[0].any()}
    told = _of_rhythms(labels[:, five:], rhythms, rhythm_points, patients)
    return {**found, **{name: value for name, value in told.items() if np.isfinite(value.value)}}


def _of_rhythms(
    labels: FloatArray, chances: FloatArray, points: Sequence[OperatingPoint], patients: Sequence[Any]
) -> Mapping[str, Estimate]:
    found = {}
    for column, point in enumerate(points):
        truth, chance = labels[:, column] > 0, chances[:, column]
        called = chance >= point.threshold
        found[f"auroc_{point.code}"] = bootstrap(metrics.auroc, truth, chance, patients)
        found[f"sensitivity_{point.code}"] = bootstrap(metrics.sensitivity, truth, called, patients)
        found[f"specificity_{point.code}"] = bootstrap(metrics.specificity, truth, called, patients)
    return found
