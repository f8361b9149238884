"""What sheets show is read as what it is, or refused with a sentence that says what arrived."""

from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet import DigitisedSheet, SheetError, Told, digitisation, digitise
from models.preprocessing.ecg_sheet.hints import Hint
from models.preprocessing.ecg_sheet.layout import GRIDS
from models.preprocessing.ecg_sheet.preparation import SheetPreprocessing, qualities, read
from models.preprocessing.ecg_sheet.printed_scale import PrintedScale
from tests.sheets import ecg, sheet

SPEC = SheetPreprocessing(least_fit=0.4, least_consistency=0.3)
CABRERA = (4, 0, -4, 1, 5, 2)


@cache
def usual() -> DigitisedSheet:
    """What a sheet like most shows."""
    return digitise(sheet())


def layout_of(picture: Image.Image) -> tuple[str, int]:
    found = read(picture, SPEC)
    assert found.reading is not None
    assert found.fault is None
    return found.reading.layout, found.reading.strips


def test_leads_that_nothing_names_have_to_fit_better() -> None:
    signal = ecg()
    signal[:, 2] += 0.15 * np.sin(2 * np.pi * 3.1 * np.arange(len(signal)) / 100)
    reading = digitise(sheet(signal))
    assert 0.5 < reading.consistency < 0.6
    assert reading.fault is not None
    assert "names of the leads were not read" in reading.fault
    assert digitise(sheet(signal), Told(layout="3x4")).fault is None


def test_the_double_rule_of_a_header_is_no_row() -> None:
    assert layout_of(sheet(ruled=True, pulse=2.5)) == ("3x4", 1)


@pytest.mark.parametrize("strips", [(1, 10), (6, 1, 10)])
def test_several_rhythm_strips_are_told_from_leads(strips: tuple[int, ...]) -> None:
    rows = [*GRIDS["3x4"], *((strip,) for strip in strips)]
    found = read(sheet(rows=rows), SPEC)
    assert found.reading is not None
    assert (found.reading.layout, found.reading.strips) == ("3x4", len(strips))
    for strip in strips:
        assert found.reading.shown[:, strip].mean() > 0.9


def test_rows_may_be_uneven() -> None:
    assert layout_of(sheet(gaps=(36, 26, 18))) == ("3x4", 1)


@pytest.mark.parametrize("layout", ["6x2", "12x1"])
def test_cabrera_order_is_read_as_printed(layout: str) -> None:
    chest = range(6, 12)
    rows = list(zip(CABRERA, chest, strict=True)) if layout == "6x2" else [(lead,) for lead in (*CABRERA, *chest)]
    reading = digitise(sheet(rows=rows))
    assert (reading.layout, reading.order) == (layout, "cabrera")
    standard = digitise(sheet(layout=layout, strip=None))
    for lead in range(6):
        alike = np.corrcoef(reading.signal[:150, lead], standard.signal[:150, lead])[0, 1]
        assert alike > 0.8, LEADS[lead]


def test_six_limb_leads_are_no_twelve() -> None:
    fault = read(sheet(rows=[(lead,) for lead in range(6)]), SPEC).fault
    assert fault is not None
    assert "one lead all along" in fault


@pytest.mark.parametrize(
    "rows",
    [
        [(lead,) for lead in range(6, 12)],
        [(0,), (1,), (2,)],
        [(6,), (7,), (8,)],
        [(1,)],
        [(0, 0), (1, 1), (2, 2), (3, 3)],
        [*GRIDS["3x4"], (1,), *GRIDS["3x4"], (1,)],
    ],
    ids=["chest page", "three limb leads", "three chest leads", "one strip", "four rows", "two sheets"],
)
def test_what_is_not_twelve_leads_of_one_heart_is_never_accepted(rows: list[tuple[int, ...]]) -> None:
    assert read(sheet(rows=rows), SPEC).fault is not None


@pytest.mark.parametrize("layout", ["3x4", "6x2", "12x1"])
def test_a_mirrored_sheet_is_not_accepted(layout: str) -> None:
    assert read(ImageOps.mirror(sheet(layout=layout, strip=None)), SPEC).fault is not None


@pytest.mark.parametrize("turn", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270])
def test_a_sheet_may_be_turned(turn: Image.Transpose) -> None:
    upright, turned = usual(), digitise(sheet().transpose(turn))
    assert (turned.layout, turned.strips) == ("3x4", 1)
    shared = upright.shown & turned.shown
    assert np.corrcoef(upright.signal[shared], turned.signal[shared])[0, 1] > 0.8


def test_bright_traces_on_a_dark_screen_are_read() -> None:
    assert layout_of(ImageOps.invert(sheet())) == ("3x4", 1)


@pytest.mark.parametrize("apart", [0.42, 1.45])
def test_a_slow_or_fast_heart_is_no_other_speed_of_paper(apart: float) -> None:
    assert digitise(sheet(ecg(apart=apart))).speed == 25


def test_the_pulse_tells_gain_and_speed() -> None:
    slow, fast = digitise(sheet(gain=5, pulse=5)), digitise(sheet(ecg(5), gain=20, pulse=10, speed=50))
    assert (slow.gain, slow.speed) == (5, 25)
    assert (fast.gain, fast.speed) == (20, 50)


def test_what_a_caller_says_goes_before_a_guess() -> None:
    reading = digitise(sheet(gain=5), Told(gain=5, speed=50))
    assert (reading.gain, reading.speed) == (5, 50)


@pytest.mark.parametrize(
    ("told", "what"),
    [
        (Told(gain=20), "mm/mV"),
        (Told(speed=50), "mm/s"),
        (Told(layout="12x1"), "12x1"),
        (Told(layout="6x2"), "6x2"),
        (Told(order="cabrera"), "cabrera"),
    ],
)
def test_a_sheet_that_contradicts_its_sender_is_refused(told: Told, what: str) -> None:
    with pytest.raises(SheetError, match=f"You say .*{what}"):
        digitise(sheet(pulse=5), told)


