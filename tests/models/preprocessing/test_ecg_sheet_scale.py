"""The grid's spacing in pixels, also where there is none to be seen."""

import numpy as np
import pytest

from models.preprocessing.ecg_sheet.grid import without_lines
from models.preprocessing.ecg_sheet.scale import Scale, find_pulse, find_scale

WIDTH = 300


@pytest.mark.parametrize("seed", [713, 1131, 1158, 1190, 2474])
def test_grain_that_passes_for_a_grid_never_gives_an_impossible_scale(seed: int) -> None:
    grain = np.clip(np.random.default_rng(seed).normal(20, 10, WIDTH), 0, 255).astype(np.uint8)
    scale = find_scale(np.tile(grain, (WIDTH, 1)), 0, WIDTH)
    assert scale.across == pytest.approx(WIDTH / 250, rel=0.7)
    assert scale.down == pytest.approx(scale.across, rel=0.7)


ONE_MM = Scale(4.0, 4.0, grid=True)


def traces(rows: int = 4, width: int = 1100) -> np.ndarray:
    return np.zeros((rows, width), np.float32)


@pytest.mark.parametrize("gain", [5, 10, 20])
def test_a_pulse_between_columns_is_found(gain: float) -> None:
    heights = traces()
    heights[:3, 550:570] = gain
    pulse = find_pulse(heights, np.ones(heights.shape, bool), 50, 1050, ONE_MM)
    assert pulse is not None
    assert (pulse.first, pulse.last, pulse.gain, pulse.speed) == (550, 570, gain, 25)


@pytest.mark.parametrize(("first", "last"), [(30, 58), (1042, 1090)])
def test_a_pulse_whose_outer_step_is_not_seen_is_found(first: int, last: int) -> None:
    heights = traces()
    heights[:2, first:last] = 10
    heights[:2, slice(0, first) if first < 500 else slice(last, None)] = 7  # the edge of the paper
    pulse = find_pulse(heights, np.ones(heights.shape, bool), 50, 1050, ONE_MM)
    assert pulse is not None
    assert pulse.gain == 10
    assert (pulse.last == 58) if first < 500 else (pulse.first == 1042)


def test_flat_tops_of_few_rows_are_no_small_pulse() -> None:
    heights = traces(6)
    heights[1:3, 1055:1062] = 5
    assert find_pulse(heights, np.ones(heights.shape, bool), 50, 1050, ONE_MM) is None


def test_faint_lines_down_the_sheet_are_no_trace() -> None:
    density = np.zeros((480, 1200), np.uint8)
    for column in range(10, 1200, 24):
        density[:, column : column + 2] = 12
    density[240:243] = 36  # a base line
    ink = without_lines(density)
    assert ink[100:200].max() == 0


def test_a_pulse_is_found_where_the_first_beat_follows_at_once() -> None:
    heights = traces()
    heights[:3, 50:70] = 10  # 5 mm wide
    heights[:3, 72:76] = [5, 12, 12, 5]  # half a millimetre after it: a tall R wave
    pulse = find_pulse(heights, np.ones(heights.shape, bool), 50, 1050, ONE_MM)
    assert pulse is not None
    assert (pulse.first, pulse.last, pulse.gain, pulse.speed) == (50, 70, 10, 25)


def test_a_pulse_with_a_blank_in_its_top_is_found_beside_a_steep_beat() -> None:
    heights = traces()
    heights[:3, 550:570] = 10
    heights[:3, 560] = 0  # no ink was followed
    heights[:3, 573:590] = 6  # a beat follows at once
    pulse = find_pulse(heights, np.ones(heights.shape, bool), 50, 1050, ONE_MM)
    assert pulse is not None
    assert (pulse.first, pulse.last, pulse.gain) == (550, 570, 10)


def test_the_base_line_of_a_slow_heart_is_no_printed_rule() -> None:
    density = np.zeros((300, 520), np.uint8)
    density[150:152] = 190
    for beat in range(60, 520, 110):
        density[110:150, beat : beat + 3] = 190
        density[150:152, beat - 4 : beat + 4] = 66  # steep strokes of a thin pen leave little on the base line
    kept = without_lines(density)
    assert (kept[150:152, 56:64] > 40).all()


def test_low_tops_with_a_blank_are_no_pulse() -> None:
    heights = traces()
    heights[:3, 550:570] = 5
    heights[:3, [557, 563]] = 0
    assert find_pulse(heights, np.ones(heights.shape, bool), 50, 1050, ONE_MM) is None


def test_an_st_segment_at_the_end_of_the_paper_is_no_small_pulse() -> None:
    heights = traces()
    heights[:, 1000:1010] = np.linspace(0, 12, 10)
    heights[:, 1010:1016] = np.linspace(12, 5, 6)
    heights[:, 1016:1038] = 5
    heights[:, 1038:1050] = np.linspace(5, 0, 12)
    inked = np.ones(heights.shape, bool)
    inked[:, 1050:] = False
    assert find_pulse(heights, inked, 50, 1042, ONE_MM) is None


def test_a_top_above_a_raised_trace_is_no_small_pulse() -> None:
    heights = traces()
    heights[:, 20:90] = 3
    heights[:, 55:75] = 5
    assert find_pulse(heights, np.ones(heights.shape, bool), 50, 1050, ONE_MM) is None
