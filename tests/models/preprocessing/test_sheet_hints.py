"""What names, speed and gain on a sheet say about rows that were found."""

import numpy as np
import pytest

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet.hints import hint_of
from models.preprocessing.ecg_sheet.lead_names import LeadLabel
from tests.models.preprocessing.test_printed_layout import WIDTH, label, printed

GAP = 110


def rows(count: int, first: float = 90.0) -> np.ndarray:
    """Base lines of rows, 30 pixels below where `printed` puts their names."""
    return np.repeat(first + GAP * np.arange(count)[:, None], WIDTH, axis=1)


def scales(speed: str, gain: str, confidence: float = 0.9) -> list[LeadLabel]:
    return [label(speed, 100, 700, confidence), label(gain, 200, 700, confidence)]


def test_layout_order_speed_and_gain_are_those_that_are_printed() -> None:
    hint = hint_of([*printed("3x4"), *scales("25 mm/s", "10 mm/mV")], rows(4), GAP)
    assert hint.fault is None
    assert hint.printed == ("3x4", "standard", 25.0, 10.0)


def test_two_speeds_or_doubtful_ones_are_none() -> None:
    doubtful = hint_of([*scales("25 mm/s", "10 mm/mV", 0.6)], rows(4), GAP)
    assert doubtful.printed == (None, None, None, None)
    both = hint_of([*scales("25 mm/s", "10 mm/mV"), label("50 mm/s", 300, 700)], rows(4), GAP)
    assert both.printed.speed is None
    assert both.printed.gain == 10


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
