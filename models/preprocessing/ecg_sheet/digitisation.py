"""ECG sheet pictures to signals: straighten the sheet, find its rows, follow the traces, tell the leads apart."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet.columns import Columns, blank_gap, divide, find_borders, with_gap
from models.preprocessing.ecg_sheet.direction import time_arrow, uprightness
from models.preprocessing.ecg_sheet.extent import LEAST_WIDTH, drawn, find_extent
from models.preprocessing.ecg_sheet.grid import halved, without_lines
from models.preprocessing.ecg_sheet.hints import Hint, hint_of
from models.preprocessing.ecg_sheet.ink import Densities, densities, on_light
from models.preprocessing.ecg_sheet.layout import (
    Layout,
    Order,
    candidates,
    find_layout,
    match_strip,
    plausibility,
)
from models.preprocessing.ecg_sheet.lead_names import read_lead_names
from models.preprocessing.ecg_sheet.one_heart import Beating, at_once, same_leads, two_hearts
from models.preprocessing.ecg_sheet.print_lines import find_lines
from models.preprocessing.ecg_sheet.printed_scale import PrintedScale, read_printed_scale
from models.preprocessing.ecg_sheet.rectify import find_plane, straighten
from models.preprocessing.ecg_sheet.rows import Rows, find_rows
from models.preprocessing.ecg_sheet.scale import WIDTHS, Pulse, Scale, find_pulse, find_scale
from models.preprocessing.ecg_sheet.speed import beat_shape, find_speed
from models.preprocessing.ecg_sheet.trace import Traces, follow
from models.preprocessing.picture import UInt8Array

FloatMap = NDArray[np.float32]

RATE = 100
SAMPLES = 1000
LEAD_COUNT = 12
LONG_SIDE = 1400
"""Larger pictures are reduced to this many pixels first."""
REDUCING_GAP = 2
"""Those of several times as many are averaged over whole pixels down to this many times as many before."""
LEAST_SIDE = 120
"""Of smaller pictures, in pixels after that, nothing can be read."""
_PEN = 5
_DEFAULT_GAIN = 10.0
_SPEEDS = (25.0, 50.0)
_HALF_PULSE, _PAIRS = 3.2, (6, 7)
"""Millimetres up to which pulses of 5 mm, in so many rows without a grid, are those of 10 mm at half the size."""
_USUAL_INK = 4
"""Pixels of most columns that are as dark as traces on a map half as large: a sheet has three rows or more."""
_LEAST_ROWS = 3
_PRINT = (0.5, 0.0)
"""Least ink of lines of print that are left out, over that of the sheet's darkest, where no rows are found with them:
first of those that are no restless base lines."""
_SEPARATOR = 0.95
"""How much of the way across the first rows a line between columns is dark."""
_DRAWN = 0.3
"""Least ink that followed traces have, over that beside them."""
_FOOT = 1.5
"""Millimetres of line after a calibration pulse."""
_LAGS = (1.0, 3.0)
"""Millimetres over which leads are compared: shorter, rows that are moved against each other differ; longer, leads of
which one has lost its ST segment do."""
_WIDEST_GAP, _BLANK = 7.0, 0.4
"""Millimetres between columns of leads, at most; and the share of a gap, as a grid has it, that is seen to be blank."""
_LIKE = 0.6
"""Least correlation of a rhythm strip with the lead that it shows."""
LAWFUL, _SURELY = 0.3, 0.5
"""Consistency that limb leads which were read right have; and that of a sheet that lies on its side, once turned, or of
one without what passed for its first row."""
_A_ROW, _ROW_REACH, _SOME_INK = 0.5, 0.35, 0.3
"""Share of the columns in which a row that may have been lost has so much ink, so far from where it would be, in row
gaps."""
_UNNAMED = 0.6
"""Consistency of a sheet whose leads nothing names: a mirrored one and a page of limb leads had up to 0.55. Of 392
made-up sheets 6 have less, of 107 real ones none."""
_MUCH_BETTER = 0.3
_SLOW = 0.55
_BACKWARDS = -0.3
"""Time arrow of mirrored sheets, of hearts whose beats are so many seconds apart or more."""
_FORWARDS = 0.3
"""Time arrow from which a sheet isn't mirrored."""
_TURNED, _BARELY = 0.35, 0.15
"""How much better leads fit together upside down in a picture that is; and where as they stand they don't at all."""

