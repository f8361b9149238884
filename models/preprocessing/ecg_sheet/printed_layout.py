"""The layout that the printed names of leads spell: which template of rows and columns they stand in."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet.layout import GRIDS, ORDERS, Order
from models.preprocessing.ecg_sheet.lead_names import NAMES, SCALES, LeadLabel

FloatArray = NDArray[np.float64]

CABRERA = ("aVL", "I", "-aVR", "II", "aVF", "III")
"""Limb leads in Cabrera order, in the places of I, II, III, aVR, aVL and aVF."""
COLUMN = "column"
"""The layout of names that all stand below one another, and are not those of twelve rows."""

_MOST = 24
_SURE = 0.6
_LEAST_NAMES = 4
_ELSEWHERE = 0.4
"""Chance from which there is a name beside a column of names, and from which one belongs to it."""
_LIKELY = 0.2
"""Chance from which a name counts as found where a template has it."""
_ASTRAY, _MISSING = 0.7, 0.15
"""What a sure name in the wrong place, and one that is not found, count against a template, in names."""
_MARGIN = 0.8
_ACROSS, _DOWN = 0.2, 0.3
"""How far a name may be from its place, in columns and rows."""
_IN_LINE = 0.05
"""The same of names that stand below one another, in widths of the sheet."""


class PrintedLayout(NamedTuple):
    """What the names say: `layout` as in `GRIDS`, or "column"; the order of the limb leads; `leads` that the sheet has,
    by row, then column; how many of them were `found`, and how many for `sure`; `strips`, the names printed in rows
    below the others; `heights`, where the names of each row stand, in pixels from above, not a number where none was
    found."""

    layout: str
    order: Order
    leads: tuple[str, ...]
    found: int
    sure: int
    strips: tuple[str, ...]
    heights: tuple[float, ...] = ()


class _Template(NamedTuple):
    layout: str
    order: Order
    places: Mapping[str, tuple[int, int]]
    rows: int
    columns: int


class _Match(NamedTuple):
    score: float
    found: int
    sure: int
    strips: tuple[str, ...]
    heights: tuple[float, ...]
    template: _Template


def match_layout(labels: Sequence[LeadLabel], width: int) -> PrintedLayout | None:
    """The layout of a sheet `width` pixels wide on which names were read; None where too few were, or they fit none."""
    kept = [label for label in labels if label.name not in SCALES]
    kept = sorted(kept, key=lambda label: -label.confidence)[:_MOST]
    matches = [found for template in _TEMPLATES if (found := _match(kept, template, width))]
    matches.sort(key=lambda match: -match.score)
    if matches and matches[0].found >= _LEAST_NAMES and not _beaten(matches):
        best = matches[0]
        leads = tuple(sorted(best.template.places, key=best.template.places.__getitem__))
        template = best.template
        return PrintedLayout(template.layout, template.order, leads, best.found, best.sure, best.strips, best.heights)
    return _column(kept, width)


def _beaten(matches: Sequence[_Match]) -> bool:
    return len(matches) > 1 and matches[0].score - matches[1].score < _MARGIN


def _templates() -> Iterator[_Template]:
    for layout, grid in GRIDS.items():
        for order in ORDERS:
            names = (*(LEADS[:6] if order == "standard" else CABRERA), *LEADS[6:])
            places = {names[lead]: (row, column) for row, leads in enumerate(grid) for column, lead in enumerate(leads)}
            yield _Template(layout, order, places, len(grid), len(grid[0]))


_TEMPLATES = tuple(_templates())


def _match(labels: Sequence[LeadLabel], template: _Template, width: int) -> _Match | None:
    """How well a template fits: the best of all ways to lay it through two names."""
    known = [label for label in labels if _place(template, label.name) is not None]
    if len(known) < 2 or (template.columns == 1 and len({label.name in LEADS[6:] for label in known}) < 2):
        return None  # a page of limb leads is the upper half of twelve rows
    places = np.array([_place(template, label.name) for label in known], dtype=float)
    origin, step = _hypotheses(_middles(known), places, template.columns)
    if not len(origin):
        return None
    cells, inside = _cells(_middles(labels), origin, step, template, width)
    chances = _chances(labels, template)
    evidence = np.where(inside, chances[np.arange(len(labels)), cells[..., 0], cells[..., 1]], 0.0)
    best = int(evidence.sum(axis=1).argmax())
    return _weigh(
        labels, template, cells[best], evidence[best], (_middles(labels)[:, 0] - origin[best, 0]) / step[best, 0]
    )


def _place(template: _Template, name: str) -> tuple[int, int] | None:
    if name == "aVR" and template.order == "cabrera":
        name = "-aVR"
    return template.places.get(name)


def _middles(labels: Sequence[LeadLabel]) -> FloatArray:
    return np.array([(label.y, label.x) for label in labels], dtype=float)


def _hypotheses(at: FloatArray, places: FloatArray, columns: int) -> tuple[FloatArray, FloatArray]:
    """Origins and steps (n, 2), down and across, of the grids through two names each; names stand upright."""
    pairs = np.array(list(combinations(range(len(at)), 2)))
    apart, moved = places[pairs[:, 1]] - places[pairs[:, 0]], at[pairs[:, 1]] - at[pairs[:, 0]]
    usable = (apart != 0).all(axis=1) if columns > 1 else apart[:, 0] != 0
    pairs, apart, moved = pairs[usable], apart[usable], moved[usable]
    step = np.divide(moved, apart, out=np.zeros_like(moved), where=apart != 0)
    upright = (step > 0).all(axis=1) if columns > 1 else step[:, 0] > 0
    step = step[upright]
    return at[pairs[upright, 0]] - step * places[pairs[upright, 0]], step


def _cells(
    at: FloatArray, origin: FloatArray, step: FloatArray, template: _Template, width: int
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The nearest cell (hypotheses, names, 2) of each name, and whether it stands there."""
    if template.columns == 1:
        step = np.stack([step[:, 0], np.full(len(step), width)], axis=1)
    reach = (_DOWN, _ACROSS if template.columns > 1 else _IN_LINE)
    place = (at - origin[:, None]) / step[:, None]
    most = np.array([template.rows - 1, template.columns - 1])
    cells = np.clip(np.rint(place), 0, most)
    return cells.astype(np.intp), (np.abs(place - cells) < reach).all(axis=2)


