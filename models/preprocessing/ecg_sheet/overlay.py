"""The traces that were read, drawn over the straight sheet, so that a person can see whether they were read right."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw

from models.preprocessing.ecg_sheet.digitisation import DigitisedSheet

Colour = tuple[int, int, int]
NOBODY: Mapping[str, float] = MappingProxyType({})

_COLOURS: Sequence[Colour] = ((214, 39, 40), (31, 119, 180), (44, 160, 44), (148, 103, 189))
_LABEL = (0, 90, 200)
_MARKED = 9
"""Pixels that a mark is wide."""
_INK = 0.6
"""How dark the sheet's own lines stay beside the traces."""


def draw_overlay(reading: DigitisedSheet, spoke: Mapping[str, float] = NOBODY) -> Image.Image:
    """A picture of the straight sheet in grey with each lead's trace in colour, its name where it begins. A lead that
    `spoke` for what is named is marked behind its trace, the stronger the redder, up to 1."""
    grey = (255 - _INK * reading.paper).astype(np.uint8)
    picture = Image.fromarray(grey).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for number, (lead, pieces) in enumerate(reading.traces.items()):
        for piece in pieces:
            across = np.arange(piece.left, piece.left + piece.heights.size)
            colour = _COLOURS[number % len(_COLOURS)]
            down = np.rint(piece.heights).astype(int)
            path = list(zip(across.tolist(), down.tolist(), strict=True))
            if lead in spoke:
                draw.line(path, (255, round(235 - 145 * spoke[lead]), 65), width=_MARKED)
            draw.line(path, colour, width=1)
            draw.text((piece.left + 2, float(np.median(piece.heights)) + 8), lead, _LABEL)
    return picture.quantize(64, dither=Image.Dither.NONE)
