"""Which lead is where: layouts told apart by the laws that the leads of one heart obey together.

Of leads that are drawn one below the other, I + III = II and aVR + aVL + aVF = 0 at every moment, and the other limb
leads follow from two of them. Chest leads obey no such law, so six limb leads all along, six chest leads, or two
patients on a page are told from the twelve leads of one.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatMap = NDArray[np.float32]
Order = Literal["standard", "cabrera"]
ORDERS: tuple[Order, ...] = ("standard", "cabrera")
Grid = tuple[tuple[int, ...], ...]

GRIDS: dict[str, Grid] = {
    "3x4": ((0, 3, 6, 9), (1, 4, 7, 10), (2, 5, 8, 11)),
    "6x2": ((0, 6), (1, 7), (2, 8), (3, 9), (4, 10), (5, 11)),
    "12x1": tuple((lead,) for lead in range(12)),
}
"""Lead numbers (I, II, III, aVR, aVL, aVF, V1-V6) of each row, left to right."""

_CABRERA = (4, 0, 3, 1, 5, 2)
"""aVL, I, -aVR, II, aVF, III."""
_STRIPS = {"3x4": 4, "6x2": 3, "12x1": 2}
"""Most rows below the grid."""
_PULL = 0.02
"""How much the weights of a sum are held to what they ought to be, where little tells."""
_CABRERA_RARE = 0.3
"""How much better leads in Cabrera's order must fit: of chest leads each is nearly the mean of its neighbours, too."""
_STRIP_LEADS, _RARE_STRIP = (1, 6, 10), 0.1
"""Leads that rhythm strips usually show, II, V1 and V5, and how much less alike these may be than others."""
_SKEW = 3
"""Pixels by which rows of one sheet may be moved against each other."""
_PIECES, _SPOILT, _LEFT = 12, 2, 0.6
"""Pieces that a column is looked at in; of these so many may be spoilt, by a name or a separator on the traces or a
beat that was lost, if what is left has that share of what moves."""


class Layout(NamedTuple):
    """`name` and `order` of the grid, `strips`: the rows below it, each one lead all along, and how well its leads fit
    together, 0-1."""

    name: str
    order: Order
    strips: tuple[int, ...]
    consistency: float

    @property
    def grid(self) -> Grid:
        """Lead numbers of each row of the grid."""
        return grid_of(self.name, self.order)

    def sign(self, lead: int) -> int:
        """-1 for a lead that is drawn upside down: Cabrera's -aVR."""
        return -1 if self.order == "cabrera" and lead == 3 else 1


def grid_of(name: str, order: Order) -> Grid:
    """Lead numbers of each row, left to right."""
    if order == "standard":
        return GRIDS[name]
    leads = (*_CABRERA, *range(6, 12))
    return tuple(tuple(leads[lead] for lead in row) for row in GRIDS[name])


def candidates(rows: int, name: str | None = None, order: Order | None = None) -> list[Layout]:
    """Layouts that as many rows may be, of that name and order where they are known. Three rows in Cabrera's order are
    taken for it only where that is known: chest leads, each nearly the mean of its neighbours, look like it."""
    return [
        Layout(each, turn, tuple(range(len(grid), rows)), 0.0)
        for (each, grid), turn in product(GRIDS.items(), ORDERS)
        if 0 <= rows - len(grid) <= _STRIPS[each]
        and name in (None, each)
        and order in (None, turn)
        and not (each == "3x4" and turn == "cabrera" and order is None)
    ]


def find_layout(
    shapes: FloatMap, first: int, last: int, name: str | None = None, order: Order | None = None
) -> Layout | None:
    """The likeliest layout of traces whose shapes (lags, rows, width) run between two columns: how far each rises and
    falls over longer and shorter lags. None for counts of rows that no layout has."""
    tried = [
        layout._replace(consistency=_consistency(shapes, first, last, layout))
        for layout in candidates(shapes.shape[1], name, order)
    ]
    return max(tried, key=plausibility, default=None)


def plausibility(layout: Layout) -> float:
    """Its consistency, less what speaks against a layout that is rare."""
    return layout.consistency - _CABRERA_RARE * (layout.order == "cabrera")


