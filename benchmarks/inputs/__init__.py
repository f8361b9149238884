"""Requests that mean harm or are broken, made on the spot and the same for the same seed.

`bombs` are pictures that announce or cost far more than their size; `mutations` are damaged files of every accepted
type and files of other types; `dicom` are both of DICOM; `records` are damaged and hostile WFDB records; `bodies` are
forms and JSON that nobody should send; `http` is the protocol itself misused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Input:
    """A whole request as bytes. `well_formed` says that it is HTTP which the application itself has to answer; what
    isn't may also be answered by the server below it, by closing, or, where it is no whole request, not at all. A
    `fresh` one has a connection of its own, which is dropped afterwards."""

    family: str
    sent: bytes
    well_formed: bool = True
    fresh: bool = False


def pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    """Any one of the items."""
    return items[int(rng.integers(len(items)))]
