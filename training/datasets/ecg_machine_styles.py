"""Sheet styles at random as real machines, programs and phones make them.

Reports with a ruled header and a frame around the grid, paper that is grid all over, faxes whose grid is as dark as
the trace, black monitors, windows of programs and apps; layouts from a single strip to three rhythm strips under three
rows, in standard or Cabrera order, on one page or two.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from models.preprocessing.ecg_record import LEADS
from training.datasets.draws import Rgb, Rng, between, blend, chance, pick, vary
from training.datasets.ecg_print import TITLES, machine_words, particulars, scale_words, text_size
from training.datasets.ecg_sheet import (
    FONTS,
    Bar,
    Layout,
    Order,
    Separator,
    SheetStyle,
    Text,
    Timing,
    grid_edges,
    lead_rows,
    page_size,
)

Look = Literal["report", "paper", "cutting", "fax", "monitor", "app"]
LOOKS: Sequence[tuple[Look, float]] = (
    ("report", 0.26),
    ("paper", 0.3),
    ("cutting", 0.18),
    ("fax", 0.08),
    ("monitor", 0.07),
    ("app", 0.11),
)
TWELVE: Sequence[tuple[Layout, float]] = (("3x4", 0.66), ("6x2", 0.2), ("12x1", 0.14))
"""Layouts that show all twelve leads."""

_ROW_GAPS: dict[Layout, tuple[float, float]] = {
    "3x4": (17, 42),
    "6x2": (14, 32),
    "12x1": (9, 22),
    "limb page": (16, 32),
    "chest page": (16, 32),
    "three rows": (20, 45),
    "single strip": (25, 60),
}
_STRIPS: Sequence[tuple[tuple[int, ...], float]] = (
    ((), 0.22),
    ((1,), 0.36),
    ((6,), 0.07),
    ((2,), 0.03),
    ((10,), 0.04),
    ((1, 6), 0.04),
    ((1, 10), 0.04),
    ((6, 1), 0.02),
    ((6, 1, 10), 0.1),
    ((1, 6, 10), 0.08),
)
_THREE: Sequence[tuple[tuple[int, int, int], float]] = (((0, 1, 2), 0.5), ((1, 6, 10), 0.3), ((6, 7, 8), 0.2))
_HUES: Sequence[tuple[Rgb, float]] = (
    ((255, 105, 130), 0.34),
    ((230, 50, 40), 0.2),
    ((240, 130, 60), 0.14),
    ((70, 110, 220), 0.08),
    ((60, 160, 80), 0.06),
    ((120, 120, 120), 0.18),
)
_INKS: Sequence[tuple[Rgb, float]] = (
    ((10, 10, 12), 0.66),
    ((60, 60, 65), 0.12),
    ((20, 25, 90), 0.12),
    ((30, 60, 170), 0.05),
    ((70, 25, 60), 0.05),
)
_GLOWS: Sequence[tuple[Rgb, float]] = (
    ((60, 240, 90), 0.5),
    ((240, 240, 240), 0.2),
    ((250, 230, 70), 0.2),
    ((80, 220, 240), 0.1),
)
_NAMES: Sequence[tuple[tuple[str, ...], float]] = (
    (LEADS, 0.72),
    (tuple(lead.upper() for lead in LEADS), 0.12),
    ((*LEADS[:6], "C1", "C2", "C3", "C4", "C5", "C6"), 0.06),
    (("DI", "DII", "DIII", *LEADS[3:]), 0.03),
    (("D1", "D2", "D3", *LEADS[3:]), 0.02),
    (("L1", "L2", "L3", *LEADS[3:]), 0.02),
    (tuple(f"{lead}:" for lead in LEADS), 0.03),
)


class Wish(NamedTuple):
    """What is not left to chance; None is. `layout` None draws one that shows all twelve leads."""

    layout: Layout | None = None
    order: Order = "standard"
    look: Look | None = None
    speed: float | None = None
    gain: float | None = None


ANYTHING = Wish()


def draw_machine_style(rng: Rng, wish: Wish = ANYTHING, long_side: tuple[int, int] | None = None) -> SheetStyle:
    """A sheet style at random whose longer side has a number of pixels in `long_side`; without, one that is usual,
    500 to 1700."""
    look: Look = pick(rng, LOOKS) if wish.look is None else wish.look
    style = _draw_layout(rng, wish)
    style = _draw_rows(rng, style)
    style = _draw_light(rng, style) if look == "monitor" else _draw_ink(rng, style, look)
    style = _draw_margins(rng, style, look)
    style = _draw_separators(rng, style)
    style = _draw_labels(rng, style)
    style = _draw_surroundings(rng, style, look)
    style = _draw_texts(rng, style, look)
    sides = long_side or ((500, 800) if chance(rng, 0.16) else (950, 1700))
    return replace(style, px_per_mm=between(rng, *sides) / max(page_size(style)))


def _draw_layout(rng: Rng, wish: Wish) -> SheetStyle:
    layout: Layout = pick(rng, TWELVE) if wish.layout is None else wish.layout
    timing: Timing = "consecutive"
    if layout == "6x2":
        timing = pick(rng, (("consecutive", 0.55), ("simultaneous", 0.2), ("full", 0.25)))
    elif layout == "3x4":
        timing = pick(rng, (("consecutive", 0.82), ("simultaneous", 0.18)))
    strips: tuple[int, ...] = ()
    if layout == "3x4":
        strips = pick(rng, _STRIPS)
    elif chance(rng, {"6x2": 0.35, "12x1": 0.1}.get(layout, 0.0)):
        strips = (1,)
    rows: tuple[tuple[int, ...], ...] = ()
    if layout == "three rows" and wish.order == "standard":
        rows = tuple((lead,) for lead in pick(rng, _THREE))
    elif layout == "single strip":
        rows = ((pick(rng, ((1, 0.5), (0, 0.3), (6, 0.2))),),)
    gain = wish.gain or pick(rng, ((10.0, 0.86), (5.0, 0.08), (20.0, 0.06)))
    speed = wish.speed or pick(rng, ((25.0, 0.9), (50.0, 0.1)))
    short = (speed == 50 and chance(rng, 0.5)) or (layout in ("limb page", "chest page") and chance(rng, 0.3))
    return SheetStyle(
        layout=layout,
        order=wish.order,
        rows=rows,
        rhythm=strips,
        timing=timing,
        seconds=5.0 if short else 10.0,
        speed=speed,
        gain=gain,
        centred=chance(rng, 0.8),
        row_gap=between(rng, *_ROW_GAPS[layout]) * {5.0: 0.85, 10.0: 1.0, 20.0: 1.3}.get(gain, 1.0),
        column_gap=between(rng, 0.5, 6)
        if len(lead_rows(SheetStyle(layout=layout))[0]) > 1 and chance(rng, 0.25)
        else 0.0,
    )


def _draw_rows(rng: Rng, style: SheetStyle) -> SheetStyle:
    """Rows of uneven height, strips closer or further than the rest, traces off their base lines, pulses."""
    regular, strips = len(lead_rows(style)), len(style.rhythm)
    heights: tuple[float, ...] = ()
    if chance(rng, 0.35):
        spread = between(rng, 0.03, 0.16)
        below = between(rng, 0.7, 1.25)
        each = style.row_gap * np.clip(rng.normal(1, spread, regular + strips), 0.7, 1.4)
        each[regular:] *= below
        heights = tuple(each.tolist())
    traces = sum(len(row) for row in lead_rows(style)) + strips
    shifts = tuple(rng.normal(0, between(rng, 0.5, 3.0), traces).tolist()) if chance(rng, 0.12) else ()
    middle = 0.08 if len(lead_rows(style)[0]) > 1 else 0.0
    return replace(
        style,
        row_heights=heights,
        trace_shifts=shifts,
        pulse=pick(rng, (("none", 0.3), ("left", 0.47), ("right", 0.15), ("middle", middle))),
        pulse_everywhere=chance(rng, 0.8),
        pulse_seconds=pick(rng, ((0.2, 0.7), (0.1, 0.2), (0.15, 0.1))),
    )


def _draw_ink(rng: Rng, style: SheetStyle, look: Look) -> SheetStyle:
    """Dark on light: ink, paper and grid."""
    paper = vary(rng, (250, 249, 246), 5) if chance(rng, 0.75) else vary(rng, (244, 232, 226), 12)
    ink = vary(rng, (8, 8, 8), 8) if look == "fax" else vary(rng, pick(rng, _INKS), 12)
    hue = pick(rng, _HUES)
    faint = chance(rng, 0.12) and look != "fax"
    if faint:
        ink = blend(paper, ink, between(rng, 0.35, 0.6))
    if look == "fax":
        hue = vary(rng, (70, 70, 70), 40)
    elif look == "cutting" and chance(rng, 0.3):
        paper = blend(paper, hue, between(rng, 0.08, 0.3))
    strength = between(rng, 0.5, 1.0) if look == "fax" or chance(rng, 0.2) else between(rng, 0.2, 0.7)
    bare = chance(rng, 0.05)
    return replace(
        style,
        paper=paper,
        ink=ink,
        line_width=between(rng, 0.15, 0.3) if faint else between(rng, 0.18, 0.6),
        minor_grid="none" if bare else pick(rng, (("solid", 0.6), ("dotted", 0.24), ("none", 0.16))),
        major_grid=not bare,
        minor_colour=blend(paper, hue, strength * between(rng, 0.3, 1)),
        major_colour=blend(paper, hue, strength),
        minor_width=between(rng, 0.08, 0.25),
        major_width=between(rng, 0.15, 0.5),
        grid_phase=(between(rng, 0, 5), between(rng, 0, 5)),
        text_colour=ink if chance(rng, 0.6) and not faint else vary(rng, (35, 35, 40), 30),
    )


def _draw_light(rng: Rng, style: SheetStyle) -> SheetStyle:
    """Light on dark, as monitors show it."""
    paper = vary(rng, (10, 10, 12), 10)
    glow = vary(rng, pick(rng, _GLOWS), 15)
    grid = pick(rng, (((90, 90, 90), 0.5), (glow, 0.25), ((150, 40, 40), 0.25)))
    bare = chance(rng, 0.4)
    strength = between(rng, 0.2, 0.6)
    return replace(
        style,
        paper=paper,
        ink=glow,
        line_width=between(rng, 0.3, 0.8),
        minor_grid="none" if bare else pick(rng, (("solid", 0.4), ("dotted", 0.3), ("none", 0.3))),
        major_grid=not bare,
        minor_colour=blend(paper, grid, strength * 0.6),
        major_colour=blend(paper, grid, strength),
        grid_phase=(between(rng, 0, 5), between(rng, 0, 5)),
        text_colour=pick(rng, ((glow, 0.4), ((220, 220, 220), 0.4), ((240, 220, 90), 0.2))),
    )


def _draw_margins(rng: Rng, style: SheetStyle, look: Look) -> SheetStyle:
    """Space around the rows; a report's grid has a page around it."""
    left, right = between(rng, 3, 20), between(rng, 2, 18)
    if look == "cutting":
        return replace(
            style, margins=(between(rng, 0.5, 6), between(rng, 0, 8), between(rng, 0, 6), between(rng, 0, 8))
        )
    if look == "report":
        side, head, foot = between(rng, 4, 14), between(rng, 18, 60), between(rng, 6, 14)
        inner = between(rng, 2, 12), between(rng, 0, 14), between(rng, 2, 10), between(rng, 0, 10)
        edges = side, head, side, foot
        margins = tuple(edge + space for edge, space in zip(edges, inner, strict=True))
        return replace(
            style, margins=(margins[0], margins[1], margins[2], margins[3]), grid_margins=edges, frame=chance(rng, 0.6)
        )
    if look == "app":
        top, bottom = between(rng, 14, 40), between(rng, 10, 40)
        if chance(rng, 0.35):  # a telephone held upright
            free = max(0.0, 1.7 * page_size(style)[0] - page_size(style)[1])
            top, bottom = top + 0.4 * free, bottom + 0.6 * free
        edges = (0.0, top, 0.0, bottom)
        return replace(
            style, margins=(left, top + between(rng, 0, 8), right, bottom + between(rng, 0, 8)), grid_margins=edges
        )
    inset = between(rng, 1, 8) if chance(rng, 0.25) else 0.0
    margins = (left, between(rng, 3, 45), right, between(rng, 4, 20))
    return replace(style, margins=margins, grid_inset=inset, frame=chance(rng, 0.1))