def _chances(labels: Sequence[LeadLabel], template: _Template) -> FloatArray:
    """The chances (names, rows, columns) that each is the name that a template has there."""
    chances = np.zeros((len(labels), template.rows, template.columns))
    for number, label in enumerate(labels):
        each = dict(zip(NAMES, label.chances, strict=True)) if label.chances else {label.name: label.confidence}
        for name, chance in each.items():
            if place := _place(template, name):
                chances[(number, *place)] += chance
    return chances


def _weigh(
    labels: Sequence[LeadLabel],
    template: _Template,
    cells: NDArray[np.intp],
    evidence: FloatArray,
    row: FloatArray,
) -> _Match:
    best = np.zeros((template.rows, template.columns))
    np.maximum.at(best, (cells[:, 0], cells[:, 1]), evidence)
    fitting = evidence >= _LIKELY
    astray, strips = 0.0, []
    for number, label in enumerate(labels):
        if fitting[number] or label.confidence < _SURE or not -0.7 < row[number] < template.rows + 3:
            continue
        if row[number] > template.rows - 0.5:
            strips.append((label.y, label.name))
        else:
            astray += label.confidence
    found = best >= _LIKELY
    score = float(best.sum()) - _ASTRAY * astray - _MISSING * (found.size - int(found.sum()))
    heights = tuple(_height(labels, fitting & (cells[:, 0] == each)) for each in range(template.rows))
    return _Match(
        score,
        int(found.sum()),
        int((best >= _SURE).sum()),
        tuple(name for _, name in sorted(strips)),
        heights,
        template,
    )


def _height(labels: Sequence[LeadLabel], chosen: NDArray[np.bool_]) -> float:
    found = [label.y for label, own in zip(labels, chosen, strict=True) if own]
    return float(np.median(found)) if found else math.nan


def _column(labels: Sequence[LeadLabel], width: int) -> PrintedLayout | None:
    """Names that stand below one another, with no other beside them."""
    sure = [label for label in labels if label.confidence >= _SURE]
    if len(sure) < 2:
        return None
    middle = float(np.median([label.x for label in sure]))
    if any(abs(label.x - middle) > _IN_LINE * width and _not_a_stroke(label) > _ELSEWHERE for label in labels):
        return None
    below = [label for label in labels if abs(label.x - middle) <= _IN_LINE * width and label.confidence >= _ELSEWHERE]
    names = tuple(dict.fromkeys(label.name for label in sorted(below, key=lambda label: label.y)))
    limb = [name for name in names if name in CABRERA]
    order: Order = "cabrera" if "-aVR" in names or limb[:2] == ["aVL", "I"] else "standard"
    return PrintedLayout(COLUMN, order, names, len(names), len(sure), ())


def _not_a_stroke(label: LeadLabel) -> float:
    """The chance that a label is any name but I, which steep traces look like."""
    if not label.chances:
        return 0.0 if label.name == "I" else label.confidence
    return sum(label.chances) - label.chances[NAMES.index("I")]
