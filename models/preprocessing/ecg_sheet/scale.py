"""Millimetres of a straight sheet: the spacing of its grid, its calibration pulse."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.picture import UInt8Array

FloatMap = NDArray[np.float32]

USUAL_WIDTH = 250.0
"""Width of the traces in mm: ten seconds at 25 mm/s, the paper most machines take."""
WIDTHS = (USUAL_WIDTH, 500.0)
_GAINS = (5.0, 10.0, 20.0)
_USUAL_GAIN = 10.0
_NARROW, _MIDDLE, _USUAL_PULSE, _WIDEST_PULSE = 1.2, 2.0, 3.5, 12.0
_LEAST_TOP = 2.2
"""Of a pulse at the edge of the paper, in mm."""
"""Millimetres that pulses are wide: some machines print them narrow, most 0.2 seconds long."""
_FIFTHS = {25.0: 5.0, 50.0: 10.0}
_STEP, _BESIDE, _LEVEL, _LOW = 0.6, 1.8, 1.2, 0.3
"""Millimetres beside a low pulse between which its feet are level, by how many what is drawn there may differ, and how
far it may be off the base line, in heights of the pulse."""
_SKEWED = 4.0
"""Millimetres by which pulses of a skewed sheet may lie apart."""
_FORESHORTENED = 0.12
"""How much a millimetre may differ down and across in a photograph."""
_PERIODIC = 0.12
"""Least correlation of a grid with itself one period on."""


class Scale(NamedTuple):
    """Pixels a mm across and down, and whether a grid said so."""

    across: float
    down: float
    grid: bool


class Pulse(NamedTuple):
    """A calibration pulse of 1 mV: first and last column in pixels, its height in mm, one of 5, 10 and 20, and its
    width in mm."""

    first: int
    last: int
    gain: float
    wide: float

    @property
    def speed(self) -> float | None:
        """Paper speed in mm/s, where the pulse is as wide as 0.2 seconds are; some machines print it narrower."""
        return next((speed for speed, wide in _FIFTHS.items() if abs(self.wide - wide) < 0.15 * wide), None)


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
    across /= millimetres[1]
    return Scale(across, _near_period(capped.mean(axis=1), across), grid=True)


def find_pulse(heights: FloatMap, inked: NDArray[np.bool_], first: int, last: int, scale: Scale) -> Pulse | None:
    """The pulse at either end of traces in mm above their base line, (rows, width), or between two columns of them:
    in several rows at about the same place, however narrow, or a usual one in the lowest. Where no ink was followed a
    trace counts as on its base line, since beside a pulse a path may stay up."""
    rows, heights = len(heights), heights * inked
    for end in (first, last):
        each = _near(heights, end, scale, _NARROW)
        each = [
            [pulse for pulse in own if pulse.gain >= _USUAL_GAIN or _stands(pulse, row, drawn, scale)]
            for own, row, drawn in zip(each, heights, inked, strict=True)
        ]
        edges = _edges(heights, end, scale, falling=end == first)
        if pulse := _shared(each, max(2, rows // 3), scale, (10.0,)) or _shared(each, _half(rows), scale, _GAINS):
            return pulse
        if pulse := _shared(edges, _half(rows), scale, (10.0,)):
            return pulse
        lowest = [pulse for pulse in each[-1] if pulse.wide > _USUAL_PULSE]
        if lowest:
            return lowest[0]
    return _shared(_near(heights, (first + last) // 2, scale, _MIDDLE), _half(rows), scale, _GAINS)


def _stands(pulse: Pulse, heights: FloatMap, inked: NDArray[np.bool_], scale: Scale) -> bool:
    """Whether a low pulse of a row is wide, and what is drawn beside it is level and below it: ST segments and T waves,
    too, may be as high and flat, at the end of the paper in several rows."""
    foot, step = round(_BESIDE * scale.across), max(1, round(_STEP * scale.across))
    beside = [
        slice(max(0, pulse.first - foot), max(0, pulse.first - step)),
        slice(pulse.last + step, pulse.last + foot),
    ]
    drawn = [heights[side][inked[side]] for side in beside]
    level = [
        float(np.ptp(feet)) < _LEVEL and abs(float(np.median(feet))) < _LOW * pulse.gain
        for feet in drawn
        if feet.size > 1
    ]
    return pulse.wide > _MIDDLE and bool(level) and all(level)


def _half(rows: int) -> int:
    return max(2, (rows + 1) // 2)


def _shared(each: Sequence[Sequence[Pulse]], needed: int, scale: Scale, gains: Sequence[float]) -> Pulse | None:
    """A pulse that as many rows have at about the same place."""
    for pulse in (pulse for row in each for pulse in row if pulse.gain in gains):
        same = [other for row in each for other in row if _alike(pulse, other, scale)]
        if len(same) >= needed:
            wide = [one.wide for one in same if np.isfinite(one.wide)]
            first, last = min(one.first for one in same), max(one.last for one in same)
            return Pulse(first, last, pulse.gain, float(np.median(wide)) if wide else float("nan"))
    return None


def _alike(one: Pulse, other: Pulse, scale: Scale) -> bool:
    near = min(abs(one.first - other.first), abs(one.last - other.last))
    return one.gain == other.gain and near < _SKEWED * scale.across


def _near(heights: FloatMap, place: int, scale: Scale, narrowest: float) -> list[list[Pulse]]:
    """The pulses of each row near a column of pixels."""
    window, local = _window(heights, place, scale)
    return [_pulses(row, window.start, scale, narrowest) for row in local]


def _window(heights: FloatMap, place: int, scale: Scale) -> tuple[slice, FloatMap]:
    near = round(16 * scale.across)
    window = slice(max(0, place - near), min(heights.shape[1], place + near))
    local = heights[:, window]
    return window, local - np.percentile(local, 30, axis=1, keepdims=True).astype(np.float32)


def _tops(profile: FloatMap, gain: float) -> Iterator[tuple[int, int]]:
    """Where a row stays at the height of a gain, and is flat."""
    seen = np.abs(profile - gain) < 0.18 * gain
    high = seen.copy()
    if gain >= _USUAL_GAIN:  # lower tops come of T waves, too
        high[1:-1] |= seen[:-2] & seen[2:]  # over a pixel without ink
    edges = np.flatnonzero(np.diff(np.concatenate([[0], high.astype(np.int8), [0]])))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        top = profile[begin + 1 : end - 1][seen[begin + 1 : end - 1]]
        if end - begin > 3 and top.size and float(np.ptp(top)) < 0.15 * gain:
            yield begin, end


def _pulses(profile: FloatMap, offset: int, scale: Scale, narrowest: float) -> list[Pulse]:
    """The pulses of one row: flat tops at the height of a gain, between two steps."""
    near = round(1.6 * scale.across)
    found = []
    for gain in sorted(_GAINS, reverse=True):
        for begin, end in _tops(profile, gain):
            before, after = profile[max(0, begin - near) : begin], profile[end : end + near]
            wide = (end - begin) / scale.across
            if not before.size or not after.size:
                continue
            rises, falls = (before.min(), after.min()) if wide > _USUAL_PULSE else (before[0], after[-1])
            if max(rises, falls) < 0.4 * gain and narrowest < wide < _WIDEST_PULSE:
                found.append(Pulse(offset + begin, offset + end, gain, wide))
    return found


def _edges(heights: FloatMap, place: int, scale: Scale, *, falling: bool) -> list[list[Pulse]]:
    """Of each row the pulses whose outer step the paper's edge hides: what is left of them is a steep step."""
    window, local = _window(heights, place, scale)
    near = round(0.8 * scale.across)
    found: list[list[Pulse]] = []
    for row in local if falling else local[:, ::-1]:
        tops = [
            (begin, end)
            for begin, end in _tops(row, 10.0)
            if end - begin > _LEAST_TOP * scale.across
            and row[end : end + near].size
            and row[end : end + near][-1] < 4.0
        ]
        if not falling:
            tops = [(row.size - end, row.size - begin) for begin, end in tops]
        found.append([Pulse(window.start + begin, window.start + end, 10.0, float("nan")) for begin, end in tops])
    return found


