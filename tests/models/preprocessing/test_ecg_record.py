"""From a record to windows: leads in order, millivolts, the ECG's band, 100 Hz, and a clear refusal of the rest."""

import csv
import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.preprocessing import wfdb
from models.preprocessing.ecg_record import (
    LEADS,
    MAX_WINDOWS,
    EcgWindows,
    Record,
    SignalPreprocessing,
    cut_windows,
    filter_band,
    preprocess,
    read_record,
    resample,
)
from models.preprocessing.wfdb import RecordError, UnreadableRecordError, UnusableRecordError
from tests.records import counts_of, ecg, header_of, record, signal_of

SPEC = SignalPreprocessing()
PTB_XL = Path(os.environ.get("MEDIDIAGNOSE_DATA", "data")) / "ptb-xl"
Millivolts = NDArray[np.float64]

_INSIDE = slice(150, -150)  # a wave that is cut off ripples a little at its ends


def _record(
    signal: Millivolts, names: Sequence[str] = LEADS, *, rate: float = 100, gain: str = "1000(0)/mV"
) -> tuple[bytes, bytes]:
    counts = counts_of(signal)
    return header_of(counts, names=names, rate=rate, gain=gain), signal_of(counts)


def _windows(signal: Millivolts, rate: float = 100) -> EcgWindows:
    return preprocess(*_record(signal, rate=rate), SPEC)


def test_a_record_becomes_one_window_of_float32_millivolts() -> None:
    windows = preprocess(*record(), SPEC)
    assert windows.tensors.shape == (1, 1000, 12)
    assert windows.tensors.dtype == np.float32
    assert (windows.record.rate, windows.record.seconds) == (100, 10)
    assert (windows.record.derived_leads, windows.flat_leads, windows.record.calibrated) == ((), (), True)
    np.testing.assert_allclose(windows.record.signal, ecg(), atol=0.0005)


def test_the_same_bytes_give_the_same_tensor() -> None:
    np.testing.assert_array_equal(preprocess(*record(), SPEC).tensors, preprocess(*record(), SPEC).tensors)


def test_leads_are_found_by_name_whatever_their_order_and_spelling() -> None:
    names = ["v6", "V5", "ecg_v4", "V3", "V2", "lead V1", "AVF", "avl", "aVR", "Lead III", "ECG II", "i"]
    read = read_record(*_record(ecg()[:, ::-1], names))
    np.testing.assert_allclose(read.signal, ecg(), atol=0.0005)
    assert read.derived_leads == ()


def test_other_signals_are_passed_over_whatever_they_are() -> None:
    counts = counts_of(np.hstack([ecg()[:, :1], ecg(), ecg()]))
    names = ["resp", *LEADS, "MLII", "-aVR", "vx", "vy", "vz", "V1-2", "V7", "V11", "IV", "", "noise", "aVR2"]
    lines = header_of(counts, names=names).replace(b"/mV", b"/mmHg", 1)
    np.testing.assert_allclose(read_record(lines, signal_of(counts)).signal, ecg(), atol=0.0005)


@pytest.mark.parametrize(
    "absent", [("I",), ("II",), ("III",), ("aVR", "aVL", "aVF"), ("I", "aVR", "aVF"), ("III", "aVL")]
)
def test_limb_leads_follow_from_two_of_them(absent: tuple[str, ...]) -> None:
    kept = [n for n, lead in enumerate(LEADS) if lead not in absent]
    read = read_record(*_record(ecg()[:, kept], [LEADS[n] for n in kept]))
    assert read.derived_leads == absent
    np.testing.assert_allclose(read.signal, ecg(), atol=0.002)


