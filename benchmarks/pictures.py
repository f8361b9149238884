"""Pictures and records to measure with, made on the spot and the same each time."""

import io
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from models.preprocessing.ecg_record import LEADS


def encode(picture: Image.Image, picture_format: str, **options: Any) -> bytes:
    """The bytes of a picture file."""
    file = io.BytesIO()
    picture.save(file, picture_format, **options)
    return file.getvalue()


def made_up_jpeg(width: int = 600, height: int = 450) -> bytes:
    """A JPEG the size of a HAM10000 picture with a lesion-like blot and grain."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    blot = 90 * np.exp(-6 * (rows**2 + columns**2))[..., np.newaxis]
    grain = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    pixels = np.array([205, 160, 145]) - blot + grain
    return encode(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), "JPEG", quality=90)


def made_up_record() -> tuple[bytes, bytes]:
    """The .hea and .dat of ten seconds of 12 noisy leads with a beat each second, at 100 Hz in format 16."""
    time = np.arange(1000) / 100
    beats = np.exp(-(((time % 1 - 0.5) / 0.02) ** 2))
    noise = np.random.default_rng(0).normal(0, 0.02, (1000, 12))
    counts = np.rint(1000 * (noise + beats[:, None] * np.linspace(0.3, 1.5, 12))).astype("<i2")
    lines = ["made_up 12 100 1000", *(f"made_up.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS)]
    return "\n".join(lines).encode(), counts.tobytes()


def made_up_sheet() -> bytes:
    """A PNG of 12 leads in three rows of four and a rhythm strip, at 25 mm/s and 10 mm/mV, 1400 x 700 pixels."""
    beat = np.arange(1000) / 100 % 0.86
    waves = ((0.46, 0.010, (-0.1, -0.15, 0.35)), (0.5, 0.013, (0.9, 1.1, -0.6)), (0.75, 0.05, (0.25, 0.2, 0.2)))
    vector = np.zeros((1000, 3))
    for at, width, size in waves:
        vector += np.exp(-(((beat - at) / width) ** 2))[:, None] * np.array(size)
    one, two = vector[:, 0], 0.5 * vector[:, 0] + 0.87 * vector[:, 1]
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    chest = [
        vector @ np.array(weights)
        for weights in zip(np.linspace(-0.4, 1, 6), [0.2] * 6, np.linspace(1, -0.3, 6), strict=True)
    ]
    leads = [*limb, *chest]
    picture = Image.new("RGB", (1400, 700), (255, 252, 250))
    draw = ImageDraw.Draw(picture)
    for step, colour in ((5, (252, 222, 222)), (25, (244, 170, 170))):
        for x in range(0, 1400, step):
            draw.line([(x, 0), (x, 700)], colour)
        for y in range(0, 700, step):
            draw.line([(0, y), (1400, y)], colour)
    rows = ((0, 3, 6, 9), (1, 4, 7, 10), (2, 5, 8, 11), (1,))
    for row, shown in enumerate(rows):
        length = 1000 // len(shown)
        for column, lead in enumerate(shown):
            samples = np.arange(column * length, (column + 1) * length)
            across, down = 75 + samples * 1.25, 140 + row * 140 - leads[lead][samples] * 50
            draw.line(list(zip(across.tolist(), down.tolist(), strict=True)), (20, 20, 30), width=2)
    return encode(picture, "PNG")
