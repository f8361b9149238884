"""What the names on a sheet say about rows that were found."""

import numpy as np
import pytest

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet.hints import hint_of
from tests.models.preprocessing.test_printed_layout import WIDTH, label, printed

GAP = 110


def rows(count: int, first: float = 90.0) -> np.ndarray:
    """Base lines of rows, 30 pixels below where `printed` puts their names."""
    return np.repeat(first + GAP * np.arange(count)[:, None], WIDTH, axis=1)


def test_layout_and_order_are_those_that_are_printed() -> None:
    hint = hint_of(printed("3x4"), rows(4), GAP)
    assert hint.fault is None
    assert (hint.layout, hint.order) == ("3x4", "standard")


def test_rows_that_the_names_do_not_stand_at_are_refused() -> None:
    for off in (-GAP, GAP):
        moved = hint_of(printed("3x4"), rows(4, first=90.0 + off), GAP)
        assert moved.fault is not None
        assert "3x4" in moved.fault
    few = hint_of(printed("6x2"), rows(4), GAP)
    assert few.fault is not None
    assert "4 rows" in few.fault


@pytest.mark.parametrize(("names", "kind"), [(LEADS[:6], "limb leads"), (LEADS[6:], "chest leads"), (LEADS[:3], "III")])
def test_a_page_of_part_of_the_leads_is_refused_with_what_arrived(names: tuple[str, ...], kind: str) -> None:
    labels = [label(name, 50, 60 + GAP * row) for row, name in enumerate(names)]
    hint = hint_of(labels, rows(len(names)), GAP)
    assert hint.fault is not None
    assert kind in hint.fault
    assert names[0] in hint.fault


def test_few_names_never_refuse_what_reads_well() -> None:
    assert hint_of(printed("3x4")[:1], rows(4), GAP).fault is None
    assert hint_of([label(name, 50, 60 + GAP * n) for n, name in enumerate(LEADS[:5])], rows(12), GAP).fault is None
    assert hint_of([], rows(3), GAP).fault is None