def _draw_separators(rng: Rng, style: SheetStyle) -> SheetStyle:
    kinds: Sequence[tuple[Separator, float]] = (
        ("none", 0.4),
        ("tick", 0.2),
        ("line", 0.1),
        ("full line", 0.08),
        ("bars", 0.08),
        ("post", 0.08),
        ("dots", 0.06),
    )
    return replace(style, separator=pick(rng, kinds), joined=chance(rng, 0.25))


def _draw_labels(rng: Rng, style: SheetStyle) -> SheetStyle:
    size = between(rng, 2.0, 4.6)
    up = min(style.row_gap / 2, 13)
    offsets = (
        ((between(rng, 0, 3), -between(rng, size + 1, max(size + 2, up))), 0.46),
        ((between(rng, 0, 1.2), -between(rng, 0.7, 1.2) * size), 0.22),
        ((between(rng, -0.5, 2), between(rng, 0.3, 4)), 0.22),
        ((-between(rng, 4, 9), -between(rng, 0.2, 1.4) * size), 0.1 if style.pulse != "left" else 0.0),
    )
    coloured = chance(rng, 0.12)
    return replace(
        style,
        font=FONTS[rng.integers(len(FONTS))],
        label_font=FONTS[rng.integers(len(FONTS))] if chance(rng, 0.2) else None,
        labels=pick(rng, _NAMES),
        label_size=size,
        label_offset=pick(rng, offsets),
        label_colour=vary(rng, pick(rng, _GLOWS if sum(style.paper) < 200 else _INKS), 20) if coloured else None,
    )