@pytest.mark.parametrize(
    ("names", "missing", "found"),
    [
        (["II"], "two of I, II and III, V1, V2, V3, V4, V5, V6 missing", "Found: II."),
        (
            ["MLII", "V5"],
            "two of I, II and III, V1, V2, V3, V4, V6 missing",
            "Found: V5; of names that are not known: MLII.",
        ),
        ([lead for lead in LEADS if lead != "V3"], "12-lead ECG: V3 missing", "Found: I, II, III, aVR"),
        ([lead for lead in LEADS if lead not in ("I", "III")], "two of I, II and III missing", "Found: II, aVR"),
        (["flow\x1b[31m"], "missing", "Found: no lead; of names that are not known: flow[31m."),
        (
            [f"EEG {number}" for number in range(12)],
            "missing",
            "Found: no lead; of names that are not known: EEG 0, EEG 1",
        ),
    ],
)
def test_missing_leads_are_named_and_those_found_too(names: list[str], missing: str, found: str) -> None:
    with pytest.raises(UnusableRecordError) as refused:
        read_record(*_record(ecg()[:, : len(names)], names))
    assert missing in str(refused.value)
    assert found in str(refused.value)
    assert str(refused.value).isprintable()


SPELT = {
    "C1-C6": [f"C{lead[1]}" if lead.startswith("V") else lead for lead in LEADS],
    "DI-DIII": ["DI", "DII", "DIII", *LEADS[3:]],
    "D1-D3": ["D1", "D2", "D3", *LEADS[3:]],
    "L1-L3": ["L1", "L2", "L3", "AVR", "AVL", "AVF", *LEADS[6:]],
    "units": [f"{lead} (mV)" for lead in LEADS],
    "brackets": [f"ECG {lead}[uV]" for lead in LEADS],
    "MDC": [f"MDC_ECG_LEAD_{lead.upper()}" for lead in LEADS],
    "Roman numerals": ["\u2160", "\u2161", "\u2162", *LEADS[3:]],
}


@pytest.mark.parametrize("names", SPELT.values(), ids=SPELT)
def test_leads_are_understood_as_machines_of_other_places_name_them(names: list[str]) -> None:
    counts = counts_of(ecg())
    read = read_record(header_of(counts, names=names), signal_of(counts))
    np.testing.assert_allclose(read.signal, ecg(), atol=0.0005)
    assert read.derived_leads == ()


def test_a_signal_whose_name_may_mean_a_lead_is_none_where_that_lead_is_there() -> None:
    counts = counts_of(np.hstack([ecg()[:, ::-1], ecg()]))
    names = ["C3", "C4", "D1", "L2", *(f"x{number}" for number in range(8)), *LEADS]
    np.testing.assert_allclose(read_record(header_of(counts, names=names), signal_of(counts)).signal, ecg(), atol=5e-4)


def test_a_name_without_end_costs_nothing() -> None:
    with pytest.raises(UnusableRecordError, match="missing"):
        read_record(*_record(ecg()[:, :1], ["ecg" * 20_000 + "-"]))


def _of_two_files(first: Sequence[str], second: Sequence[str]) -> bytes:
    """A header of twelve leads in one file and three more in another, in the order of the names."""
    counts = counts_of(np.hstack([ecg(), ecg()[:, :3]]))
    header = header_of(counts, names=[*LEADS, "vx", "vy", "vz"]).decode().splitlines()
    lines = dict(zip([*LEADS, "vx", "vy", "vz"], header[1:16], strict=True))
    parts = [lines[name].replace("00001.dat", "a.dat") for name in first]
    return "\n".join([header[0], *parts, *(lines[name].replace("00001.dat", "b.xyz") for name in second)]).encode()


@pytest.mark.parametrize("frank_first", [False, True])
def test_of_two_signal_files_the_one_with_the_leads_is_read(frank_first: bool) -> None:
    files = (("vx", "vy", "vz"), LEADS) if frank_first else (LEADS, ("vx", "vy", "vz"))
    read = read_record(_of_two_files(*files), signal_of(counts_of(ecg())))
    np.testing.assert_allclose(read.signal, ecg(), atol=0.0005)
    with pytest.raises(UnreadableRecordError, match=r"Send (a\.dat|b\.xyz), which holds the twelve leads"):
        read_record(_of_two_files(*files), signal_of(counts_of(ecg()[:, :3])))


