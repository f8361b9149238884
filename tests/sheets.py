"""12-lead ECG sheets for the tests, drawn on the spot with Pillow alone."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.preprocessing.ecg_sheet.layout import GRIDS

PX_PER_MM = 5
RATE = 100
ROW_GAP = 28
MARGIN = 15


_WAVES = (  # seconds into the beat, width in seconds, and size in mV along x, y and z
    (0.30, 0.030, (0.08, 0.12, 0.03)),
    (0.46, 0.010, (-0.10, -0.15, 0.35)),
    (0.50, 0.013, (0.90, 1.10, -0.60)),
    (0.54, 0.012, (-0.35, 0.10, -0.70)),
    (0.75, 0.050, (0.25, 0.20, 0.20)),
)
_PRECORDIAL = ((-0.4, 0.1, 1.0), (0.1, 0.1, 1.1), (0.5, 0.2, 0.8), (0.9, 0.3, 0.3), (1.0, 0.3, -0.1), (0.9, 0.3, -0.3))


def ecg(seconds: float = 10) -> NDArray[np.float64]:
    """A made-up (samples, 12) ECG in mV at 100 Hz: a heart vector that turns gives every lead a shape of its own."""
    time = np.arange(round(seconds * RATE)) / RATE
    beat = time % 0.86
    vector = sum(
        np.exp(-(((beat - at) / width) ** 2))[:, None] * np.array(size) for at, width, size in _WAVES
    ) + np.zeros((len(time), 3))
    one, two = vector[:, 0], 0.5 * vector[:, 0] + vector[:, 1] * 0.87
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.stack([*limb, *(vector @ np.array(weights) for weights in _PRECORDIAL)], axis=1)


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
        for across in range(0, size[0], step * PX_PER_MM):
            draw.line([(across, 0), (across, size[1])], colour)
        for down in range(0, size[1], step * PX_PER_MM):
            draw.line([(0, down), (size[0], down)], colour)
    for row, leads in enumerate(rows):
        length = len(signal) // len(leads)
        for column, lead in enumerate(leads):
            piece = signal[column * length : (column + 1) * length, lead]
            seconds = np.arange(column * length, column * length + len(piece)) / RATE
            x = (MARGIN + seconds * 25) * PX_PER_MM
            y = (MARGIN + (row + 0.5) * ROW_GAP - (piece - np.median(piece)) * gain) * PX_PER_MM
            draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), (20, 20, 30), width=2)
    return picture
