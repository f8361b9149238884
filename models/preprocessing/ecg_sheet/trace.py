"""Following the traces of a sheet's rows from left to right."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.ecg_sheet.rows import Rows

FloatMap = NDArray[np.float32]

_REACH = 1.25
"""How far above and below its base line a trace is looked for, in row gaps."""
_PAPER = 0.4
_JUMP = 0.35
_MOVE = 0.01
"""Cost of a column without ink, and of going up or down a pixel through paper and through ink."""
_STRAY = 0.15
_INKED = 0.3


class Traces(NamedTuple):
    """For each row and column of pixels: height of the trace in pixels from above, and whether there is ink on it."""

    heights: FloatMap
    inked: NDArray[np.bool_]


def follow(ink: FloatMap, rows: Rows) -> Traces:
    """Traces of all rows at once by dynamic programming on the ink (height, width), 0-1; arrays (rows, width)."""
    height, width = ink.shape
    reach = int(_REACH * rows.gap)
    top = np.rint(rows.baselines).astype(np.intp) - reach
    y = top[:, :, None] + np.arange(2 * reach + 1)
    bands = np.pad(ink, ((1, 1), (0, 0)))[np.clip(y + 1, 0, height + 1), np.arange(width)[None, :, None]]
    enter, leave = _paths(bands.transpose(1, 0, 2))
    return _read(bands, enter, leave, top)


def _paths(ink: FloatMap) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each row's cheapest path enters and leaves every column; `ink` is (width, rows, band)."""
    width, count, band = ink.shape
    stray = _STRAY * np.linspace(-1, 1, band, dtype=np.float32) ** 2
    across = _PAPER * (1 - ink) + stray
    climb = np.cumsum(_MOVE + _JUMP * np.clip(1 - ink / _INKED, 0, 1), axis=2)
    entered = np.empty_like(ink)
    cost = np.zeros((count, band), dtype=np.float32)
    for x in range(width):
        entry, rise = entered[x], climb[x]
        np.add(cost, across[x], out=entry)
        downward = np.minimum.accumulate(entry - rise, axis=1) + rise
        upward = np.minimum.accumulate((entry + rise)[:, ::-1], axis=1)[:, ::-1] - rise
        cost = np.minimum(downward, upward)
        cost -= cost.min(axis=1, keepdims=True)
    enter = np.empty((count, width), dtype=np.intp)
    leave = np.empty_like(enter)
    at = cost.argmin(axis=1)
    each = np.arange(count)
    for x in range(width - 1, -1, -1):
        leave[:, x] = at
        rise = climb[x]
        at = (entered[x] + np.abs(rise - rise[each, at][:, None])).argmin(axis=1)
        enter[:, x] = at
    return enter, leave


def _read(bands: FloatMap, enter: NDArray[np.intp], leave: NDArray[np.intp], top: NDArray[np.intp]) -> Traces:
    """Heights from the vertical run of ink at each column of a path; `bands` is (rows, width, band)."""
    band = bands.shape[2]
    at = np.arange(band, dtype=np.int16)
    dark = bands > _INKED
    blank_above = np.maximum.accumulate(np.where(dark, np.int16(-1), at), axis=2)
    blank_below = np.minimum.accumulate(np.where(dark, np.int16(band), at)[:, :, ::-1], axis=2)[:, :, ::-1]
    high, low = np.minimum(enter, leave), np.maximum(enter, leave)

    def pick(values: NDArray[np.int16], index: NDArray[np.intp]) -> NDArray[np.intp]:
        return np.take_along_axis(values, index[:, :, None], axis=2)[:, :, 0].astype(np.intp)

    upper = np.minimum(pick(blank_above, high) + 1, high)
    lower = np.maximum(pick(blank_below, low) - 1, low)
    inked = np.take_along_axis(bands, leave[:, :, None], axis=2)[:, :, 0] > _INKED
    upper, lower = _own(upper + top, lower + top, (enter + leave) / 2 + top)
    pen = float(np.median((lower - upper + 1)[inked])) if inked.any() else 1.0
    heights = _middle(bands, upper - top, lower - top, pen) + top
    return Traces(heights.astype(np.float32), inked)


def _own(
    upper: NDArray[np.intp], lower: NDArray[np.intp], path: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """A run of ink through two rows belongs to the one it ends nearer to; the other keeps its path only."""
    level = np.rint(path).astype(np.intp)
    ends = np.minimum(np.abs(upper - level), np.abs(lower - level))
    foreign = np.zeros(upper.shape, dtype=bool)
    for mine, other in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        through = (upper[mine] < level[other]) & (lower[mine] > level[other])
        theirs = np.minimum(np.abs(upper[mine] - level[other]), np.abs(lower[mine] - level[other]))
        foreign[mine] |= through & (theirs < ends[mine])
    return np.where(foreign, level, upper), np.where(foreign, level, lower)


def _middle(bands: FloatMap, upper: NDArray[np.intp], lower: NDArray[np.intp], pen: float) -> NDArray[np.float64]:
    """The trace within its run: the centre of ink of short runs; the tip of a peak; else the middle."""
    up, down = upper + (pen - 1) / 2, lower - (pen - 1) / 2
    peak = np.zeros(upper.shape, dtype=bool)
    trough = np.zeros(upper.shape, dtype=bool)
    peak[:, 1:-1] = (up[:, 1:-1] <= up[:, :-2]) & (up[:, 1:-1] <= up[:, 2:])
    trough[:, 1:-1] = (down[:, 1:-1] >= down[:, :-2]) & (down[:, 1:-1] >= down[:, 2:])
    usual = np.median((up + down) / 2, axis=1, keepdims=True)
    higher = usual - up > down - usual
    heights = np.where(peak & (~trough | higher), up, np.where(trough, down, (up + down) / 2))
    short = lower - upper < 2.5 * pen
    at = np.arange(bands.shape[2], dtype=np.float32)
    mass = np.pad(np.cumsum(bands, axis=2), ((0, 0), (0, 0), (1, 0)))
    moment = np.pad(np.cumsum(bands * at, axis=2), ((0, 0), (0, 0), (1, 0)))

    def between(sums: FloatMap) -> FloatMap:
        ends = np.take_along_axis(sums, np.minimum(lower + 2, at.size)[:, :, None], 2)
        starts = np.take_along_axis(sums, np.maximum(upper - 1, 0)[:, :, None], 2)
        return (ends - starts)[:, :, 0]

    weight = between(mass)
    return np.where(short & (weight > 0.3), between(moment) / np.maximum(weight, 1e-3), heights)
