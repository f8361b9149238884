"""The median beat and the regularity that networks read, of records and of sheets."""

import numpy as np
import pytest

from models.preprocessing.ecg_beat import BEAT, BEFORE, RHYTHM, ROWS, beat_rows, read_beats, with_beat
from models.preprocessing.ecg_record import Record, SignalPreprocessing, cut_windows
from tests.sheets import ecg

EVERYTHING = np.ones((1000, 12), np.bool_)


def _record(intervals: np.ndarray, noise: float = 0.0) -> np.ndarray:
    """A QRS and a T wave in every lead, each lead of its own size, at the sums of `intervals` (samples)."""
    time = np.arange(1000)[:, None]
    size = np.linspace(0.4, 1.5, 12) * np.where(np.arange(12) % 3 == 0, -1, 1)
    signal = np.zeros((1000, 12))
    for place in np.cumsum(intervals):
        signal += size * (np.exp(-(((time - place) / 1.6) ** 2)) + 0.2 * np.exp(-(((time - place - 28) / 7) ** 2)))
    return (signal + np.random.default_rng(0).normal(0, noise, signal.shape)).astype(np.float32)


def test_the_median_beat_is_the_beat_where_all_are_alike() -> None:
    signal = _record(np.full(11, 83))
    beats = read_beats(signal, EVERYTHING)
    peak = int(np.argmax(np.abs(beats.median[:, 1])))
    assert abs(peak - BEFORE) <= 4
    np.testing.assert_allclose(beats.median, signal[5 * 83 - peak : 5 * 83 - peak + BEAT], atol=0.02)


def test_noise_is_averaged_out() -> None:
    clean, noisy = (read_beats(_record(np.full(11, 83), noise), EVERYTHING).median for noise in (0.0, 0.1))
    assert np.abs(clean - noisy).std() < 0.06


def test_an_odd_beat_leaves_the_median_as_it_is_and_is_told() -> None:
    signal = _record(np.full(11, 83))
    odd = signal.copy()
    odd[400:440] = -2 * np.sin(np.linspace(0, np.pi, 40))[:, None]
    told = [read_beats(each, EVERYTHING) for each in (signal, odd)]
    np.testing.assert_allclose(told[0].median, told[1].median, atol=0.05)
    assert told[1].rhythm[7] > told[0].rhythm[7]


def test_irregular_beats_are_told_from_regular_ones() -> None:
    regular = read_beats(_record(np.full(11, 83)), EVERYTHING).rhythm
    irregular = read_beats(_record(np.array([60, 110, 70, 95, 55, 120, 80, 64, 105, 75, 90])), EVERYTHING).rhythm
    assert (irregular[1:5] > regular[1:5] + 0.2).all()


def test_a_lead_that_is_shown_for_a_while_has_the_same_beat() -> None:
    signal, shown = _record(np.full(11, 83)), np.zeros((1000, 12), np.bool_)
    for column in range(4):
        shown[column * 250 : column * 250 + 250, column * 3 : column * 3 + 3] = True
    whole = read_beats(signal, EVERYTHING).median
    part = read_beats(np.where(shown, signal, 0).astype(np.float32), shown).median
    core = slice(BEFORE - 10, BEFORE + 40)
    best = [
        min(np.abs(np.roll(part[:, n], lag)[core] - whole[core, n]).max() for lag in range(-4, 5)) for n in range(12)
    ]
    assert max(best) < 0.05


@pytest.mark.parametrize("signal", [np.zeros((1000, 12), np.float32), np.ones((1000, 12), np.float32)])
def test_where_there_is_no_beat_the_rows_are_numbers(signal: np.ndarray) -> None:
    for shown in (EVERYTHING, ~EVERYTHING):
        rows = beat_rows(signal * shown, shown)
        assert rows.shape == (ROWS, 12)
        assert np.isfinite(rows).all()


def test_the_rows_stand_below_the_signal_where_a_bundle_asks_for_them() -> None:
    signal = ecg().astype(np.float32)
    tensor = with_beat(signal)
    assert tensor.shape == SignalPreprocessing(beat=True).tensor_shape
    np.testing.assert_array_equal(tensor[:1000], signal)
    assert tensor[1000 + BEAT, :RHYTHM].any()


def test_a_record_is_cut_into_windows_with_their_beats() -> None:
    record = Record(np.tile(ecg(), (2, 1)).astype(np.float32), 100.0, (), True)
    plain, with_rows = (cut_windows(record, SignalPreprocessing(beat=beat)).tensors for beat in (False, True))
    assert with_rows.shape == (2, 1000 + ROWS, 12)
    np.testing.assert_array_equal(with_rows[:, :1000], plain)
    np.testing.assert_array_equal(with_rows[1], with_beat(plain[1]))
