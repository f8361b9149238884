"""ECG sheet pictures to signals: straighten the sheet, find its rows, follow the traces, tell the leads apart."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet.grid import without_lines
from models.preprocessing.ecg_sheet.ink import densities
from models.preprocessing.ecg_sheet.layout import GRIDS, Layout, columns, find_layout, match_strip
from models.preprocessing.ecg_sheet.rectify import find_plane, straighten
from models.preprocessing.ecg_sheet.rows import Rows, find_rows
from models.preprocessing.ecg_sheet.scale import WIDTHS, Pulse, Scale, find_pulse, find_scale
from models.preprocessing.ecg_sheet.trace import Traces, follow
from models.preprocessing.picture import UInt8Array

FloatMap = NDArray[np.float32]

RATE = 100
SAMPLES = 1000
LEAD_COUNT = 12
LONG_SIDE = 1400
"""Larger pictures are reduced to this many pixels first."""

_PEN = 5
_DEFAULT_GAIN = 10.0
_DRAWN = 0.3
"""Least ink that followed traces have, over that beside them."""
_FAST_PAPER = 35.0
"""Product of the width and the distance of beats, in square mm, above which paper runs at 50 mm/s: at 25 mm/s sheets
of training records have 18 (10 to 28), at 50 mm/s 61 (39 to 89)."""
_WIDE = 375.0
"""Traces wider than that, in mm, show 20 seconds at 25 mm/s or 10 at 50."""


class SheetError(ValueError):
    """A picture in which no 12-lead ECG sheet can be read."""


class TracedLead(NamedTuple):
    """One piece of a lead as it is drawn: `millivolts` (n,) float32 about their median, `rate` of them a second, the
    first `start` seconds after the sheet's first beat of time, columns of leads taken to follow one another.

    `inked` (n,) bool says where ink was followed; elsewhere the trace is a guess across a gap. `left` is the pixel
    column of the first sample and `heights` (n,) are pixels from above, both on the straight sheet.
    """

    start: float
    rate: float
    millivolts: FloatMap
    inked: NDArray[np.bool_]
    left: int
    heights: FloatMap


class DigitisedSheet(NamedTuple):
    """What a sheet shows. `signal` (1000, 12) float32 is mV at 100 Hz, each lead about its median and 0 where `shown`
    (1000, 12) is False; leads I, II, III, aVR, aVL, aVF, V1-V6. Columns of leads are taken to follow one another.

    `fit` (how clearly rows of traces stand out) and `consistency` (how well limb leads add up) are 0-1. `traces` has
    the pieces of each lead, the one in its column first, then its rhythm strip; `paper` (height, width) uint8 is the
    straight sheet they lie on, its ink and lines dark (high).
    """

    signal: FloatMap
    shown: NDArray[np.bool_]
    layout: str
    strips: int
    speed: float
    gain: float
    px_per_mm: float
    fit: float
    consistency: float
    traces: Mapping[str, tuple[TracedLead, ...]]
    paper: UInt8Array


class _Straight(NamedTuple):
    ink: FloatMap
    lines: UInt8Array
    rows: Rows


def digitise(picture: UInt8Array | Image.Image) -> DigitisedSheet:
    """Read a picture, RGB or uint8 (height, width, 3), of a 12-lead sheet, turned, tilted or bent a little.
    A large `Image` is reduced in place: a copy of it might take 160 MB.

    Raises `SheetError` where there are no rows of traces.
    """
    sheet = _straight(picture)
    traces = follow(sheet.ink, sheet.rows)
    return _measure(sheet, traces)


def _straight(picture: UInt8Array | Image.Image) -> _Straight:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    if max(image.size) > LONG_SIDE:
        image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    density = densities(image, _PEN)
    plane = find_plane(density.lines)
    lines = straighten(density.lines, plane)
    dark = without_lines(straighten(density.ink, plane))
    rows = find_rows(_score(dark))
    return _Straight(_trace_ink(dark, rows), lines, rows)


def _trace_ink(density: FloatMap, rows: Rows) -> FloatMap:
    """Ink 0-1 by the darkness of the base lines: steep strokes of a thin pen are half as dark."""
    height, width = density.shape
    reach = max(3, int(0.12 * rows.gap))
    edges = rows.baselines[0].min() - 0.4 * rows.gap, rows.baselines[2].max() + 0.4 * rows.gap
    across = slice(*np.clip(np.array(edges).astype(int), 0, height))
    separators = np.flatnonzero((density[across] > 4).mean(axis=0) > 0.97)
    density[:, separators] = 0
    y = np.rint(rows.baselines[:, None]).astype(int) + np.arange(-reach, reach + 1)[:, None]
    nearby = density[np.clip(y, 0, height - 1), np.arange(width)]
    darkest = nearby.max(axis=1)
    level = float(np.median(darkest[darkest > 4])) if (darkest > 4).any() else 8.0
    noise = max(0.12 * level, min(float(np.percentile(nearby, 85)), 0.4 * level))
    ink: FloatMap = np.clip((density - noise) / (max(0.55 * level, noise + 0.2 * level) - noise), 0, 1)
    return ink


def _score(density: FloatMap) -> FloatMap:
    """Ink 0-1: what stands out from paper and remnants of the grid, told apart by Otsu's threshold."""
    levels = np.minimum(density, 255).astype(np.uint8)
    counts = np.bincount(levels.ravel(), minlength=256).astype(float)
    counts[:4] = 0
    if counts.sum() < 100:
        raise SheetError("The picture shows no lines. Send a picture of a 12-lead ECG sheet.")
    below = np.cumsum(counts)
    moment = np.cumsum(counts * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moment[-1] * below / below[-1] - moment) ** 2 / (below * (below[-1] - below))
    if not np.isfinite(between[:255]).any():  # all that is drawn has one shade
        return np.clip(density / counts.argmax(), 0, 1).astype(np.float32)
    threshold = int(np.nanargmax(between[:255]))
    low = moment[threshold] / below[threshold]
    high = low + 0.65 * (threshold - low)
    ink: FloatMap = np.clip((density - low) / max(high - low, 1.0), 0, 1).astype(np.float32)
    return ink


