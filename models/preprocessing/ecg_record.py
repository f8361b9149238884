"""A 12-lead ECG record to the windows a network reads; one code path for training and service.

The order is fixed: read the record, bring the leads to order and millivolts, cut it into windows, bridge short gaps,
keep the band of the ECG, bring the rate down or up. Every step is deterministic. A bundle stores its
`SignalPreprocessing`, so a change of any step here must raise `REVISION`. Amplitudes stay in millivolts: what scaling a
network wants is part of its graph.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from models.preprocessing.dicom.ecg import open_waveforms
from models.preprocessing.ecg_beat import ROWS, with_beat
from models.preprocessing.wfdb import (
    BoolArray,
    Header,
    Int32Array,
    UnreadableRecordError,
    UnusableRecordError,
    open_samples,
    read_headers,
)

REVISION = 1

Lead = Literal["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
Float32Array = NDArray[np.float32]

LEADS: tuple[Lead, ...] = get_args(Lead)
PRECORDIAL: tuple[Lead, ...] = LEADS[6:]
RATES = (50.0, 10_000.0)
MAX_WINDOWS = 30
MAX_FLAT_LEADS = 2
MAX_MISSING = 0.1
FLAT_MILLIVOLTS = 0.02
MAX_MILLIVOLTS = 100.0

_SHORTFALL = 0.01
_MOST_SHORTFALL = 0.2
_MILLIVOLTS: Mapping[str, float] = {"": 1, "mv": 1, "uv": 1e-3, "\u00b5v": 1e-3, "\u03bcv": 1e-3, "nv": 1e-6, "v": 1e3}
_LEAD_NAME = re.compile(r"(?:(?:mdc|lead|ecg|ekg)[ _:.-]*)*(\w+?)(?:[ _]*[(\[][^)\]]*[)\]])?", re.IGNORECASE)
_CANONICAL: Mapping[str, Lead] = {lead.lower(): lead for lead in LEADS}
_ALIASES: Mapping[str, Lead] = {
    **{f"c{number}": lead for number, lead in enumerate(LEADS[6:], start=1)},
    **{f"d{name}": lead for lead in LEADS[:3] for name in (lead.lower(), str(len(lead)))},
    **{f"l{name}": lead for lead in LEADS[:3] for name in (lead.lower(), str(len(lead)))},
}
_EASY = 4000
"""Samples of a window up to which a spectrum costs little whatever their number is divisible by."""
_LONGEST_NAME = 40
_MOST_NAMES = 15


class SignalPreprocessing(BaseModel):
    """How a bundle wants its ECGs; stored in metadata.json and compared at load.

    A window has `seconds` seconds at `rate` Hz of each of `leads`, in millivolts, band-passed to `band` (Hz). With
    `beat`, which wants 100 Hz, the rows of its median beat follow (`ecg_beat`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["signal"] = "signal"
    revision: int = REVISION
    rate: int = Field(default=100, ge=100, le=1000)
    seconds: int = Field(default=10, ge=1, le=60)
    leads: tuple[Lead, ...] = LEADS
    band: tuple[float, float] = (0.5, 40.0)
    beat: bool = False

    @property
    def tensor_shape(self) -> tuple[int, int]:
        """Rows, samples first, and leads of one tensor, which is float32."""
        return self.rate * self.seconds + (ROWS if self.beat else 0), len(self.leads)


class Leads(Protocol):
    """The leads of a record, (samples, 12) float32 in the order of `LEADS`, by stretches; an array is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: slice, /) -> Float32Array: ...


@dataclass(frozen=True, slots=True)
class Record:
    """A 12-lead ECG. `leads` are in millivolts, NaN where missing.

    `rate` is in Hz. `derived_leads` were computed from other leads. `calibrated` is false where the header gives no
    gain for a lead, so that its voltage rests on the standard's assumption of 200 units per millivolt. It was `cut`
    where fewer samples arrived than the header announces.
    """

    leads: Leads
    rate: float
    derived_leads: tuple[Lead, ...]
    calibrated: bool
    cut: bool = False

    @property
    def signal(self) -> Float32Array:
        """All of its leads."""
        return self.leads[:]

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.leads) / self.rate


@dataclass(frozen=True, slots=True)
class EcgWindows:
    """What a network reads of a record: `tensors` is (windows, samples, leads) float32, band-passed millivolts.

    `starts` is where each begins in the record, seconds, which is `short` where it fills not even one of them. In at
    least one window each of `flat_leads` has no signal.
    """

    tensors: Float32Array
    record: Record
    flat_leads: tuple[Lead, ...]
    starts: tuple[float, ...]
    short: bool = False


def preprocess(header: bytes, signal: bytes, spec: SignalPreprocessing) -> EcgWindows:
    """The .hea and .dat bytes of a WFDB record to the windows of `spec`. Raises a `RecordError`."""
    return cut_windows(read_record(header, signal), spec)


def read_record(header: bytes, signal: bytes) -> Record:
    """Read a WFDB record from the bytes of its .hea and .dat file; no file is opened.

    The leads are found by name, whatever their order; other signals are passed over. Of the limb leads, two of I, II
    and III are enough: the others follow from them. Raises a `RecordError`.
    """
    headers = read_headers(header)
    parsed, places = _twelve_leads(headers, len(signal))
    return _record(parsed, places, lambda: open_samples(parsed, signal), cut=parsed not in headers)


def read_dicom(data: bytes) -> Record:
    """Read the ECG of a DICOM waveform object as `read_record` reads a WFDB record: of its groups of channels the
    longest that holds the twelve leads. Raises a `RecordError`."""
    faults = []
    for waveform in sorted(open_waveforms(data), key=lambda each: each.seconds, reverse=True):
        try:
            places = _find_leads(waveform.header)
        except UnusableRecordError as error:
            faults.append(error)
            continue
        return _record(waveform.header, places, waveform.opened)
    raise faults[0]


class _Samples(Protocol):
    """Stored samples of signals, and which are valid, both (samples, signals)."""

    def __len__(self) -> int: ...

    def read(self, place: slice) -> tuple[Int32Array, BoolArray]: ...


@dataclass(frozen=True, slots=True)
class _StoredLeads:
    """Leads that are brought to order and millivolts a stretch at a time: of hours of ECG most is never looked at.

    `places` are those of the leads among the signals, `factors` their millivolts per unit.
    """

    samples: _Samples
    places: Mapping[Lead, int]
    baselines: NDArray[np.float64]
    factors: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, place: slice, /) -> Float32Array:
        samples, valid = self.samples.read(place)
        chosen = list(self.places.values())
        millivolts = ((samples.T[chosen] - self.baselines[:, None]) * self.factors[:, None]).astype(np.float32)
        if not valid.all():
            millivolts[~valid.T[chosen]] = np.nan
        return _with_limb_leads(dict(zip(self.places, millivolts, strict=True)))


def _record(parsed: Header, places: Mapping[Lead, int], opened: Callable[[], _Samples], *, cut: bool = False) -> Record:
    """The record of the signals at those places, once what a header says of them makes sense."""
    rate = parsed.rate * parsed.samples_per_frame
    if not RATES[0] <= rate <= RATES[1]:
        raise UnusableRecordError(
            f"The record has {rate:g} samples a second; ECGs of {RATES[0]:g} to {RATES[1]:g} Hz are read."
        )
    factors = [_millivolts_per_unit(parsed, lead, place) for lead, place in places.items()]
    baselines = [parsed.signals[place].baseline for place in places.values()]
    return Record(
        leads=_StoredLeads(opened(), places, np.array(baselines, np.float64), np.array(factors, np.float64)),
        rate=rate,
        derived_leads=tuple(lead for lead in LEADS if lead not in places),
        calibrated=all(parsed.signals[place].calibrated for place in places.values()),
        cut=cut,
    )


def cut_windows(
    record: Record, spec: SignalPreprocessing, look: Callable[[Float32Array], object] = lambda _: None
) -> EcgWindows:
    """Cut a record into the windows of `spec`, one after the other; of more than `MAX_WINDOWS` that many evenly chosen.

    A record up to 1 % too short is continued with its last value, a cut one up to a fifth too short is mirrored at its
    end. A window is passed over where a lead is missing for
    more than a tenth of it, spans more than 100 mV (no ECG does: gain or units are wrong), or is flat, which means an
    electrode is off; up to two flat precordial leads are let through and named. `look` is called with what was recorded
    of each of the others, (samples, 12) in millivolts. Raises `UnusableRecordError` where no window remains.
    """
    length = round(spec.seconds * record.rate)
    shortfall = length - len(record.leads)
    short = shortfall > length * _SHORTFALL
    if shortfall > length * (_MOST_SHORTFALL if record.cut else _SHORTFALL):
        raise UnusableRecordError(
            f"The record is {record.seconds:.3g} seconds long; at least {spec.seconds} seconds are needed."
        )
    leads: Leads = record.leads
    if shortfall > 0:
        leads = np.pad(leads[:], ((0, shortfall), (0, 0)), mode="symmetric" if short else "edge")
    tensors, starts, faults, flat = list[Float32Array](), list[float](), list[str](), set[Lead]()
    for start in (_spread(len(leads) // length) * length).tolist():
        recorded = leads[start : start + length]
        window = recorded
        if spec.leads != LEADS:
            window = window[:, [LEADS.index(lead) for lead in spec.leads]]
        fault, without_signal = _judge(window, spec.leads)
        if fault:
            faults.append(fault)
            continue
        look(recorded[: len(record.leads) - start])
        tensors.append(_tensor(window, record.rate, spec))
        starts.append(start / record.rate)
        flat.update(without_signal)
    if not tensors:
        raise UnusableRecordError(faults[0])
    return EcgWindows(
        tensors=np.stack(tensors),
        record=record,
        flat_leads=tuple(lead for lead in spec.leads if lead in flat),
        starts=tuple(starts),
        short=short,
    )


def _tensor(window: Float32Array, rate: float, spec: SignalPreprocessing) -> Float32Array:
    """What a network reads of a (samples, leads) window in millivolts: as `filter_band`, then `resample`, with one
    spectrum for both."""
    samples, before = spec.rate * spec.seconds, len(window)
    whole = _bridge_gaps(window)
    if before > max(_EASY, samples) and _rough(before) > 1:
        spectrum = _lowest(whole, samples + 1) * np.float32(samples / before)
    else:
        spectrum = _resized(_spectrum(whole), before, samples)
    tensor = _signal_of(spectrum * _gain(len(spectrum), before / rate, spec.band), samples)
    return with_beat(tensor) if spec.beat else tensor


def filter_band(signal: Float32Array, rate: float, band: tuple[float, float] = (0.5, 40.0)) -> Float32Array:
    """Keep the frequencies of `band`, Hz, in a (..., samples, leads) signal of `rate` Hz; float32 of the same shape.

    What lies in the band passes unchanged and without delay. Below, the gain falls as a raised cosine to nothing at
    half the lower edge (baseline wander); above, to nothing at 1.125 times the upper edge (muscle, mains). A lower edge
    up to 0.67 Hz leaves the ST segment in place where there is no phase distortion: Kligfield et al., Circulation 2007,
    115:1306-1324. The signal is mirrored at its end, so that it joins its beginning without a step.
    """
    samples = signal.shape[-2]
    return _signal_of(_spectrum(signal) * _gain(samples + 1, samples / rate, band), samples)


def resample(signal: Float32Array, samples: int) -> Float32Array:
    """Bring a (..., n, leads) signal to (..., samples, leads) over the same time, float32, the first sample in place.

    Frequencies that the new rate can't carry are dropped, so none is aliased.
    """
    before = signal.shape[-2]
    if samples == before:
        return signal
    return _signal_of(_resized(_spectrum(signal), before, samples), samples)


def _spectrum(signal: Float32Array) -> NDArray[np.complex64]:
    mirrored = np.concatenate([signal, signal[..., ::-1, :]], axis=-2, dtype=np.float32)
    return np.fft.rfft(mirrored, axis=-2).astype(np.complex64, copy=False)


def _gain(frequencies: int, seconds: float, band: tuple[float, float]) -> Float32Array:
    """What the lowest `frequencies` of a mirrored signal of `seconds` are multiplied by, (frequencies, 1)."""
    low, high = band
    hertz = np.arange(frequencies) / (2 * seconds)
    gain: Float32Array = _rise(hertz, low / 2, low) * (1 - _rise(hertz, high, high * 1.125))
    return gain[:, None]


def _resized(spectrum: NDArray[np.complex64], before: int, samples: int) -> NDArray[np.complex64]:
    """The spectrum of a mirrored signal of as many samples, of one that had `before`."""
    if samples == before:
        return spectrum
    kept = spectrum[..., : samples + 1, :]
    absent = [(0, 0)] * (kept.ndim - 2) + [(0, samples + 1 - kept.shape[-2]), (0, 0)]
    return np.asarray(np.pad(kept, absent) * np.float32(samples / before), np.complex64)


def _rough(samples: int) -> int:
    """What is left of a number once it is divided by all factors that FFTs are fast for."""
    for factor in (2, 3, 5, 7, 11, 13):
        while samples % factor == 0:
            samples //= factor
    return samples


def _lowest(signal: Float32Array, count: int) -> NDArray[np.complex64]:
    """The lowest `count` values of the spectrum of a (samples, leads) signal that is mirrored at its end, for lengths
    that FFTs are slow for: as a convolution with a chirp, of a length that they are fast for (Bluestein 1970)."""
    samples = len(signal)
    size = min(factor << math.ceil(math.log2((samples + count) / factor)) for factor in (1, 3, 5, 9, 15))
    chirp = np.exp(-0.5j * np.pi * (np.arange(samples) ** 2 % (4 * samples)) / samples).astype(np.complex64)
    kernel = np.zeros(size, np.complex64)
    kernel[:count] = chirp[:count].conj()
    kernel[size - samples + 1 :] = chirp[:0:-1].conj()
    spectra = np.fft.fft(signal.T * chirp, size)
    spectra *= np.fft.fft(kernel)
    half = np.exp(-0.5j * np.pi * np.arange(count) / samples)
    cosines = 2 * (half * chirp[:count] * np.fft.ifft(spectra)[:, :count]).real
    return np.asarray((cosines / half).T, np.complex64)


def _signal_of(spectrum: NDArray[np.complex64], samples: int) -> Float32Array:
    mirrored = np.fft.irfft(spectrum, 2 * samples, axis=-2)
    return np.ascontiguousarray(mirrored[..., :samples, :], np.float32)


def _rise(frequencies: NDArray[np.floating], start: float, end: float) -> Float32Array:
    """0 up to `start`, 1 from `end` on, half a cosine between."""
    turn = np.clip((frequencies - start) / (end - start), 0, 1)
    gain: Float32Array = (0.5 - 0.5 * np.cos(np.pi * turn)).astype(np.float32)
    return gain


def _twelve_leads(headers: Sequence[Header], sent: int) -> tuple[Header, dict[Lead, int]]:
    """Of the signal files that a header names, the one that holds the twelve leads, and the place of each lead in it.

    Of a record in one file nothing is asked but the leads. Of several the one that was sent may be cut, since its
    bytes alone don't tell; it is refused where the `sent` bytes are those of another one.
    """
    if len(headers) == 1:
        return headers[0], _find_leads(headers[0])
    faults = []
    for header in headers:
        try:
            places = _find_leads(header)
        except UnusableRecordError as error:
            faults.append(f"{header.file}: {error}")
            continue
        if sent < header.least_bytes and any(sent == other.least_bytes for other in headers):
            raise UnreadableRecordError(
                f"The header names several signal files. Send {header.file}, which holds the twelve leads and has "
                f"{header.least_bytes} bytes; {sent} were sent."
            )
        return (header if sent >= header.least_bytes else replace(header, frames=None)), places
    raise UnusableRecordError(
        "The header names several signal files, and none holds the twelve leads: save them in one. " + " ".join(faults)
    )


def _find_leads(header: Header) -> dict[Lead, int]:
    """The place of each of the twelve leads that the record holds. Where one is named in the usual way, a signal whose
    name only may mean it, such as C1, is another."""
    places: dict[Lead, int] = {}
    names = [_bare(signal.name) for signal in header.signals]
    for known in (_CANONICAL, _ALIASES):
        found = [
            (known[name], place) for place, name in enumerate(names) if name in known and known[name] not in places
        ]
        if len({lead for lead, _ in found}) < len(found):
            twice = next(lead for lead, _ in found if sum(lead == other for other, _ in found) > 1)
            raise UnusableRecordError(f"The record holds lead {twice} twice. Name each lead once.")
        places.update(found)
    missing = [lead for lead in PRECORDIAL if lead not in places]
    limb = [lead for lead in LEADS[:3] if lead in places]
    if missing or len(limb) < 2:
        wanted = [] if len(limb) >= 2 else ["two of I, II and III"]
        others = [signal.name for place, signal in enumerate(header.signals) if place not in places.values()]
        raise UnusableRecordError(
            f"The record is no 12-lead ECG: {_listing([*wanted, *missing])} missing. "
            f"Found: {_listing(sorted(places, key=LEADS.index)) or 'no lead'}{_of_other_names(others)}."
        )
    return places


def _bare(name: str) -> str:
    """What a signal is called, in lower case: `avr` of `aVR`, `AVR`, `lead aVR`, `ECG_aVR` and `aVR (mV)`; names that
    say something else, such as `-aVR`, stay as they are."""
    if len(name) > _LONGEST_NAME:
        return ""
    plain = unicodedata.normalize("NFKC", name).strip()
    match = _LEAD_NAME.fullmatch(plain)
    return (match[1] if match else plain).lower()


def _of_other_names(names: Sequence[str]) -> str:
    if not names:
        return ""
    shown = ["".join(sign for sign in name if sign.isprintable())[:_LONGEST_NAME] or "(no name)" for name in names]
    more = f" and {len(shown) - _MOST_NAMES} more" if len(shown) > _MOST_NAMES else ""
    return f"; of names that are not known: {_listing(shown[:_MOST_NAMES])}{more}"


def _millivolts_per_unit(header: Header, lead: Lead, place: int) -> float:
    signal = header.signals[place]
    if signal.units.lower() not in _MILLIVOLTS:
        raise UnusableRecordError(f"Lead {lead} is in unknown units; V, mV, uV and nV are read.")
    return _MILLIVOLTS[signal.units.lower()] / signal.gain


def _with_limb_leads(leads: dict[Lead, Float32Array]) -> Float32Array:
    """Leads, (samples, 12), with those that were missing (Einthoven: I + III = II; Goldberger's augmented leads)."""
    if "I" not in leads:
        leads["I"] = leads["II"] - leads["III"]
    if "II" not in leads:
        leads["II"] = leads["I"] + leads["III"]
    one, two, half = leads["I"], leads["II"], np.float32(0.5)
    augmented: Mapping[Lead, Callable[[], Float32Array]] = {
        "III": lambda: two - one,
        "aVR": lambda: -half * (one + two),
        "aVL": lambda: one - half * two,
        "aVF": lambda: two - half * one,
    }
    return np.stack([leads[lead] if lead in leads else augmented[lead]() for lead in LEADS]).T


def _spread(count: int) -> NDArray[np.int64]:
    """All of `count` places, or `MAX_WINDOWS` of them evenly from first to last."""
    return np.unique(np.linspace(0, count - 1, min(count, MAX_WINDOWS)).round().astype(np.int64))


def _judge(window: Float32Array, leads: Sequence[Lead]) -> tuple[str | None, tuple[Lead, ...]]:
    """Why a (samples, leads) window can't be read, or None, and its flat leads."""
    gaps = np.isnan(window)
    if gaps.any():
        shares = gaps.mean(axis=0)
        if missing := [lead for lead, share in zip(leads, shares, strict=True) if share > MAX_MISSING]:
            return f"{_listing(missing)} missing for more than {MAX_MISSING:.0%} of the time. Record the ECG again.", ()
    spans = np.nanmax(window, axis=0) - np.nanmin(window, axis=0)
    if wild := [lead for lead, span in zip(leads, spans, strict=True) if span > MAX_MILLIVOLTS]:
        return (
            f"{_listing(wild)} spans more than {MAX_MILLIVOLTS:g} mV. Check the gain and the units in the header.",
            (),
        )
    flat = tuple(lead for lead, span in zip(leads, spans, strict=True) if span < FLAT_MILLIVOLTS)
    if len(flat) > MAX_FLAT_LEADS or set(flat) - set(PRECORDIAL):
        return f"{_listing(flat)} without signal. Check the electrodes and record the ECG again.", ()
    return None, flat


def _bridge_gaps(window: Float32Array) -> Float32Array:
    """Straight lines over the missing samples of each lead of a (samples, leads) window."""
    gaps = np.isnan(window)
    if not gaps.any():
        return window
    bridged = window.copy()
    time = np.arange(len(window))
    for lead in np.flatnonzero(gaps.any(axis=0)):
        gap = gaps[:, lead]
        bridged[gap, lead] = np.interp(time[gap], time[~gap], window[~gap, lead])
    return bridged


def _listing(names: Sequence[str]) -> str:
    return ", ".join(names)
