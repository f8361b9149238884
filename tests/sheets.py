"""12-lead ECG sheets for the tests, drawn on the spot with Pillow alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.preprocessing.ecg_sheet.layout import GRIDS

PX_PER_MM = 5
RATE = 100
ROW_GAP = 28
MARGIN = 15
INK = (20, 20, 30)


_WAVES = (  # seconds into the beat, width in seconds, and size in mV along x, y and z
    (0.30, 0.030, (0.08, 0.12, 0.03)),
    (0.46, 0.010, (-0.10, -0.15, 0.35)),
    (0.50, 0.013, (0.90, 1.10, -0.60)),
    (0.54, 0.012, (-0.35, 0.10, -0.70)),
    (0.75, 0.050, (0.25, 0.20, 0.20)),
)
_PRECORDIAL = ((-0.4, 0.1, 1.0), (0.1, 0.1, 1.1), (0.5, 0.2, 0.8), (0.9, 0.3, 0.3), (1.0, 0.3, -0.1), (0.9, 0.3, -0.3))


def ecg(seconds: float = 10, apart: float = 0.86) -> NDArray[np.float64]:
    """A made-up (samples, 12) ECG in mV at 100 Hz, its beats so many seconds apart: a heart vector that turns gives
    every lead a shape of its own."""
    time = np.arange(round(seconds * RATE)) / RATE
    beat = time % apart
    vector = sum(
        np.exp(-(((beat - at) / width) ** 2))[:, None] * np.array(size) for at, width, size in _WAVES
    ) + np.zeros((len(time), 3))
    one, two = vector[:, 0], 0.5 * vector[:, 0] + vector[:, 1] * 0.87
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.stack([*limb, *(vector @ np.array(weights) for weights in _PRECORDIAL)], axis=1)


def sheet(
    signal: NDArray[np.float64] | None = None,
    *,
    layout: str = "3x4",
    strip: int | None = 1,
    gain: float = 10,
    speed: float = 25,
    rows: Sequence[Sequence[int]] | None = None,
    gaps: Sequence[float] = (),
    pulse: float | None = None,
    ruled: bool = False,
) -> Image.Image:
    """A signal (samples, 12) in mV at 100 Hz on pink paper, its columns following one another, with lead number `strip`
    below them all along.

    `rows` of lead numbers stand in place of those of the `layout`; -4 is lead 3, aVR, upside down. `gaps` are the
    distances of the rows, usual where they end; `pulse` is how wide, in mm, one of 1 mV before each row is; a `ruled`
    sheet has a header with a double rule.
    """
    signal = ecg() if signal is None else signal
    shown = rows if rows is not None else [*GRIDS[layout], *([(strip,)] if strip is not None else [])]
    heights = np.cumsum([0.5 * ROW_GAP, *gaps, *[ROW_GAP] * (len(shown) - 1 - len(gaps))])
    top = MARGIN + (20 if ruled else 0)
    size = (
        round((len(signal) / RATE * speed + 2 * MARGIN) * PX_PER_MM),
        round((heights[-1] + 0.5 * ROW_GAP + MARGIN + top) * PX_PER_MM),
    )
    picture = Image.new("RGB", size, (255, 252, 250))
    draw = ImageDraw.Draw(picture)
    for step, colour in ((1, (252, 222, 222)), (5, (244, 170, 170))):
        for across in range(0, size[0], step * PX_PER_MM):
            draw.line([(across, 0), (across, size[1])], colour)
        for down in range(0, size[1], step * PX_PER_MM):
            draw.line([(0, down), (size[0], down)], colour)
    if ruled:
        for line in (60, 68):
            draw.line([(20, line), (size[0] - 20, line)], (20, 20, 30), width=3)
    for height, leads in zip(heights + top, shown, strict=True):
        length = len(signal) // len(leads)
        for column, lead in enumerate(leads):
            piece = signal[column * length : (column + 1) * length, lead] if lead >= 0 else -signal[:, -1 - lead]
            piece = piece[column * length : (column + 1) * length] if lead < 0 else piece
            seconds = np.arange(column * length, column * length + len(piece)) / RATE
            x = (MARGIN + seconds * speed) * PX_PER_MM
            y = (height - (piece - np.median(piece)) * gain) * PX_PER_MM
            draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), INK, width=2)
        if pulse is not None:
            begin = MARGIN - pulse - 3
            corners = [(0, 0), (1, 0), (1, gain), (1 + pulse, gain), (1 + pulse, 0), (2 + pulse, 0)]
            draw.line([((begin + x) * PX_PER_MM, (height - y) * PX_PER_MM) for x, y in corners], INK, width=2)
    return picture