def _measure(sheet: _Straight, traces: Traces) -> DigitisedSheet:
    drawn = _drawn(sheet.ink, traces)
    first, last = _extent(drawn)
    scale = find_scale(sheet.lines, first, last)
    if scale.grid:
        first, last = _extent(drawn, [whole * scale.across for whole in WIDTHS])
    heights = _above_base(sheet.rows, traces, first, last)
    pulse = find_pulse(heights / scale.down, first, last, scale)
    if pulse:
        first, last = _without(pulse, first, last, scale)
        scale = find_scale(sheet.lines, first, last)
    slopes = np.gradient(_smooth(heights), axis=1).astype(np.float32)
    layout = find_layout(slopes, first, last)
    inked = traces.inked
    turned = find_layout(slopes[::-1, ::-1], heights.shape[1] - last, heights.shape[1] - first)
    if turned.consistency > layout.consistency + 0.35:
        layout, heights, inked = turned, -heights[::-1, ::-1], inked[::-1, ::-1]
        sheet = sheet._replace(lines=sheet.lines[::-1, ::-1])
        traces = Traces(sheet.lines.shape[0] - 1 - traces.heights[::-1, ::-1], inked)
        first, last = heights.shape[1] - last, heights.shape[1] - first
    gain = pulse.gain if pulse else _DEFAULT_GAIN
    drawn_at = Traces(traces.heights, inked)
    reading = _place(heights / scale.down / gain, drawn_at, layout, first, last, scale)
    return reading._replace(gain=gain, fit=sheet.rows.fit, paper=sheet.lines)


