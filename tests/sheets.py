"""12-lead ECG sheets for the tests, drawn on the spot with Pillow alone."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.preprocessing.ecg_sheet.layout import GRIDS
from tests.records import ecg

PX_PER_MM = 5
RATE = 100
ROW_GAP = 28
MARGIN = 15


def sheet(
    signal: NDArray[np.float64] | None = None, *, layout: str = "3x4", strip: int | None = 1, gain: float = 10
) -> Image.Image:
    """A signal (samples, 12) in mV at 100 Hz on pink paper at 25 mm/s, its columns following one another, with lead
    number `strip` below them all along."""
    signal = ecg() if signal is None else signal
    rows = [*GRIDS[layout], *([(strip,)] if strip is not None else [])]
    size = (round((250 + 2 * MARGIN) * PX_PER_MM), round((len(rows) * ROW_GAP + 2 * MARGIN) * PX_PER_MM))
    picture = Image.new("RGB", size, (255, 252, 250))
    draw = ImageDraw.Draw(picture)
    for step, colour in ((1, (252, 222, 222)), (5, (244, 170, 170))):
        for x in range(0, size[0], step * PX_PER_MM):
            draw.line([(x, 0), (x, size[1])], colour)
        for y in range(0, size[1], step * PX_PER_MM):
            draw.line([(0, y), (size[0], y)], colour)
    for row, leads in enumerate(rows):
        length = len(signal) // len(leads)
        for column, lead in enumerate(leads):
            piece = signal[column * length : (column + 1) * length, lead]
            seconds = np.arange(column * length, column * length + len(piece)) / RATE
            x = (MARGIN + seconds * 25) * PX_PER_MM
            y = (MARGIN + (row + 0.5) * ROW_GAP - (piece - np.median(piece)) * gain) * PX_PER_MM
            draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), (20, 20, 30), width=2)
    return picture