def test_of_two_signal_files_a_piece_of_the_one_with_the_leads_is_read_too() -> None:
    files = (LEADS, ("vx", "vy", "vz"))
    read = read_record(_of_two_files(*files), signal_of(counts_of(ecg(8.5))))
    np.testing.assert_allclose(read.signal, ecg(8.5), atol=0.0005)


def test_a_cut_record_a_little_too_short_is_read_and_said_to_be() -> None:
    header = _of_two_files(LEADS, ("vx", "vy", "vz"))
    whole = preprocess(header, signal_of(counts_of(ecg())), SPEC)
    cut = preprocess(header, signal_of(counts_of(ecg(8.5))), SPEC)
    assert (whole.short, cut.short) == (False, True)
    assert cut.tensors.shape == whole.tensors.shape
    with pytest.raises(UnusableRecordError, match="at least 10 seconds"):
        preprocess(header, signal_of(counts_of(ecg(7.9))), SPEC)


def test_leads_spread_over_two_files_are_refused() -> None:
    with pytest.raises(UnusableRecordError, match="none holds the twelve leads: save them in one"):
        read_record(_of_two_files(LEADS[:6], [*LEADS[6:], "vx", "vy", "vz"]), signal_of(counts_of(ecg())))


def test_a_byte_order_mark_is_no_part_of_the_name() -> None:
    header, signal = record()
    np.testing.assert_array_equal(
        read_record(b"\xef\xbb\xbf" + header, signal).signal, read_record(header, signal).signal
    )


def test_a_mat_file_is_read_from_the_byte_its_header_names() -> None:
    counts = counts_of(ecg())
    header = header_of(counts, storage="16+24", file="A0001.mat")
    np.testing.assert_allclose(read_record(header, b"\x01" * 24 + signal_of(counts)).signal, ecg(), atol=0.0005)


def test_a_lead_named_twice_is_refused() -> None:
    with pytest.raises(UnusableRecordError, match="holds lead II twice"):
        read_record(*_record(np.hstack([ecg(), ecg()[:, 1:2]]), [*LEADS, "lead ii"]))


