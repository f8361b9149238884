"""What is measured on ECGs whose waves begin and end where it is known."""

from collections.abc import Iterator

import numpy as np
import pytest

from models.diagnoses.heart.beats import sample
from models.diagnoses.heart.figures import NO_BEATS, NO_P, TOO_FEW_BEATS, Figures, measure, together
from models.diagnoses.heart.measurements import tell
from models.preprocessing.ecg_record import LEADS
from schemas.heart import HeartMeasurements, Rhythm
from tests.ecgs import SHAPES, MadeUpEcg, Shape, made_up

RECORDS = 20
"""Of each shape."""


def read(ecg: MadeUpEcg) -> Figures:
    return measure(sample(ecg.signal, None, ecg.hertz))


def told_of(figures: Figures) -> HeartMeasurements:
    return tell(figures, Rhythm(reason="not learned"))


def varied(shape: Shape) -> Iterator[MadeUpEcg]:
    """Hearts of 40 to 140 a minute, narrow and broad QRS, at 100 to 1000 Hz, with noise and wander up to 0.05 and
    0.15 mV."""
    for number in range(RECORDS):
        rng = np.random.default_rng(number)
        rate = rng.uniform(40, 140)
        yield made_up(
            shape,
            rate=rate,
            qrs=rng.uniform(75, 160),
            pr=rng.uniform(120, min(220, 18_000 / rate)),
            hertz=float(rng.choice([100, 250, 360, 500, 1000])),
            noise=float(rng.choice([0, 0.01, 0.02])),
            wander=float(rng.choice([0, 0.15])),
            seed=number,
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_intervals_are_those_that_were_drawn(shape: Shape) -> None:
    found = [(ecg, read(ecg)) for ecg in varied(shape)]
    errors = {
        "rate": [(figures.rate or 0) - ecg.rate for ecg, figures in found],
        "qrs": [(figures.qrs or 0) - ecg.qrs for ecg, figures in found],
        "qt": [(figures.qt or 0) - ecg.qt for ecg, figures in found],
        "pr": [(figures.pr or 0) - ecg.pr for ecg, figures in found],
    }
    within = {"rate": 2, "qrs": 15, "qt": 25, "pr": 30}
    shares = {name: np.mean(np.abs(errors[name]) <= most) for name, most in within.items()}
    assert all(share >= 0.95 for share in shares.values()), shares


def test_levels_and_amplitudes_are_those_of_the_leads() -> None:
    ecg = made_up("ramps", st={"V2": 0.3, "II": 0.2, "aVF": 0.15, "V6": -0.1})
    levels = read(ecg).levels
    assert levels is not None
    found = dict(zip(LEADS, zip(*levels, strict=True), strict=True))
    assert [found[lead][1] for lead in ("V2", "II", "aVF", "V6")] == pytest.approx([0.3, 0.2, 0.15, -0.1], abs=0.03)
    assert found["III"][1] == pytest.approx(0, abs=0.03)
    drawn = dict(zip(LEADS, ecg.signal.T, strict=True))
    assert found["V4"][2] == pytest.approx(np.percentile(drawn["V4"], 99.9), rel=0.1)
    assert found["V2"][3] == pytest.approx(drawn["V2"].min(), rel=0.1)


@pytest.mark.parametrize("wander", [0.1, 0.3])
def test_a_drifting_base_line_leaves_st_where_it_is(wander: float) -> None:
    still, drifting = (
        read(made_up("gaussian", wander=size, st={"V3": 0.25, "V4": 0.2})).levels for size in (0, wander)
    )
    assert still is not None
    assert drifting is not None
    np.testing.assert_allclose(drifting.later, still.later, atol=0.04)


@pytest.mark.parametrize(
    ("one", "foot", "axis"), [(1, 0, 0), (0, 1, 90), (1, 0.866, 45), (-1, 0, 180), (1, -0.866, -45)]
)
def test_the_axis_points_where_the_vector_does(one: float, foot: float, axis: float) -> None:
    ecg = made_up("gaussian", seed=3)
    qrs = np.abs(ecg.signal[:, LEADS.index("V4")])
    signal = ecg.signal.copy()
    signal[:, LEADS.index("I")] = one * qrs
    signal[:, LEADS.index("aVF")] = foot * qrs
    found = measure(sample(signal, None, ecg.hertz)).axis
    assert found is not None
    assert abs((found - axis + 180) % 360 - 180) < 8


def test_irregular_beats_vary_and_regular_ones_do_not() -> None:
    variation = [read(made_up("gaussian", irregular=size, seed=1)).variation for size in (0.0, 0.03, 0.2)]
    assert variation[0] == pytest.approx(0, abs=0.3)
    assert variation[1] == pytest.approx(4, abs=3)
    assert variation[2] is not None
    assert variation[2] > 8


def test_beats_of_another_shape_are_counted_but_not_mixed_into_the_median() -> None:
    ecg = made_up("gaussian", irregular=0, hertz=500)
    signal = ecg.signal.copy()
    for onset in ecg.onsets[2::4]:
        start = int((onset - 0.05) * 500)
        hump = np.sin(np.linspace(0, 2 * np.pi, 110)).astype(np.float32)[:, None]
        signal[start : start + 110] = 1.5 * hump
    plain, mixed = measure(sample(ecg.signal, None, 500)), measure(sample(signal, None, 500))
    assert mixed.beats == plain.beats
    assert mixed.qrs == pytest.approx(plain.qrs, abs=4)
    assert mixed.levels is not None
    assert plain.levels is not None
    np.testing.assert_allclose(mixed.levels.j, plain.levels.j, atol=0.03)


def test_without_p_waves_pr_is_null_with_a_reason() -> None:
    ecg = made_up("ramps", rate=60, pr=160, noise=0.01)
    signal = ecg.signal.copy()
    for onset in [*ecg.onsets, ecg.onsets[-1] + 1]:
        signal[max(0, int((onset - 0.2) * 500)) : max(0, int((onset - 0.02) * 500))] = 0
    told = told_of(measure(sample(signal, None, 500)))
    assert (told.pr.value, told.pr.reason) == (None, NO_P)
    assert told.qrs.value == pytest.approx(90, abs=15)


@pytest.mark.parametrize("signal", [np.zeros((1000, 12)), np.random.default_rng(0).normal(0, 0.02, (1000, 12))])
def test_where_no_beat_stands_out_all_is_null_with_a_reason(signal: np.ndarray) -> None:
    told = told_of(measure(sample(signal.astype(np.float32), None, 100)))
    for name, figure in told:
        assert figure.value is None, name
        assert figure.reason, name
    assert told.qrs.reason == NO_BEATS


def test_one_beat_has_a_duration_but_no_rate() -> None:
    ecg = made_up("ramps", rate=60, irregular=0)
    first = ecg.onsets[1]
    signal = ecg.signal[int((first - 0.4) * 500) : int((first + 0.5) * 500)]
    told = told_of(measure(sample(signal, None, 500)))
    assert told.qrs.value == pytest.approx(90, abs=15)
    assert (told.rate.value, told.rate.reason) == (None, TOO_FEW_BEATS)


def test_missing_samples_of_a_lead_leave_the_others_as_they_are() -> None:
    ecg = made_up("gaussian", noise=0.01)
    gap = ecg.signal.copy()
    gap[1000:1400, LEADS.index("V3")] = np.nan
    whole, holed = measure(sample(ecg.signal, None, 500)), measure(sample(gap, None, 500))
    assert holed.beats == whole.beats
    assert holed.qrs == pytest.approx(whole.qrs, abs=6)
    assert whole.levels is not None
    assert holed.levels is not None
    np.testing.assert_allclose(holed.levels.j, whole.levels.j, atol=0.03)


@pytest.mark.parametrize("strip", [True, False])
def test_a_sheet_of_columns_is_measured_lead_by_lead(strip: bool) -> None:
    ecg = made_up("gaussian", rate=75, hertz=100, st={"V2": 0.3, "V3": 0.3}, noise=0.01)
    shown = np.zeros(ecg.signal.shape, np.bool_)
    for column in range(4):
        shown[250 * column : 250 * (column + 1), 3 * column : 3 * column + 3] = True
    shown[:, LEADS.index("II")] |= strip
    signal = np.where(shown, ecg.signal, 0).astype(np.float32)
    signal[[0, 1, 250, 251, 500, 501, 750, 751]] += 0.8  # a label or a stroke between columns, taken for the trace
    whole, sheet = measure(sample(ecg.signal, None, 100)), measure(sample(signal, shown, 100))
    assert sheet.beats == pytest.approx(whole.beats, abs=1)
    assert sheet.rate == pytest.approx(whole.rate, abs=2)
    assert sheet.qrs == pytest.approx(whole.qrs, abs=20)
    assert whole.levels is not None
    assert sheet.levels is not None
    np.testing.assert_allclose(sheet.levels.j, whole.levels.j, atol=0.06)


def test_of_several_stretches_the_median_is_told_and_the_longest_pause() -> None:
    slow, fast = read(made_up("gaussian", rate=40, irregular=0)), read(made_up("gaussian", rate=90, irregular=0))
    both = together([fast, slow, fast])
    assert both.qrs == pytest.approx(fast.qrs)
    assert both.longest == slow.longest
    assert both.beats == 2 * fast.beats + slow.beats
