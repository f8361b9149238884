"""A WFDB record, header and signal file, from two byte strings to whole numbers of the converter.

Written after header(5) and signal(5) of the WFDB Applications Guide (physionet.org/physiotools/wag). A header is
hostile input: it names files, counts and formats. No file it names is ever opened, since the signal is what was sent
with it; every size is checked against the bytes at hand before anything is allocated.

Read: records of one segment in the formats 8, 16, 24, 32, 61, 80, 160 and 212. Of signals in several files those of one
file are read, the one that was sent. A file may begin with bytes that are not the signal's, as a .mat file does whose
header states their number.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FORMATS = (8, 16, 24, 32, 61, 80, 160, 212)
MAX_HEADER_BYTES = 64 * 1024
MAX_SIGNALS = 32
MAX_SAMPLES = 10_000_000

Int32Array = NDArray[np.int32]
BoolArray = NDArray[np.bool_]

_DEFAULT_RATE = 250.0
_DEFAULT_GAIN = 200.0
GAINS = (1e-3, 1e9)
_BITS = {8: 8, 16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16, 212: 12}
_NUMBER = r"[+-]?(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})(?:[eE][+-]?\d{1,3})?"
_FILE = re.compile(r"[\w.+~-]+")
_RATE = re.compile(rf"({_NUMBER})(?:/\S*)?", re.ASCII)
_FORMAT = re.compile(r"(\d{1,4})(?:x(\d{1,4}))?(?::(\d{1,9}))?(?:\+(\d{1,9}))?", re.ASCII)
_GAIN = re.compile(rf"({_NUMBER})(?:\((-?\d{{1,10}})\))?(?:/(\S+))?", re.ASCII)
_BLOCK = 8192
"""Samples of each signal that are summed at a time, or one frame where it holds more."""
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,10}", re.ASCII)


class RecordError(ValueError):
    """A record that can't be turned into tensors; the message says what to do."""


class UnreadableRecordError(RecordError):
    """The header or the signal is malformed, truncated or damaged, or they don't belong together."""


class UnusableRecordError(RecordError):
    """The record is sound, but not of a kind that is read, or not a 12-lead ECG."""


