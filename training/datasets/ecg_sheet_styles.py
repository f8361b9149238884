"""Plain sheet styles at random: layouts, scales, grids and inks, a column of text above and a line below.

They are what the bundles up to 1.0.0 were trained and measured on, so a seed keeps drawing the same sheet;
`ecg_machine_styles` draws what real machines print."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from models.preprocessing.ecg_record import LEADS
from training.datasets.draws import Rng, blend, chance, pick, vary
from training.datasets.ecg_print import made_up_lines
from training.datasets.ecg_sheet import FONTS, Colour, Layout, SheetStyle, Text, Timing, page_size


class _Usual(NamedTuple):
    """What is usual for a layout: shares of sheets with 0, 1 and 3 rhythm strips, and the range of row gaps in mm."""

    strips: Sequence[float]
    row_gap: tuple[float, float]


_USUAL: dict[Layout, _Usual] = {
    "3x4": _Usual((0.25, 0.55, 0.2), (18, 42)),
    "6x2": _Usual((0.7, 0.3, 0.0), (16, 32)),
    "12x1": _Usual((0.9, 0.1, 0.0), (10, 24)),
}
_GRIDS: Sequence[tuple[Colour, float]] = (
    ((255, 105, 130), 0.30),  # pink
    ((230, 50, 40), 0.18),  # red
    ((240, 130, 60), 0.12),  # orange
    ((70, 110, 220), 0.10),  # blue
    ((60, 160, 80), 0.08),  # green
    ((120, 120, 120), 0.14),  # grey
    ((255, 255, 255), 0.08),  # none
)
_INKS: Sequence[tuple[Colour, float]] = (
    ((10, 10, 12), 0.62),
    ((60, 60, 65), 0.14),
    ((20, 25, 90), 0.10),
    ((30, 60, 170), 0.06),
    ((70, 25, 60), 0.04),
    ((110, 20, 20), 0.04),
)
_REMARKS = (
    "Unconfirmed",
    "Technician:",
    "Referred by:",
    "Reviewed by:",
    "Test ind:",
    "Comparison: none",
    "Page 1 of 1",
)


def draw_style(rng: Rng, long_side: tuple[int, int] = (1000, 1600)) -> SheetStyle:
    """A sheet style at random whose longer side has a number of pixels in `long_side`."""
    style = _draw_layout(rng)
    style = _draw_print(rng, style)
    style = _draw_grid(rng, style)
    style = _draw_labels(rng, style)
    style = replace(style, texts=(*_draw_header(rng, style), *_draw_footer(rng, style)))
    return replace(style, px_per_mm=float(rng.uniform(*long_side)) / max(page_size(style)))


def _draw_layout(rng: Rng) -> SheetStyle:
    layout: Layout = pick(rng, (("3x4", 0.55), ("6x2", 0.25), ("12x1", 0.2)))
    timing: Timing = "consecutive"
    if layout == "6x2":
        timing = pick(rng, (("consecutive", 0.5), ("simultaneous", 0.25), ("full", 0.25)))
    elif layout == "3x4":
        timing = pick(rng, (("consecutive", 0.8), ("simultaneous", 0.2)))
    usual = _USUAL[layout]
    strips = int(rng.choice([0, 1, 3], p=usual.strips))
    gain = pick(rng, ((10.0, 0.86), (5.0, 0.08), (20.0, 0.06)))
    speed = pick(rng, ((25.0, 0.9), (50.0, 0.1)))
    return SheetStyle(
        layout=layout,
        rhythm={0: (), 1: (pick(rng, ((1, 0.85), (6, 0.1), (10, 0.05))),), 3: (6, 1, 10)}[strips],
        timing=timing,
        seconds=5.0 if speed == 50 and rng.random() < 0.5 else 10.0,
        speed=speed,
        gain=gain,
        centred=chance(rng, 0.85),
        row_gap=float(rng.uniform(*usual.row_gap)) * {5.0: 0.85, 10.0: 1.0, 20.0: 1.3}[gain],
        column_gap=float(rng.uniform(0.5, 6)) if layout != "12x1" and chance(rng, 0.35) else 0.0,
        margins=(
            float(rng.uniform(3, 25)),
            float(rng.uniform(2, 45)),
            float(rng.uniform(2, 20)),
            float(rng.uniform(2, 20)),
        ),
    )


def _draw_print(rng: Rng, style: SheetStyle) -> SheetStyle:
    ink = vary(rng, pick(rng, _INKS), 12)
    return replace(
        style,
        ink=ink,
        text_colour=ink if chance(rng, 0.7) else vary(rng, (40, 40, 45), 30),
        line_width=float(rng.uniform(0.18, 0.6)),
        joined=chance(rng, 0.25),
        separator=pick(rng, (("none", 0.55), ("tick", 0.35), ("line", 0.1))),
        pulse=pick(rng, (("none", 0.45), ("left", 0.45), ("right", 0.1))),
        pulse_everywhere=chance(rng, 0.75),
        frame=chance(rng, 0.1),
    )


def _draw_grid(rng: Rng, style: SheetStyle) -> SheetStyle:
    paper = vary(rng, (250, 249, 246), 5) if chance(rng, 0.7) else vary(rng, (244, 236, 226), 10)
    hue = pick(rng, _GRIDS)
    if hue == (255, 255, 255):
        return replace(style, paper=paper, minor_grid="none", major_grid=False, frame=False)
    if chance(rng, 0.15):
        paper = blend(paper, hue, float(rng.uniform(0.03, 0.15)))
    strength = float(rng.uniform(0.25, 0.95))
    aligned = chance(rng, 0.3)
    return replace(
        style,
        paper=paper,
        minor_grid=pick(rng, (("solid", 0.68), ("dotted", 0.18), ("none", 0.14))),
        minor_colour=blend(paper, hue, strength * float(rng.uniform(0.3, 1))),
        major_colour=blend(paper, hue, strength),
        minor_width=float(rng.uniform(0.08, 0.25)),
        major_width=float(rng.uniform(0.15, 0.45)),
        grid_phase=(0.0, 0.0) if aligned else (float(rng.uniform(0, 5)), float(rng.uniform(0, 5))),
        grid_inset=float(rng.uniform(1, 8)) if chance(rng, 0.25) else 0.0,
    )


def _draw_labels(rng: Rng, style: SheetStyle) -> SheetStyle:
    case = rng.random()
    labels = (
        LEADS
        if case < 0.7
        else tuple(lead.upper() for lead in LEADS)
        if case < 0.95
        else tuple(f"Lead {lead}" for lead in LEADS)
    )
    size = float(rng.uniform(2.0, 4.5))
    above = (float(rng.uniform(0, 4)), -float(rng.uniform(size + 1, max(size + 2, min(style.row_gap / 2, 14)))))
    on_line = (float(rng.uniform(-1, 1)), -size - float(rng.uniform(0.5, 2)))
    beside = (-float(rng.uniform(5, 9)), -float(rng.uniform(0, 4)))
    offset = above if chance(rng, 0.65) else on_line if chance(rng, 0.6) or style.pulse == "left" else beside
    return replace(style, font=FONTS[rng.integers(len(FONTS))], labels=labels, label_size=size, label_offset=offset)


def _draw_header(rng: Rng, style: SheetStyle) -> Iterator[Text]:
    """Columns of made-up lines in the upper margin, as many as fit."""
    size = float(rng.uniform(2.0, 4.0))
    lines = min(int((style.margins[1] - 3) / (1.35 * size)), 7)
    width = page_size(style)[0]
    for x in np.arange(style.margins[0], width - 45, rng.uniform(50, 95)):
        if chance(rng, 0.2):
            continue
        for line in range(int(rng.integers(0, max(lines, 0) + 1))):
            yield Text(float(x), 2 + line * 1.35 * size, size, _header_line(rng))


def _draw_footer(rng: Rng, style: SheetStyle) -> Iterator[Text]:
    if chance(rng, 0.3):
        return
    width, height = page_size(style)
    size = float(rng.uniform(2.0, 3.2))
    scales = f"{style.speed:g} mm/s   {style.gain:g} mm/mV"
    band = pick(rng, (("", 0.3), ("   0.05-150 Hz", 0.3), ("   0.5-40 Hz  F 50", 0.2), ("   F 60 ~ 0.15-100 Hz", 0.2)))
    yield Text(float(rng.uniform(3, width * 0.6)), height - size - float(rng.uniform(1, 3)), size, scales + band)


def _header_line(rng: Rng) -> str:
    made_up = made_up_lines(rng)
    lines = (*made_up.orders, made_up.rates[0], *made_up.intervals, _REMARKS[rng.integers(len(_REMARKS))])
    return lines[rng.integers(len(lines))]
