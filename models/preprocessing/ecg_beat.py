"""The median beat of an ECG and the regularity of its beats, as networks read them; one code path for training and
service.

Beats are found by the slopes of all leads that are shown, aligned to one another, and the median of those that are
alike is taken in each lead. So a lead that a sheet shows for two seconds gives the same kind of input as one recorded
for ten. What is measured for people, in milliseconds and millivolts, is found more finely elsewhere; this is only what
a network learned from, and must not change while a bundle rests on it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.intp]

RATE = 100
BEFORE, AFTER = 40, 72
"""Samples of a beat before and after where it is steepest."""
BEAT = BEFORE + AFTER
RHYTHM = 8
"""Figures of regularity."""
ROWS = BEAT + 1
"""Rows that `beat_rows` adds to a tensor: the beat, and one that begins with the figures of regularity."""

_SHIFT = 4
_QRS = slice(BEFORE - 12, BEFORE + 16)
_SHAPE = slice(BEFORE - 12, BEFORE + 20)
_APART = 28
_THRESHOLD = 0.35
_ALIKE = 0.8
_SMOOTH = np.full(8, 1 / 8)


class Beats(NamedTuple):
    """`pieces` (beats, 112, 12): the beats that are alike, mV, NaN where a lead is not shown; `median` (112, 12) of
    them, 0 where none is shown; `rhythm` (8,): rate, spread of the intervals, steps from one to the next (root mean
    square, median, share above 50 ms), shortest and longest, share of odd beats; each scaled to about 0 +- 1."""

    pieces: FloatArray
    median: FloatArray
    rhythm: FloatArray


def read_beats(signal: FloatArray, shown: NDArray[np.bool_]) -> Beats:
    """The beats of a band-passed (samples, 12) signal at 100 Hz, mV, 0 where it is not `shown`, the same shape."""
    level = np.sqrt(np.square(signal).sum(axis=0) / np.maximum(shown.sum(axis=0), 1)) + 1e-3
    at = _find(signal / level, shown)
    inside = at[(at >= BEFORE + 6) & (at < len(signal) - AFTER - 6)]
    used = inside if len(inside) > 1 else at
    if not len(used):
        return Beats(
            np.zeros((0, BEAT, signal.shape[1]), np.float32),
            np.zeros((BEAT, signal.shape[1]), np.float32),
            _regularity(at, 0.0),
        )
    seen = np.where(shown, signal / level, np.nan).astype(np.float32)
    pieces = _aligned(np.pad(seen, ((BEFORE + 10, AFTER + 10), (0, 0)), constant_values=np.nan), used + BEFORE + 10)
    median = _median(pieces)
    alike = _likeness(pieces[:, _SHAPE], median[_SHAPE]) > _ALIKE
    rhythm = _regularity(at, float(np.mean(~alike)))
    if alike.sum() > 1:
        pieces = pieces[alike]
        median = _median(pieces)
    scaled = np.nan_to_num(median) * level
    return Beats((pieces * level).astype(np.float32), scaled.astype(np.float32), rhythm)


def beat_rows(signal: FloatArray, shown: NDArray[np.bool_]) -> FloatArray:
    """The rows (113, 12) that a network of beats reads: the median beat in mV, then the figures of regularity."""
    beats = read_beats(signal, shown)
    last = np.zeros((1, signal.shape[1]), np.float32)
    last[0, :RHYTHM] = beats.rhythm
    return np.concatenate([beats.median, last])


def with_beat(signal: FloatArray) -> FloatArray:
    """A band-passed (samples, 12) signal at 100 Hz, mV, with the rows of its beat below."""
    return np.concatenate([signal, beat_rows(signal, np.ones(signal.shape, np.bool_))])


def _find(scaled: FloatArray, shown: NDArray[np.bool_]) -> IntArray:
    """Where slopes are steepest, apart from one another."""
    both = shown[1:] & shown[:-1]
    leads = both.sum(axis=1)
    steep = np.sqrt((np.square(np.diff(scaled, axis=0)) * both).sum(axis=1) / np.maximum(leads, 1))
    energy = np.convolve(steep, _SMOOTH, "same")
    if not leads.any():
        return np.zeros(0, np.intp)
    least = _THRESHOLD * np.quantile(energy[leads > 0], 0.985)
    middle = energy[1:-1]
    candidates = np.flatnonzero((middle >= energy[:-2]) & (middle > energy[2:]) & (middle > max(least, 1e-6))) + 1
    free = np.ones(len(energy), np.bool_)
    found: list[int] = []
    for place in candidates[np.argsort(-energy[candidates])].tolist():
        if free[place]:
            found.append(place)
            free[max(0, place - _APART + 1) : place + _APART] = False
    return np.array(sorted(found), np.intp)


def _aligned(padded: FloatArray, places: IntArray) -> FloatArray:
    """Pieces (beats, 112, 12) about `places`, each shifted to where its QRS fits the median's best."""
    shifts = np.arange(-_SHIFT, _SHIFT + 1)
    whole = places[:, None] - BEFORE + np.arange(BEAT)
    wide = padded[places[:, None] - BEFORE + np.arange(_QRS.start - _SHIFT, _QRS.stop + _SHIFT)]
    length = _QRS.stop - _QRS.start
    pieces = padded[whole]
    for _ in range(2):
        template = _median(pieces[:, _QRS])
        misfits = [np.nansum(np.abs(wide[:, lag : lag + length] - template), axis=(1, 2)) for lag in range(len(shifts))]
        best = np.argmin(np.stack(misfits, axis=1), axis=1)
        pieces = padded[whole + shifts[best][:, None]]
    return np.asarray(pieces)


def _median(pieces: FloatArray) -> FloatArray:
    """The median of (n, ...) over what is no NaN; NaN where nothing is."""
    ordered = np.sort(pieces, axis=0)
    count = np.isfinite(pieces).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(pieces) - 1)
    middle: FloatArray = (
        np.take_along_axis(ordered, low[None], 0)[0] + np.take_along_axis(ordered, high[None], 0)[0]
    ) / 2
    return middle


def _likeness(pieces: FloatArray, median: FloatArray) -> NDArray[np.floating]:
    """Correlation of each piece with the median in what it shows, (n,)."""
    flat = pieces.reshape(len(pieces), -1)
    known = np.isfinite(flat) & np.isfinite(median.ravel())
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    one = np.where(known, flat, 0.0)
    other = np.where(known, median.ravel(), 0.0)
    one = (one - one.sum(axis=1, keepdims=True) / count) * known
    other = (other - other.sum(axis=1, keepdims=True) / count) * known
    scale = np.sqrt(np.square(one).sum(axis=1) * np.square(other).sum(axis=1) + 1e-9)
    likeness: NDArray[np.floating] = (one * other).sum(axis=1) / scale
    return likeness


def _regularity(at: IntArray, odd: float) -> FloatArray:
    intervals = np.diff(at) / RATE if len(at) > 2 else np.ones(2)
    steps = np.abs(np.diff(intervals))
    mean, usual = intervals.mean(), np.median(intervals)
    figures = [
        0.6 / usual - 0.8,
        np.log1p(10 * intervals.std() / mean) - 0.5,
        np.log1p(10 * np.sqrt(np.mean(np.square(steps))) / mean) - 0.5,
        np.log1p(20 * np.median(steps) / mean) - 0.5,
        float(np.mean(steps > 0.05)) - 0.3,
        intervals.min() / usual - 0.9,
        np.log(intervals.max() / usual),
        odd,
    ]
    return np.asarray(np.clip(np.array(figures), -2, 3), np.float32)
