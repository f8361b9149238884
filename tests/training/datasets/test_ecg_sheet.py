from dataclasses import replace

import numpy as np
import pytest

from models.preprocessing.ecg_record import LEADS
from training.datasets.ecg_photograph import Damage, draw_damage, photograph
from training.datasets.ecg_sheet import Layout, Sheet, SheetStyle, Timing, Trace, column_seconds, render
from training.datasets.ecg_sheet_styles import draw_style

PLAIN = SheetStyle(minor_grid="none", major_grid=False, labels=("",) * 12, ink=(0, 0, 0), centred=False)
LAYOUTS: tuple[Layout, ...] = ("3x4", "6x2", "12x1")
TIMINGS: tuple[Timing, ...] = ("consecutive", "simultaneous", "full")


def waves(rate: int = 100) -> np.ndarray:
    """Sine waves of 0.5 mV, slower in later leads, each with its own phase."""
    seconds = np.arange(10 * rate) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * seconds * (2 - 0.1 * lead) + lead) for lead in range(12)], axis=1)


def middle_of_ink(sheet: Sheet, trace: Trace, share: float) -> tuple[float, float]:
    """Seconds into the record, and mV, of the ink in the column at `share` of a trace."""
    style = sheet.style
    column = int(trace.x0 + share * trace.seconds * style.speed * style.px_per_mm)
    half = style.row_gap / 2 * style.px_per_mm
    top = round(trace.baseline - half)
    ink = 255.0 - sheet.picture[top : round(trace.baseline + half), column, 0]
    y = top + 0.5 + (ink * np.arange(ink.size)).sum() / ink.sum()
    scale = style.px_per_mm
    seconds = trace.start + (column + 0.5 - trace.x0) / (style.speed * scale)
    return seconds, (trace.baseline - y) / (style.gain * scale) + trace.offset


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize(("speed", "gain"), [(25.0, 10.0), (50.0, 20.0)])
def test_ink_is_where_time_and_voltage_say(layout: Layout, timing: Timing, speed: float, gain: float) -> None:
    style = replace(
        PLAIN, layout=layout, timing=timing, speed=speed, gain=gain, pulse="left", column_gap=2, row_gap=4 + 2 * gain
    )
    signal = waves()
    sheet = render(signal, 100, style)
    assert {trace.lead for trace in sheet.traces} == set(range(12))
    for trace in sheet.traces:
        for share in (0.1, 0.5, 0.9):
            seconds, millivolts = middle_of_ink(sheet, trace, share)
            true = 0.5 * np.sin(2 * np.pi * seconds * (2 - 0.1 * trace.lead) + trace.lead)
            assert millivolts == pytest.approx(true, abs=0.05)


def test_one_millivolt_is_ten_millimetres_high() -> None:
    signal = np.zeros((1000, 12))
    signal[500:, 1] = 1.0
    sheet = render(signal, 100, replace(PLAIN, layout="12x1", rhythm=(), row_gap=30.0, px_per_mm=6.0))
    before, after = (middle_of_ink(sheet, sheet.traces[1], share)[1] for share in (0.25, 0.75))
    assert after - before == pytest.approx(1.0, abs=0.01)


def test_centred_leads_keep_their_median_on_the_base_line() -> None:
    sheet = render(waves() + 0.4, 100, replace(PLAIN, centred=True, row_gap=30.0))
    assert sheet.traces[0].offset == pytest.approx(0.4, abs=0.02)
    seconds, millivolts = middle_of_ink(sheet, sheet.traces[0], 0.5)
    assert millivolts == pytest.approx(0.4 + 0.5 * np.sin(4 * np.pi * seconds), abs=0.05)


def test_columns_of_three_by_four_are_consecutive_quarters_over_a_whole_rhythm_strip() -> None:
    sheet = render(waves(), 100, SheetStyle())
    assert [trace.start for trace in sheet.traces[:4]] == [0, 2.5, 5, 7.5]
    assert column_seconds(sheet.style) == 2.5
    strip = sheet.traces[-1]
    assert (strip.lead, strip.rhythm, strip.start, strip.seconds) == (1, True, 0, 10)
    assert len(sheet.traces) == 13


