"""ECG signals drawn as 12-lead sheets, in the layouts, scales, grids and prints that machines and software produce.

A `SheetStyle` holds every property of a sheet, so the same style draws the same sheet. Lengths are in millimetres of
paper (25 mm/s and 10 mm/mV are the usual scales); `px_per_mm` alone turns them into pixels. All content of headers is
made up and drawn independently of the ECG. A `Sheet` says what is drawn where: its style holds layout, order, speed and
gain, its traces and labels their places.
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

Layout = Literal["3x4", "6x2", "12x1", "limb page", "chest page", "three rows", "single strip"]
Order = Literal["standard", "cabrera"]
Timing = Literal["consecutive", "simultaneous", "full"]
MinorGrid = Literal["solid", "dotted", "none"]
Separator = Literal["none", "tick", "line", "bars", "post", "full line", "dots"]
Pulse = Literal["none", "left", "middle", "right"]
Colour = tuple[int, int, int]
FloatArray = NDArray[np.float64]
Coverage = NDArray[np.float32]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

ROWS: dict[Layout, tuple[tuple[int, ...], ...]] = {
    "3x4": ((0, 3, 6, 9), (1, 4, 7, 10), (2, 5, 8, 11)),
    "6x2": ((0, 6), (1, 7), (2, 8), (3, 9), (4, 10), (5, 11)),
    "12x1": tuple((lead,) for lead in range(12)),
    "limb page": tuple((lead,) for lead in range(6)),
    "chest page": tuple((lead,) for lead in range(6, 12)),
    "three rows": ((0,), (1,), (2,)),
    "single strip": ((1,),),
}
"""Lead numbers of each row, left to right; a rhythm strip is a row of its own below."""

CABRERA = (4, 0, 3, 1, 5, 2)
"""Limb leads from aVL on around the heart: what stands in Cabrera order where I, II, III, aVR, aVL and aVF stand else;
aVR is drawn upside down, as -aVR."""

FONTS = ("", "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif", "STIXGeneral")
"""Typefaces that come with Matplotlib; the empty name, or one not installed, is Pillow's own."""

_SUBCOLUMNS = 3
_PULSE_LEAD_IN = 1.5


@dataclass(frozen=True)
class Text:
    """A line of print whose upper left corner is at (x, y), in mm."""

    x: float
    y: float
    size: float
    content: str


class Bar(NamedTuple):
    """A filled rectangle, in mm: a rule where it is thin, a part of a program's window where it isn't."""

    x: float
    y: float
    width: float
    height: float
    colour: Colour


@dataclass(frozen=True)
class SheetStyle:
    """Every property of a sheet; the default is a plain one as most machines print it.

    `timing` says what the columns show: consecutive pieces of the record, the same first piece, or all of it each.
    `seconds` is the length of a row, or of a column where `timing` is full. `speed` is in mm/s, `gain` in mm/mV.
    `centred` moves each lead's median to its base line.
    """

    layout: Layout = "3x4"
    order: Order = "standard"
    rows: tuple[tuple[int, ...], ...] = ()
    """Lead numbers of each row where they aren't those of the layout, as of three rows that are II, V1 and V5."""
    rhythm: tuple[int, ...] = (1,)
    timing: Timing = "consecutive"
    seconds: float = 10.0
    speed: float = 25.0
    gain: float = 10.0
    centred: bool = True

    px_per_mm: float = 4.0
    row_gap: float = 26.0
    row_heights: tuple[float, ...] = ()
    """Of each row, in mm, where they differ."""
    trace_shifts: tuple[float, ...] = ()
    """How far each trace is drawn below its row's base line, in mm, where they differ."""
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
    grid_margins: tuple[float, float, float, float] | None = None
    """The same for the left, top, right and bottom edge each."""
    frame: bool = False
    bars: tuple[Bar, ...] = ()

    ink: Colour = (20, 20, 25)
    line_width: float = 0.35
    joined: bool = False
    """Neighbouring leads of a row are joined by a vertical stroke."""
    separator: Separator = "none"
    pulse: Pulse = "none"
    pulse_everywhere: bool = True
    """A calibration pulse in every row, else in the lowest only."""
    pulse_seconds: float = 0.2

    font: str = ""
    text_colour: Colour = (20, 20, 25)
    labels: tuple[str, ...] = LEADS
    label_font: str | None = None
    label_colour: Colour | None = None
    label_size: float = 3.2
    label_offset: tuple[float, float] = (1.0, -9.0)
    """Upper left corner of a label from the start of its trace, in mm; up is negative."""
    texts: tuple[Text, ...] = ()
    scale_text: str = ""
    """The one of `texts` that names speed and gain, if any does."""


class Trace(NamedTuple):
    """Where one lead is drawn: a sample of v mV at t s is at x0 + (t - start) * speed * px_per_mm,
    baseline - sign * (v - offset) * gain * px_per_mm."""

    lead: int
    row: int
    rhythm: bool
    baseline: float
    x0: float
    start: float
    seconds: float
    offset: float
    sign: int = 1