def test_quality_is_told_of_each_lead() -> None:
    whole = qualities(usual())
    assert tuple(whole) == LEADS
    assert min(whole.values()) > 0.7
    picture = sheet()
    picture.paste((255, 252, 250), (1010, 80, 1260, 250))
    assert qualities(digitise(picture))["V4"] < 0.6 < whole["V4"]


def test_a_blot_on_the_traces_spoils_no_law() -> None:
    picture = sheet(ecg(apart=0.62))
    draw = ImageDraw.Draw(picture)
    for row in range(3):  # a letter on the trace where each lead begins
        down = (15 + 14 + 28 * row) * 5
        for column in range(4):
            across = (15 + 62.5 * column + 8 + 3 * row) * 5
            draw.line([(across, down - 30), (across, down + 4), (across + 14, down + 4)], (20, 20, 30), width=3)
    reading = digitise(picture)
    assert (reading.layout, reading.strips) == ("3x4", 1)
    assert reading.consistency > 0.6


def test_rows_of_strangers_are_spoilt_all_over() -> None:
    rows = [(0, 3, 6, 9), (1, 4, 7, 10), (6, 8, 8, 11), (1,)]
    assert digitise(sheet(rows=rows)).consistency < 0.3


def test_a_sheet_upside_down_has_its_pulse_too() -> None:
    reading = digitise(sheet(gain=5, pulse=5).rotate(180))
    assert (reading.layout, reading.gain, reading.gain_from) == ("3x4", 5, "pulse")


def columns_apart(gap: int) -> Image.Image:
    """A sheet with so many millimetres between its columns, a multiple of 5, a stroke before each name, a pulse before
    each row and a strip below that goes on."""
    above, below = sheet(strip=None, pulse=5), sheet(rows=[(1,)], pulse=5)
    tile, mm = np.asarray(above)[:25, :25], 5
    high = above.height // 25 * 25
    canvas = np.tile(tile, (high // 25 + below.height // 25 + 1, above.width // 25 + 3 * gap // 5 + 1, 1))
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    edges = [0, *(round((15 + 62.5 * column) * mm) for column in (1, 2, 3)), above.width - 15 * mm]
    for column in range(4):
        piece = above.crop((edges[column], 0, edges[column + 1], high))
        picture.paste(piece, (edges[column] + column * gap * mm, 0))
        for row in range(3 if column else 0):
            across, down = edges[column] + column * gap * mm, round((15 + 14 + 28 * row) * mm)
            draw.line([(across, down - 15), (across, down + 15)], (20, 20, 30), width=2)
    picture.paste(below, (0, high))
    return picture


@pytest.mark.parametrize("gap", [0, 5])
def test_columns_that_stand_apart_beat_with_the_strip_below(gap: int) -> None:
    reading = digitise(columns_apart(gap))
    assert (reading.layout, reading.strips, reading.speed) == ("3x4", 1, 25)
    below = int(reading.shown.sum(axis=0).argmax())
    for lead in (5, 8, 11):
        shown = np.flatnonzero(reading.shown[:, lead])[5:-5]
        one, strip = (np.abs(np.diff(reading.signal[shown, each])) for each in (lead, below))
        apart = range(-12, 13)
        best = max(apart, key=lambda shift: float(np.roll(one, shift) @ strip))
        assert abs(best) <= 4, LEADS[lead]


def under_print(picture: Image.Image) -> Image.Image:
    """A sheet in faint colours below black lines of print as wide as it is."""
    faint = Image.blend(picture, Image.new("RGB", picture.size, (255, 255, 255)), 0.88)
    page = Image.new("RGB", (faint.width, faint.height + 60), (255, 255, 255))
    page.paste(faint, (0, 60))
    text = "QRS duration 111 ms  Referred by: 4711  PR interval 153 ms  Unconfirmed Diagnosis 27-11-2022  "
    for down in (4, 32):
        ImageDraw.Draw(page).text((30, down), 2 * text, (0, 0, 0), ImageFont.load_default(18))
    return page


def test_faint_traces_are_seen_beside_print_far_darker() -> None:
    assert layout_of(under_print(sheet())) == ("3x4", 1)


def test_a_row_above_the_names_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = "The names stand elsewhere."
    monkeypatch.setattr(
        digitisation, "hint_of", lambda _, rows, __: Hint(fault=fault, misplaced=True) if len(rows) > 3 else Hint()
    )
    rows = GRIDS["3x4"]
    assert layout_of(sheet(rows=[(10,), *rows])) == ("3x4", 0)
    assert read(sheet(rows=[*rows, (10,)]), SPEC).fault == fault


@pytest.mark.parametrize(("printed", "wide", "speed"), [(50.0, 5.0, 50), (25.0, 5.0, 25), (None, 10.0, 50)])
def test_a_pulse_may_be_narrow_where_the_speed_is_printed(
    monkeypatch: pytest.MonkeyPatch, printed: float | None, wide: float, speed: float
) -> None:
    monkeypatch.setattr(digitisation, "read_printed_scale", lambda *_: PrintedScale(printed))
    assert digitise(sheet(ecg(seconds=250 / speed), speed=speed, pulse=wide, strip=None)).speed == speed


def test_a_pulse_too_wide_for_the_printed_speed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digitisation, "read_printed_scale", lambda *_: PrintedScale(25.0))
    with pytest.raises(SheetError, match="read as 25 mm/s"):
        digitise(sheet(ecg(seconds=5), speed=50, pulse=10, strip=None))