_LEAST_DENSITY = 4
"""Of ink; less is noise."""
_NO_ROWS = "No rows of traces were found. Send a picture of a 12-lead ECG sheet."
_NO_LINES = "The picture shows no lines. Send a picture of a 12-lead ECG sheet."
_NOT_NAMED = (
    "The names of the leads were not read, and the traces do not fit together well enough to tell which is which. Send "
    "a sharp, upright picture of the whole sheet, or say its layout."
)
_PRINTED = "The print on the sheet was read as"


class SheetError(ValueError):
    """A picture in which no 12-lead ECG sheet can be read."""


class ForeignSheetError(SheetError):
    """A sheet that was read, and that is not what it should be: twelve leads of one heart, as its sender says."""


class MisplacedNamesError(ForeignSheetError):
    """A sheet whose names of leads do not stand at the rows that were found."""


class Told(NamedTuple):
    """What a caller says of a sheet: speed of the paper in mm/s, gain in mm/mV, name of the layout, order of leads."""

    speed: float | None = None
    gain: float | None = None
    layout: str | None = None
    order: Order | None = None


UNTOLD = Told()

GainSource = Literal["pulse", "print", "caller", "assumed"]
"""What tells the gain of a sheet, the surest first; assumed where none of them does."""
SpeedSource = Literal["pulse", "print", "caller", "beats"]
"""The same of the paper's speed; the shape of the beats, where none of the others does."""


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
    straight sheet they lie on, its ink and lines dark (high), less a calibration pulse between two columns.
    """

    signal: FloatMap
    shown: NDArray[np.bool_]
    layout: str
    order: Order
    strips: int
    speed: float
    gain: float
    px_per_mm: float
    fit: float
    consistency: float
    traces: Mapping[str, tuple[TracedLead, ...]]
    paper: UInt8Array
    gain_from: GainSource = "assumed"
    speed_from: SpeedSource = "beats"
    fault: str | None = None
    """Why these are not the twelve leads of one heart, if they are not."""
    together: bool = False
    """Whether all columns show the same seconds, those that rhythm strips begin with."""


class _Straight(NamedTuple):
    """A straight sheet: `ink` of its traces, all `lines`, its dark `print` with grid and rules, its rows, and `words`,
    the same print up to the picture's edges."""

    ink: FloatMap
    lines: UInt8Array
    print: UInt8Array
    rows: Rows
    words: UInt8Array


class _Followed(NamedTuple):
    """Traces on a straight sheet between two columns; heights in mm above each row's base line."""

    sheet: _Straight
    traces: Traces
    above: FloatMap
    span: tuple[int, int]
    scale: Scale
    pulse: Pulse | None
    cut: int = 0
    """Pixels that were cut out, between columns, with a pulse."""