class Label(NamedTuple):
    """The printed name of a lead, and the box of its ink in pixels."""

    lead: int
    text: str
    left: float
    top: float
    right: float
    bottom: float


class Sheet(NamedTuple):
    """A drawn sheet: picture (height, width, 3) uint8 RGB, and where its traces and their names are, in pixels."""

    picture: UInt8Array
    traces: tuple[Trace, ...]
    style: SheetStyle
    labels: tuple[Label, ...] = ()


def render(signal: NDArray[np.floating], rate: float, style: SheetStyle) -> Sheet:
    """Draw a signal (n, 12) in mV at `rate` Hz, lead order of `LEADS`. It is interpolated by cubic splines."""
    rows = _rows(style)
    page, labels = _draw_texts(_draw_bars(_draw_grid(style), style), style, rows)
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
    return Sheet(page, traces, style, labels)


def _interpolate(signal: NDArray[np.floating], rate: float) -> Callable[[FloatArray], FloatArray]:
    spline = CubicSpline(np.arange(len(signal)) / rate, signal)
    end = (len(signal) - 1) / rate
    return lambda seconds: spline(np.clip(seconds, 0, end))


def page_size(style: SheetStyle) -> tuple[float, float]:
    """Width and height of the sheet in mm."""
    left, top, right, bottom = style.margins
    rows = sum(style.row_heights) if style.row_heights else len(_rows(style)) * style.row_gap
    return left + _row_width(style) + right, top + rows + bottom


def grid_edges(style: SheetStyle) -> tuple[float, float, float, float]:
    """Distances of the grid's left, top, right and bottom edge from the page's, in mm."""
    return style.grid_margins or (style.grid_inset,) * 4


def column_seconds(style: SheetStyle) -> float:
    """How much of each lead a column shows, in seconds."""
    return style.seconds if style.timing == "full" else style.seconds / len(lead_rows(style)[0])


def lead_rows(style: SheetStyle) -> tuple[tuple[int, ...], ...]:
    """Lead numbers of each row, left to right, rhythm strips left out."""
    rows = style.rows or ROWS[style.layout]
    if style.order == "standard":
        return rows
    return tuple(tuple(CABRERA[lead] if lead < len(CABRERA) else lead for lead in row) for row in rows)


def _rows(style: SheetStyle) -> list[tuple[int, ...]]:
    return [*lead_rows(style), *((lead,) for lead in style.rhythm)]


def _sign(style: SheetStyle, lead: int) -> int:
    return -1 if style.order == "cabrera" and LEADS[lead] == "aVR" else 1


def _pulse_width(style: SheetStyle) -> float:
    return 0.0 if style.pulse == "none" else style.pulse_seconds * style.speed + 2 * _PULSE_LEAD_IN


def _row_width(style: SheetStyle) -> float:
    columns = len(lead_rows(style)[0])
    traces = columns * column_seconds(style) * style.speed + (columns - 1) * style.column_gap
    return traces + _pulse_width(style)


def _place(style: SheetStyle, rows: Sequence[Sequence[int]], offsets: NDArray[np.floating]) -> Iterator[Trace]:
    left, top = style.margins[:2]
    first = left + (_pulse_width(style) if style.pulse == "left" else 0.0)
    seconds = column_seconds(style)
    step = seconds * style.speed + style.column_gap
    regular = len(lead_rows(style))
    middle = len(rows[0]) // 2 if style.pulse == "middle" else len(rows[0])
    shifts = iter(style.trace_shifts)
    for row, leads in enumerate(rows):
        for column, lead in enumerate(leads):
            start = column * seconds if style.timing == "consecutive" else 0.0
            shown = seconds if row < regular else style.seconds
            x0 = first + column * step + (_pulse_width(style) if column >= middle else 0.0)
            baseline = top + _middle(style, row) + next(shifts, 0.0)
            yield Trace(
                lead,
                row,
                row >= regular,
                baseline * style.px_per_mm,
                x0 * style.px_per_mm,
                start,
                shown,
                float(offsets[lead]),
                _sign(style, lead),
            )


def _middle(style: SheetStyle, row: int) -> float:
    """How far the middle of a row is below the first row's upper edge, in mm."""
    if style.row_heights:
        return sum(style.row_heights[:row]) + style.row_heights[row] / 2
    return (row + 0.5) * style.row_gap


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
    strip = style.pulse == "middle" and len(traces) == 1
    if style.pulse != "none" and not strip and (style.pulse_everywhere or traces[0].row == last_row):
        after = len(traces) // 2 if style.pulse == "middle" else 0
        start = traces[after].x0 - _pulse_width(style) * scale
        if style.pulse == "right":
            start = (style.margins[0] + _row_width(style) - _pulse_width(style)) * scale
        _draw_pulse(ink, style, start, traces[0].baseline)
    previous: float | None = None
    for trace in traces:
        first = math.ceil(trace.x0 * _SUBCOLUMNS)
        last = math.floor((trace.x0 + trace.seconds * style.speed * scale) * _SUBCOLUMNS)
        seconds = trace.start + (np.arange(first, last) / _SUBCOLUMNS - trace.x0) / (style.speed * scale)
        height = trace.sign * (spline(seconds)[:, trace.lead] - trace.offset)
        y = trace.baseline - height * style.gain * scale
        if previous is not None:
            if style.joined and not style.column_gap:
                ink.bar(trace.x0, previous, y[0])
            for top, bottom in _separators(style, trace):
                ink.bar(trace.x0, trace.baseline + top * scale, trace.baseline + bottom * scale)
        ink.stroke(first, y)
        previous = float(y[-1])