def match_strip(strip: FloatMap, leads: Mapping[int, tuple[FloatMap, int]], usual: Sequence[int]) -> tuple[int, float]:
    """The lead whose piece, with the column it starts at, is most like a rhythm strip there, and their correlation,
    less what speaks against a strip of a lead that has seldom one."""
    best = (usual[0], 0.0)
    for lead in usual:
        piece, start = leads[lead]
        against = 0.0 if lead in _STRIP_LEADS else _RARE_STRIP
        for at in {max(start, 0), 0}:
            other = strip[at : at + piece.size]
            if other.size > 10 and other.std() > 0 and piece[: other.size].std() > 0:
                likeness = float(np.corrcoef(other, piece[: other.size])[0, 1]) - against
                if likeness > best[1]:
                    best = (lead, likeness)
    return best


def _consistency(shapes: FloatMap, first: int, last: int, layout: Layout) -> float:
    grid = layout.grid
    edges = np.linspace(first, last, len(grid[0]) + 1).astype(int)
    margin = (last - first) // 60
    return _lawful(
        [
            {
                row[column]: layout.sign(row[column])
                * shapes[:, number, edges[column] + margin : edges[column + 1] - margin]
                for number, row in enumerate(grid)
            }
            for column in range(len(grid[0]))
        ]
    )


def _lawful(columns: Sequence[Mapping[int, FloatMap]]) -> float:
    """How well the worst of the columns obeys each of the laws of limb leads, 0-1; `columns` are shapes (lags, width)
    of leads drawn at one time."""
    agreements = [
        max(
            _agreement(leads[total][lag], [leads[part][lag] for part in parts], list(parts.values()))
            for lag in range(len(leads[total]))
        )
        for leads in columns
        for total, parts in _LAWS
        if total in leads and all(part in leads for part in parts)
    ]
    return float(np.clip(min(agreements, default=0.0), 0, 1))


def _agreement(total: FloatMap, parts: Sequence[FloatMap], weights: Sequence[float]) -> float:
    """1 where a lead is the weighted sum of two others, moved by up to `_SKEW` pixels; 0 where they are strangers, or
    where it is the sum of them with quite other weights: chest leads are about the mean of their neighbours."""
    inner = slice(_SKEW, total.size - _SKEW)
    one, other = (
        np.stack([weight * np.roll(part, shift)[inner] for shift in range(-_SKEW, _SKEW + 1)])
        for part, weight in zip(parts, weights, strict=True)
    )
    rest = total[inner] - one
    off = (rest**2).sum(axis=1)[:, None] - 2 * rest @ other.T + (other**2).sum(axis=1)
    first, second = np.unravel_index(int(off.argmin()), off.shape)
    pair, summed = np.stack([one[first], other[second]]), total[inner]
    kept = _unspoilt((summed - pair.sum(axis=0)) ** 2, (pair**2).sum(axis=0) + summed**2)
    whole = _fit(summed, pair)
    return whole if kept.all() else max(whole, _fit(summed[kept], pair[:, kept]))


def _fit(total: FloatMap, pair: FloatMap) -> float:
    """How well a lead is the sum of a pair (2, width), as `_agreement` gives it."""
    energy = float((pair**2).sum() + (total**2).sum()) + 1e-9
    share = 1 - 2 * float(((total - pair.sum(axis=0)) ** 2).sum()) / energy
    pull = _PULL * energy * np.eye(2)
    found = np.linalg.solve(pair @ pair.T + pull, pair @ total + pull.sum(axis=1))
    return min(share, 1 - float(np.abs(found - 1).max()))


def _unspoilt(off: FloatMap, moves: FloatMap) -> NDArray[np.bool_]:
    """Which places of a column (width,) count: not the pieces that are most `off`, where enough of what `moves` is
    left."""
    piece = np.arange(off.size) * _PIECES // off.size
    kept = np.ones(off.size, dtype=bool)
    least = _LEFT * float(moves.sum())
    for worst in np.argsort(-np.bincount(piece, off, _PIECES))[:_SPOILT].tolist():
        left = kept & (piece != worst)
        if float(moves[left].sum()) >= least:
            kept = left
    return kept


_LAWS: tuple[tuple[int, dict[int, float]], ...] = (
    (1, {0: 1, 2: 1}),
    (3, {4: -1, 5: -1}),
    (3, {0: -1 / 2, 1: -1 / 2}),
    (4, {0: 1 / 2, 2: -1 / 2}),
    (5, {1: 1 / 2, 2: 1 / 2}),
    (0, {4: 2 / 3, 3: -2 / 3}),
)
"""Einthoven's law, Goldberger's leads as he defined them, and what follows of I: a lead, and the weights of those it
is the sum of."""