def digitise(picture: UInt8Array | Image.Image, told: Told = UNTOLD) -> DigitisedSheet:
    """Read a picture, RGB or uint8 (height, width, 3), of a 12-lead sheet, turned, tilted or bent a little.
    A large `Image` is reduced in place: a copy of it might take 160 MB.

    Raises `SheetError` where there are no rows of traces, or not of the twelve leads of one heart, or where what was
    told contradicts what is drawn.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    if max(image.size) > LONG_SIDE:
        image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
    if min(image.size) < LEAST_SIDE:
        raise SheetError("The picture is too small for an ECG sheet. Send it with 500 pixels or more across.")
    density = densities(on_light(image), _PEN)
    if density.ink.max() < _LEAST_DENSITY:
        raise SheetError(_NO_LINES)
    try:
        reading, fault = _read(_straight(density), told), None
    except ForeignSheetError:
        raise
    except SheetError as error:
        reading, fault = None, error
    if reading and reading.consistency >= LAWFUL:
        return reading
    with suppress(SheetError):
        turned = _read(_straight(_lying(density)), told)
        if turned.consistency >= _SURELY:
            return turned
    if reading is None:
        raise fault or SheetError
    return reading


def _read(sheet: _Straight, told: Told) -> DigitisedSheet:
    """What a sheet shows; where that are surely not the leads of one heart, what it does by other rows, if that is."""
    found = _follow(sheet)
    try:
        reading, fault = _measure(found, told), None
        if reading.consistency >= _SURELY:
            return reading
    except MisplacedNamesError as error:
        reading, fault = None, error
    for other in _by_other_rows(found):
        layout = find_layout(_all_shapes(other), *other.span)
        if layout and layout.consistency >= _SURELY:
            with suppress(SheetError):
                by_others = _measure(other, told)
                if not by_others.fault:
                    return by_others
    if reading is None:
        raise fault or SheetError
    return reading


def _by_other_rows(found: _Followed) -> Iterator[_Followed]:
    """The same sheet without its first row, since a fold, a rule, print or the sheet's edge may pass for one; and with
    one more above, since a faint one may be lost."""
    (heights, inked), sheet = found.traces, found.sheet
    rows = sheet.rows
    if candidates(len(rows.baselines) - 1):
        fewer = sheet._replace(rows=rows._replace(baselines=rows.baselines[1:]))
        yield found._replace(sheet=fewer, traces=Traces(heights[1:], inked[1:]), above=found.above[1:])
    lost = rows.baselines[:1] - rows.gap
    if candidates(len(rows.baselines) + 1) and lost.min() > 0 and _inked_along(sheet.ink, lost[0], rows.gap) > _A_ROW:
        more = rows._replace(baselines=np.concatenate([lost, rows.baselines]))
        with suppress(SheetError):
            yield _follow(sheet._replace(rows=more))


def _inked_along(ink: FloatMap, line: FloatMap, gap: float) -> float:
    """The share of columns in which there is ink near a line (width,)."""
    reach = np.arange(round(-_ROW_REACH * gap), round(_ROW_REACH * gap) + 1)[:, None]
    rows = np.clip(np.rint(line).astype(np.intp) + reach, 0, len(ink) - 1)
    return float((ink[rows, np.arange(line.size)] > _SOME_INK).any(axis=0).mean())


def _lying(density: Densities) -> Densities:
    return Densities(*(np.ascontiguousarray(np.rot90(each)) for each in density))


def _straight(density: Densities) -> _Straight:
    """Raises `SheetError` where no sheet has so many rows: to follow two that are far apart is to look at every pixel
    between them."""
    plane = find_plane(density.lines)
    printed = straighten(density.ink, plane)
    words = straighten(density.print, plane)
    dark = without_lines(printed)
    rows = _rows_of(dark)
    for share in _PRINT:
        if not candidates(len(rows.baselines)):
            rows = _rows_of(_blotted(dark, words, share))
    count = len(rows.baselines)
    if not candidates(count):
        raise SheetError(_strange_rows(count, UNTOLD) if rows.fit else _NO_ROWS)
    lines = straighten(density.lines, plane)
    return _Straight(_trace_ink(dark, rows), lines, printed, rows, words)


def _rows_of(dark: FloatMap) -> Rows:
    return _twice(find_rows(_score(halved(dark))), dark.shape[1])


def _blotted(dark: FloatMap, words: UInt8Array, share: float) -> FloatMap:
    """A map without its lines of print that have such a share of the ink of the darkest: beside them faint traces are
    none."""
    boxes = [(slice(line.top, line.bottom), slice(line.left, line.right)) for line in find_lines(words)]
    inked = [float(words[box].mean()) for box in boxes]
    for (down, across), own in zip(boxes, inked, strict=True):
        if own >= share * max(inked):
            dark[max(0, down.start - 1) : down.stop + 1, max(0, across.start - 1) : across.stop + 1] = 0
    return dark


def _twice(rows: Rows, width: int) -> Rows:
    """Rows of a map half as large on one of `width` pixels."""
    baselines = np.repeat(2 * rows.baselines + 0.5, 2, axis=1)
    return Rows(np.pad(baselines, ((0, 0), (0, width - baselines.shape[1])), mode="edge"), 2 * rows.gap, rows.fit)


def _trace_ink(density: FloatMap, rows: Rows) -> FloatMap:
    """Ink 0-1 by the darkness of the base lines: steep strokes of a thin pen are half as dark."""
    height, width = density.shape
    reach = max(3, int(0.12 * rows.gap))
    if len(rows.baselines) >= _LEAST_ROWS:
        across = slice(*np.clip([int(rows.baselines[0].min()), int(rows.baselines[2].max())], 0, height))
        separators = np.flatnonzero((density[across] > 4).mean(axis=0) > _SEPARATOR)
        density[:, separators] = 0
    y = np.rint(rows.baselines[:, None]).astype(int) + np.arange(-reach, reach + 1)[:, None]
    nearby = density[np.clip(y, 0, height - 1), np.arange(width)]
    darkest = nearby.max(axis=1)
    level = float(np.median(darkest[darkest > 4])) if (darkest > 4).any() else 8.0
    noise = max(0.07 * level, min(1.4 * float(np.percentile(nearby, 85)), 0.4 * level))
    ink: FloatMap = np.clip((density - noise) / (max(0.38 * level, noise + 0.25 * level) - noise), 0, 1)
    return ink


def _score(density: FloatMap) -> FloatMap:
    """Ink 0-1: what stands out from paper and remnants of the grid, told apart by Otsu's threshold."""
    levels = np.minimum(density, 255).astype(np.uint8)
    counts = np.bincount(levels.ravel(), minlength=256).astype(float)
    counts[:_LEAST_DENSITY] = 0
    if counts.sum() < 100:
        raise SheetError(_NO_LINES)
    below = np.cumsum(counts)
    moment = np.cumsum(counts * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moment[-1] * below / below[-1] - moment) ** 2 / (below * (below[-1] - below))
    if not np.isfinite(between[:255]).any():  # all that is drawn has one shade
        return np.clip(density / counts.argmax(), 0, 1).astype(np.float32)
    threshold = int(np.nanargmax(between[:255]))
    low = moment[threshold] / below[threshold]
    high = low + 0.65 * (threshold - low)
    usual = float(np.median(np.partition(density[:, ::3], -_USUAL_INK, axis=0)[-_USUAL_INK]))
    if 4 < usual < high:  # print is darker than the traces
        low, high = min(low, 0.3 * usual), usual
    ink: FloatMap = np.clip((density - low) / max(high - low, 1.0), 0, 1).astype(np.float32)
    return ink


