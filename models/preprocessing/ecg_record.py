"""A 12-lead ECG record to the windows a network reads; one code path for training and service.

The order is fixed: read the record, bring the leads to order and millivolts, cut it into windows, bridge short gaps,
keep the band of the ECG, bring the rate down or up. Every step is deterministic. A bundle stores its
`SignalPreprocessing`, so a change of any step here must raise `REVISION`. Amplitudes stay in millivolts: what scaling a
network wants is part of its graph.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

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
    read_headers,
    read_samples,
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


@dataclass(frozen=True, slots=True)
class Record:
    """A 12-lead ECG. `signal` is (samples, 12) float32 in millivolts, in the order of `LEADS`, NaN where missing.

    `rate` is in Hz. `derived_leads` were computed from other leads. `calibrated` is false where the header gives no
    gain for a lead, so that its voltage rests on the standard's assumption of 200 units per millivolt. It was `cut`
    where fewer samples arrived than the header announces.
    """

    signal: Float32Array
    rate: float
    derived_leads: tuple[Lead, ...]
    calibrated: bool
    cut: bool = False

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.signal) / self.rate


@dataclass(frozen=True, slots=True)
class EcgWindows:
    """What a network reads of a record: `tensors` is (windows, samples, leads) float32, band-passed millivolts.

    `stretches` are the places of the windows in the record, which is `short` where it fills not even one of them. In
    at least one window each of `flat_leads` has no signal.
    """

    tensors: Float32Array
    record: Record
    flat_leads: tuple[Lead, ...]
    stretches: tuple[slice, ...]
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
    return _record(parsed, places, lambda: read_samples(parsed, signal), cut=parsed not in headers)


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
        return _record(waveform.header, places, waveform.read_samples)
    raise faults[0]


def _record(
    parsed: Header,
    places: Mapping[Lead, int],
    read: Callable[[], tuple[Int32Array, BoolArray]],
    *,
    cut: bool = False,
) -> Record:
    """The record of the signals at those places, once what a header says of them makes sense."""
    rate = parsed.rate * parsed.samples_per_frame
    if not RATES[0] <= rate <= RATES[1]:
        raise UnusableRecordError(
            f"The record has {rate:g} samples a second; ECGs of {RATES[0]:g} to {RATES[1]:g} Hz are read."
        )
    factors = {lead: _millivolts_per_unit(parsed, lead, place) for lead, place in places.items()}
    samples, valid = read()
    leads: dict[Lead, Float32Array] = {}
    for lead, place in places.items():
        millivolts = (samples[:, place] - np.float64(parsed.signals[place].baseline)) * factors[lead]
        leads[lead] = np.where(valid[:, place], millivolts, np.nan).astype(np.float32)
    derived = _derive_limb_leads(leads)
    return Record(
        signal=np.stack([leads[lead] for lead in LEADS], axis=1),
        rate=rate,
        derived_leads=derived,
        calibrated=all(parsed.signals[place].calibrated for place in places.values()),
        cut=cut,
    )


def cut_windows(record: Record, spec: SignalPreprocessing) -> EcgWindows:
    """Cut a record into the windows of `spec`, one after the other; of more than `MAX_WINDOWS` that many evenly chosen.

    A record up to 1 % too short is continued with its last value, a cut one up to a fifth too short is mirrored at its
    end. A window is passed over where a lead is missing for
    more than a tenth of it, spans more than 100 mV (no ECG does: gain or units are wrong), or is flat, which means an
    electrode is off; up to two flat precordial leads are let through and named. Raises `UnusableRecordError` where no
    window remains.
    """
    length = round(spec.seconds * record.rate)
    shortfall = length - len(record.signal)
    short = shortfall > length * _SHORTFALL
    if shortfall > length * (_MOST_SHORTFALL if record.cut else _SHORTFALL):
        raise UnusableRecordError(
            f"The record is {record.seconds:.3g} seconds long; at least {spec.seconds} seconds are needed."
        )
    signal = record.signal
    if spec.leads != LEADS:
        signal = signal[:, [LEADS.index(lead) for lead in spec.leads]]
    if shortfall > 0:
        signal = np.pad(signal, ((0, shortfall), (0, 0)), mode="symmetric" if short else "edge")
    starts = _spread(len(signal) // length) * length
    windows = [signal[start : start + length] for start in starts]
    faults, flat = zip(*(_judge(window, spec.leads) for window in windows), strict=True)
    sound = [index for index, fault in enumerate(faults) if fault is None]
    if not sound:
        raise UnusableRecordError(str(faults[0]))
    tensors = [  # one after the other, since spectra take five times the memory of their window
        resample(filter_band(_bridge_gaps(windows[index]), record.rate, spec.band), spec.rate * spec.seconds)
        for index in sound
    ]
    if spec.beat:
        tensors = [with_beat(tensor) for tensor in tensors]
    return EcgWindows(
        tensors=np.stack(tensors),
        record=record,
        flat_leads=tuple(lead for lead in spec.leads if any(lead in flat[index] for index in sound)),
        stretches=tuple(slice(int(starts[index]), int(starts[index]) + length) for index in sound),
        short=short,
    )


def filter_band(signal: Float32Array, rate: float, band: tuple[float, float] = (0.5, 40.0)) -> Float32Array:
    """Keep the frequencies of `band`, Hz, in a (..., samples, leads) signal of `rate` Hz; float32 of the same shape.

    What lies in the band passes unchanged and without delay. Below, the gain falls as a raised cosine to nothing at
    half the lower edge (baseline wander); above, to nothing at 1.125 times the upper edge (muscle, mains). A lower edge
    up to 0.67 Hz leaves the ST segment in place where there is no phase distortion: Kligfield et al., Circulation 2007,
    115:1306-1324. The signal is mirrored at its end, so that it joins its beginning without a step.
    """
    low, high = band
    frequencies = np.fft.rfftfreq(2 * signal.shape[-2], 1 / rate)
    gain = _rise(frequencies, low / 2, low) * (1 - _rise(frequencies, high, high * 1.125))
    spectrum = _spectrum(signal) * gain[:, None]
    return _signal_of(spectrum, signal.shape[-2])


def resample(signal: Float32Array, samples: int) -> Float32Array:
    """Bring a (..., n, leads) signal to (..., samples, leads) over the same time, float32, the first sample in place.

    Frequencies that the new rate can't carry are dropped, so none is aliased.
    """
    before = signal.shape[-2]
    if samples == before:
        return signal
    spectrum = _spectrum(signal)[..., : samples + 1, :]
    absent = [(0, 0)] * (signal.ndim - 2) + [(0, samples + 1 - spectrum.shape[-2]), (0, 0)]
    return _signal_of(np.pad(spectrum, absent) * np.float32(samples / before), samples)


def _spectrum(signal: Float32Array) -> NDArray[np.complex64]:
    mirrored = np.concatenate([signal, signal[..., ::-1, :]], axis=-2, dtype=np.float32)
    return np.fft.rfft(mirrored, axis=-2).astype(np.complex64, copy=False)


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


def _derive_limb_leads(leads: dict[Lead, Float32Array]) -> tuple[Lead, ...]:
    """Add the limb leads that are missing (Einthoven: I + III = II; Goldberger's augmented leads) and name them."""
    missing = tuple(lead for lead in LEADS if lead not in leads)
    if "I" not in leads:
        leads["I"] = leads["II"] - leads["III"]
    if "II" not in leads:
        leads["II"] = leads["I"] + leads["III"]
    one, two, half = leads["I"], leads["II"], np.float32(0.5)
    augmented: dict[Lead, Float32Array] = {
        "III": two - one,
        "aVR": -half * (one + two),
        "aVL": one - half * two,
        "aVF": two - half * one,
    }
    leads.update({lead: augmented[lead] for lead in missing if lead in augmented})
    return missing


def _spread(count: int) -> NDArray[np.int64]:
    """All of `count` places, or `MAX_WINDOWS` of them evenly from first to last."""
    return np.unique(np.linspace(0, count - 1, min(count, MAX_WINDOWS)).round().astype(np.int64))


def _judge(window: Float32Array, leads: Sequence[Lead]) -> tuple[str | None, tuple[Lead, ...]]:
    """Why a (samples, leads) window can't be read, or None, and its flat leads."""
    missing = [lead for lead, share in zip(leads, np.isnan(window).mean(axis=0), strict=True) if share > MAX_MISSING]
    if missing:
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
