"""ECG signals drawn as 12-lead sheets, in the layouts, scales, grids and prints that machines and software produce.

A `SheetStyle` holds every property of a sheet, so the same style draws the same sheet. Lengths are in millimetres of
paper (25 mm/s and 10 mm/mV are the usual scales); `px_per_mm` alone turns them into pixels. All content of headers is
made up and drawn independently of the ECG.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.interpolate import CubicSpline

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.picture import UInt8Array

Layout = Literal["3x4", "6x2", "12x1"]
Timing = Literal["consecutive", "simultaneous", "full"]
MinorGrid = Literal["solid", "dotted", "none"]
Separator = Literal["none", "tick", "line"]
Pulse = Literal["none", "left", "right"]
Colour = tuple[int, int, int]
FloatArray = NDArray[np.float64]
Coverage = NDArray[np.float32]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

ROWS: dict[Layout, tuple[tuple[int, ...], ...]] = {
    "3x4": ((0, 3, 6, 9), (1, 4, 7, 10), (2, 5, 8, 11)),
    "6x2": ((0, 6), (1, 7), (2, 8), (3, 9), (4, 10), (5, 11)),
    "12x1": tuple((lead,) for lead in range(12)),
}
"""Lead numbers of each row, left to right; a rhythm strip is a row of its own below."""

FONTS = ("", "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif", "STIXGeneral")
"""Typefaces that come with Matplotlib; the empty name, or one not installed, is Pillow's own."""

_SUBCOLUMNS = 3
_PULSE_SECONDS = 0.2
_PULSE_LEAD_IN = 1.5


@dataclass(frozen=True)
class Text:
    """A line of print whose upper left corner is at (x, y), in mm."""

    x: float
    y: float
    size: float
    content: str


@dataclass(frozen=True)
class SheetStyle:
    """Every property of a sheet; the default is a plain one as most machines print it.

    `timing` says what the columns show: consecutive pieces of the record, the same first piece, or all of it each.
    `seconds` is the length of a row, or of a column where `timing` is full. `speed` is in mm/s, `gain` in mm/mV.
    `centred` moves each lead's median to its base line.
    """

    layout: Layout = "3x4"
    rhythm: tuple[int, ...] = (1,)
    timing: Timing = "consecutive"
    seconds: float = 10.0
    speed: float = 25.0
    gain: float = 10.0
    centred: bool = True

    px_per_mm: float = 4.0
    row_gap: float = 26.0
    column_gap: float = 0.0
    margins: tuple[float, float, float, float] = (12.0, 30.0, 10.0, 10.0)
    """Left, top, right, bottom, around the rows."""

    paper: Colour = (255, 255, 255)
    minor_grid: MinorGrid = "solid"
    major_grid: bool = True
    minor_colour: Colour = (250, 205, 205)
    major_colour: Colour = (240, 160, 160)
    minor_width: float = 0.12
    major_width: float = 0.22
    grid_phase: tuple[float, float] = (0.0, 0.0)
    grid_inset: float = 0.0
    """Distance of the grid's edge from the page's, in mm; `grid_phase` counts from there."""
    frame: bool = False

    ink: Colour = (20, 20, 25)
    line_width: float = 0.35
    joined: bool = False
    """Neighbouring leads of a row are joined by a vertical stroke."""
    separator: Separator = "none"
    pulse: Pulse = "none"
    pulse_everywhere: bool = True
    """A calibration pulse in every row, else in the lowest only."""

    font: str = ""
    text_colour: Colour = (20, 20, 25)
    labels: tuple[str, ...] = LEADS
    label_size: float = 3.2
    label_offset: tuple[float, float] = (1.0, -9.0)
    """Upper left corner of a label from the start of its trace, in mm; up is negative."""
    texts: tuple[Text, ...] = ()


class Trace(NamedTuple):
    """Where one lead is drawn: a sample of v mV at t s is at x0 + (t - start) * speed * px_per_mm,
    baseline - (v - offset) * gain * px_per_mm."""

    lead: int
    row: int
    rhythm: bool
    baseline: float
    x0: float
    start: float
    seconds: float
    offset: float


class Sheet(NamedTuple):
    """A drawn sheet: picture (height, width, 3) uint8 RGB, and where its traces are, in pixels."""

    picture: UInt8Array
    traces: tuple[Trace, ...]
    style: SheetStyle


def render(signal: NDArray[np.floating], rate: float, style: SheetStyle) -> Sheet:
    """Draw a signal (n, 12) in mV at `rate` Hz, lead order of `LEADS`. It is interpolated by cubic splines."""
    rows = _rows(style)
    page = _draw_texts(_draw_grid(style), style, rows)
    offsets = np.median(signal, axis=0) if style.centred else np.zeros(len(LEADS))
    traces = tuple(_place(style, rows, offsets))
    spline = _interpolate(signal, rate)
    height, width = page.shape[:2]
    ink = _Ink(width, height, max(style.line_width * style.px_per_mm, 0.7))
    for row in range(len(rows)):
        _draw_row(ink, style, [trace for trace in traces if trace.row == row], spline)
    coverage = ink.coverage()
    inked = coverage > 0
    page[inked] = _over(page[inked], style.ink, coverage[inked])
    return Sheet(page, traces, style)