def _follow(sheet: _Straight) -> _Followed:
    """The traces, where they run, and how large a millimetre is there."""
    traces = follow(sheet.ink, sheet.rows)
    share = drawn(sheet.ink, traces)
    first, last = find_extent(share)
    scale = find_scale(sheet.lines, first, last) if last - first >= LEAST_WIDTH else None
    if scale and scale.grid:
        first, last = find_extent(share, [whole * scale.across for whole in WIDTHS])
    if scale is None or last - first < LEAST_WIDTH or share[first:last].mean() < _DRAWN:
        raise SheetError(_NO_ROWS)
    above = _above_base(sheet.rows, traces, first, last)
    heights = (above / scale.down).astype(np.float32)
    return _after_pulse(_Followed(sheet, traces, heights, (first, last), scale, None))


def _after_pulse(found: _Followed) -> _Followed:
    """The same with its calibration pulse, if one is seen, outside its span."""
    sheet, traces, heights, (first, last), scale = found[:5]
    pulse = find_pulse(heights, traces.inked, first, last, scale)
    if pulse is None:
        return found
    found = found._replace(pulse=pulse)
    if pulse.first > first + (last - first) / 4 and pulse.last < last - (last - first) / 4:
        return _cut(found, pulse)
    first, last = _without(pulse, first, last, scale, traces.inked)
    if scale.grid:
        first, last = _whole_span(found, first, last)
    found = found._replace(span=(first, last), scale=scale if scale.grid else find_scale(sheet.lines, first, last))
    half_as_large = pulse.gain == _DEFAULT_GAIN / 2 and pulse.wide < _HALF_PULSE
    return _twice_as_wide(found, pulse) if half_as_large and not found.scale.grid and len(heights) in _PAIRS else found


def _whole_span(found: _Followed, first: int, last: int) -> tuple[int, int]:
    """A span after a pulse, to where one of a usual width ends: columns that stand apart are wider than a strip below
    them, and with the pulse too wide for any."""
    if found.pulse is None or found.pulse.last > first:
        return first, last
    share = drawn(found.sheet.ink, found.traces)
    share[:first] = 0
    begin, end = find_extent(share, [whole * found.scale.across for whole in WIDTHS])
    return (first, end) if end > last and abs(begin - first) < _FOOT * found.scale.across else (first, last)


def _twice_as_wide(found: _Followed, pulse: Pulse) -> _Followed:
    """A sheet without a grid whose two columns show ten seconds each, by its pulse: half as many pixels a mm."""
    scale = Scale(found.scale.across / 2, found.scale.down / 2, grid=False)
    whole = pulse._replace(gain=2 * pulse.gain, wide=2 * pulse.wide)
    return found._replace(scale=scale, above=2 * found.above, pulse=whole)


def _cut(found: _Followed, pulse: Pulse) -> _Followed:
    """The sheet less a pulse between its columns, which then follow one another; print stays where it is."""
    foot = round(_FOOT * found.scale.across)
    first, last = found.span
    hole = slice(max(first, pulse.first - foot), min(last, pulse.last + foot))
    sheet, (heights, inked) = found.sheet, found.traces
    rows = sheet.rows._replace(baselines=np.delete(sheet.rows.baselines, hole, axis=1))
    straight = _Straight(
        np.delete(sheet.ink, hole, axis=1), np.delete(sheet.lines, hole, axis=1), sheet.print, rows, sheet.words
    )
    traces = Traces(np.delete(heights, hole, axis=1), np.delete(inked, hole, axis=1))
    above = np.delete(found.above, hole, axis=1)
    cut = hole.stop - hole.start
    return _Followed(straight, traces, above, (first, last - cut), found.scale, pulse, cut)