def test_grid_lines_lie_five_millimetres_apart() -> None:
    style = replace(PLAIN, major_grid=True, major_colour=(255, 0, 0), px_per_mm=8.0, layout="12x1", rhythm=())
    picture = render(np.zeros((1000, 12)), 100, style).picture
    red = np.flatnonzero(picture[4, :, 1] < 255)
    assert set((red % 40).tolist()) == {0, 39}
    assert set((red[1:] // 40).tolist()) == set(range(picture.shape[1] // 40 + 1))


def test_the_same_seed_draws_and_damages_the_same_sheet() -> None:
    def make() -> np.ndarray:
        rng = np.random.default_rng(4)
        return photograph(render(waves(), 100, draw_style(rng)).picture, draw_damage(rng))

    np.testing.assert_array_equal(make(), make())


@pytest.mark.parametrize("seed", range(10))
def test_every_style_and_damage_gives_a_picture(seed: int) -> None:
    rng = np.random.default_rng(seed)
    style = draw_style(rng, long_side=(900, 1000))
    sheet = render(rng.normal(0, 0.3, (5000, 12)), 500, style)
    assert 895 <= max(sheet.picture.shape) <= 1005
    taken = photograph(sheet.picture, draw_damage(rng, severity=1 + seed % 2))
    assert taken.dtype == np.uint8
    assert taken.ndim == 3
    assert 250 < max(taken.shape) < 1400
    assert taken.std() > 1


def test_styles_differ_in_layout_grid_and_scale() -> None:
    styles = [draw_style(np.random.default_rng(seed)) for seed in range(60)]
    assert {style.layout for style in styles} == set(LAYOUTS)
    assert {len(style.rhythm) for style in styles} == {0, 1, 3}
    assert {style.gain for style in styles} == {5, 10, 20}
    assert {style.speed for style in styles} == {25, 50}


def test_no_damage_leaves_the_sheet_as_it_is() -> None:
    picture = render(waves(), 100, SheetStyle()).picture
    np.testing.assert_array_equal(photograph(picture, draw_damage(np.random.default_rng(0), severity=0)), picture)


@pytest.mark.parametrize(
    ("damage", "shape"),
    [
        (Damage(quarter_turns=1), (1080, 576)),
        (Damage(rotation=5), (576, 1080)),
        (Damage(crop=(0.1, 0, 0, 0)), (576, 972)),
        (Damage(long_side=720), (384, 720)),
    ],
)
def test_framing_changes_the_size_as_stated(damage: Damage, shape: tuple[int, int]) -> None:
    sheet = render(waves(), 100, replace(SheetStyle(), margins=(10, 30, 10, 10)))
    assert sheet.picture.shape == (576, 1080, 3)
    assert photograph(sheet.picture, damage).shape == (*shape, 3)


def test_a_rotation_turns_the_sheet_anticlockwise_about_its_middle() -> None:
    picture = np.full((400, 600, 3), 255, dtype=np.uint8)
    picture[195:205, 500:510] = 0
    taken = photograph(picture, Damage(rotation=8))
    rows, columns = np.nonzero(taken[..., 0] < 100)
    middle = np.array([rows[columns > 400].mean() - 200, columns[columns > 400].mean() - 300])
    np.testing.assert_allclose(middle, [-205 * np.sin(np.deg2rad(8)), 205 * np.cos(np.deg2rad(8))], atol=2)


def test_a_black_and_white_copy_has_hardly_any_grey() -> None:
    picture = render(waves(), 100, SheetStyle()).picture
    copy = photograph(picture, Damage(copy="black and white"))
    assert ((copy < 10) | (copy > 245)).mean() > 0.97
    assert (copy == copy[..., :1]).all()


def test_a_mirrored_picture_is_mirrored() -> None:
    picture = render(waves(), 100, SheetStyle()).picture
    np.testing.assert_array_equal(photograph(picture, Damage(mirrored=True)), picture[:, ::-1])


def test_plain_styles_stay_what_bundles_were_measured_on() -> None:
    style = draw_style(np.random.default_rng(5))
    assert (style.layout, style.rhythm, style.timing, style.pulse) == ("12x1", (), "consecutive", "none")
    assert (style.ink, len(style.texts)) == ((5, 8, 6), 1)
    assert style.row_gap == pytest.approx(15.718624875879982)
    assert style.label_offset == pytest.approx((-0.10291179847924758, -4.489539454955926))
    assert style.px_per_mm == pytest.approx(4.175764962544761)


def test_cabrera_order_runs_from_avl_and_draws_avr_upside_down() -> None:
    signal = np.zeros((1000, 12))
    signal[:, 3] = np.linspace(-1, 1, 1000)
    style = replace(PLAIN, layout="limb page", order="cabrera", rhythm=(), row_gap=30.0, labels=LEADS)
    sheet = render(signal, 100, style)
    assert [label.text for label in sheet.labels] == ["aVL", "I", "-aVR", "II", "aVF", "III"]
    assert [trace.lead for trace in sheet.traces] == [4, 0, 3, 1, 5, 2]
    early, late = (middle_of_ink(sheet, sheet.traces[2], share)[1] for share in (0.2, 0.8))
    assert early == pytest.approx(0.6, abs=0.05)
    assert late == pytest.approx(-0.6, abs=0.05)


def test_labels_have_their_ink_inside_their_boxes() -> None:
    sheet = render(waves(), 100, replace(PLAIN, labels=LEADS, label_offset=(1.0, -12.0), row_gap=30.0))
    for label in sheet.labels:
        box = sheet.picture[round(label.top) : round(label.bottom), round(label.left) : round(label.right), 0]
        assert (box < 128).any()
        assert label.text == LEADS[label.lead]


def test_rows_of_uneven_height_have_their_traces_in_their_middles() -> None:
    style = replace(PLAIN, layout="three rows", rhythm=(), row_heights=(20.0, 40.0, 30.0), margins=(10, 5, 10, 10))
    sheet = render(waves(), 100, style)
    assert [trace.baseline / style.px_per_mm for trace in sheet.traces] == [15, 45, 80]
    assert sheet.picture.shape[0] == round(105 * style.px_per_mm)


def test_a_pulse_in_the_middle_moves_the_columns_behind_it() -> None:
    without, within = (render(waves(), 100, replace(PLAIN, layout="6x2", pulse=pulse)) for pulse in ("none", "middle"))
    assert without.traces[0].x0 == within.traces[0].x0
    assert within.traces[1].x0 - without.traces[1].x0 == pytest.approx(8 * PLAIN.px_per_mm)