def _draw_surroundings(rng: Rng, style: SheetStyle, look: Look) -> SheetStyle:
    """Rules of a header; bars and buttons of a program's window."""
    if look == "report":
        return replace(style, bars=tuple(_rules(rng, style)))
    if look == "app":
        return replace(style, bars=tuple(_window(rng, style)))
    if look == "monitor" and chance(rng, 0.4):
        width = page_size(style)[0]
        return replace(style, bars=(Bar(0, 0, width, min(style.margins[1] * 0.6, 8), vary(rng, (40, 60, 90), 30)),))
    return style


def _rules(rng: Rng, style: SheetStyle) -> Iterator[Bar]:
    if chance(rng, 0.25):
        return
    width, height = page_size(style)
    left, top, right, bottom = grid_edges(style)
    colour = style.text_colour
    thick = between(rng, 0.2, 0.9)
    y = between(rng, 0.3, 0.95) * top
    yield Bar(left, y, width - left - right, thick, colour)
    if chance(rng, 0.5):
        yield Bar(left, y + thick + between(rng, 0.5, 1.6), width - left - right, thick * between(rng, 0.5, 1), colour)
    if chance(rng, 0.25):
        yield Bar(left, height - bottom + 1, width - left - right, thick, colour)
    if chance(rng, 0.25):
        yield Bar(left + between(rng, 0.3, 0.7) * (width - left - right), 2, 0.3, y - 2, colour)


