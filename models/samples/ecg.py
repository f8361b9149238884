"""A computed 12-lead ECG, as a WFDB record and as a drawn sheet.

A heart vector of five Gaussian waves a beat, in the manner of McSharry et al. (IEEE Trans Biomed Eng 2003;50:289-294),
seen from the direction of each lead.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.preprocessing.ecg_record import LEADS

HERTZ = 500
SECONDS = 10
GAIN = 1000
"""Units of the record per mV."""

_RATE = 68
_WAVES = (
    (-0.160, 0.022, (0.09, 0.11, 0.02)),
    (-0.028, 0.007, (-0.06, -0.04, 0.28)),
    (0.000, 0.011, (0.85, 0.92, -0.55)),
    (0.032, 0.010, (-0.12, -0.08, -0.50)),
    (0.250, 0.040, (0.24, 0.22, 0.20)),
)
"""P, Q, R, S and T: seconds from the top of R, width in seconds, mV to the left, to the feet and to the chest."""
_CHEST = (
    (-0.35, 0.10, 0.90),
    (0.05, 0.15, 1.30),
    (0.45, 0.20, 0.90),
    (0.90, 0.30, 0.35),
    (1.0, 0.3, 0.0),
    (0.85, 0.3, -0.15),
)

_PX, _SPEED, _HEIGHT = 8, 25, 10
"""Pixels a mm, mm a second, mm a mV."""
_MARGIN, _ROW = 12, 34
_ROWS = ((0, 3, 6, 9), (1, 4, 7, 10), (2, 5, 8, 11), (1,))
_INK, _PAPER, _FINE, _COARSE = (28, 28, 40), (255, 251, 249), (250, 221, 219), (240, 172, 168)


def leads() -> NDArray[np.float64]:
    """The (samples, 12) signal in mV at `HERTZ`; intervals vary by 2 %, and there is noise of 4 microvolts."""
    rng = np.random.default_rng(7)
    time = np.arange(SECONDS * HERTZ) / HERTZ
    tops = np.cumsum(60 / _RATE * (1 + 0.02 * rng.standard_normal(SECONDS * 2))) - 0.4
    vector = np.zeros((len(time), 3))
    for top in tops[tops < SECONDS + 1]:
        for at, width, size in _WAVES:
            vector += np.exp(-0.5 * ((time - top - at) / width) ** 2)[:, None] * np.array(size)
    one, two = vector[:, 0], 0.5 * vector[:, 0] + 0.87 * vector[:, 1]
    chest = vector @ np.array(_CHEST).T + rng.normal(0, 0.004, (len(time), 6))
    return np.column_stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2, *chest.T])


def signal() -> bytes:
    """The .dat file: format 16."""
    return _counts().astype("<i2").tobytes()


def header() -> bytes:
    """The .hea file."""
    counts = _counts()
    lines = [f"ecg-record {len(LEADS)} {HERTZ} {len(counts)}"]
    for name, column in zip(LEADS, counts.T, strict=True):
        lines.append(f"ecg-record.dat 16 {GAIN}(0)/mV 16 0 {column[0]} {int(column.sum()) % 65536} 0 {name}")
    return "\n".join([*lines, "# Computed. Not a patient's.", ""]).encode()


def _counts() -> NDArray[np.int64]:
    return np.rint(leads() * GAIN).astype(np.int64)


def sheet() -> bytes:
    """A PNG of the signal on paper, 3 x 4 leads with a rhythm strip of lead II and calibration pulses."""
    width = round((SECONDS * _SPEED + 2 * _MARGIN + 8) * _PX)
    height = round((len(_ROWS) * _ROW + 2 * _MARGIN) * _PX)
    picture = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(picture)
    for step, colour in ((1, _FINE), (5, _COARSE)):
        for across in range(0, width, step * _PX):
            draw.line([(across, 0), (across, height)], colour, width=step // 4 + 1)
        for down in range(0, height, step * _PX):
            draw.line([(0, down), (width, down)], colour, width=step // 4 + 1)
    millivolts = leads()
    for row, shown in enumerate(_ROWS):
        _draw_row(draw, millivolts, shown, (_MARGIN + (row + 0.5) * _ROW) * _PX)
    small = ImageFont.load_default(size=22)
    draw.text((_MARGIN * _PX, 14), "ARTIFICIAL: computed, not a patient's", _INK, font=small)
    draw.text((_MARGIN * _PX, height - 44), f"{_SPEED} mm/s   {_HEIGHT} mm/mV", _INK, font=small)
    file = io.BytesIO()
    picture.quantize(32, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def _draw_row(draw: ImageDraw.ImageDraw, millivolts: NDArray[np.float64], shown: tuple[int, ...], y: float) -> None:
    pulse = [(-7, 0), (-6, 0), (-6, _HEIGHT), (-1, _HEIGHT), (-1, 0), (0, 0)]
    begin = _MARGIN + 8
    draw.line([((begin + x) * _PX, y - up * _PX) for x, up in pulse], _INK, width=3)
    length = len(millivolts) // len(shown)
    font = ImageFont.load_default(size=26)
    for column, lead in enumerate(shown):
        piece = slice(column * length, (column + 1) * length)
        x = (begin + np.arange(piece.start, piece.stop) / HERTZ * _SPEED) * _PX
        trace = millivolts[piece, lead]
        points = np.column_stack([x, y - (trace - np.median(trace)) * _HEIGHT * _PX])
        draw.line([(float(across), float(down)) for across, down in points], _INK, width=3)
        draw.text((x[0] + 6, y - 15 * _PX), LEADS[lead], _INK, font=font)