def _near_period(profile: FloatMap, usual: float) -> float:
    """Pixels a mm of a profile whose grid is about as `usual` in the other direction; that, where none is seen."""
    echo = _echo(profile, usual)
    tried = usual * np.linspace(1 - _FORESHORTENED, 1 + _FORESHORTENED, 161)
    lags = tried[:, None] * 5 * np.arange(1, 9)
    seen = np.where(lags < echo.size - 1, np.interp(lags, np.arange(echo.size), echo), 0).sum(axis=1)
    best = int(seen.argmax())
    return float(tried[best]) if seen[best] > _PERIODIC else usual


def _echo(profile: FloatMap, millimetre: float) -> FloatMap:
    """Correlation of the detail of a profile with itself, by pixels of distance."""
    smooth = max(3, round(6 * millimetre)) | 1
    detail = profile - np.convolve(np.pad(profile, smooth // 2, mode="edge"), np.ones(smooth) / smooth, "valid")
    detail = np.convolve(detail, (0.25, 0.5, 0.25), "same")
    detail = np.clip(detail, -2 * detail.std(), 2 * detail.std())
    echo = np.fft.irfft(np.abs(np.fft.rfft(detail, 1 << int(np.ceil(np.log2(2 * detail.size))))) ** 2)
    nearby: FloatMap = echo[: detail.size // 2] / (echo[0] + 1e-9)
    return nearby


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
