"""Following the traces of a sheet's rows from left to right."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.ecg_sheet.rows import Rows

FloatMap = NDArray[np.float32]
Pixels = NDArray[np.intp]

_REACH = 1.25
"""How far above and below its base line a trace is looked for, in row gaps."""
_PAPER = 0.4
_JUMP = 0.35
_MOVE = 0.01
"""Cost of a column without ink, and of going up or down a pixel through paper and through ink."""
_STRAY = 0.15
_INKED = 0.3
_LOST, _CLAIM = 0.08, 2
"""Share of a row that runs along the trace of its neighbour from which it is followed again without that one, and pairs
of pixels on either side of it that are left out."""


class Traces(NamedTuple):
    """For each row and column of pixels: height of the trace in pixels from above, and whether there is ink on it."""

    heights: FloatMap
    inked: NDArray[np.bool_]


def follow(ink: FloatMap, rows: Rows) -> Traces:
    """Traces of all rows at once by dynamic programming on the ink (height, width), 0-1, of which the darker of two
    pixels up and down is looked at; arrays (rows, width)."""
    height, width = ink.shape
    low = np.maximum(ink[: height // 2 * 2 : 2], ink[1::2])
    reach = int(_REACH * rows.gap / 2)
    top = np.rint(rows.baselines / 2).astype(np.intp) - reach
    y = np.clip(top.T[:, :, None] + np.arange(2 * reach + 1), -1, len(low)) + 1
    bands = np.pad(low, ((1, 1), (0, 0)))[y, np.arange(width)[:, None, None]]
    enter, leave = (_darker(ink, np.clip(path + top, 0, len(low) - 1)) for path in _paths(bands))
    traces = _read(ink, enter, leave)
    strayed = _strayed(traces.heights, rows.baselines)
    lost = np.flatnonzero(strayed.mean(axis=1) > _LOST)
    if lost.size:
        own = bands[:, lost] * _unclaimed(traces.heights, strayed, lost, top, bands.shape[2])
        for known, path in zip((enter, leave), _paths(own), strict=True):
            known[lost] = _darker(ink, np.clip(path + top[lost], 0, len(low) - 1))
        traces = _read(ink, enter, leave)
        strayed = _strayed(traces.heights, rows.baselines)
    return Traces(traces.heights, traces.inked & ~strayed)


def _unclaimed(heights: FloatMap, strayed: NDArray[np.bool_], lost: Pixels, top: Pixels, band: int) -> FloatMap:
    """Where the bands (width, lost rows, band) of rows are free of the traces of others, 0 or 1."""
    free = np.ones((heights.shape[1], lost.size, band), dtype=np.float32)
    columns = np.arange(heights.shape[1])
    for number, row in enumerate(lost.tolist()):
        for other in (row - 1, row + 1):
            if not 0 <= other < len(heights):
                continue
            at = np.rint(heights[other] / 2).astype(np.intp) - top[row]
            for near in range(-_CLAIM, _CLAIM + 1):
                taken = ~strayed[other] & (at + near >= 0) & (at + near < band)
                free[columns[taken], number, at[taken] + near] = 0
    return free


def _darker(ink: FloatMap, path: Pixels) -> Pixels:
    """The darker of the two pixels that each of a path's are."""
    across = np.arange(ink.shape[1])
    return 2 * path + (ink[2 * path + 1, across] > ink[2 * path, across])


