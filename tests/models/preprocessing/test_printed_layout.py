"""Names to layouts: what stands where, however many of them were read."""

from collections.abc import Sequence

import pytest

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet.layout import GRIDS
from models.preprocessing.ecg_sheet.lead_names import LeadLabel
from models.preprocessing.ecg_sheet.printed_layout import CABRERA, match_layout

WIDTH = 1000


def label(name: str, x: float, y: float, confidence: float = 0.95) -> LeadLabel:
    return LeadLabel(name, x, y, 20, 12, confidence)


def printed(layout: str, names: Sequence[str] = LEADS) -> list[LeadLabel]:
    """The names of a layout where they stand, rows 110 pixels and columns a share of 900 apart."""
    return [
        label(names[lead], 50 + 900 * column / len(leads), 60 + 110 * row)
        for row, leads in enumerate(GRIDS[layout])
        for column, lead in enumerate(leads)
    ]


@pytest.mark.parametrize("layout", GRIDS)
@pytest.mark.parametrize("order", ["standard", "cabrera"])
def test_every_layout_is_told_in_either_order(layout: str, order: str) -> None:
    names = LEADS if order == "standard" else (*CABRERA, *LEADS[6:])
    found = match_layout(printed(layout, names), WIDTH)
    assert found is not None
    assert (found.layout, found.order, found.found) == (layout, order, 12)
    assert set(found.leads) == set(names)


@pytest.mark.parametrize("layout", GRIDS)
def test_half_of_the_names_and_some_misread_ones_are_enough(layout: str) -> None:
    half = [each for number, each in enumerate(printed(layout)) if number % 4 in (0, 3)]
    some = [*half, label("III", 640, 20, 0.7), label("I", 333, 217, 0.4)]
    found = match_layout(some, WIDTH)
    assert found is not None
    assert (found.layout, found.order) == (layout, "standard")


def test_names_below_the_rows_are_those_of_rhythm_strips() -> None:
    strips = [label("V1", 50, 60 + 110 * 3), label("II", 50, 60 + 110 * 4)]
    found = match_layout([*printed("3x4"), *strips], WIDTH)
    assert found is not None
    assert found.strips == ("V1", "II")


@pytest.mark.parametrize("names", [LEADS[:6], LEADS[6:], LEADS[:3], ("II", "V1", "V5"), CABRERA])
def test_names_in_one_column_are_all_that_a_page_has(names: Sequence[str]) -> None:
    found = match_layout([label(name, 50, 60 + 110 * row) for row, name in enumerate(names)], WIDTH)
    assert found is not None
    assert (found.layout, found.leads) == ("column", tuple(names))
    assert found.order == ("cabrera" if names == CABRERA else "standard")


def test_avr_that_is_not_turned_stands_in_cabrera_order_too() -> None:
    names = tuple(name.removeprefix("-") for name in CABRERA)
    found = match_layout(printed("6x2", (*names, *LEADS[6:])), WIDTH)
    assert found is not None
    assert (found.layout, found.order) == ("6x2", "cabrera")


def test_few_names_or_names_at_random_say_nothing() -> None:
    assert match_layout([], WIDTH) is None
    assert match_layout([label("V1", 50, 60)], WIDTH) is None
    assert match_layout([*printed("3x4")[:1], label("V5", 120, 300), label("II", 700, 40)], WIDTH) is None


def test_only_chest_columns_do_not_settle_the_order_of_the_limb_leads() -> None:
    chest = [each for each in printed("3x4") if each.name.startswith("V")]
    found = match_layout(chest, WIDTH)
    assert found is None or found.layout == "3x4"