def _drawn(ink: FloatMap, traces: Traces) -> FloatMap:
    """How much of the rows' traces is drawn in each column, 0-1: ink on their paths over that beside them."""
    at = np.rint(traces.heights).astype(int)
    each = np.arange(ink.shape[1])
    on, above, below = (ink[np.clip(at + shift, 0, ink.shape[0] - 1), each] ** 2 for shift in (0, -8, 8))
    rows = 3 if len(at) < 12 else len(at)  # rhythm strips may end sooner than the columns above them
    drawn: FloatMap = (on - (above + below) / 2)[:rows].clip(0, 1).mean(axis=0)
    return drawn


def _extent(drawn: FloatMap, usual: Sequence[float] = ()) -> tuple[int, int]:
    """First and last column of the traces: where they set in and stop, if possible one of the `usual` widths apart."""
    width = drawn.size
    window = width // 16
    sums = np.concatenate([[0.0], np.cumsum(np.pad(drawn, window))])
    level = (sums[window:] - sums[:-window]) / window
    step = level[window : window + width + 1] - level[: width + 1]
    best, found = -np.inf, (0, 0)
    for first in _peaks(step, 0, width // 2):
        for last in _peaks(-step, width // 2, width + 1):
            score = step[first] - step[last]
            if any(0.99 * whole < last - first < 1.08 * whole for whole in usual):
                score += 0.4
            if score > best:
                best, found = score, (first, last)
    first, last = found
    if last - first < 200 or drawn[first:last].mean() < _DRAWN:
        raise SheetError("No rows of traces were found. Send a picture of a 12-lead ECG sheet.")
    return first, last


def _peaks(step: FloatMap, start: int, stop: int) -> list[int]:
    """The highest places of a curve between two columns, apart from one another."""
    left = step[start:stop].copy()
    found = []
    for _ in range(8):
        at = int(left.argmax())
        found.append(start + at)
        left[max(0, at - 8) : at + 9] = -np.inf
    return found


def _above_base(rows: Rows, traces: Traces, first: int, last: int) -> FloatMap:
    """Heights above each row's base line in pixels; the bend of the rows is taken out."""
    above = rows.baselines - traces.heights
    level: FloatMap = (above - np.median(above[:, first:last], axis=1, keepdims=True)).astype(np.float32)
    return level


def _without(pulse: Pulse, first: int, last: int, scale: Scale) -> tuple[int, int]:
    edge = round(1.5 * scale.across)
    if pulse.first < (first + last) / 2:
        return max(first, pulse.last + edge), last
    return first, min(last, pulse.first - edge)


def _smooth(heights: FloatMap) -> FloatMap:
    padded = np.pad(heights, ((0, 0), (2, 2)), mode="edge")
    smooth: FloatMap = np.mean([padded[:, k : k + heights.shape[1]] for k in range(5)], axis=0)
    return smooth


def _place(millivolts: FloatMap, drawn: Traces, layout: Layout, first: int, last: int, scale: Scale) -> DigitisedSheet:
    heights, inked = drawn
    grid = GRIDS[layout.name]
    speed, full = _speed(millivolts[:, first:last], layout, (last - first) / scale.across, scale)
    seconds = _column_seconds(layout, (last - first) / scale.across / speed)
    usual = len(grid[0]) * seconds * speed * scale.across if scale.grid else None
    spans = columns(layout, (first, last), inked, round(7 * scale.across), usual)
    signal = np.zeros((SAMPLES, LEAD_COUNT), dtype=np.float32)
    shown = np.zeros((SAMPLES, LEAD_COUNT), dtype=bool)
    pieces: dict[int, tuple[FloatMap, int]] = {}
    traced: dict[str, tuple[TracedLead, ...]] = {}
    rate = (spans[0][1] - spans[0][0]) / seconds
    for row, leads in enumerate(grid, start=layout.first):
        for column, lead in enumerate(leads):
            begin, end = spans[column]
            pieces[lead] = (millivolts[row, begin:end], begin - spans[0][0])
            start = 0.0 if full else column * seconds
            traced[LEADS[lead]] = (_traced(start, rate, millivolts[row], inked[row], heights[row], begin, end),)
            _sample(signal, shown, lead, millivolts[row, begin:end], inked[row, begin:end], start, rate)
    for strip in layout.strips:
        whole = millivolts[strip, spans[0][0] : last]
        lead, likeness = match_strip(whole, pieces, (1, 6, 10))
        if likeness > 0.6:
            _sample(signal, shown, lead, whole, inked[strip, spans[0][0] : last], 0.0, rate)
            along = _traced(0.0, rate, millivolts[strip], inked[strip], heights[strip], spans[0][0], last)
            traced[LEADS[lead]] += (along,)
    return DigitisedSheet(
        signal,
        shown,
        layout.name,
        len(layout.strips),
        speed,
        _DEFAULT_GAIN,
        scale.across,
        0.0,
        layout.consistency,
        {lead: traced[lead] for lead in LEADS},
        np.empty((0, 0), np.uint8),
    )


def _traced(
    start: float,
    rate: float,
    millivolts: FloatMap,
    inked: NDArray[np.bool_],
    heights: FloatMap,
    begin: int,
    end: int,
) -> TracedLead:
    piece = millivolts[begin:end]
    level = (piece - np.median(piece)).astype(np.float32)
    return TracedLead(start, rate, level, inked[begin:end], begin, heights[begin:end].astype(np.float32))


def _column_seconds(layout: Layout, seconds: float) -> float:
    """Of the whole records that sheets show, the nearest; what gaps between columns add is left out."""
    whole = min((5.0, 10.0, 20.0), key=lambda usual: abs(np.log(seconds / usual)))
    return whole / len(GRIDS[layout.name][0])


def _speed(millivolts: FloatMap, layout: Layout, width: float, scale: Scale) -> tuple[float, bool]:
    """Paper speed in mm/s of traces `width` mm wide, and whether each of two columns shows the whole record."""
    fast = _beat_shape(millivolts, scale) > _FAST_PAPER
    if width < _WIDE:
        return (50.0 if fast else 25.0), False
    if layout.name == "6x2" and not fast:
        return 25.0, True
    return 50.0, False


def _beat_shape(millivolts: FloatMap, scale: Scale) -> float:
    """Width of the steep part of beats in mm, times their distance in mm: both double with the speed of the paper."""
    steep = np.abs(np.gradient(_smooth(millivolts), axis=1)).mean(axis=0)
    steep = np.minimum(steep, np.percentile(steep, 97))
    steep -= steep.mean()
    echo = np.fft.irfft(np.abs(np.fft.rfft(steep, 2 * steep.size)) ** 2)[: steep.size]
    half = int(np.argmax(echo < 0.5 * echo[0]))
    broad = half - 1 + (echo[half - 1] - 0.5 * echo[0]) / max(echo[half - 1] - echo[half], 1e-9)
    lags = np.arange(round(8 * scale.across), min(round(65 * scale.across), steep.size - 1))
    peaks = lags[(echo[lags] >= echo[lags - 1]) & (echo[lags] >= echo[lags + 1])]
    if not peaks.size or echo[peaks].max() <= 0:
        return 0.0
    apart = peaks[echo[peaks] > 0.6 * echo[peaks].max()][0]
    return float(broad * apart) / scale.across**2


def _sample(
    signal: FloatMap,
    shown: NDArray[np.bool_],
    lead: int,
    piece: FloatMap,
    inked: NDArray[np.bool_],
    start: float,
    rate: float,
) -> None:
    """Put a piece of trace at `rate` pixels a second into the signal from `start` seconds on."""
    begin = round(start * RATE)
    count = min(int(piece.size / rate * RATE), SAMPLES - begin)
    if count < 10:
        return
    at = (np.arange(count) + 0.5) / RATE * rate - 0.5
    values = np.interp(at, np.arange(piece.size), piece)
    signal[begin : begin + count, lead] = values - np.median(values)
    near = np.convolve(inked, np.ones(9) / 9, "same") > 0.2
    shown[begin : begin + count, lead] = near[np.clip(np.rint(at).astype(int), 0, piece.size - 1)]
    signal[~shown[:, lead], lead] = 0