def _interpolate(signal: NDArray[np.floating], rate: float) -> Callable[[FloatArray], FloatArray]:
    spline = CubicSpline(np.arange(len(signal)) / rate, signal)
    end = (len(signal) - 1) / rate
    return lambda seconds: spline(np.clip(seconds, 0, end))


def page_size(style: SheetStyle) -> tuple[float, float]:
    """Width and height of the sheet in mm."""
    left, top, right, bottom = style.margins
    return left + _row_width(style) + right, top + len(_rows(style)) * style.row_gap + bottom


def column_seconds(style: SheetStyle) -> float:
    """How much of each lead a column shows, in seconds."""
    return style.seconds if style.timing == "full" else style.seconds / len(ROWS[style.layout][0])


def _rows(style: SheetStyle) -> list[tuple[int, ...]]:
    return [*ROWS[style.layout], *((lead,) for lead in style.rhythm)]


def _pulse_width(style: SheetStyle) -> float:
    return 0.0 if style.pulse == "none" else _PULSE_SECONDS * style.speed + 2 * _PULSE_LEAD_IN


def _row_width(style: SheetStyle) -> float:
    columns = len(ROWS[style.layout][0])
    traces = columns * column_seconds(style) * style.speed + (columns - 1) * style.column_gap
    return traces + _pulse_width(style)


def _place(style: SheetStyle, rows: Sequence[Sequence[int]], offsets: NDArray[np.floating]) -> Iterator[Trace]:
    left, top = style.margins[:2]
    first = left + (_pulse_width(style) if style.pulse == "left" else 0.0)
    seconds = column_seconds(style)
    step = seconds * style.speed + style.column_gap
    regular = len(ROWS[style.layout])
    for row, leads in enumerate(rows):
        baseline = (top + (row + 0.5) * style.row_gap) * style.px_per_mm
        for column, lead in enumerate(leads):
            start = column * seconds if style.timing == "consecutive" else 0.0
            shown = seconds if row < regular else style.seconds
            x0 = (first + column * step) * style.px_per_mm
            yield Trace(lead, row, row >= regular, baseline, x0, start, shown, float(offsets[lead]))


class _Ink:
    """Antialiased strokes of one width, gathered as vertical runs and turned into coverage at once.

    A stroke is a curve y(x) drawn with a round pen: in every column its section is the interval between the
    envelopes of the pen's discs, which is kept as the changes of coverage at its two ends.
    """

    def __init__(self, width: int, height: int, pen: float) -> None:
        self.width, self.height = width, height
        reach = max(1, round(pen / 2 * _SUBCOLUMNS))
        shifts = np.arange(-reach, reach + 1)
        self.pen = list(
            zip(shifts.tolist(), np.sqrt(np.maximum((pen / 2) ** 2 - (shifts / _SUBCOLUMNS) ** 2, 0)), strict=True)
        )
        self.reach = reach
        self.cells: list[NDArray[np.intp]] = []
        self.changes: list[FloatArray] = []

    def stroke(self, first: int, y: FloatArray) -> None:
        """Draw y in pixels at successive subcolumns from `first` on."""
        padded = np.pad(y, 2 * self.reach, constant_values=np.nan)
        size = y.size + 2 * self.reach
        above = np.full(size, np.inf)
        below = np.full(size, -np.inf)
        for shift, half in self.pen:
            centre = padded[self.reach + shift : self.reach + shift + size]
            np.fmin(above, centre - half, out=above)
            np.fmax(below, centre + half, out=below)
        column = (first - self.reach + np.arange(size)) // _SUBCOLUMNS
        inside = (column >= 0) & (column < self.width)
        self._change(column[inside], above[inside], 1.0 / _SUBCOLUMNS)
        self._change(column[inside], below[inside], -1.0 / _SUBCOLUMNS)

    def bar(self, x: float, top: float, bottom: float) -> None:
        """Draw a vertical stroke at x, in pixels."""
        self.stroke(round(x * _SUBCOLUMNS), np.array([top, bottom, top]))

    def coverage(self) -> Coverage:
        """Coverage of every pixel, 0-1, shape (height, width)."""
        cells = np.concatenate(self.cells)
        changes = np.bincount(cells, np.concatenate(self.changes), (self.height + 2) * self.width)
        covered = changes.astype(np.float32).reshape(self.height + 2, self.width)[: self.height]
        np.cumsum(covered, axis=0, out=covered)
        return np.clip(covered.round(3, out=covered), 0, 1, out=covered)

    def _change(self, column: NDArray[np.intp], y: FloatArray, weight: float) -> None:
        y = np.clip(y, 0, self.height)
        row = y.astype(np.intp)
        part = y - row
        self.cells += [row * self.width + column, (row + 1) * self.width + column]
        self.changes += [weight * (1 - part), weight * part]


