"""What the names of leads on a sheet say of its traces."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet.layout import Order
from models.preprocessing.ecg_sheet.lead_names import LeadLabel
from models.preprocessing.ecg_sheet.printed_layout import (
    CABRERA,
    COLUMN,
    PrintedLayout,
    match_layout,
)

_MANY_NAMES = 8
"""Names from which a layout that the rows can't have is a misreading of the rows."""
_LEGIBLE = 5
"""Names, sure ones, that are not read by chance where print is seen from behind or upside down."""
_OWN_ROW = (-0.8, 0.55)
"""Where a row's names may stand, in distances of rows below its base line."""
_PAGE_ROWS = 8
"""Rows that pages of part of the leads have at most."""


class Hint(NamedTuple):
    """Layout and order that the names spell, None where they spell none; where a sheet is to be refused for them, why;
    whether so many names were read that it is neither mirrored nor upside down; the names of the rhythm strips; and
    whether the fault is that they don't stand at the rows."""

    layout: str | None = None
    order: Order | None = None
    fault: str | None = None
    legible: bool = False
    strips: tuple[str, ...] = ()
    misplaced: bool = False


def hint_of(labels: Sequence[LeadLabel], baselines: NDArray[np.floating], gap: float) -> Hint:
    """The hint of names on a straight sheet whose rows run along `baselines` (rows, width), `gap` pixels apart."""
    spelled = match_layout(labels, baselines.shape[1])
    if spelled is None:
        return Hint()
    rows = len(baselines)
    if spelled.layout == COLUMN:
        return Hint(fault=_missing(spelled) if _is_whole_page(spelled, rows) else None)
    if _stands(spelled, baselines.mean(axis=1), gap):
        return Hint(spelled.layout, spelled.order, legible=spelled.sure >= _LEGIBLE, strips=spelled.strips)
    if spelled.sure < _MANY_NAMES:
        return Hint()
    return Hint(
        fault=f"The names on the sheet stand as {spelled.layout}, but the {rows} rows of traces that were found do "
        "not. Send a sharp, upright picture of the whole sheet.",
        misplaced=True,
    )


def _is_whole_page(spelled: PrintedLayout, rows: int) -> bool:
    """Whether names in one column are all that a page of as many rows has."""
    enough = max(2, rows - 1) if rows <= 4 else 4
    return rows <= _PAGE_ROWS and spelled.found >= enough


def _missing(spelled: PrintedLayout) -> str:
    names = spelled.leads
    listed = ", ".join(names[:-1]) + f" and {names[-1]}"
    kind = (
        " (limb leads)"
        if set(names) <= {*LEADS[:6], *CABRERA}
        else " (chest leads)"
        if set(names) <= {*LEADS[6:]}
        else ""
    )
    return f"The sheet names {listed} only{kind}. Send one picture that shows all twelve leads."


def _stands(spelled: PrintedLayout, baselines: NDArray[np.floating], gap: float) -> bool:
    """Whether the names stand at the rows of traces, the first at the first."""
    named = np.array(spelled.heights)
    if len(baselines) < len(named):
        return False
    below = (named - baselines[: len(named)]) / gap
    return bool(_OWN_ROW[0] < float(np.nanmedian(below)) < _OWN_ROW[1])
