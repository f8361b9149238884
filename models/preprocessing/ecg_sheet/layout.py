"""Which lead is where: layouts told apart by the laws that the leads of one heart obey together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatMap = NDArray[np.float32]

GRIDS: dict[str, tuple[tuple[int, ...], ...]] = {
    "3x4": ((0, 3, 6, 9), (1, 4, 7, 10), (2, 5, 8, 11)),
    "6x2": ((0, 6), (1, 7), (2, 8), (3, 9), (4, 10), (5, 11)),
    "12x1": tuple((lead,) for lead in range(12)),
}
"""Lead numbers (I, II, III, aVR, aVL, aVF, V1-V6) of each row, left to right."""


class Layout(NamedTuple):
    """`name` of the grid, `first` of its rows, `strips`: rows below it, and how well its leads fit together, 0-1."""

    name: str
    first: int
    strips: tuple[int, ...]
    consistency: float


def candidates(rows: int) -> list[Layout]:
    """Layouts that as many rows may be."""
    found = []
    for name, grid in GRIDS.items():
        strips = rows - len(grid)
        if 0 <= strips <= (3 if name == "3x4" else 1):
            found.append(Layout(name, 0, tuple(range(len(grid), rows)), 0.0))
    return found


def find_layout(slopes: FloatMap, first: int, last: int) -> Layout:
    """The likeliest layout of traces whose slopes (rows, width) run between two columns."""
    tried = (
        layout._replace(consistency=_consistency(slopes, first, last, layout)) for layout in candidates(len(slopes))
    )
    return max(tried, key=lambda layout: layout.consistency)


def columns(
    layout: Layout, span: tuple[int, int], inked: NDArray[np.bool_], widest: int, usual: float | None
) -> list[tuple[int, int]]:
    """First and last pixel column of each column of leads, equally wide, between the two of `span`.

    They are apart by the gap of up to `widest` pixels that has least ink. Where the `usual` width of all without gaps
    is known, what is too much on the left is a label.
    """
    first, last = span
    grid = GRIDS[layout.name]
    count = len(grid[0])
    blank = np.concatenate([[0.0], np.cumsum(0.5 - inked[layout.first : layout.first + len(grid)].mean(axis=0))])
    best, most = (0, first), 0.0
    for gap in range(widest + 1):
        begin = first
        if usual and abs(last - first - gap * (count - 1) - usual) < 0.05 * usual:
            begin = max(first, round(last - usual - gap * (count - 1)))
        starts = _starts(begin, last, count, gap)[1:]
        empty = float((blank[starts] - blank[starts - gap]).sum()) if gap > 1 else 0.0
        if gap == 0 or empty > most:
            best, most = (gap, begin), empty
    gap, begin = best
    starts = _starts(begin, last, count, gap)
    return [(int(start), int(stop)) for start, stop in zip(starts, [*(starts[1:] - gap), last], strict=True)]


def _starts(first: int, last: int, count: int, gap: int) -> NDArray[np.intp]:
    return np.rint(first + np.arange(count) * (last - first + gap) / count).astype(np.intp)


def match_strip(strip: FloatMap, leads: dict[int, tuple[FloatMap, int]], usual: Sequence[int]) -> tuple[int, float]:
    """The lead whose piece, with the column it starts at, is most like a rhythm strip there, and their correlation."""
    best = (usual[0], 0.0)
    for lead in usual:
        piece, start = leads[lead]
        for at in {start, 0}:
            other = strip[at : at + piece.size]
            if other.size > 10 and other.std() > 0 and piece[: other.size].std() > 0:
                likeness = float(np.corrcoef(other, piece[: other.size])[0, 1])
                if likeness > best[1]:
                    best = (lead, likeness)
    return best


def _consistency(slopes: FloatMap, first: int, last: int, layout: Layout) -> float:
    grid = GRIDS[layout.name]
    edges = np.linspace(first, last, len(grid[0]) + 1).astype(int)
    margin = (last - first) // 60
    place = {
        lead: slopes[layout.first + row, edges[column] + margin : edges[column + 1] - margin]
        for row, leads in enumerate(grid)
        for column, lead in enumerate(leads)
    }
    einthoven = _agree(place[1], place[0] + place[2])
    goldberger = _cancel(place[3], place[4], place[5])
    return float(np.clip((einthoven + goldberger) / 2, 0, 1))


def _agree(one: FloatMap, other: FloatMap) -> float:
    """1 where two signals are the same, about 0 where they have nothing to do with each other."""
    return 1 - float(((one - other) ** 2).sum() / ((one**2 + other**2).sum() + 1e-9))


def _cancel(*signals: FloatMap) -> float:
    """1 where signals sum to nothing, about 0 where they have nothing to do with one another."""
    total = np.sum(signals, axis=0)
    return 1 - float((total**2).sum() / (np.square(signals).sum() + 1e-9))