@pytest.mark.parametrize(
    ("gain", "factor"),
    [("1000/MV", 1), ("1", 1000), ("1/uV", 1), ("2(0)/\u00b5V", 0.5), ("1/\u03bcv", 1), ("1e6/V", 1), ("1000(7)", 1)],
)
def test_units_become_millivolts(gain: str, factor: float) -> None:
    offset = 0.007 if "(7)" in gain else 0
    np.testing.assert_allclose(read_record(*_record(ecg(), gain=gain)).signal, (ecg() - offset) * factor, atol=0.5)
    np.testing.assert_allclose(
        read_record(*_record(ecg(), gain=gain)).signal,
        (counts_of(ecg()) / 1000 - offset) * factor,
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("units", ["mmHg", "furlongs", "mA", "m", "V/s", "%"])
def test_units_that_are_no_voltage_are_refused(units: str) -> None:
    with pytest.raises(UnusableRecordError, match="Lead I is in unknown units") as refused:
        read_record(*_record(ecg(), gain=f"1000/{units}"))
    assert f"in {units}" not in str(refused.value)


@pytest.mark.parametrize("gain", ["0", "0(0)/mV"])
def test_without_a_gain_the_standards_is_taken_and_said(gain: str) -> None:
    read = read_record(*_record(ecg(), gain=gain))
    assert read.calibrated is False
    np.testing.assert_allclose(read.signal, counts_of(ecg()) / 200, rtol=1e-5)


@pytest.mark.parametrize("rate", [49, 10_001, 1, 1e9])
def test_rates_out_of_range_are_refused(rate: float) -> None:
    with pytest.raises(UnusableRecordError, match="50 to 10000 Hz"):
        read_record(*_record(ecg(), rate=rate))


@pytest.mark.parametrize("rate", [50, 128, 250, 257, 360, 500, 1000, 2048])
def test_any_rate_becomes_100_hz_with_every_wave_in_place(rate: float) -> None:
    def wave(at: float) -> Millivolts:
        time = np.arange(round(10 * at)) / at
        return np.stack([np.sin(2 * np.pi * (3 + lead) * time + lead) for lead in range(12)], axis=1)

    tensor = _windows(wave(rate), rate).tensors[0]
    assert tensor.shape == (1000, 12)
    np.testing.assert_allclose(tensor[_INSIDE], wave(100)[_INSIDE], atol=0.03)


def test_frequencies_above_the_new_rate_do_not_come_back_as_others() -> None:
    time = np.arange(5000) / 500
    fast = ecg(rate=500) + np.sin(2 * np.pi * 80 * time)[:, None]  # would fold to 20 Hz
    with_it, without = _windows(fast, 500).tensors[0], _windows(ecg(rate=500), 500).tensors[0]
    np.testing.assert_allclose(with_it[_INSIDE], without[_INSIDE], atol=0.005)
    folded = np.sin(2 * np.pi * 80 * time)[:, None].astype(np.float32)
    assert np.abs(resample(folded, 1000)[_INSIDE]).max() < 0.01


def test_resampling_agrees_with_scipy() -> None:
    signal = pytest.importorskip("scipy.signal")
    fast = filter_band(ecg(rate=500).astype(np.float32), 500)
    expected = signal.resample_poly(fast, 1, 5, axis=0, padtype="line")
    np.testing.assert_allclose(resample(fast, 1000)[20:-20], expected[20:-20], atol=0.01)


@pytest.mark.parametrize(
    ("frequency", "gain"), [(0, 0), (0.1, 0), (0.2, 0), (0.5, 1), (1, 1), (10, 1), (40, 1), (45, 0), (48, 0)]
)
def test_the_band_passes_unchanged_and_nothing_else_does(frequency: float, gain: float) -> None:
    wave = np.cos(2 * np.pi * frequency * (np.arange(6000) + 0.5) / 100)[:, None].astype(np.float32)
    np.testing.assert_allclose(filter_band(wave, 100), gain * wave, atol=1e-4)


def test_an_offset_and_a_drift_leave_almost_no_trace() -> None:
    drift = 5 + np.linspace(0, 2, 1000)[:, None]
    changed = filter_band((ecg() + drift).astype(np.float32), 100) - filter_band(ecg().astype(np.float32), 100)
    assert np.abs(changed).max() < 0.1
    assert np.abs(changed[100:-100]).max() < 0.02


def test_many_signals_are_filtered_at_once_as_one_by_one() -> None:
    many = np.stack([ecg(seed=seed) for seed in range(3)]).astype(np.float32)
    together = filter_band(many, 100)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, np.stack([filter_band(one, 100) for one in many]), atol=1e-6)
    np.testing.assert_allclose(together[1], _windows(ecg(seed=1)).tensors[0], atol=0.001)


@pytest.mark.parametrize(("seconds", "windows"), [(9.9, 1), (10, 1), (19.9, 1), (20, 2), (305, 30), (400, MAX_WINDOWS)])
def test_a_longer_record_is_cut_into_windows_up_to_a_bound(seconds: float, windows: int) -> None:
    cut = _windows(ecg(seconds))
    assert cut.tensors.shape == (windows, 1000, 12)
    assert cut.record.seconds == pytest.approx(seconds)


def test_windows_follow_one_another() -> None:
    long = ecg(30)
    cut = _windows(long)
    for index in range(3):
        alone = _windows(long[index * 1000 : (index + 1) * 1000])
        np.testing.assert_allclose(cut.tensors[index], alone.tensors[0], atol=1e-6)


@pytest.mark.parametrize("seconds", [9.8, 5, 0.5])
def test_a_record_too_short_says_how_long_it_is(seconds: float) -> None:
    with pytest.raises(UnusableRecordError, match=f"is {seconds:g} seconds long; at least 10 seconds are needed"):
        _windows(ecg(seconds))


def _with_gap(start: int, end: int, *, seconds: float = 10) -> tuple[bytes, bytes]:
    counts = counts_of(ecg(seconds))
    counts[start:end, 7] = -32768
    return header_of(counts), signal_of(counts)