class RecordTooLargeError(RecordError):
    """The record has more of something than allowed; nothing was decoded."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal specification line. A sample is (converter units - `baseline`) / `gain`, in `units`.

    `name` is empty where the line has no description, `units` where it has none (millivolts by the standard).
    `calibrated` is false where the line gives no gain and the standard's 200 units per millivolt are assumed.
    """

    name: str
    gain: float
    baseline: float
    units: str
    calibrated: bool
    initial_value: int
    checksum: int | None


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says of the signals in one `file`. `rate` is in Hz, `frames` None where the header leaves it open.

    Each frame holds `samples_per_frame` samples of each signal in turn, the first after `offset` bytes; so each
    signal has `rate` * `samples_per_frame` samples a second.
    """

    rate: float
    frames: int | None
    storage: int
    samples_per_frame: int
    offset: int
    signals: tuple[Signal, ...]
    file: str = ""

    @property
    def least_bytes(self) -> int:
        """How many bytes the signal file has at least."""
        samples = (self.frames or 1) * len(self.signals) * self.samples_per_frame
        return self.offset + -(-samples * _BITS[self.storage] // 8)

    @property
    def block(self) -> int:
        """How many frames are summed at a time."""
        return max(1, _BLOCK // self.samples_per_frame)


def read_header(data: bytes) -> Header:
    """Parse the bytes of a .hea file whose signals are all in one file. Raises a `RecordError`."""
    headers = read_headers(data)
    if len(headers) > 1:
        raise UnusableRecordError("The header names several signal files. Send a record with all its signals in one.")
    return headers[0]


def read_headers(data: bytes) -> tuple[Header, ...]:
    """Parse the bytes of a .hea file, a header for each signal file it names, in its order. Raises a `RecordError`."""
    if len(data) > MAX_HEADER_BYTES:
        raise RecordTooLargeError(f"The header has {len(data)} bytes; at most {MAX_HEADER_BYTES} are read.")
    lines = [line.strip() for line in _text(data).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise UnreadableRecordError("The header is empty. Send the record's .hea file as `header`.")
    count, rate, frames = _record_line(lines[0])
    if len(lines) <= count:
        raise UnreadableRecordError(f"The header announces {count} signals and describes {len(lines) - 1}.")
    fields = [_fields(line, number) for number, line in enumerate(lines[1 : count + 1], start=1)]
    signals = [_signal(line, number) for number, line in enumerate(fields, start=1)]
    return tuple(_header_of(file, fields, signals, rate, frames) for file in dict.fromkeys(line[0] for line in fields))


def _header_of(file: str, fields: list[list[str]], signals: list[Signal], rate: float, frames: int | None) -> Header:
    places = [place for place, line in enumerate(fields) if line[0] == file]
    storage, samples_per_frame, offset = _layout([fields[place] for place in places])
    return Header(
        rate=rate,
        frames=frames,
        storage=storage,
        samples_per_frame=samples_per_frame,
        offset=offset,
        signals=tuple(signals[place] for place in places),
        file=file,
    )


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a signal file, (samples, signals), decoded where they are asked for: `open_samples` makes them.

    `data` holds exactly the bytes of that many `frames`. `levels` (blocks, signals) are those of format 8 before each
    block of frames, since it stores differences.
    """

    header: Header
    data: memoryview
    frames: int
    levels: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """How many of each signal."""
        return self.frames * self.header.samples_per_frame

    def read(self, place: slice = slice(None)) -> tuple[Int32Array, BoolArray]:
        """Those of a stretch in converter units, and whether each is valid, both (samples, signals)."""
        each = self.header.samples_per_frame
        start, stop, _ = place.indices(len(self))
        first, last = start // each, -(-max(start, stop) // each)
        decoded = self._decoded(first, last) if self.levels is None else self._summed(self.levels, first, last)
        samples = decoded[start - first * each : max(start, stop) - first * each]
        if self.levels is not None:
            return samples, np.ones(samples.shape, np.bool_)
        return samples, samples != -(1 << (_BITS[self.header.storage] - 1))

    def _decoded(self, first: int, last: int) -> Int32Array:
        """What is stored in those frames, (samples, signals). Pairs of samples share bytes in format 212, so decoding
        begins at an even one."""
        signals, each = len(self.header.signals), self.header.samples_per_frame
        begin, end = first * signals * each, last * signals * each
        odd = begin % 2
        bits = _BITS[self.header.storage]
        stored = self.data[(begin - odd) * bits // 8 : -(-end * bits // 8)]
        values = _decode(stored, self.header.storage, end - begin + odd)[odd:]
        return values.reshape(-1, signals, each).swapaxes(1, 2).reshape(-1, signals)

    def _summed(self, levels: NDArray[np.int64], first: int, last: int) -> Int32Array:
        """The signals whose differences are stored in those frames."""
        block, frames = first // self.header.block, self.header.block
        differences = self._decoded(block * frames, last)
        sums = np.cumsum(differences, axis=0, dtype=np.int64) + levels[block]
        limits = np.iinfo(np.int32)
        clipped: Int32Array = np.clip(sums, limits.min, limits.max).astype(np.int32)
        return clipped[(first - block * frames) * self.header.samples_per_frame :]


def open_samples(header: Header, data: bytes) -> Samples:
    """The samples of a .dat file, once they have proven to be there and to have the checksums of their header.

    Raises `UnreadableRecordError` where bytes are missing or a checksum differs, `RecordTooLargeError` over
    `MAX_SAMPLES`.
    """
    stored = memoryview(data)[header.offset :]
    bits = _BITS[header.storage]
    frame = len(header.signals) * header.samples_per_frame
    frames = len(stored) * 8 // bits // frame if header.frames is None else header.frames
    wanted = -(-frames * frame * bits // 8)
    if not frames:
        raise UnreadableRecordError("The signal file is empty. Send the record's .dat file as `signal`.")
    if wanted > len(stored):
        raise UnreadableRecordError(
            f"The signal file is truncated: the header announces {wanted} bytes, {len(stored)} are there."
        )
    if frames * frame > MAX_SAMPLES:
        raise RecordTooLargeError(
            f"The record has {frames * frame} samples in all; at most {MAX_SAMPLES} are read. Send a shorter piece."
        )
    levels = _levels(header, stored[:wanted], frames) if header.storage == 8 else None
    samples = Samples(header, stored[:wanted], frames, levels)
    if header.frames is not None:
        _verify_checksums(samples)
    return samples


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _record_line(line: str) -> tuple[int, float, int | None]:
    """The number of signals, the rate in Hz and the number of frames; the time and date are not looked at."""
    name, *fields = line.split()
    if re.fullmatch(r"[^/]+/\d+", name):
        raise UnusableRecordError("The record has several segments. Send the files of one segment.")
    if not _FILE.fullmatch(name):
        raise UnreadableRecordError("The header must start with the record's plain name, such as 00001, not a path.")
    if not fields:
        raise UnreadableRecordError("The header's first line must give the record's name and its number of signals.")
    count = _whole_number(fields[0], "number of signals")
    if count > MAX_SIGNALS:
        raise RecordTooLargeError(f"The header announces {count} signals; at most {MAX_SIGNALS} are read.")
    if count < 1:
        raise UnreadableRecordError("The header announces no signals.")
    rate = _DEFAULT_RATE
    if len(fields) > 1:
        match = _RATE.fullmatch(fields[1])
        rate = float(match[1]) if match else math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise UnreadableRecordError("The header's sampling frequency must be a positive number of Hz.")
    frames = _whole_number(fields[2], "number of samples") if len(fields) > 2 else 0
    if frames < 0:
        raise UnreadableRecordError("The header's number of samples must not be negative.")
    return count, rate, frames or None


def _fields(line: str, number: int) -> list[str]:
    """The fields of a signal line: file, format, gain, resolution, zero, initial value, checksum, block size, name."""
    fields = line.split(maxsplit=8)
    if len(fields) < 2:
        raise UnreadableRecordError(f"The header's line of signal {number} must give a file and a format.")
    if not _FILE.fullmatch(fields[0]) or ".." in fields[0]:
        raise UnreadableRecordError(
            f"The header's line of signal {number} must start with a plain file name such as 00001.dat, not a path."
        )
    return fields


def _layout(lines: list[list[str]]) -> tuple[int, int, int]:
    """The format, samples per frame and byte offset that all signals of a file share."""
    matches = [_FORMAT.fullmatch(fields[1]) for fields in lines]
    if not all(matches):
        raise UnreadableRecordError("The format of a signal in the header is not a number such as 16 or 212.")
    layouts = {match.groups(default="0") for match in matches if match}
    if len(layouts) > 1:
        raise UnusableRecordError("The signals differ in format, samples per frame, skew or offset. Save them alike.")
    storage, samples_per_frame, skew, offset = map(int, layouts.pop())
    if storage not in FORMATS:
        raise UnusableRecordError(
            f"Signal format {storage} is not read; the formats {', '.join(map(str, FORMATS))} are. Convert the record."
        )
    if skew:
        raise UnusableRecordError("The signals are skewed in time. Save the record with its skew corrected.")
    return storage, samples_per_frame or 1, offset


def _signal(fields: list[str], number: int) -> Signal:
    gain, baseline, units, calibrated = _calibration(fields[2] if len(fields) > 2 else "0", number)
    zero, initial_value, checksum = (
        _whole_number(fields[place], f"{what} of signal {number}") if len(fields) > place else None
        for place, what in ((4, "ADC zero"), (5, "initial value"), (6, "checksum"))
    )
    zero = zero or 0
    return Signal(
        name=fields[8] if len(fields) > 8 else "",
        gain=gain,
        baseline=zero if baseline is None else baseline,
        units=units,
        calibrated=calibrated,
        initial_value=zero if initial_value is None else initial_value,
        checksum=checksum,
    )


def _calibration(field: str, number: int) -> tuple[float, int | None, str, bool]:
    """Gain, baseline, units, and whether the gain was given."""
    match = _GAIN.fullmatch(field)
    gain = float(match[1]) if match else math.nan
    if match and gain == 0:
        return _DEFAULT_GAIN, int(match[2]) if match[2] else None, match[3] or "", False
    if not match or not GAINS[0] <= gain <= GAINS[1]:
        raise UnreadableRecordError(
            f"The gain of signal {number} must be a positive number of converter units per physical unit, "
            "such as 1000(0)/mV."
        )
    return gain, int(match[2]) if match[2] else None, match[3] or "", True


def _whole_number(field: str, what: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(field):
        raise UnreadableRecordError(f"The header's {what} must be a whole number of at most ten digits.")
    return int(field)


def _decode(data: memoryview, storage: int, count: int) -> Int32Array:
    """The (count,) samples of a file in order; of format 8 their differences."""
    match storage:
        case 8:
            return np.frombuffer(data, np.int8).astype(np.int32)
        case 16:
            return np.frombuffer(data, "<i2").astype(np.int32)
        case 24:
            words = np.zeros((count, 4), np.uint8)
            words[:, 1:] = np.frombuffer(data, np.uint8).reshape(count, 3)
            return words.view("<i4")[:, 0].astype(np.int32) >> 8
        case 32:
            return np.frombuffer(data, "<i4").astype(np.int32)
        case 61:
            return np.frombuffer(data, ">i2").astype(np.int32)
        case 80:
            return np.frombuffer(data, np.uint8).astype(np.int32) - 128
        case 160:
            return np.frombuffer(data, "<u2").astype(np.int32) - 32768
        case _:
            return _decode_212(data, count)


def _decode_212(data: memoryview, count: int) -> Int32Array:
    """Two 12-bit samples in three bytes: the low bytes are the first and the third, the high bits share the second."""
    triples = np.zeros((-(-count // 2), 3), np.int32)
    triples.reshape(-1)[: len(data)] = np.frombuffer(data, np.uint8)
    first = triples[:, 0] | (triples[:, 1] & 0x0F) << 8
    second = triples[:, 2] | (triples[:, 1] & 0xF0) << 4
    samples = np.stack([first, second], axis=1).reshape(-1)[:count]
    return (samples ^ 0x800) - 0x800


def _levels(header: Header, data: memoryview, frames: int) -> NDArray[np.int64]:
    """Where each signal stands before each block of frames, by the differences before it."""
    differences = np.frombuffer(data, np.int8).reshape(frames, -1)
    sums = np.add.reduceat(differences, np.arange(0, frames, header.block), axis=0, dtype=np.int64)
    of_signals = sums.reshape(len(sums), len(header.signals), -1).sum(axis=2)
    first = np.array([signal.initial_value for signal in header.signals], np.int64)
    return np.asarray(np.cumsum(of_signals, axis=0) - of_signals + first, np.int64)


def _verify_checksums(samples: Samples) -> None:
    """Each checksum is the sum of a signal's samples modulo 65,536. Zero stands for none; where samples are marked
    invalid, writers differ in what they add for them."""
    told = {place: signal.checksum for place, signal in enumerate(samples.header.signals) if signal.checksum}
    if not told:
        return
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(samples), _BLOCK)]
    totals = np.sum([samples.read(block)[0].sum(axis=0, dtype=np.int64) for block in blocks], axis=0)
    wrong = [place for place, checksum in told.items() if (checksum - int(totals[place])) % 65536]
    if not wrong:
        return
    whole = np.all([samples.read(block)[1].all(axis=0) for block in blocks], axis=0)
    for place in wrong:
        if whole[place]:
            raise UnreadableRecordError(
                f"The checksum of signal {place + 1} differs: the signal file is damaged or belongs to another header."
            )