def _above_base(rows: Rows, traces: Traces, first: int, last: int) -> FloatMap:
    """Heights above each row's base line in pixels; the bend of the rows is taken out."""
    above = rows.baselines - traces.heights
    level: FloatMap = (above - np.median(above[:, first:last], axis=1, keepdims=True)).astype(np.float32)
    return level


def _without(pulse: Pulse, first: int, last: int, scale: Scale, inked: NDArray[np.bool_]) -> tuple[int, int]:
    """The extent less the pulse: from where most rows are drawn again."""
    foot = round(_FOOT * scale.across)
    many = np.convolve(inked.mean(axis=0), np.ones(5) / 5, "same") > 0.5
    if pulse.first < (first + last) / 2:
        begin = pulse.last + foot
        return begin + int(many[begin : begin + 4 * foot].argmax()), last
    end = pulse.first - foot
    return first, end - int(many[end - 4 * foot : end][::-1].argmax())


def _measure(found: _Followed, told: Told, *, upside_down: bool = False) -> DigitisedSheet:
    """What is read of traces; of those that are `upside_down` in the picture and were turned, too."""
    shapes = _all_shapes(found)
    known, hint = _with_print(told, found.sheet)
    layout = find_layout(shapes, *found.span, known.layout, known.order)
    turned_span = shapes.shape[2] - found.span[1], shapes.shape[2] - found.span[0]
    turned = find_layout(shapes[:, ::-1, ::-1], *turned_span, known.layout, known.order)
    if not upside_down and not hint.legible and layout and turned:
        better = plausibility(turned) - plausibility(layout)
        if better > _TURNED:
            return _measure(_turn(found, turned_span), told, upside_down=True)
        if better > _BARELY and layout.consistency < LAWFUL:
            with suppress(SheetError):
                other = _measure(_turn(found, turned_span), told, upside_down=True)
                if other.consistency >= _SURELY:
                    return other
    if layout is None:
        raise SheetError(_strange_rows(shapes.shape[1], told))
    if known.layout or known.order:
        _compare(find_layout(shapes, *found.span), layout, known, "You say" if told.layout or told.order else _PRINTED)
    speed = _agreed_speed(found.pulse, told, known)
    gain = found.pulse.gain if found.pulse else known.gain or _DEFAULT_GAIN
    timing = _time(found, layout, gain, speed)
    reading = _place(found, layout, gain, timing, hint.strips)._replace(
        gain_from=_gain_source(found, told, known), speed_from=_speed_source(found.pulse, speed, told, known)
    )
    if hint.layout is None and layout.consistency >= LAWFUL and _is_mirrored(found, timing.speed):
        raise ForeignSheetError("Time runs backwards on the sheet: the picture is mirrored. Send it as it is printed.")
    if upside_down and uprightness(reading.signal) < 0:
        raise ForeignSheetError("The sheet seems to be mirrored and upside down. Send the picture as it is printed.")
    if layout.consistency < LAWFUL:
        return reading
    beating = _beating(found, layout, timing)
    together = not timing.full and at_once(beating)
    named = known.layout is not None or layout.consistency >= _UNNAMED
    return reading._replace(fault=_foreign(beating, timing.speed, named=named), together=together)


def _agreed_speed(pulse: Pulse | None, told: Told, known: Told) -> float | None:
    """The speed, if it is known. Raises `SheetError` where the pulse is not as it was told, or as it is printed, but
    that a pulse may be half as wide as usual where a speed is printed."""
    _contradict(pulse, told, "You say")
    wide = pulse.speed if pulse else None
    narrow = wide == _SPEEDS[0] and known.speed == _SPEEDS[1]
    _contradict(pulse, known._replace(speed=None) if narrow else known, _PRINTED)
    return known.speed if narrow else wide or known.speed


def _gain_source(found: _Followed, told: Told, known: Told) -> GainSource:
    if found.pulse:
        return "pulse"
    return "caller" if told.gain else "print" if known.gain else "assumed"


def _speed_source(pulse: Pulse | None, speed: float | None, told: Told, known: Told) -> SpeedSource:
    if speed is None:
        return "beats"
    if pulse and pulse.speed == speed:
        return "pulse"
    return "caller" if told.speed else "print"