def _paths(ink: FloatMap) -> tuple[Pixels, Pixels]:
    """Where each row's cheapest path enters and leaves every column; `ink` (width, rows, band) is half as high."""
    width, count, band = ink.shape
    stray = _STRAY * np.linspace(-1, 1, band, dtype=np.float32) ** 2
    across = _PAPER * (1 - ink) + stray
    climb = np.cumsum(2 * (_MOVE + _JUMP * np.clip(1 - ink / _INKED, 0, 1)), axis=2, dtype=np.float32)
    entered = np.empty_like(ink)
    cost = np.zeros((count, band), dtype=np.float32)
    down, up = np.empty_like(cost), np.empty_like(cost)
    for x in range(width):
        entry, rise = entered[x], climb[x]
        np.add(cost, across[x], out=entry)
        np.subtract(entry, rise, out=down)
        np.minimum.accumulate(down, axis=1, out=down)
        down += rise
        np.add(entry, rise, out=up)
        np.minimum.accumulate(up[:, ::-1], axis=1, out=up[:, ::-1])
        up -= rise
        np.minimum(down, up, out=cost)
        if x % 64 == 0:
            cost -= cost.min(axis=1, keepdims=True)
    enter = np.empty((count, width), dtype=np.intp)
    leave = np.empty_like(enter)
    at = cost.argmin(axis=1)
    each = np.arange(count)
    for x in range(width - 1, -1, -1):
        leave[:, x] = at
        way = np.subtract(climb[x], climb[x][each, at][:, None], out=down)
        np.abs(way, out=way)
        way += entered[x]
        at = way.argmin(axis=1)
        enter[:, x] = at
    return enter, leave


def _read(ink: FloatMap, enter: Pixels, leave: Pixels) -> Traces:
    """Heights from the vertical run of ink at each column of a path that enters and leaves at heights (rows, width)."""
    height, width = ink.shape
    at = np.arange(height, dtype=np.int16)[:, None]
    dark = ink > _INKED
    blank_above = np.maximum.accumulate(np.where(dark, np.int16(-1), at), axis=0)
    blank_below = np.minimum.accumulate(np.where(dark, np.int16(height), at)[::-1], axis=0)[::-1]
    across = np.arange(width)
    high, low = np.minimum(enter, leave), np.maximum(enter, leave)
    upper = np.minimum(blank_above[high, across].astype(np.intp) + 1, high)
    lower = np.maximum(blank_below[low, across].astype(np.intp) - 1, low)
    inked = dark[leave, across]
    upper, lower = _own(upper, lower, (enter + leave) / 2)
    pen = float(np.median((lower - upper + 1)[inked])) if inked.any() else 1.0
    heights = _middle(ink, upper, lower, pen).astype(np.float32)
    return Traces(heights, inked)


def _strayed(heights: FloatMap, baselines: FloatMap) -> NDArray[np.bool_]:
    """Where a path runs along the trace of a neighbouring row, whose base line is nearer."""
    strayed = np.zeros(heights.shape, dtype=bool)
    away = np.abs(heights - baselines)
    same = np.abs(heights[1:] - heights[:-1]) < 1
    strayed[1:] |= same & (away[1:] > away[:-1])
    strayed[:-1] |= same & (away[:-1] > away[1:])
    return strayed


def _own(upper: Pixels, lower: Pixels, path: NDArray[np.float64]) -> tuple[Pixels, Pixels]:
    """A run of ink through two rows belongs to the one it ends nearer to; the other keeps its path only."""
    level = np.rint(path).astype(np.intp)
    ends = np.minimum(np.abs(upper - level), np.abs(lower - level))
    foreign = np.zeros(upper.shape, dtype=bool)
    for mine, other in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        through = (upper[mine] < level[other]) & (lower[mine] > level[other])
        theirs = np.minimum(np.abs(upper[mine] - level[other]), np.abs(lower[mine] - level[other]))
        foreign[mine] |= through & (theirs < ends[mine])
    return np.where(foreign, level, upper), np.where(foreign, level, lower)


def _middle(ink: FloatMap, upper: Pixels, lower: Pixels, pen: float) -> NDArray[np.float64]:
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
    span = int(np.ceil(2.5 * pen)) + 3
    y = upper[:, :, None] - 1 + np.arange(span)
    near = ink[np.clip(y, 0, ink.shape[0] - 1), np.arange(ink.shape[1])[:, None]]
    near = np.where(y <= (lower + 1)[:, :, None], near, 0)
    weight = near.sum(axis=2)
    centre = upper - 1 + (near * np.arange(span)).sum(axis=2) / np.maximum(weight, 1e-3)
    return np.where(short & (weight > 0.3), centre, heights)
