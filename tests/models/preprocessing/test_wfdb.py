"""The WFDB reader: every format round trips, and whatever the bytes are, the answer is a record or a clear error."""

import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.preprocessing import wfdb
from models.preprocessing.wfdb import (
    FORMATS,
    MAX_HEADER_BYTES,
    MAX_SAMPLES,
    RecordError,
    RecordTooLargeError,
    UnreadableRecordError,
    UnusableRecordError,
    open_samples,
    read_header,
)
from tests.records import header_of, signal_of

Counts = NDArray[np.int64]
NAMES = ("I", "II", "V1")


def _packed_212(counts: Counts) -> bytes:
    """Two samples in three bytes, bit by bit as signal(5) describes them."""
    data = bytearray()
    samples = [value & 0xFFF for value in counts.reshape(-1).tolist()]
    for first, second in zip(samples[::2], [*samples[1::2], 0], strict=False):
        data += bytes([first & 0xFF, first >> 8 | second >> 8 << 4, second & 0xFF])
    return bytes(data[: (len(samples) * 3 + 1) // 2])


ENCODERS: dict[int, tuple[int, Callable[[Counts], bytes]]] = {
    8: (60, lambda counts: np.diff(counts, axis=0, prepend=counts[:1]).astype(np.int8).tobytes()),
    16: (32767, lambda counts: counts.astype("<i2").tobytes()),
    24: (2**23 - 1, lambda counts: counts.astype("<i4").tobytes()),
    32: (2**31 - 1, lambda counts: counts.astype("<i4").tobytes()),
    61: (32767, lambda counts: counts.astype(">i2").tobytes()),
    80: (127, lambda counts: (counts + 128).astype(np.uint8).tobytes()),
    160: (32767, lambda counts: (counts + 32768).astype("<u2").tobytes()),
    212: (2047, _packed_212),
}


def _encode(counts: Counts, storage: int) -> bytes:
    data = ENCODERS[storage][1](counts)
    if storage == 24:
        return b"".join(data[start : start + 3] for start in range(0, len(data), 4))
    return data


def _counts(storage: int, samples: int = 7) -> Counts:
    largest = ENCODERS[storage][0]
    counts = np.random.default_rng(storage).integers(-largest, largest + 1, (samples, 3))
    counts[0] = [-largest, largest, 0]
    return counts


@pytest.mark.parametrize("samples", [7, 8])
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("storage", FORMATS)
def test_every_format_round_trips(storage: int, samples: int, announced: bool) -> None:
    counts = _counts(storage, samples)
    header = read_header(header_of(counts, names=NAMES, storage=storage, samples=None if announced else 0))
    read, valid = open_samples(header, _encode(counts, storage)).read()
    np.testing.assert_array_equal(read, counts)
    assert valid.all()


@pytest.mark.parametrize("storage", [each for each in FORMATS if each != 8])
def test_the_lowest_value_of_a_format_marks_a_missing_sample(storage: int) -> None:
    counts = _counts(storage)
    counts[3, 1] = -ENCODERS[storage][0] - 1
    _, valid = open_samples(
        read_header(header_of(counts, names=NAMES, storage=storage)), _encode(counts, storage)
    ).read()
    assert np.argwhere(~valid).tolist() == [[3, 1]]


@pytest.mark.parametrize("per_frame", [1, 3])
@pytest.mark.parametrize("storage", FORMATS)
def test_a_stretch_is_that_of_the_whole(storage: int, per_frame: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.preprocessing.wfdb._BLOCK", 8)
    counts = np.cumsum(np.random.default_rng(storage).integers(-2, 3, (41 * per_frame, 3)), axis=0)
    lines = header_of(counts, names=NAMES, storage=f"{storage}x{per_frame}", samples=41)
    if storage == 8:
        stored = np.diff(counts, axis=0, prepend=counts[:1]).reshape(41, per_frame, 3).swapaxes(1, 2)
        data = stored.astype(np.int8).tobytes()
    else:
        data = _encode(counts.reshape(41, per_frame, 3).swapaxes(1, 2), storage)
    opened = open_samples(read_header(lines), data)
    assert len(opened) == len(counts)
    for start, stop in [(0, 1), (0, 41), (1, 2), (5, 29), (7, 8), (8, 16), (17, 999), (40, 41), (9, 9), (12, 3)]:
        read, valid = opened.read(slice(start, stop))
        np.testing.assert_array_equal(read, counts[start:stop])
        assert valid.shape == read.shape


@pytest.mark.parametrize("storage", FORMATS)
def test_only_what_is_asked_for_is_decoded(storage: int, decoded: list[int]) -> None:
    """Without checksums, which need all of it, a minute of a day costs that minute."""
    header = read_header(f"r 3 100\nr.dat {storage}\nr.dat {storage}\nr.dat {storage}".encode())
    opened = open_samples(header, bytes(300_000))
    opened.read(slice(50_000 // 3, 50_000 // 3 + 100))
    assert sum(decoded) <= 300 + (3 * 8192 if storage == 8 else 1)


def test_checksums_are_added_up_a_piece_at_a_time(decoded: list[int]) -> None:
    counts = np.random.default_rng(0).integers(-99, 99, (100_000, 3))
    open_samples(read_header(header_of(counts, names=NAMES)), signal_of(counts))
    assert sum(decoded) == counts.size
    assert max(decoded) <= 3 * 8192


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples were decoded each time."""
    counts: list[int] = []

    def counting(data: memoryview, storage: int, count: int) -> NDArray[np.int32]:
        counts.append(count)
        return decode(data, storage, count)

    decode = wfdb._decode
    monkeypatch.setattr(wfdb, "_decode", counting)
    return counts


def test_a_header_is_read_as_the_standard_describes_it() -> None:
    text = (
        b"# before\r\n\r\n00001 3 360.5/360(12) 7 12:30:00 01/02/1999\r\n"
        b"a.dat 16+2 200.5(-10)/uV 12 5 1 0 0 lead II\r\n"
        b"a.dat 16+2 0 12 5\r\n# between\r\na.dat 16+2\r\nmore.dat 8 lines are passed over"
    )
    header = read_header(text)
    assert (header.rate, header.frames, header.storage, header.samples_per_frame, header.offset) == (360.5, 7, 16, 1, 2)
    first, second, third = header.signals
    assert (first.name, first.gain, first.baseline, first.units, first.calibrated) == (
        "lead II",
        200.5,
        -10,
        "uV",
        True,
    )
    assert (second.name, second.gain, second.baseline, second.units, second.calibrated) == ("", 200, 5, "", False)
    assert (third.gain, third.baseline, third.initial_value, third.checksum) == (200, 0, 0, None)
    assert read_header(b"r 1\nr.dat 16").rate == 250


def test_samples_per_frame_belong_to_their_signal() -> None:
    header = read_header(b"r 2 50 2\nr.dat 16x2 200 12 0 1 0 0 I\nr.dat 16x2 200 12 0 5 0 0 II")
    read, _ = open_samples(header, signal_of(np.array([[1, 2, 5, 6, 3, 4, 7, 8]]))).read()
    assert read.tolist() == [[1, 5], [2, 6], [3, 7], [4, 8]]


def test_an_offset_is_passed_over_and_a_broken_last_frame_too() -> None:
    header = read_header(b"r 2 50\nr.dat 16+4 200\nr.dat 16+4 200")
    read, _ = open_samples(header, b"head" + signal_of(np.array([[1, 2], [3, 4]])) + b"abc").read()
    assert read.tolist() == [[1, 2], [3, 4]]


COUNTS = _counts(16)
HEADER = header_of(COUNTS, names=NAMES)


@pytest.mark.parametrize("missing", [1, 2, 41, 42])
def test_a_truncated_signal_is_told(missing: int) -> None:
    with pytest.raises(UnreadableRecordError, match=f"truncated: the header announces 42 bytes, {42 - missing} are"):
        open_samples(read_header(HEADER), signal_of(COUNTS)[: 42 - missing])


@pytest.mark.parametrize("samples", [10**9, 9_999_999_999])
def test_samples_that_are_not_there_are_not_allocated(samples: int) -> None:
    began = time.perf_counter()
    with pytest.raises(UnreadableRecordError, match="truncated"):
        open_samples(read_header(header_of(COUNTS, names=NAMES, samples=samples)), signal_of(COUNTS))
    assert time.perf_counter() - began < 1


def test_more_samples_than_allowed_are_not_decoded() -> None:
    header = read_header(header_of(np.zeros((1, 1), np.int64), names=["I"], storage=80, samples=0))
    with pytest.raises(RecordTooLargeError, match=str(MAX_SAMPLES)):
        open_samples(header, bytes(MAX_SAMPLES + 1))


def test_a_signal_of_another_header_is_told() -> None:
    changed = COUNTS.copy()
    changed[2, 1] += 1
    with pytest.raises(UnreadableRecordError, match="checksum of signal 2 differs"):
        open_samples(read_header(HEADER), signal_of(changed))


def test_checksums_that_stand_for_none_are_not_compared() -> None:
    header = read_header(b"r 1 100 2\nr.dat 16 200 16 0 5 0 0 I")
    assert open_samples(header, signal_of(np.array([[5], [6]]))).read()[0].tolist() == [[5], [6]]
    header = read_header(b"r 1 100 2\nr.dat 16 200 16 0 5 -11 0 I")
    with pytest.raises(UnreadableRecordError):
        open_samples(header, signal_of(np.array([[5], [6]])))


@pytest.mark.parametrize(
    "file", ["../../etc/passwd", "/etc/passwd", "..", "a/b.dat", r"a\b.dat", r"C:\a.dat", "file:x", "|id", "$HOME"]
)
def test_a_path_in_place_of_a_file_name_is_refused(file: str) -> None:
    with pytest.raises(UnreadableRecordError, match="plain file name") as refused:
        read_header(header_of(COUNTS, names=NAMES, file=file))
    assert file not in str(refused.value)


@pytest.mark.parametrize(
    "gain", ["nan", "NaN(0)/mV", "inf", "-inf/mV", "1e999", "-200", "-200(0)/mV", "1e-9", "x", "1,5"]
)
def test_a_gain_that_is_no_positive_number_is_refused(gain: str) -> None:
    with pytest.raises(UnreadableRecordError, match="gain of signal 1 must be a positive number"):
        read_header(header_of(COUNTS, names=NAMES, gain=gain))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (b"", UnreadableRecordError, "header is empty"),
        (b"# only\n# remarks", UnreadableRecordError, "header is empty"),
        (b"r", UnreadableRecordError, "number of signals"),
        (b"r twelve", UnreadableRecordError, "number of signals must be a whole number"),
        (b"r 0 100 10", UnreadableRecordError, "announces no signals"),
        (b"r -1 100 10", UnreadableRecordError, "announces no signals"),
        (b"r 33 100 10", RecordTooLargeError, "33 signals; at most 32"),
        (b"r 9999999999 100 10", RecordTooLargeError, "at most 32"),
        (b"r " + b"9" * 5000, UnreadableRecordError, "at most ten digits"),
        (b"r 1 0 10\nr.dat 16", UnreadableRecordError, "sampling frequency"),
        (b"r 1 -5 10\nr.dat 16", UnreadableRecordError, "sampling frequency"),
        (b"r 1 nan 10\nr.dat 16", UnreadableRecordError, "sampling frequency"),
        (b"r 1 1e999 10\nr.dat 16", UnreadableRecordError, "sampling frequency"),
        (b"r 1 100 -3\nr.dat 16", UnreadableRecordError, "must not be negative"),
        (b"r 1 100 1.5\nr.dat 16", UnreadableRecordError, "number of samples"),
        (b"r 2 100 10\nr.dat 16", UnreadableRecordError, "announces 2 signals and describes 1"),
        (b"r 1 100 10\nr.dat", UnreadableRecordError, "a file and a format"),
        (b"r 1 100 10\nr.dat sixteen", UnreadableRecordError, "format of a signal"),
        (b"r 1 100 10\nr.dat 16 200 16 0 1 x", UnreadableRecordError, "checksum of signal 1"),
        (b"r/2 1 100 10\nr1 5\nr2 5", UnusableRecordError, "several segments"),
        (b"../../etc/passwd 1 100 10\nr.dat 16", UnreadableRecordError, "plain name"),
        (b"r 2 100 10\na.dat 16\nb.dat 16", UnusableRecordError, "several signal files"),
        (b"r 2 100 10\na.dat 16\na.dat 212", UnusableRecordError, "differ in format"),
        (b"r 2 100 10\na.dat 16\na.dat 16x4", UnusableRecordError, "differ in format"),
        (b"r 1 100 10\na.dat 16:4", UnusableRecordError, "skewed"),
        (b"r 1 100 10\na.dat 310", UnusableRecordError, "format 310 is not read"),
        (b"r 1 100 10\na.dat 516", UnusableRecordError, "format 516 is not read"),
        (b"#" * (MAX_HEADER_BYTES + 1), RecordTooLargeError, "at most 65536"),
        (b"\x00\xff\xfe\x80", UnreadableRecordError, "plain name"),
    ],
)
def test_a_header_that_is_not_read_says_why(text: bytes, error: type[RecordError], message: str) -> None:
    with pytest.raises(error, match=message):
        read_header(text)


FUZZ = settings(max_examples=400, deadline=1000, derandomize=True, database=None)
FIELDS = st.sampled_from(
    [*"0123456789", " ", "\n", "/", "(", ")", "x", ":", "+", "-", ".", "e", "nan", "1e9", "\0", "µV"]
)


@st.composite
def mutated_headers(draw: st.DrawFn) -> bytes:
    """A header with pieces overwritten by what its grammar is made of, or by anything."""
    text = bytearray(draw(st.sampled_from([HEADER, b"r 1\nr.dat 16", b"r 2 50 2\nr.dat 16x2 1/mV\nr.dat 16x2+1 0(5)"])))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(text)))
        piece = draw(st.lists(FIELDS, max_size=12).map("".join).map(str.encode) | st.binary(max_size=6))
        text[place : place + draw(st.integers(0, 6))] = piece
    return bytes(text)


@FUZZ
@given(header=mutated_headers() | st.binary(max_size=300), data=st.binary(max_size=80))
def test_any_header_and_any_signal_give_samples_or_our_error(header: bytes, data: bytes) -> None:
    with suppress(RecordError):
        samples, valid = open_samples(read_header(header), data).read()
        assert samples.shape == valid.shape
        assert samples.dtype == np.int32


@pytest.mark.parametrize(
    "text",
    [
        b"r 1 " + b"1" * 60_000,
        b"r 1 100 10\nr.dat 16 " + b"(" * 60_000,
        b"r 1 100 10\nr.dat " + b"1x" * 30_000,
        b"r 1 100 10\n" + b"a" * 60_000 + b" 16",
        b"r 1 100 10\n" + b".-" * 30_000 + b"/ 16",
        b"\n" * 60_000,
        b"r " * 30_000,
    ],
)
def test_long_nonsense_is_refused_quickly(text: bytes) -> None:
    began = time.perf_counter()
    with pytest.raises(RecordError):
        open_samples(read_header(text), b"")
    assert time.perf_counter() - began < 1