def _window(rng: Rng, style: SheetStyle) -> Iterator[Bar]:
    width, height = page_size(style)
    _, top, _, bottom = grid_edges(style)
    tone = vary(
        rng, pick(rng, (((245, 245, 247), 0.4), ((40, 90, 170), 0.25), ((30, 30, 34), 0.2), ((0, 130, 120), 0.15))), 12
    )
    bar = min(top, between(rng, 6, 14))
    yield Bar(0, 0, width, bar, tone)
    foot = min(bottom, between(rng, 5, 14))
    yield Bar(0, height - foot, width, foot, tone)
    for _ in range(int(rng.integers(0, 5))):
        x = between(rng, 0, width - 20)
        yield Bar(x, height - foot + 0.2 * foot, between(rng, 5, 18), 0.6 * foot, vary(rng, (120, 150, 200), 60))


def _draw_texts(rng: Rng, style: SheetStyle, look: Look) -> SheetStyle:
    texts = list(_header(rng, style, look))
    scale = scale_words(rng, style.speed, style.gain) if chance(rng, 0.75) else ""
    if scale:
        texts.append(_scale_text(rng, style, scale))
    return replace(style, texts=tuple(texts), scale_text=scale)


def _header(rng: Rng, style: SheetStyle, look: Look) -> Iterator[Text]:
    """A title, and columns of made-up lines as far as the upper margin has room."""
    width = page_size(style)[0]
    top = grid_edges(style)[1] if look == "report" else style.margins[1] - 0.15 * style.row_gap
    y, size = 2.0, text_size(rng)
    if look in ("report", "app") and chance(rng, 0.7):
        title = between(rng, 4, 6)
        yield Text(between(rng, 0.05, 0.45) * width, y, title, TITLES[rng.integers(len(TITLES))])
        y += 1.4 * title
    lines = min(int((top - y - 1) / (1.35 * size)), 8)
    if lines < 1 or look == "cutting":
        return
    for x in np.arange(style.margins[0], width - 40, between(rng, 45, 95)):
        if chance(rng, 0.25):
            continue
        for line in range(int(rng.integers(0, lines + 1))):
            yield Text(float(x), y + line * 1.35 * size, size, particulars(rng))


def _scale_text(rng: Rng, style: SheetStyle, words: str) -> Text:
    """Below the rows, or, seldom, above them."""
    width, height = page_size(style)
    size = between(rng, 2.0, 3.4)
    x = pick(rng, ((style.margins[0], 0.5), (between(rng, 3, 0.55 * width), 0.5)))
    above = chance(rng, 0.12) and style.margins[1] > 2.5 * size
    y = style.margins[1] - 1.8 * size if above else height - size - between(rng, 0.8, 2.5)
    if chance(rng, 0.3):
        words = f"{words}    {machine_words(rng)}"
    return Text(x, y, size, words)
