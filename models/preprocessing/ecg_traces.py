"""The traces of an ECG record as a picture, with what each lead and second says as colour behind them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.preprocessing.ecg_record import LEADS

RATE = 100
_SECOND, _ROW, _MARGIN = 80, 44, 34
_HIGHEST = 1.2
"""mV that reach the edge of a row; what is higher is drawn over its neighbours."""
_STEPS = 200
_INK, _LABEL = 254, 255


def draw_traces(signal: NDArray[np.floating], cells: NDArray[np.floating]) -> Image.Image:
    """A picture of the leads, one below the other, of a signal (at least 100 x seconds, 12) in mV at 100 Hz. Behind
    each second of a lead is what it adds, `cells` (12, seconds): white for nothing or less, red for the most."""
    leads, seconds = cells.shape
    heat = np.maximum(cells, 0) * ((_STEPS - 1) / max(float(cells.max()), 1e-9))
    ground = np.kron(np.rint(heat).astype(np.uint8), np.ones((_ROW, _SECOND), np.uint8))
    picture = Image.fromarray(np.pad(ground, ((0, 0), (_MARGIN, 0))), "P")
    picture.putpalette(_PALETTE.tobytes(), "RGB")
    draw = ImageDraw.Draw(picture)
    across = (_MARGIN + np.arange(seconds * RATE) * (_SECOND / RATE)).tolist()
    for row, lead in enumerate(LEADS[:leads]):
        middle = (row + 0.5) * _ROW
        heights = np.clip(signal[: seconds * RATE, row], -2 * _HIGHEST, 2 * _HIGHEST) * (_ROW / 2 / _HIGHEST)
        draw.line(list(zip(across, (middle - heights).tolist(), strict=True)), _INK)
        draw.text((4, middle - 6), lead, _LABEL)
    return picture


_FADE = np.linspace(0, 1, _STEPS)
_PALETTE = np.zeros((256, 3), np.uint8)
_PALETTE[:_STEPS] = np.stack([np.full(_STEPS, 255), 255 - 165 * _FADE, 255 - 190 * np.minimum(2 * _FADE, 1)], axis=1)
_PALETTE[_LABEL] = 0, 90, 200
