"""WFDB records for the tests, made on the spot."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.ecg_record import LEADS

GAIN = 1000


def ecg(seconds: float = 10, rate: float = 100, *, seed: int = 0) -> NDArray[np.float64]:
    """A made-up (samples, 12) ECG in mV: a spike a second of its own height in I, II and each precordial lead, over a
    little noise, and the other limb leads as they follow."""
    time = np.arange(round(seconds * rate)) / rate
    beats = np.exp(-(((time % 1 - 0.5) / 0.02) ** 2))
    heights = {"I": 0.8, "II": 1.2, "V1": -0.9, "V2": -1.4, "V3": 0.7, "V4": 1.9, "V5": 1.6, "V6": 1.1}
    noise = np.random.default_rng(seed).normal(0, 0.01, (len(time), 12))
    leads = {lead: height * beats + noise[:, n] for n, (lead, height) in enumerate(heights.items())}
    one, two = leads["I"], leads["II"]
    leads |= {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    return np.stack([leads[lead] for lead in LEADS], axis=1)


def counts_of(millivolts: NDArray[np.floating]) -> NDArray[np.int64]:
    """Converter units at 1000 a millivolt."""
    return np.rint(np.asarray(millivolts, np.float64) * GAIN).astype(np.int64)


def header_of(
    counts: NDArray[np.int64],
    *,
    rate: object = 100,
    names: Sequence[str] = LEADS,
    storage: object = 16,
    gain: str = f"{GAIN}(0)/mV",
    samples: object = None,
    file: str = "00001.dat",
) -> bytes:
    """The .hea of (samples, signals) whole numbers, with its checksums."""
    lines = [f"00001 {len(names)} {rate} {len(counts) if samples is None else samples}"]
    for name, column in zip(names, counts.T, strict=True):
        lines.append(f"{file} {storage} {gain} 16 0 {column[0]} {int(column.sum()) % 65536} 0 {name}")
    return "\n".join([*lines, "# made up"]).encode() + b"\n"


def signal_of(counts: NDArray[np.int64]) -> bytes:
    """The .dat of (samples, signals) whole numbers in format 16."""
    return counts.astype("<i2").tobytes()


def record(seconds: float = 10, rate: float = 100) -> tuple[bytes, bytes]:
    """The .hea and .dat of a made-up 12-lead ECG."""
    counts = counts_of(ecg(seconds, rate))
    return header_of(counts, rate=rate), signal_of(counts)


def record_files(sent: tuple[bytes, bytes] | None = None) -> dict[str, tuple[str, bytes]]:
    """The `files` of a request with a record, made up where none is given."""
    header, signal = sent or record()
    return {"header": ("00001.hea", header), "signal": ("00001.dat", signal)}