def test_short_gaps_are_bridged() -> None:
    read = read_record(*_with_gap(300, 340))
    assert np.isnan(read.signal[300:340, 7]).all()
    assert np.isnan(read.signal).sum() == 40
    bridged = preprocess(*_with_gap(300, 340), SPEC).tensors
    assert np.isfinite(bridged).all()
    np.testing.assert_allclose(bridged, preprocess(*record(), SPEC).tensors, atol=0.1)


def test_long_gaps_are_refused_and_the_lead_named() -> None:
    with pytest.raises(UnusableRecordError, match=r"^V2 missing for more than 10% of the time"):
        preprocess(*_with_gap(300, 420), SPEC)
    with pytest.raises(UnusableRecordError, match=r"^V2 missing"):
        preprocess(*_with_gap(0, 1000), SPEC)


def test_of_a_longer_record_the_windows_with_long_gaps_are_passed_over() -> None:
    assert preprocess(*_with_gap(1000, 1500, seconds=30), SPEC).tensors.shape == (2, 1000, 12)


@pytest.mark.parametrize("flat", [["V3"], ["V1", "V6"]])
def test_a_flat_precordial_lead_or_two_are_read_and_named(flat: list[str]) -> None:
    signal = ecg()
    signal[:, [LEADS.index(lead) for lead in flat]] = 0.3
    assert list(_windows(signal).flat_leads) == flat


@pytest.mark.parametrize("flat", [["I"], ["aVF"], ["V1", "V2", "V3"], list(LEADS)])
def test_a_flat_limb_lead_or_three_flat_leads_are_refused(flat: list[str]) -> None:
    signal = ecg()
    signal[:, [LEADS.index(lead) for lead in flat]] = 0
    with pytest.raises(UnusableRecordError, match=f"^{', '.join(flat)} without signal"):
        _windows(signal)


def test_voltages_that_no_heart_makes_are_refused() -> None:
    with pytest.raises(UnusableRecordError, match=r"spans more than 100 mV\. Check the gain and the units"):
        preprocess(*_record(ecg(), gain="1/mV"), SPEC)


def test_a_record_of_hours_is_read_in_bounded_time() -> None:
    counts = counts_of(np.tile(ecg(), (800, 1)))
    began = time.perf_counter()
    windows = preprocess(header_of(counts), signal_of(counts), SPEC)
    assert time.perf_counter() - began < 10
    assert windows.record.seconds == 8000
    assert len(windows.tensors) == MAX_WINDOWS


def test_of_hours_only_the_windows_that_are_read_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = counts_of(np.tile(ecg(), (800, 1)))
    header = re.sub(rb"(\d+) 0 (\w+)\n", rb"0 0 \2\n", header_of(counts))  # no checksums
    decoded: list[int] = []

    def counting(data: memoryview, storage: int, count: int) -> NDArray[np.int32]:
        decoded.append(count)
        return decode(data, storage, count)

    decode = wfdb._decode
    monkeypatch.setattr(wfdb, "_decode", counting)
    seen: list[NDArray[np.float32]] = []
    record = read_record(header, signal_of(counts))
    windows = cut_windows(record, SPEC, seen.append)
    assert decoded == [12_000] * MAX_WINDOWS
    assert len(windows.tensors) == len(seen) == MAX_WINDOWS
    np.testing.assert_array_equal(seen[0], record.leads[:1000])
    np.testing.assert_array_equal(seen[-1], record.leads[799_000:])


@pytest.mark.parametrize("absent", [(), ("I", "aVF"), ("III", "aVR", "aVL")])
def test_a_stretch_of_a_record_is_that_of_the_whole(absent: tuple[str, ...]) -> None:
    kept = [n for n, lead in reversed(list(enumerate(LEADS))) if lead not in absent]
    counts = counts_of(ecg(30))[:, kept]
    counts[700:900, 3] = -32768
    read = read_record(header_of(counts, names=[LEADS[n] for n in kept]), signal_of(counts))
    whole = read.signal
    assert whole.shape == (3000, 12)
    assert np.isnan(whole).sum() == 200
    for start, stop in [(0, 10), (650, 950), (2990, 4000)]:
        np.testing.assert_array_equal(read.leads[start:stop], whole[start:stop])


