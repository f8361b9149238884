"""Pictures and multipart bodies for the tests, made on the spot."""

import io
from typing import Any

import numpy as np
from PIL import Image


def noise(width: int = 320, height: int = 240, *, seed: int = 0) -> Image.Image:
    """A reproducible RGB picture without structure."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def plain(colour: tuple[int, int, int], size: int = 256) -> Image.Image:
    """A square picture of one colour."""
    return Image.new("RGB", (size, size), colour)


def encode(picture: Image.Image, picture_format: str = "PNG", **options: Any) -> bytes:
    """The bytes of a picture file."""
    file = io.BytesIO()
    picture.save(file, picture_format, **options)
    return file.getvalue()
