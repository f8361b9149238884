"""From which column of pixels to which the traces of a sheet run."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.ecg_sheet.trace import Traces

FloatMap = NDArray[np.float32]

LEAST_WIDTH = 200
_NEARLY = (0.99, 1.08)
_USUAL = 0.4
"""Traces are as wide as sheets usually are where they are so near to it, and what speaks for that width."""


def drawn(ink: FloatMap, traces: Traces) -> FloatMap:
    """How much of the rows' traces is drawn in each column, 0-1: ink on their paths over that beside them."""
    at = np.rint(traces.heights).astype(int)
    each = np.arange(ink.shape[1])
    on, above, below = (ink[np.clip(at + shift, 0, ink.shape[0] - 1), each] ** 2 for shift in (0, -8, 8))
    rows = 3 if len(at) < 12 else len(at)  # rhythm strips may end sooner than the columns above them
    share: FloatMap = (on - (above + below) / 2)[:rows].clip(0, 1).mean(axis=0)
    return share


def find_extent(share: FloatMap, usual: Sequence[float] = ()) -> tuple[int, int]:
    """First and last column of the traces, of the share drawn in each: where they set in and stop, if possible one of
    the `usual` widths apart."""
    width = share.size
    window = width // 16
    sums = np.concatenate([[0.0], np.cumsum(np.pad(share, window))])
    level = (sums[window:] - sums[:-window]) / window
    step = level[window : window + width + 1] - level[: width + 1]
    best, found = -np.inf, (0, 0)
    for first in _peaks(step, 0, width // 2):
        for last in _peaks(-step, width // 2, width + 1):
            score = step[first] - step[last]
            if any(_NEARLY[0] * whole < last - first < _NEARLY[1] * whole for whole in usual):
                score += _USUAL
            if score > best:
                best, found = score, (first, last)
    return found


def _peaks(step: FloatMap, start: int, stop: int) -> list[int]:
    """The highest places of a curve between two columns, apart from one another."""
    left = step[start:stop].copy()
    found = []
    for _ in range(8):
        at = int(left.argmax())
        found.append(start + at)
        left[max(0, at - 8) : at + 9] = -np.inf
    return found
