"""The traces that were read, drawn over the straight sheet, so that a person can see whether they were read right."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from models.preprocessing.ecg_sheet.digitisation import DigitisedSheet

Colour = tuple[int, int, int]

_COLOURS: Sequence[Colour] = ((214, 39, 40), (31, 119, 180), (44, 160, 44), (148, 103, 189))
_LABEL = (0, 90, 200)
_INK = 0.6
"""How dark the sheet's own lines stay beside the traces."""


def overlay_png(reading: DigitisedSheet) -> bytes:
    """The overlay as a PNG file."""
    file = BytesIO()
    draw_overlay(reading).quantize(64, dither=Image.Dither.NONE).save(file, "PNG", compress_level=6)
    return file.getvalue()


def draw_overlay(reading: DigitisedSheet) -> Image.Image:
    """An RGB picture of the straight sheet in grey with each lead's trace in colour, its name where it begins."""
    grey = (255 - _INK * reading.paper).astype(np.uint8)
    picture = Image.fromarray(grey).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for number, (lead, pieces) in enumerate(reading.traces.items()):
        for piece in pieces:
            across = np.arange(piece.left, piece.left + piece.heights.size)
            colour = _COLOURS[number % len(_COLOURS)]
            down = np.rint(piece.heights).astype(int)
            draw.line(list(zip(across.tolist(), down.tolist(), strict=True)), colour, width=1)
            draw.text((piece.left + 2, float(np.median(piece.heights)) + 8), lead, _LABEL)
    return picture