def _draw_row(
    ink: _Ink, style: SheetStyle, traces: Sequence[Trace], spline: Callable[[FloatArray], FloatArray]
) -> None:
    scale = style.px_per_mm
    last_row = len(_rows(style)) - 1
    if style.pulse != "none" and (style.pulse_everywhere or traces[0].row == last_row):
        start = traces[0].x0 - _pulse_width(style) * scale
        if style.pulse == "right":
            start = (style.margins[0] + _row_width(style) - _pulse_width(style)) * scale
        _draw_pulse(ink, style, start, traces[0].baseline)
    previous: float | None = None
    for trace in traces:
        first = math.ceil(trace.x0 * _SUBCOLUMNS)
        last = math.floor((trace.x0 + trace.seconds * style.speed * scale) * _SUBCOLUMNS)
        seconds = trace.start + (np.arange(first, last) / _SUBCOLUMNS - trace.x0) / (style.speed * scale)
        y = trace.baseline - (spline(seconds)[:, trace.lead] - trace.offset) * style.gain * scale
        if previous is not None:
            if style.joined and not style.column_gap:
                ink.bar(trace.x0, previous, y[0])
            if style.separator == "tick":
                ink.bar(trace.x0, trace.baseline - 3 * scale, trace.baseline + 3 * scale)
            elif style.separator == "line":
                ink.bar(
                    trace.x0, trace.baseline - style.row_gap / 2 * scale, trace.baseline + style.row_gap / 2 * scale
                )
        ink.stroke(first, y)
        previous = float(y[-1])


def _draw_pulse(ink: _Ink, style: SheetStyle, x: float, baseline: float) -> None:
    scale = style.px_per_mm
    lead_in, high = (round(mm * scale * _SUBCOLUMNS) for mm in (_PULSE_LEAD_IN, _PULSE_SECONDS * style.speed))
    flat = np.full(lead_in, baseline)
    ink.stroke(round(x * _SUBCOLUMNS), np.concatenate([flat, np.full(high, baseline - style.gain * scale), flat]))


def _draw_grid(style: SheetStyle) -> UInt8Array:
    width, height = (round(mm * style.px_per_mm) for mm in page_size(style))
    page = np.empty((height, width, 3), dtype=np.uint8)
    page[:] = style.paper
    edge = round(style.grid_inset * style.px_per_mm)
    grid = page[edge : height - edge, edge : width - edge]
    right, down = style.grid_phase
    if style.minor_grid != "none":
        across = _lines(grid.shape[1], right, 1.0, style.minor_width, style.px_per_mm)
        along = _lines(grid.shape[0], down, 1.0, style.minor_width, style.px_per_mm)
        rows = along > 0
        if style.minor_grid == "dotted":
            grid[rows] = _over(grid[rows], style.minor_colour, np.minimum.outer(along[rows], across))
        else:
            grid[:] = _over(grid[0], style.minor_colour, across)
            grid[rows] = _over(grid[rows], style.minor_colour, along[rows, None])
    if style.major_grid:
        across = _lines(grid.shape[1], right, 5.0, style.major_width, style.px_per_mm)
        along = _lines(grid.shape[0], down, 5.0, style.major_width, style.px_per_mm)
        columns, rows = across > 0, along > 0
        grid[:, columns] = _over(grid[:, columns], style.major_colour, across[columns])
        grid[rows] = _over(grid[rows], style.major_colour, along[rows, None])
    if style.frame:
        for side in (grid[:2], grid[-2:], grid[:, :2], grid[:, -2:]):
            side[:] = style.major_colour
    return page


def _lines(size: int, phase: float, step: float, width: float, scale: float) -> Coverage:
    """Coverage of `size` pixels by parallel lines every `step` mm."""
    position = np.arange(size + 1) / scale - phase + width / 2
    covered = np.floor(position / step) * width + np.minimum(position % step, width)
    return (np.diff(covered) * scale).astype(np.float32).round(3)


def _over(pixels: UInt8Array, colour: Colour, coverage: Coverage) -> UInt8Array:
    return (pixels + coverage[..., None] * (np.asarray(colour, np.float32) - pixels) + 0.5).astype(np.uint8)


def _draw_texts(page: UInt8Array, style: SheetStyle, rows: Sequence[Sequence[int]]) -> UInt8Array:
    picture = Image.fromarray(page)
    draw = ImageDraw.Draw(picture)
    scale = style.px_per_mm
    for text in style.texts:
        draw.text((text.x * scale, text.y * scale), text.content, style.text_colour, _font(style, text.size))
    font = _font(style, style.label_size)
    for trace in _place(style, rows, np.zeros(len(LEADS))):
        corner = (trace.x0 + style.label_offset[0] * scale, trace.baseline + style.label_offset[1] * scale)
        draw.text(corner, style.labels[trace.lead], style.text_colour, font)
    return np.array(picture)


def _font(style: SheetStyle, size: float) -> Font:
    return _load_font(style.font, max(6, round(size * style.px_per_mm)))


@lru_cache(maxsize=64)
def _load_font(name: str, size: int) -> Font:
    matplotlib = find_spec("matplotlib")
    if name and matplotlib and matplotlib.origin:
        file = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / f"{name}.ttf"
        if file.is_file():
            return ImageFont.truetype(file, size)
    return ImageFont.load_default(size)
