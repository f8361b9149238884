"""What every reading does with the numbers of a model: name them, order them, hold them against a threshold."""

from collections.abc import Sequence
from typing import Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from models.serving.bundle import Metadata, OperatingPoint
from schemas.common import ClassProbability, Severity

DECIMALS = 6

_SEVERITIES: tuple[Severity, ...] = get_args(Severity)


class NamedClass(Protocol):
    """A class as the knowledge files describe it."""

    @property
    def code(self) -> str: ...
    @property
    def name(self) -> str: ...


def name_classes(
    probabilities: NDArray[np.float32], metadata: Metadata, classes: Sequence[NamedClass]
) -> tuple[ClassProbability, ...]:
    """Name the (n,) probabilities of a model, 0-1, in index order, rounded to 6 decimals.

    Raises `ValueError` where the bundle's classes are not those of the knowledge file in the same order, or where a
    probability is not a number in 0-1.
    """
    expected = tuple(known.code for known in classes)
    if metadata.classes != expected:
        raise ValueError(
            f"Bundle {metadata.name} {metadata.version} has the classes {', '.join(metadata.classes)}; "
            f"the contract has {', '.join(expected)}."
        )
    return tuple(
        ClassProbability(class_id=index, code=known.code, name=known.name, probability=round(value, DECIMALS))
        for index, (known, value) in enumerate(zip(classes, probabilities.tolist(), strict=True))
    )


def most_probable(candidates: Sequence[ClassProbability]) -> ClassProbability:
    """The class with the highest probability, the first of equals."""
    return max(candidates, key=lambda candidate: candidate.probability)


def threshold_of(code: str, metadata: Metadata, default: float) -> float:
    """The bundle's operating point for a class, 0-1: present where probability >= threshold."""
    point = point_of(code, metadata)
    return default if point is None else point.threshold


def point_of(code: str, metadata: Metadata) -> OperatingPoint | None:
    """The bundle's operating point for a class, where it states one."""
    return next((point for point in metadata.operating_points if point.code == code), None)


def gravity(severity: Severity) -> int:
    """Rank of a severity, 0 for healthy to 4 for critical."""
    return _SEVERITIES.index(severity)


def percent(probability: float) -> str:
    """A probability as text with one decimal, such as `89.0%`."""
    return f"{probability:.1%}"