def _is_mirrored(found: _Followed, speed: float) -> bool:
    """Whether time runs backwards: what hearts that beat fast don't tell, names in the mirror may."""
    beats = found.above[:, slice(*found.span)]
    arrow = time_arrow(beats, speed * found.scale.across)
    if arrow < _BACKWARDS and beat_shape(beats, found.scale)[1] >= _SLOW * speed:
        return True
    if arrow > _FORWARDS:
        return False
    rows = found.sheet.rows
    hint = hint_of(read_lead_names(found.sheet.print[:, ::-1]), rows.baselines[:, ::-1], rows.gap)
    return hint.legible or hint.layout is not None


def _all_shapes(found: _Followed) -> FloatMap:
    """What `_shapes` gives for each of `_LAGS`, (lags, rows, width)."""
    return np.stack([_shapes(found, lag) for lag in _LAGS])


def _shapes(found: _Followed, lag: float) -> FloatMap:
    """How far the traces (rows, width) rise and fall over `lag` mm, each row moved to where its beats are those of
    all; what wanders slowly does neither."""
    first, last = found.span
    smooth = _smooth(found.above)
    apart = round(lag * found.scale.across)
    shapes = np.pad(smooth, ((0, 0), (0, apart)), mode="edge")[:, apart:] - smooth
    steep = np.abs(shapes[:, first:last])
    steep -= steep.mean(axis=1, keepdims=True)
    together = steep.mean(axis=0)
    shifts = range(-round(found.scale.across), round(found.scale.across) + 1)
    for row, own in enumerate(steep):
        likeness = [float(np.roll(own, shift) @ together) for shift in shifts]
        shapes[row] = np.roll(shapes[row], shifts[int(np.argmax(likeness))])
    return shapes.astype(np.float32)


def _smooth(heights: FloatMap) -> FloatMap:
    padded = np.pad(heights, ((0, 0), (2, 2)), mode="edge")
    smooth: FloatMap = np.mean([padded[:, k : k + heights.shape[1]] for k in range(5)], axis=0)
    return smooth


def _turn(found: _Followed, span: tuple[int, int]) -> _Followed:
    """The same sheet turned upside down."""
    sheet, traces = found.sheet, found.traces
    height, width = sheet.lines.shape
    rows = Rows(height - 1 - sheet.rows.baselines[::-1, ::-1], sheet.rows.gap, sheet.rows.fit)
    lines, printed, words = (each[::-1, ::-1] for each in (sheet.lines, sheet.print, sheet.words))
    turned = _Straight(sheet.ink[::-1, ::-1], lines, printed, rows, words)
    heights = Traces(height - 1 - traces.heights[::-1, ::-1], traces.inked[::-1, ::-1])
    pulse = found.pulse and found.pulse._replace(first=width - found.pulse.last, last=width - found.pulse.first)
    same = _Followed(turned, heights, -found.above[::-1, ::-1], span, found.scale, pulse, found.cut)
    return same if pulse else _after_pulse(same)  # upside down it hangs, and is none


def _compare(free: Layout | None, layout: Layout, told: Told, who: str) -> None:
    """Raises `SheetError` where the leads fit together much better in another layout than in the one that was told."""
    if free and plausibility(free) > plausibility(layout) + _MUCH_BETTER:
        said = " in ".join(filter(None, (told.layout, told.order and f"{told.order} order")))
        raise ForeignSheetError(
            f"{who} {said}, but the leads fit together as {free.name} in {free.order} order. Send what is printed on "
            "the sheet, or neither."
        )


def _contradict(pulse: Pulse | None, told: Told, who: str) -> None:
    """Raises `SheetError` where the calibration pulse is not as it was told."""
    if pulse and told.gain and told.gain != pulse.gain:
        raise ForeignSheetError(
            f"{who} {told.gain:g} mm/mV, but the calibration pulse is {pulse.gain:g} mm high. Send the gain that is "
            "printed on the sheet, or none."
        )
    if pulse and pulse.speed and told.speed and told.speed != pulse.speed:
        raise ForeignSheetError(
            f"{who} {told.speed:g} mm/s, but the calibration pulse is as wide as at {pulse.speed:g} mm/s. Send the "
            "speed that is printed on the sheet, or none."
        )