def _separators(style: SheetStyle, trace: Trace) -> Sequence[tuple[float, float]]:
    """Strokes between two leads of a row: their ends in mm below the base line."""
    half = (style.row_heights[trace.row] if style.row_heights else style.row_gap) / 2
    match style.separator:
        case "tick":
            return ((-3, 3),)
        case "line":
            return ((-half, half),)
        case "full line":
            return ((-half - 4 if trace.row == 0 else -half, half),)
        case "bars":
            return ((-7, -3), (3, 7))
        case "dots":
            return tuple((down, down + 0.4) for down in np.arange(-half, half, 1.0).tolist())
        case "post":
            return ((-5, 5),)
    return ()


def _draw_pulse(ink: _Ink, style: SheetStyle, x: float, baseline: float) -> None:
    scale = style.px_per_mm
    lead_in, high = (round(mm * scale * _SUBCOLUMNS) for mm in (_PULSE_LEAD_IN, style.pulse_seconds * style.speed))
    flat = np.full(lead_in, baseline)
    ink.stroke(round(x * _SUBCOLUMNS), np.concatenate([flat, np.full(high, baseline - style.gain * scale), flat]))


def _draw_grid(style: SheetStyle) -> UInt8Array:
    width, height = (round(mm * style.px_per_mm) for mm in page_size(style))
    page = np.empty((height, width, 3), dtype=np.uint8)
    page[:] = style.paper
    left, top, right_edge, bottom = (round(mm * style.px_per_mm) for mm in grid_edges(style))
    grid = page[top : height - bottom, left : width - right_edge]
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


def _draw_bars(page: UInt8Array, style: SheetStyle) -> UInt8Array:
    for bar in style.bars:
        left, top = round(bar.x * style.px_per_mm), round(bar.y * style.px_per_mm)
        width, height = (max(1, round(mm * style.px_per_mm)) for mm in (bar.width, bar.height))
        page[max(0, top) : top + height, max(0, left) : left + width] = bar.colour
    return page


def _lines(size: int, phase: float, step: float, width: float, scale: float) -> Coverage:
    """Coverage of `size` pixels by parallel lines every `step` mm."""
    position = np.arange(size + 1) / scale - phase + width / 2
    covered = np.floor(position / step) * width + np.minimum(position % step, width)
    return (np.diff(covered) * scale).astype(np.float32).round(3)


def _over(pixels: UInt8Array, colour: Colour, coverage: Coverage) -> UInt8Array:
    return (pixels + coverage[..., None] * (np.asarray(colour, np.float32) - pixels) + 0.5).astype(np.uint8)


def _draw_texts(
    page: UInt8Array, style: SheetStyle, rows: Sequence[Sequence[int]]
) -> tuple[UInt8Array, tuple[Label, ...]]:
    picture = Image.fromarray(page)
    draw = ImageDraw.Draw(picture)
    scale = style.px_per_mm
    for text in style.texts:
        draw.text(
            (text.x * scale, text.y * scale), text.content, style.text_colour, _font(style.font, style, text.size)
        )
    font = _font(style.font if style.label_font is None else style.label_font, style, style.label_size)
    labels = []
    for trace in _place(style, rows, np.zeros(len(LEADS))):
        corner = (trace.x0 + style.label_offset[0] * scale, trace.baseline + style.label_offset[1] * scale)
        text_of = ("-" if trace.sign < 0 else "") + style.labels[trace.lead]
        draw.text(corner, text_of, style.label_colour or style.text_colour, font)
        labels.append(Label(trace.lead, text_of, *draw.textbbox(corner, text_of, font)))
    return np.array(picture), tuple(labels)


def _font(name: str, style: SheetStyle, size: float) -> Font:
    return load_font(name, max(6, round(size * style.px_per_mm)))


@lru_cache(maxsize=64)
def load_font(name: str, size: int) -> Font:
    """A typeface of Matplotlib's, or the file at a path; else Pillow's own."""
    if name.endswith((".ttf", ".otf")):
        return ImageFont.truetype(name, size)
    matplotlib = find_spec("matplotlib")
    if name and matplotlib and matplotlib.origin:
        file = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / f"{name}.ttf"
        if file.is_file():
            return ImageFont.truetype(file, size)
    return ImageFont.load_default(size)