def test_band_and_rate_are_changed_in_one_step_as_in_two() -> None:
    fast = ecg(10, 500).astype(np.float32)
    in_two = resample(filter_band(fast, 500), 1000)
    np.testing.assert_allclose(cut_windows(Record(fast, 500.0, (), True), SPEC).tensors[0], in_two, atol=2e-6)


@pytest.mark.parametrize("rate", [1999.3, 9973.7])
def test_rates_that_spectra_are_slow_for_give_the_same_windows_without_one(
    rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10 times those rates are primes."""
    lengths: list[int] = []
    fast = ecg(10, rate).astype(np.float32)
    expected = resample(filter_band(fast, rate), 1000)
    for name in ("fft", "ifft", "rfft", "irfft"):
        monkeypatch.setattr(np.fft, name, _noting(lengths, getattr(np.fft, name)))
    tensor = cut_windows(Record(fast, rate, (), True), SPEC).tensors[0]
    np.testing.assert_allclose(tensor, expected, atol=2e-5)
    assert all(length % 8 == 0 for length in lengths)


def _noting(lengths: list[int], transform: Callable[..., Any]) -> Callable[..., Any]:
    def noted(values: NDArray[Any], n: int | None = None, axis: int = -1) -> Any:
        lengths.append(values.shape[axis] if n is None else n)
        return transform(values, n, axis)

    return noted


FUZZ = settings(max_examples=150, deadline=None, derandomize=True, database=None)


@st.composite
def mutated_records(draw: st.DrawFn) -> tuple[bytes, bytes]:
    header, signal = (bytearray(part) for part in _SEED)
    for _ in range(draw(st.integers(0, 5))):
        place = draw(st.integers(0, len(header) - 1))
        header[place : place + draw(st.integers(0, 2))] = draw(
            st.sampled_from(
                [b"0", b"9", b"-", b" ", b"\n", b"e9", b"nan", b".", b"(", b"/", b"x", b"\xff", b"V1", b"8"]
            )
        )
    for _ in range(draw(st.integers(0, 5))):
        signal[draw(st.integers(0, len(signal) - 1))] = draw(st.integers(0, 255))
    return bytes(header), bytes(signal[: draw(st.sampled_from([len(signal), len(signal) - 1, 0]))])


_SEED = record()


@FUZZ
@given(sent=mutated_records())
def test_any_record_gives_finite_windows_or_our_error(sent: tuple[bytes, bytes]) -> None:
    with suppress(RecordError):
        windows = preprocess(*sent, SPEC)
        assert windows.tensors.shape[1:] == (1000, 12)
        assert np.isfinite(windows.tensors).all()


def _ptb_xl_records(count: int) -> list[tuple[bytes, bytes]]:
    """Published records outside the test folds."""
    with (PTB_XL / "superclass_folds.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["signal"] == "records100" and int(row["strat_fold"]) <= 8]
    paths = [PTB_XL / row["filename_lr"] for row in rows[:: len(rows) // count][:count]]
    return [(path.with_suffix(".hea").read_bytes(), path.with_suffix(".dat").read_bytes()) for path in paths]


@pytest.mark.skipif(not PTB_XL.is_dir(), reason="PTB-XL is not there")
def test_ptb_xl_reads_to_what_its_headers_say_and_einthoven_holds() -> None:
    for header, signal in _ptb_xl_records(40):
        read: Record = read_record(header, signal)
        first = [int(line.split()[5]) / 1000 for line in header.decode().splitlines()[1:13]]
        np.testing.assert_allclose(read.signal[0], first, atol=1e-6)
        one, two, three, right, left, foot = read.signal[:, :6].T
        np.testing.assert_allclose(one + three, two, atol=0.003)
        np.testing.assert_allclose(right + left + foot, np.zeros(1000), atol=0.003)
        assert np.abs(preprocess(header, signal, SPEC).tensors).max() < 20