def _with_print(told: Told, sheet: _Straight) -> tuple[Told, Hint]:
    """What is told, completed by what is printed, and the print. Raises `ForeignSheetError`
    where they contradict each other, the names are not those of twelve leads, or the scale is none to read by."""
    hint = hint_of(read_lead_names(sheet.print), sheet.rows.baselines, sheet.rows.gap)
    scale = _printed_scale(sheet)
    if fault := hint.fault or scale.fault:
        raise (MisplacedNamesError if hint.misplaced else ForeignSheetError)(fault)
    for said, found, unit in (
        (told.layout, hint.layout, ""),
        (told.order, hint.order, " order"),
        (told.speed, scale.speed, " mm/s"),
        (told.gain, scale.gain, " mm/mV"),
    ):
        if said is not None and found is not None and said != found:
            raise ForeignSheetError(
                f"You say {_plain(said)}{unit}, but {_plain(found)}{unit} is printed on the sheet. Send what is "
                "printed, or neither."
            )
    known = Told(
        told.speed or scale.speed, told.gain or scale.gain, told.layout or hint.layout, told.order or hint.order
    )
    return known, hint


def _printed_scale(sheet: _Straight) -> PrintedScale:
    """The scale that is printed, wherever that is: below the rows first."""
    first, last = sheet.rows.baselines[[0, -1]].mean(axis=1).tolist()
    return read_printed_scale(sheet.words, (first - 0.6 * sheet.rows.gap, last + 0.3 * sheet.rows.gap))


def _plain(said: float | str) -> str:
    return said if isinstance(said, str) else f"{said:g}"


def _strange_rows(count: int, told: Told) -> str:
    arrived = "One row of traces was" if count == 1 else f"{count} rows of traces were"
    if told.layout and candidates(count, told.order):
        return f"You say {told.layout}, but {arrived.lower()} found. Send the layout of the sheet, or none."
    return f"{arrived} found, which no layout of twelve leads has. Send one sheet of a 12-lead ECG, whole and upright."


class _Timing(NamedTuple):
    """Speed of the paper in mm/s, whether each of two columns shows the whole record, seconds of a column, columns."""

    speed: float
    full: bool
    seconds: float
    columns: Columns

    @property
    def rate(self) -> float:
        """Pixels a second."""
        return self.columns.width / self.seconds


def _time(found: _Followed, layout: Layout, gain: float, known: float | None) -> _Timing:
    (first, last), scale = found.span, found.scale
    millivolts = found.above[:, first:last] / gain
    speed, full = find_speed(millivolts, layout.name, (last - first) / scale.across, scale, known)
    seconds = _column_seconds(len(layout.grid[0]), (last - first) / scale.across / speed)
    return _Timing(speed, full, seconds, _columns(found, layout, seconds * speed * scale.across))


def _beating(found: _Followed, layout: Layout, timing: _Timing) -> Beating:
    spans, rows, smooth = timing.columns.spans, len(layout.grid), _smooth(found.above)
    shifts = _strip_shifts(found, spans)
    return Beating(smooth[:rows], smooth[rows:], spans, timing.rate, found.scale.across, shifts)


def _foreign(beating: Beating, speed: float, *, named: bool) -> str | None:
    """What is wrong where the columns show the same leads, or two hearts, or where it isn't sure which leads they are:
    those that are neither `named` nor fit together well."""
    rates = (beating.rate, 2 * beating.rate) if speed == _SPEEDS[0] else (beating.rate,)
    if any(same_leads(beating.grid, beating.columns, rate) for rate in rates):  # the speed may be twice as high
        return (
            f"Each of {len(beating.grid)} rows shows one lead all along, so there are fewer than twelve leads. Send "
            "one picture that shows all twelve leads."
        )
    if two_hearts(beating):
        return (
            "The leads on the left and on the right do not beat together, as those of one heart do. Send one sheet of "
            "one person, in which nothing is put together."
        )
    return None if named else _NOT_NAMED


