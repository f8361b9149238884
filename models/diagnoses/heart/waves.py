"""Where the waves of a median beat begin and end.

QRS is where the leads together are steep. T and P end, and P begins, where the area of a trapezium under the wave is
largest (Vazquez-Seisdedos et al., BioMed Eng OnLine 2011;10:43), which noise moves less than a tangent.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.heart.beats import BEFORE, FINE, FloatArray, MedianBeat

_INDEPENDENT = np.array([0, 1, 6, 7, 8, 9, 10, 11])
_STEEP = 0.045
"""Share of the steepest slope of QRS that still belongs to it."""
_QUIET = 0.024
"""Seconds of calm that end QRS."""
_SEARCH = 0.14
_SLOPING, _STRAIGHT = 0.3, 0.05
"""Shares of the steepest slope, and of the sharpest bend, of QRS that an ST segment may have."""
_WIDEST, _USUAL = 0.26, 0.1
"""Seconds of QRS: what is wider was not told from ST."""
_LEAST_T, _LEAST_P = 0.06, 0.03
"""mV that a wave spans over the leads (root of the mean square) to be told from none."""
_LONGEST_P = 0.1
"""Seconds from the top of a P wave to its onset at most."""
_LONGEST_PR = 0.34
_TOP = 0.01
"""Seconds before the end of where T is looked for that its top lies at least; what goes on rising is none."""
_LONGEST_T = 0.2
"""Seconds from the top of a T wave to its end at most; a U wave comes later."""


class Waves(NamedTuple):
    """Samples of the median beat, at `FINE` Hz; None where a wave is not told from none. Where QRS is not `clear`, it
    is taken to have the usual duration about its steepest part, since a level beside it still says something."""

    onset: float
    offset: float
    t_end: float | None
    p_onset: float | None
    clear: bool = True


def find_waves(beat: MedianBeat, interval: float) -> Waves | None:
    """The waves of a median beat whose beats are `interval` seconds apart; None where no QRS stands out."""
    signal = np.nan_to_num(beat.signal[:, _INDEPENDENT])
    found = _qrs(signal, beat.origin)
    if found is None:
        return None
    onset, offset = found
    clear = offset - onset <= _WIDEST * FINE
    if not clear:
        onset, offset = beat.origin - _USUAL / 2 * FINE, beat.origin + _USUAL / 2 * FINE
    size = beat.spread[_INDEPENDENT].mean() / np.sqrt(np.maximum(beat.of[_INDEPENDENT].mean(), 1))
    noise = float(size)
    t_end = _t_end(signal, round(onset), round(offset), interval, noise=noise)
    rest = interval - ((t_end if t_end is not None else offset) - onset) / FINE
    return Waves(
        onset, offset, t_end, _p_onset(signal, round(onset), min(_LONGEST_PR, rest - 0.01), noise=noise), clear
    )


def onset_of(mean: FloatArray) -> float | None:
    """Seconds from the alignment of a mean beat, (samples, 8) at `FINE` Hz, to the onset of its QRS."""
    origin = round(BEFORE * FINE)
    found = _qrs(mean, origin)
    return None if found is None else (found[0] - origin) / FINE


def _speed(signal: FloatArray) -> FloatArray:
    """How fast the leads move together, mV a sample, (samples,)."""
    change = np.zeros(len(signal), np.float32)
    steps = (signal[4:] - signal[:-4]) / 4
    change[2:-2] = np.sqrt(np.square(steps).mean(axis=1))
    return change


def _bend(signal: FloatArray) -> FloatArray:
    """How fast the speeds of the leads change together, mV a sample squared, (samples,)."""
    change = np.zeros(len(signal), np.float32)
    steps = (signal[8:] - 2 * signal[4:-4] + signal[:-8]) / 16
    change[4:-4] = np.sqrt(np.square(steps).mean(axis=1))
    return change


def _qrs(signal: FloatArray, origin: int) -> tuple[float, float] | None:
    """Onset and end of QRS in a beat (samples, 8). Its end is also where it goes over into an ST segment that rises or
    falls as straight as it does in a bundle branch block."""
    speed, bend = _speed(signal), _bend(signal)
    reach = round(_SEARCH * FINE)
    near = slice(origin - reach, origin + reach)
    peak = near.start + int(speed[near].argmax())
    top = float(speed[peak])
    if top <= 0:
        return None
    rest = float(np.quantile(speed[max(0, peak - 2 * reach) : peak + 3 * reach], 0.3))
    limit = max(_STEEP * top, min(2.1 * rest, 0.2 * top))
    still = speed < limit
    first = _edge(speed[: peak + 1][::-1], still[: peak + 1][::-1], limit, round(0.16 * FINE))
    straight = (speed < _SLOPING * top) & (bend < _STRAIGHT * bend[near].max())
    last = _edge(speed[peak:], (still | straight)[peak:], limit, round(0.22 * FINE))
    return peak - first, peak + last


def _edge(speed: FloatArray, calm: NDArray[np.bool_], limit: float, furthest: int) -> float:
    """From a peak at 0 on: where it is calm and stays so for `_QUIET`, between samples."""
    quiet = round(_QUIET * FINE)
    runs = np.convolve(calm[: furthest + quiet], np.ones(quiet), "valid") >= quiet - 0.5
    at = int(runs.argmax()) if runs.any() else furthest
    if at == 0 or speed[at - 1] <= limit or speed[at] >= limit:
        return float(at)
    return at - 1 + float((speed[at - 1] - limit) / (speed[at - 1] - speed[at]))


def _t_end(signal: FloatArray, onset: int, offset: int, interval: float, *, noise: float) -> float | None:
    start = offset + round(0.05 * FINE)
    stop = min(len(signal) - 1, onset + round(min(0.62, 0.72 * interval) * FINE))
    if stop - start < round(0.08 * FINE):
        return None
    wave = _direction(signal, start, stop)
    if wave is None or wave.size_mv < max(_LEAST_T, 3 * noise) or wave.peak >= stop - round(_TOP * FINE):
        return None
    last = min(len(signal) - 1, onset + round((0.95 * interval - 0.12) * FINE), wave.peak + round(_LONGEST_T * FINE))
    return _end(wave.values, wave.peak, max(last, wave.peak + 10))


def _p_onset(signal: FloatArray, onset: int, reach: float, *, noise: float) -> float | None:
    """P is looked for up to `reach` seconds before QRS."""
    first = max(0, onset - round(reach * FINE))
    stop = onset - round(0.02 * FINE)
    if stop - first < round(0.06 * FINE):
        return None
    line = np.linspace(0, 1, stop - first, dtype=np.float32)[:, None]
    flat = signal.copy()
    ends = signal[first : first + 5].mean(axis=0), signal[stop - 5 : stop].mean(axis=0)
    flat[first:stop] -= ends[0] * (1 - line) + ends[1] * line
    wave = _direction(flat, first + round(0.02 * FINE), stop - 5)
    if wave is None or wave.size_mv < max(_LEAST_P, 3.5 * noise):
        return None
    mirrored = wave.values[:stop][::-1]
    peak = stop - 1 - wave.peak
    return stop - 1 - _end(mirrored, peak, min(len(mirrored) - 1 - first, peak + round(_LONGEST_P * FINE)))


class _Wave(NamedTuple):
    """A wave along the direction of its peak over the leads: its `values`, positive at `peak`, and its size in mV."""

    values: FloatArray
    peak: int
    size_mv: float


def _direction(signal: FloatArray, start: int, stop: int) -> _Wave | None:
    sizes = np.sqrt(np.square(signal[start:stop]).mean(axis=1))
    peak = start + int(sizes.argmax())
    size = float(sizes.max())
    if size <= 0:
        return None
    return _Wave(signal @ (signal[peak] / (size * len(signal[peak]))), peak, size)


def _end(values: FloatArray, peak: int, last: int) -> float:
    """Where a wave that peaks at a sample ends, no later than `last`."""
    after = values[peak : last + 1]
    if after.size < 8:
        return float(last)
    steepest = int(np.gradient(after)[: max(8, int(0.75 * after.size))].argmin())
    rest = np.arange(steepest + 1, after.size)
    if not rest.size:
        return float(last)
    heights = after[steepest] - after[rest]
    area = heights * (2 * (after.size - 1) - rest - steepest)
    return float(peak + rest[int(area.argmax())])
