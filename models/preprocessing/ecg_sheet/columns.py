"""Where each column of leads begins and ends: equally wide, at separators and jumps that all rows share."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.ecg_sheet.rows import Rows
from models.preprocessing.ecg_sheet.trace import Traces

FloatMap = NDArray[np.float32]

_ZONE, _PIECES = 0.25, 4
"""Separators are looked for between base lines, so many row gaps from either, and are drawn all along, in each of so
many pieces; a name is not."""
_SEPARATOR = 0.25
"""Ink, over that beside it, of the faintest separator that counts in full: a dotted line."""
_JUMP = 2.0
"""Millimetres that a trace moves at once where another lead begins."""
_JUMPING = 0.15
"""What a jump counts beside a separator."""
_PER_MM = 0.04
"""What evidence speaks against a border a millimetre from where equal columns have it."""
_CLEAR = 0.5
"""Evidence that most borders need to be moved there: one by itself may be tall beats, one above the other."""
_NEAR, _CUT = 6.0, 4.0
"""Millimetres by which columns may begin beside the traces, unless those begin so near to the picture's edge that it
cuts them."""


class Columns(NamedTuple):
    """First and last pixel of each column, where the first began (before the picture, if it is cut), and how wide one
    is without the gap to the next."""

    spans: tuple[tuple[int, int], ...]
    begin: int
    width: float


def find_borders(ink: FloatMap, rows: Rows, traces: Traces, grid: Sequence[int], px_per_mm: float) -> FloatMap:
    """How much speaks for a border between leads at each column of pixels: a separator counts 1, a jump less.

    `ink` (height, width) and the rows of the `grid`, numbers of `rows`; others are rhythm strips and show what is a
    beat, not a jump.
    """
    height, width = ink.shape
    across = np.arange(width)
    sums = np.vstack([np.zeros((1, width), np.float32), np.cumsum(ink, axis=0, dtype=np.float32)])
    least = np.full(width, np.inf, dtype=np.float32)
    for above, below in pairwise(grid):
        gap = rows.baselines[below] - rows.baselines[above]
        cuts = _ZONE + (1 - 2 * _ZONE) * np.arange(_PIECES + 1)[:, None] / _PIECES
        at = np.clip((rows.baselines[above] + cuts * gap).astype(int), 0, height)
        dark = np.diff(sums[at, across], axis=0) / np.maximum(np.diff(at, axis=0), 1)
        least = np.minimum(least, dark.min(axis=0))
    if len(grid) < 2:
        least[:] = 0
    beside = np.maximum(np.roll(least, 6), np.roll(least, -6))
    separators = np.clip((least - beside) / _SEPARATOR, 0, 1)
    jumps = np.abs(np.roll(traces.heights, -2, axis=1) - np.roll(traces.heights, 2, axis=1)) / (_JUMP * px_per_mm)
    jumps = np.clip(jumps, 0, 1)
    strips = [row for row in range(len(jumps)) if row not in grid]
    beats = jumps[strips].mean(axis=0) if strips else np.zeros(width)
    together = np.clip(jumps[list(grid)].mean(axis=0) - beats, 0, 1)
    evidence: FloatMap = (separators + _JUMPING * together).astype(np.float32)
    return np.maximum(evidence, np.maximum(np.roll(evidence, 1), np.roll(evidence, -1)))


def divide(borders: FloatMap, span: tuple[int, int], count: int, pitch: float, gap: int, px_per_mm: float) -> Columns:
    """Columns, `count` of them, between the two pixels of `span`: `pitch` pixels apart, with `gap` pixels between them,
    but for what the `borders` say."""
    first, last = span
    if count == 1:
        return Columns(((first, last),), first, pitch)
    width = borders.size
    near, cut = round(_NEAR * px_per_mm), round(_CUT * px_per_mm)
    begins = np.arange(int(first - (0.5 * pitch if first < cut else near)), first + near + 1)
    best, found = -np.inf, (first, pitch)
    for each in pitch * np.linspace(0.93, 1.07, 29):
        at = np.rint(begins[:, None] + each * np.arange(1, count)).astype(int)
        each_seen = np.where((at > first) & (at < last), borders[np.clip(at, 0, width - 1)], 0)
        seen = each_seen.sum(axis=1)
        ends = begins + each * count - gap
        sure = ((each_seen >= _CLEAR).sum(axis=1) > (count - 1) // 2) & ((last > width - cut) | (ends < last + near))
        off = np.abs(begins - first) + np.abs(ends - last) + 0.5 * count * abs(each - pitch)
        score = np.where(sure, seen, 0) - _PER_MM * off / px_per_mm
        if score.max() > best:
            best, found = float(score.max()), (int(begins[score.argmax()]), float(each))
    begin, pitch = found
    starts = np.rint(begin + pitch * np.arange(count + 1)).astype(int)
    spans = tuple((int(max(start, first)), int(min(stop - gap, last))) for start, stop in pairwise(starts))
    return Columns(spans, begin, pitch - gap)


def with_gap(columns: Columns, span: tuple[int, int], pitch: float, gap: float) -> Columns:
    """The same columns, `pitch` pixels apart, with a gap of so many between them."""
    first, last = span
    starts = columns.begin + pitch * np.arange(len(columns.spans))
    spans = tuple(
        (int(max(round(start), first)), int(min(round(start + pitch - gap), last))) for start in starts.tolist()
    )
    return Columns(spans, columns.begin, pitch - gap)


def blank_gap(inked: NDArray[np.bool_], span: tuple[int, int], count: int, widest: int) -> int:
    """Pixels without ink, up to `widest`, between columns that divide a span equally; `inked` is (rows, width)."""
    first, last = span
    blank = np.concatenate([[0.0], np.cumsum(0.5 - inked.mean(axis=0))])
    best, most = 0, 0.0
    for gap in range(2, widest + 1):
        starts = np.rint(first + np.arange(1, count) * (last - first + gap) / count).astype(int)
        empty = float((blank[starts] - blank[starts - gap]).sum())
        if empty > most:
            best, most = gap, empty
    return best
