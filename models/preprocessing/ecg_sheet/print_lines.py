"""Lines of small print on a straight ECG sheet, found by how often they change between ink and paper, and cut out."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.preprocessing.picture import UInt8Array

HEIGHT = 24
"""Pixels of a strip's height; of a line's print it shows as much above and below as the line is high."""

_CELL = 8
_REACH = 4
_BUSY = 6
"""Changes between ink and paper in so many cells' width that a row of pixels of a line of print has at least."""
_DARK, _FAINTEST = 0.3, 14.0
"""Share of the darkness of the darkest print from which a pixel is ink; and that darkness at least."""
_LOWEST, _HIGHEST = 5, 40
"""Heights of lines, in pixels."""
_GROWN, _EDGE = 3, 0.5
"""Pixels by which a line may be higher than where it is busy, and the share of its usual ink that the rows there have:
of small print the strokes that it ends in change less often."""
_LEAST_WIDTH = 1.8
"""Of a line of print, in its heights."""
_MOST_RUNS = 6000
_ONES = np.uint64(0x0101010101010101)


class PrintLine(NamedTuple):
    """A line of print: where it begins and ends, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


def find_lines(ink: UInt8Array) -> list[PrintLine]:
    """Lines of print on an ink map (height, width), the lowest first; none where the map is too restless."""
    busy = _busy(ink)
    runs = _runs(busy)
    if len(runs) > _MOST_RUNS:
        return []
    lines = []
    for first, last, top, bottom in _joined(runs):
        if bottom - top + 2 * _GROWN < _LOWEST:
            continue
        line = _whole(ink, PrintLine(first * _CELL, top, min(last * _CELL, ink.shape[1]), bottom))
        high, wide = line.bottom - line.top, line.right - line.left
        if _LOWEST <= high <= _HIGHEST and wide >= _LEAST_WIDTH * high:
            lines.append(line)
    return sorted(lines, key=lambda line: -line.bottom)


def _whole(ink: UInt8Array, line: PrintLine) -> PrintLine:
    """A line with the rows of pixels above and below that have nearly as much ink as its own."""
    rows = ink[max(0, line.top - _GROWN) : line.bottom + _GROWN, line.left : line.right].mean(axis=1)
    first = min(line.top, _GROWN)
    last = first + line.bottom - line.top
    inked = rows > _EDGE * np.median(rows[first:last])
    above, below = inked[:first][::-1], inked[last:]
    up = int(above.argmin()) if not above.all() else above.size
    down = int(below.argmin()) if not below.all() else below.size
    return line._replace(top=line.top - up, bottom=line.bottom + down)


def cut_strip(page: Image.Image, line: PrintLine) -> UInt8Array:
    """The picture (`HEIGHT`, width) of a line on the picture of an ink map; the line itself takes up the middle half
    of the height."""
    spare = (line.bottom - line.top) // 2
    part = page.crop((line.left - spare, line.top - spare, line.right + spare, line.bottom + spare))
    return np.asarray(part.resize((strip_width(line), HEIGHT), Image.Resampling.BILINEAR))


def strip_width(line: PrintLine) -> int:
    """Pixels that the picture of a line is wide."""
    high = line.bottom - line.top
    spare = high // 2
    return max(_CELL, round((line.right - line.left + 2 * spare) * HEIGHT / (high + 2 * spare)))


def _busy(ink: UInt8Array) -> NDArray[np.bool_]:
    """Which cells (height, width / 8) lie in a stretch of their row that changes often between ink and paper."""
    height, width = ink.shape
    threshold = max(_FAINTEST, _DARK * float(np.percentile(ink[::4, ::4], 99.5)))
    dark = np.zeros((height, (width // _CELL + 1) * _CELL), dtype=np.uint8)
    dark[:, :width] = ink > threshold
    changes = np.zeros_like(dark)
    np.not_equal(dark[:, 1:], dark[:, :-1], out=changes[:, 1:].view(bool))
    cells = ((changes.view(np.uint64) * _ONES) >> np.uint64(56)).astype(np.uint8)
    padded = np.pad(cells, ((0, 0), (_REACH - 1, _REACH - 1)))
    count = cells.shape[1]
    around = np.sum([padded[:, k : k + count + _REACH - 1] for k in range(_REACH)], axis=0, dtype=np.uint8)
    full = np.asarray(around >= _BUSY)
    busy = full[:, :count].copy()
    for k in range(1, _REACH):
        busy |= full[:, k : k + count]
    return busy & (np.maximum(padded[:, _REACH - 2 :][:, :count], padded[:, _REACH:][:, :count]) + cells > 0)


def _runs(busy: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Rows of (row, first cell, cell after the last) of what is busy, from above."""
    edges = np.diff(np.pad(busy, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, first = np.nonzero(edges == 1)
    last = np.nonzero(edges == -1)[1]
    return np.stack([rows, first, last], axis=1)


def _joined(runs: NDArray[np.intp]) -> list[tuple[int, int, int, int]]:
    """Boxes (first, last, top, bottom), last and bottom excluded, of runs that touch from row to row."""
    parents = list(range(len(runs)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    above: list[tuple[int, int, int]] = []
    here: list[tuple[int, int, int]] = []
    at = -1
    for number, (row, first, last) in enumerate(runs.tolist()):
        if row != at:
            above, here, at = (here if row == at + 1 else []), [], row
        here.append((first, last, number))
        for begin, end, other in above:
            if begin < last and first < end:
                parents[root(number)] = root(other)
    boxes: dict[int, tuple[int, int, int, int]] = {}
    for number, (row, first, last) in enumerate(runs.tolist()):
        key = root(number)
        left, right, top, bottom = boxes.get(key, (first, last, row, row + 1))
        boxes[key] = min(left, first), max(right, last), min(top, row), max(bottom, row + 1)
    return list(boxes.values())
