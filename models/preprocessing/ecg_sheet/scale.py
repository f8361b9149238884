"""Millimetres of a straight sheet: the spacing of its grid, its calibration pulse."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.picture import UInt8Array

FloatMap = NDArray[np.float32]

USUAL_WIDTH = 250.0
"""Width of the traces in mm: ten seconds at 25 mm/s, the paper most machines take."""
WIDTHS = (USUAL_WIDTH, 500.0)
_GAINS = (5.0, 10.0, 20.0)
_PERIODIC = 0.12
"""Least correlation of a grid with itself one period on."""


class Scale(NamedTuple):
    """Pixels a mm across and down, and whether a grid said so."""

    across: float
    down: float
    grid: bool


class Pulse(NamedTuple):
    """A calibration pulse of 1 mV: first and last column in pixels, and its height in mm, one of 5, 10 and 20."""

    first: int
    last: int
    gain: float


def find_scale(lines: UInt8Array, first: int, last: int) -> Scale:
    """Scale of a straight sheet from its density map (height, width) and the columns between which its traces run.

    Grid lines may be 1 mm or 5 mm apart; the width of the traces tells which. Without a grid they are 250 mm wide.
    """
    capped = np.minimum(lines, max(float(np.percentile(lines[::4, ::4], 90)), 4.0)).astype(np.float32)
    width = last - first
    guess = Scale(width / USUAL_WIDTH, width / USUAL_WIDTH, grid=False)
    across = _period(capped.mean(axis=0), width / 600, width / 20)
    if across is None:
        return guess
    millimetres = min((abs(np.log(width / across * step / whole)), step) for step in (5.0, 1.0) for whole in WIDTHS)
    if millimetres[0] > 0.16:
        return guess
    down = _period(capped.mean(axis=1), 0.85 * across, 1.18 * across)
    return Scale(across / millimetres[1], (down or across) / millimetres[1], grid=True)


def find_pulse(heights: FloatMap, first: int, last: int, scale: Scale) -> Pulse | None:
    """The pulse at either end of traces in mm above their base line, (rows, width); in all rows or the lowest."""
    near = round(16 * scale.across)
    for end in (first, last):
        window = slice(max(0, end - near), min(heights.shape[1], end + near))
        local = heights[:, window] - np.percentile(heights[:, window], 30, axis=1, keepdims=True)
        for profile in (np.median(local, axis=0), local[-1]):
            pulse = _pulse(profile.astype(np.float32), window.start, scale)
            if pulse:
                return pulse
    return None


def _pulse(profile: FloatMap, offset: int, scale: Scale) -> Pulse | None:
    near = round(1.6 * scale.across)
    for gain in sorted(_GAINS, reverse=True):
        high = np.abs(profile - gain) < 0.18 * gain
        edges = np.flatnonzero(np.diff(np.concatenate([[0], high.astype(np.int8), [0]])))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            before, after = profile[max(0, begin - near) : begin], profile[end : end + near]
            if not 3.5 < (end - begin) / scale.across < 12 or not before.size or not after.size:
                continue
            flat = float(np.ptp(profile[begin + 1 : end - 1])) < 0.15 * gain
            if flat and before[0] < 0.4 * gain and after[-1] < 0.4 * gain:
                return Pulse(offset + int(begin), offset + int(end), gain)
    return None


def _period(profile: FloatMap, shortest: float, longest: float) -> float | None:
    """The smallest distance in pixels at which a profile repeats itself nearly as well as at any other."""
    smooth = max(3, round(longest)) | 1
    detail = profile - np.convolve(np.pad(profile, smooth // 2, mode="edge"), np.ones(smooth) / smooth, "valid")
    detail = np.convolve(detail, (0.25, 0.5, 0.25) if shortest < 6 else (0.2,) * 5, "same")
    detail = np.clip(detail, -2 * detail.std(), 2 * detail.std())
    size = 1 << int(np.ceil(np.log2(2 * detail.size)))
    echo = np.fft.irfft(np.abs(np.fft.rfft(detail, size)) ** 2)[: detail.size // 2]
    echo /= echo[0] + 1e-9
    low, high = max(2, int(shortest)), min(int(longest) + 2, echo.size - 1)
    inside = np.arange(low, high)
    peaks = inside[(echo[inside] >= echo[inside - 1]) & (echo[inside] >= echo[inside + 1])]
    if not peaks.size or echo[peaks].max() < _PERIODIC:
        return None
    period = float(peaks[echo[peaks] > 0.75 * echo[peaks].max()][0])
    for multiple in (2, 4, 8):
        about = round(period * multiple)
        if about + 3 >= echo.size:
            break
        near = np.arange(about - 2, about + 3)  # further off the next line's peak may be as high
        best = int(near[echo[near].argmax()])
        above, here, below = echo[best - 1], echo[best], echo[best + 1]
        bend = above - 2 * here + below
        apart = 0.5 * (above - below) / bend if bend < 0 else 0.0
        period = (best + float(np.clip(apart, -0.5, 0.5))) / multiple
    return period