def _strip_shifts(found: _Followed, spans: Sequence[tuple[int, int]]) -> list[list[float]]:
    """Ways in which a strip runs ahead of the columns above it, in pixels: these have gaps, or a pulse, between
    them."""
    gap = spans[1][0] - spans[0][1] if len(spans) > 1 else 0
    gaps = 0.0, gap - found.scale.across, float(gap), gap + found.scale.across
    ways = [[number * each for number in range(len(spans))] for each in gaps]
    if found.cut:
        ways.append([0.0 if number < len(spans) // 2 else float(found.cut) for number in range(len(spans))])
    return ways


def _place(found: _Followed, layout: Layout, gain: float, timing: _Timing, named: Sequence[str] = ()) -> DigitisedSheet:
    """Each piece of trace in its place; strips show the leads that are `named`, or those they are like."""
    grid, last, scale = layout.grid, found.span[1], found.scale
    speed, full, seconds, columns = timing
    rate = timing.rate
    signal = np.zeros((SAMPLES, LEAD_COUNT), dtype=np.float32)
    shown = np.zeros((SAMPLES, LEAD_COUNT), dtype=bool)
    pieces: dict[int, tuple[FloatMap, int]] = {}
    traced: dict[str, tuple[TracedLead, ...]] = {}
    for row, leads in enumerate(grid):
        for column, lead in enumerate(leads):
            begin, end = columns.spans[column]
            cut = begin - columns.begin if column == 0 else 0
            start = (0.0 if full else column * seconds) + cut / rate
            piece = _traced(found, row, (begin, end), start, rate, layout.sign(lead) / gain)
            pieces[lead] = piece.millivolts, begin - columns.begin
            traced[LEADS[lead]] = (piece,)
            _sample(signal, shown, lead, piece)
    named = named if len(named) == len(layout.strips) and set(named) <= set(LEADS) else ()
    for number, strip in enumerate(layout.strips):
        whole = _traced(found, strip, (columns.spans[0][0], last), 0.0, rate, 1 / gain)
        usual = (LEADS.index(named[number]),) if named else tuple(range(LEAD_COUNT))
        lead, likeness = match_strip(whole.millivolts, pieces, usual)
        if likeness > _LIKE:
            _sample(signal, shown, lead, whole)
            traced[LEADS[lead]] += (whole,)
    return DigitisedSheet(
        signal,
        shown,
        layout.name,
        layout.order,
        len(layout.strips),
        speed,
        gain,
        scale.across,
        found.sheet.rows.fit,
        layout.consistency,
        {lead: traced[lead] for lead in LEADS},
        found.sheet.lines,
    )


def as_drawn(reading: DigitisedSheet) -> tuple[FloatMap, NDArray[np.bool_]]:
    """`signal` and `shown` of a reading, but columns that show the same seconds lie at these, as their beats do."""
    if not reading.together:
        return reading.signal, reading.shown
    signal, shown = np.zeros_like(reading.signal), np.zeros_like(reading.shown)
    begin = min(pieces[0].start for pieces in reading.traces.values())
    for number, pieces in enumerate(reading.traces.values()):
        for piece in pieces:
            _sample(signal, shown, number, piece if piece.start == begin else piece._replace(start=0.0))
    return signal, shown


def _columns(found: _Followed, layout: Layout, usual: float) -> Columns:
    """Columns of leads; `usual` is how many pixels one has at the scale of the sheet."""
    count = len(layout.grid[0])
    first, last = found.span
    rows = list(range(len(layout.grid)))
    gap = blank_gap(found.traces.inked[rows], found.span, count, round(_WIDEST_GAP * found.scale.across))
    pitch = (last - first + gap) / count
    if found.scale.grid and abs(last - first - gap * (count - 1) - usual * count) > 0.05 * usual * count:
        pitch = usual + gap
    borders = find_borders(found.sheet.ink, found.sheet.rows, found.traces, rows, found.scale.across)
    columns = divide(borders, found.span, count, pitch, gap, found.scale.across)
    apart = columns.width + gap - usual
    if found.scale.grid and gap > found.scale.across and gap > _BLANK * apart > 0:
        return with_gap(columns, found.span, columns.width + gap, apart)
    return columns


def _column_seconds(columns: int, seconds: float) -> float:
    """Of the whole records that sheets show, the nearest; what gaps between columns add is left out."""
    whole = min((5.0, 10.0, 20.0), key=lambda usual: abs(np.log(seconds / usual)))
    return whole / columns


def _traced(found: _Followed, row: int, span: tuple[int, int], start: float, rate: float, per_mm: float) -> TracedLead:
    begin, end = span
    piece = found.above[row, begin:end] * per_mm
    level = (piece - np.median(piece)).astype(np.float32) if piece.size else piece
    return TracedLead(
        start, rate, level, found.traces.inked[row, begin:end], begin, found.traces.heights[row, begin:end]
    )


def _sample(signal: FloatMap, shown: NDArray[np.bool_], lead: int, piece: TracedLead) -> None:
    """Put a piece of trace into the signal."""
    begin = round(piece.start * RATE)
    count = min(int(piece.millivolts.size / piece.rate * RATE), SAMPLES - begin)
    if count < 10:
        return
    at = (np.arange(count) + 0.5) / RATE * piece.rate - 0.5
    values = np.interp(at, np.arange(piece.millivolts.size), piece.millivolts)
    signal[begin : begin + count, lead] = values - np.median(values)
    near = np.convolve(piece.inked, np.ones(9) / 9, "same") > 0.2
    shown[begin : begin + count, lead] = near[np.clip(np.rint(at).astype(int), 0, piece.millivolts.size - 1)]
    signal[~shown[:, lead], lead] = 0
