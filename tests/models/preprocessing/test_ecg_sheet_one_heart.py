"""Sheets put together of two hearts, or of fewer than twelve leads, are not accepted; those of one heart are."""

import numpy as np
import pytest
from PIL import ImageOps

from models.preprocessing.ecg_sheet import as_drawn, digitisation, digitise
from models.preprocessing.ecg_sheet.hints import Hint
from models.preprocessing.ecg_sheet.one_heart import Beating, _correlation, same_leads, two_hearts
from models.preprocessing.ecg_sheet.preparation import SheetPreprocessing, read
from tests.models.preprocessing.test_ecg_sheet_names import with_names
from tests.sheets import ecg, sheet

SPEC = SheetPreprocessing(least_fit=0.4, least_consistency=0.3)


def of_two(apart: float, other: float) -> np.ndarray:
    """Limb leads of one heart, chest leads of another."""
    return np.concatenate([ecg(apart=apart)[:, :6], ecg(apart=other)[:, 6:]], axis=1)


@pytest.mark.parametrize("strip", [1, 6, None])
@pytest.mark.parametrize(("apart", "other"), [(0.86, 0.67), (0.7, 0.9)])
def test_limb_and_chest_leads_of_two_hearts_are_not_accepted(strip: int | None, apart: float, other: float) -> None:
    found = read(sheet(of_two(apart, other), strip=strip), SPEC)
    assert found.reading is not None
    assert found.fault is not None
    assert "do not beat together" in found.fault


@pytest.mark.parametrize("strip", [1, 6, None])
@pytest.mark.parametrize("apart", [0.5, 0.86, 1.3])
def test_one_heart_is_accepted(strip: int | None, apart: float) -> None:
    assert read(sheet(ecg(apart=apart), strip=strip), SPEC).fault is None


@pytest.mark.parametrize("rows", [range(6), range(6, 12), range(3), (1, 6, 10)])
def test_rows_of_one_lead_all_along_are_no_twelve_leads(rows: tuple[int, ...]) -> None:
    fault = read(sheet(rows=[(lead,) for lead in rows]), SPEC).fault
    assert fault is not None


def test_beats_tell_the_same_leads_from_others() -> None:
    traces = ecg().T.astype(np.float32)
    halves = [(0, 500), (500, 1000)]
    assert same_leads(traces[:6], halves, 100)
    other = np.concatenate([traces[:6, :500], traces[6:, 500:]], axis=1)
    assert not same_leads(other, halves, 100)


def test_four_columns_whose_first_two_are_one_show_the_same_leads_again() -> None:
    traces = ecg().T.astype(np.float32)
    quarters = [(0, 250), (250, 500), (500, 750), (750, 1000)]
    shown = [
        traces[rows, begin:end]
        for rows, (begin, end) in zip(([0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]), quarters, strict=True)
    ]
    assert not same_leads(np.concatenate(shown, axis=1), quarters, 100)
    shown[1] = traces[[0, 1, 2], 250:500]
    assert same_leads(np.concatenate(shown, axis=1), quarters, 100)


def test_names_in_the_mirror_tell_a_mirrored_sheet_of_a_fast_heart() -> None:
    picture = with_names(sheet(ecg(apart=0.54), strip=None), "3x4")
    assert read(picture, SPEC).fault is None
    fault = read(ImageOps.mirror(picture), SPEC).fault
    assert fault is not None
    assert "mirrored" in fault


@pytest.mark.parametrize(("other", "two"), [(1.04, True), (0.66, False)])
def test_rates_tell_two_hearts_although_a_beat_more_is_seen(other: float, two: bool) -> None:
    one, second = ecg(apart=0.66).T, ecg(apart=other).T
    traces = np.concatenate([one[:3, :500], second[6:9, 500:]], axis=1).astype(np.float32)
    traces[:, 130:133] += np.array([[0.8], [0.0], [0.8]], np.float32)  # a label, say, that was followed
    quarters = [(0, 250), (250, 500), (500, 750), (750, 1000)]
    assert two_hearts(Beating(traces, traces[:0], quarters, 100, 4, [[0.0] * 4])) is two


def test_columns_of_the_same_seconds_lie_at_these() -> None:
    signal = ecg(apart=0.7)
    at_once = np.tile(signal[:250], (4, 1))
    at_once[:, 1] = signal[:, 1]  # the strip goes on, and II is in the first column
    reading = digitise(sheet(at_once))
    assert reading.together
    drawn, shown = as_drawn(reading)
    assert not shown[300:, [0, 5, 11]].any()
    assert shown[300:900, 1].all()
    beats = np.abs(np.diff(drawn[:240], axis=0))
    steepest = [int(beats[:80, lead].argmax()) for lead in (0, 1, 9, 11)]
    assert np.ptp(steepest) <= 6


def test_columns_in_turn_stay_where_they_are() -> None:
    reading = digitise(sheet())
    assert not reading.together
    assert as_drawn(reading)[0] is reading.signal


