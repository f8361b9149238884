"""ST elevation drawn into ECG records: the same records with and without an injury current, of a known height.

Limits are those of the Fourth Universal Definition of Myocardial Infarction (Thygesen et al. 2018, J Am Coll Cardiol
72:2231, doi:10.1016/j.jacc.2018.08.1038) where neither age nor sex is known: 0.1 mV, in V2 and V3 0.15 mV.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.ecg_record import LEADS

FloatArray = NDArray[np.float32]
Wall = Literal["anterior", "inferior", "lateral"]

CONTIGUOUS: Mapping[Wall, tuple[str, ...]] = {
    "anterior": ("V2", "V3", "V4"),
    "inferior": ("II", "III", "aVF"),
    "lateral": ("I", "aVL", "V5", "V6"),
}
"""The leads that look at a wall."""

_SHARES: Mapping[Wall, Mapping[str, float]] = {
    "anterior": {"V1": 0.5, "V2": 1.0, "V3": 1.0, "V4": 1.0, "V5": 0.5},
    "inferior": {"II": 1.0, "III": 1.0, "aVF": 1.0, "aVR": -0.5, "aVL": -0.5},
    "lateral": {"I": 1.0, "aVL": 1.0, "V5": 1.0, "V6": 1.0, "III": -1.0, "aVR": -0.5, "aVF": -0.5},
}
"""Of the height drawn, in each lead; limb leads add up as those of one heart do."""

_SLOWEST = 0.3
"""Seconds after the J point at which what was drawn has passed at the latest."""


def limit(lead: str) -> float:
    """The ST elevation, in mV, from which a lead counts, whoever the patient is."""
    return 0.15 if lead in ("V2", "V3") else 0.1


def elevate(signal: NDArray[np.floating], rate: float, wall: Wall, millimetres: float) -> FloatArray:
    """A signal (n, 12) in mV at `rate` Hz whose J points in the contiguous leads of a wall lie at least `millimetres`
    (of 0.1 mV) above the leads' limits, from the PQ segment. Raises `ValueError` where it has no beats."""
    peaks = find_beats(signal, rate)
    if len(peaks) < 3:
        raise ValueError("no beats were found")
    j_point = _end_of_qrs(signal, peaks, rate)
    levels = dict(zip(LEADS, _st_levels(signal, peaks, j_point, rate), strict=True))
    height = max(limit(lead) + millimetres / 10 - levels[lead] for lead in CONTIGUOUS[wall])
    current = _injury(len(signal), peaks + j_point, rate, float(np.median(np.diff(peaks))) / rate)
    shares = np.array([_SHARES[wall].get(lead, 0.0) for lead in LEADS])
    raised: FloatArray = (signal + max(height, 0.0) * current[:, None] * shares).astype(np.float32)
    return raised


def find_beats(signal: NDArray[np.floating], rate: float) -> NDArray[np.intp]:
    """Samples of the R peaks of a signal (n, 12): where all leads together move fastest, and are then largest."""
    speed = np.abs(np.gradient(signal, axis=0)).sum(axis=1)
    window = max(3, round(0.08 * rate))
    energy = np.convolve(speed, np.ones(window) / window, "same")
    level = max(0.45 * float(np.percentile(energy, 98)), 1e-6)
    apart = round(0.28 * rate)
    found: list[int] = []
    for at in np.argsort(-energy):
        if energy[at] < level:
            break
        if all(abs(at - other) >= apart for other in found):
            found.append(int(at))
    size = np.sqrt(((signal - np.median(signal, axis=0)) ** 2).sum(axis=1))
    near = round(0.06 * rate)
    peaks = [max(0, at - near) + int(size[max(0, at - near) : at + near + 1].argmax()) for at in sorted(found)]
    return np.unique(np.array(peaks, dtype=np.intp))


def _end_of_qrs(signal: NDArray[np.floating], peaks: NDArray[np.intp], rate: float) -> int:
    """Samples from the R peak to the J point of the median beat."""
    after = round(0.16 * rate)
    beats = np.stack([signal[at : at + after] for at in peaks if at + after <= len(signal)])
    speed = np.linalg.norm(np.gradient(np.median(beats, axis=0), axis=0), axis=1)
    first = round(0.03 * rate)
    slow = np.flatnonzero(speed[first:] < 0.12 * speed.max())
    return first + (int(slow[0]) if slow.size else round(0.06 * rate)) + 1


def _st_levels(signal: NDArray[np.floating], peaks: NDArray[np.intp], j_point: int, rate: float) -> FloatArray:
    """Median height of the J point above the PQ segment, in mV, of each lead."""
    first, last = round(0.07 * rate), round(0.05 * rate)
    inside = [at for at in peaks if at >= first and at + j_point < len(signal)]
    levels = [signal[at + j_point] - np.median(signal[at - first : at - last + 1], axis=0) for at in inside]
    return np.asarray(np.median(levels, axis=0), dtype=np.float32)


def _injury(size: int, starts: NDArray[np.intp], rate: float, cycle: float) -> NDArray[np.float64]:
    """A wave of height 1 after each J point: up within 20 ms before it, level for 80 ms, down as the T wave ends."""
    down = min(_SLOWEST, 0.4 * cycle)
    seconds = np.arange(size)[:, None] / rate - starts[None, :] / rate
    rise = np.clip(1 + seconds / 0.02, 0, 1)
    fall = np.exp(-((np.maximum(seconds - 0.08, 0) / (0.5 * down)) ** 2))
    return np.asarray((rise * fall).max(axis=1))
