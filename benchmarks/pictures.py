"""Pictures and records to measure with, made on the spot and the same each time."""

import io

import numpy as np
from PIL import Image

from models.preprocessing.ecg import LEADS


def made_up_jpeg(width: int = 600, height: int = 450) -> bytes:
    """A JPEG the size of a HAM10000 picture with a lesion-like blot and grain."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    blot = 90 * np.exp(-6 * (rows**2 + columns**2))[..., np.newaxis]
    grain = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    pixels = np.array([205, 160, 145]) - blot + grain
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def made_up_record() -> tuple[bytes, bytes]:
    """The .hea and .dat of ten seconds of 12 noisy leads with a beat each second, at 100 Hz in format 16."""
    time = np.arange(1000) / 100
    beats = np.exp(-(((time % 1 - 0.5) / 0.02) ** 2))
    noise = np.random.default_rng(0).normal(0, 0.02, (1000, 12))
    counts = np.rint(1000 * (noise + beats[:, None] * np.linspace(0.3, 1.5, 12))).astype("<i2")
    lines = ["made_up 12 100 1000", *(f"made_up.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS)]
    return "\n".join(lines).encode(), counts.tobytes()


def made_up_sheet() -> bytes:
    """A PNG of the same record on a sheet of twelve rows."""
    time = np.arange(1000) / 100
    beats = np.exp(-(((time % 1 - 0.5) / 0.02) ** 2))
    sheet = np.full((1300, 1400, 3), 255, np.uint8)
    sheet[::5], sheet[:, ::5] = (250, 215, 215), (250, 215, 215)
    across = np.rint(60 + np.arange(0, 1000, 0.25) * 1.25).astype(int)
    for row, height in enumerate(np.linspace(0.3, 1.5, 12)):
        trace = np.interp(np.arange(0, 1000, 0.25), np.arange(1000), beats * height)
        down = np.rint(90 + row * 100 - trace * 50).astype(int)
        for shift in (0, 1):
            sheet[down + shift, across] = 20
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "PNG")
    return file.getvalue()