def test_strips_of_two_hearts_tell_them() -> None:
    signal = of_two(0.86, 0.78)
    rows = [(0, 3, 6, 9), (1, 4, 7, 10), (2, 5, 8, 11), (1,), (6,)]
    fault = read(sheet(signal, rows=rows), SPEC).fault
    assert fault is not None
    assert "do not beat together" in fault


def test_a_strip_that_is_none_does_not_hide_two_hearts() -> None:
    signal = of_two(0.92, 0.6)
    quarters = [(0, 250), (250, 500), (500, 750), (750, 1000)]
    traces = np.concatenate([signal[:500, :3].T, signal[500:, 6:9].T], axis=1).astype(np.float32)
    print_line = (0.2 * np.sin(np.arange(1000) / 2.1) * (np.arange(1000) < 300)).astype(np.float32)[None]
    assert two_hearts(Beating(traces, print_line, quarters, 100, 4, [[0.0] * 4]))


def test_time_may_stand_still_between_columns() -> None:
    traces = ecg(apart=0.9).T.astype(np.float32)
    apart = np.concatenate([traces[:6, :500], np.zeros((6, 25), np.float32), traces[6:, 500:]], axis=1)
    assert not two_hearts(Beating(apart, apart[:0], [(0, 500), (525, 1025)], 100, 4, [[0.0] * 2]))


@pytest.mark.parametrize("length", [120, 300, 340])
def test_the_highest_correlation_is_that_of_each_shift(length: int) -> None:
    rng = np.random.default_rng(length)
    one, other = rng.random(300).astype(np.float32), rng.random(length).astype(np.float32)
    size = min(300, length)
    each = [
        np.corrcoef(one[max(0, shift) : size + min(0, shift)], other[max(0, -shift) : size - max(0, shift)])[0, 1]
        for shift in range(-9, 10)
    ]
    assert _correlation(one, other, 9) == pytest.approx(max(each), abs=1e-5)


@pytest.mark.parametrize("apart", [0.62, 0.86, 1.1])
def test_a_page_of_limb_leads_on_fast_paper_is_refused_too(apart: float) -> None:
    limb = ecg(seconds=5, apart=apart)[:, :6]
    fault = read(sheet(np.concatenate([limb, limb], axis=1), layout="6x2", strip=None, speed=50), SPEC).fault
    assert fault is not None
    assert "one lead all along" in fault


def with_gaps(signal: np.ndarray, gap: int, strip: int | None = None, rate: int = 100) -> Beating:
    """Four columns of 2.5 seconds, pixels apart, above a strip without gaps, if any."""
    columns = [(number * (250 + gap), number * (250 + gap) + 250) for number in range(4)]
    grid = np.zeros((3, columns[-1][1]), np.float32)
    for number, (first, last) in enumerate(columns):
        grid[:, first:last] = signal[number * 250 : (number + 1) * 250, 3 * number : 3 * number + 3].T
    strips = np.zeros((0 if strip is None else 1, grid.shape[1]), np.float32)
    if strip is not None:
        strips[0, :1000] = signal[:, strip]
    return Beating(grid, strips, columns, rate, 4, [[0.0] * 4, [float(gap * number) for number in range(4)]])


@pytest.mark.parametrize("gap", [0, 14])
@pytest.mark.parametrize(("strip", "two"), [(1, True), (10, True), (None, False)])
def test_a_second_heart_of_the_same_rate_is_told_by_when_it_beats(strip: int | None, two: bool, gap: int) -> None:
    one = ecg(apart=0.88)
    assert not two_hearts(with_gaps(one, gap, strip))
    other = np.concatenate([one[:, :6], np.roll(one[:, 6:], 37, axis=0)], axis=1)
    assert two_hearts(with_gaps(other, gap, strip)) is two  # machines that switch leads lose time between them


def test_a_heart_that_goes_slower_with_each_breath_is_one() -> None:
    traces = ecg(seconds=12, apart=1.05).T.astype(np.float32)
    at = np.cumsum(np.linspace(0.85, 1.25, 1000))  # from 1.24 to 0.84 seconds a beat
    breathing = np.stack([np.interp(at, np.arange(lead.size), lead) for lead in traces]).T
    assert not two_hearts(with_gaps(breathing, 20))


@pytest.mark.parametrize(("strip", "apart"), [(1, 1.0), (10, 1.0), (1, 0.74)])
def test_a_strip_above_which_time_stands_still_goes_with_its_own_heart(strip: int, apart: float) -> None:
    assert not two_hearts(with_gaps(ecg(apart=0.88), 22, strip))
    assert two_hearts(with_gaps(of_two(0.88, apart), 22, strip))


@pytest.mark.parametrize(("behind", "mirrored"), [(Hint(layout="3x4"), True), (Hint(), False)])
def test_a_few_names_that_spell_a_layout_from_behind_tell_a_mirrored_sheet(
    behind: Hint, mirrored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints = iter([Hint(), behind])
    monkeypatch.setattr(digitisation, "hint_of", lambda *_: next(hints))
    monkeypatch.setattr(digitisation, "time_arrow", lambda *_: 0.0)
    fault = read(sheet(), SPEC).fault
    assert (fault is not None and "mirrored" in fault) is mirrored
