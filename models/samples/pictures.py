"""Drawn pictures of the kinds that are read, each marked as artificial. Nothing in them was seen in a patient."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Field = NDArray[np.float64]


def lesion() -> bytes:
    """A JPEG of a brown spot on skin, 600 x 450."""
    height, width = 450, 600
    rng = np.random.default_rng(3)
    down, across = _grid(height, width)
    across = across * width / height
    angle = np.arctan2(down, across)
    edge = 0.44 + 0.035 * np.sin(2 * angle + 1) + 0.02 * np.sin(3 * angle) + 0.012 * _clouds(rng, height, width, 50)
    inside = _step((edge - np.hypot(down, across)) / 0.11)
    grain = _clouds(rng, height, width, 4) + 0.7 * _clouds(rng, height, width, 9)
    skin = np.array([214, 168, 152]) + (3 * grain + 4 * _clouds(rng, height, width, 90))[..., None]
    depth = inside * np.clip(0.78 + 0.07 * _clouds(rng, height, width, 45) + 0.05 * grain, 0, 1)
    depth *= 0.82 + 0.18 * np.exp(-((np.hypot(down, across) / 0.33) ** 2))
    colour = skin * (1 - depth[..., None]) + np.array([112, 66, 50]) * depth[..., None]
    shade = 1.03 - 0.13 * np.hypot(down, across) ** 2
    picture = _picture(colour * shade[..., None]).filter(ImageFilter.GaussianBlur(0.8))
    return _jpeg(picture, (150, 105, 95))


def ultrasound() -> bytes:
    """A JPEG of grey speckle in layers with a dark oval and the brighter band behind it, 560 x 470."""
    height, width = 470, 560
    rng = np.random.default_rng(5)
    down, across = _grid(height, width)
    depth = (down + 1) / 2 + 0.012 * _clouds(rng, height, width, 110)
    echo = 70 + 95 * np.exp(-((depth / 0.035) ** 2)) - 32 * np.exp(-(((depth - 0.16) / 0.075) ** 2))
    echo += 55 * np.exp(-(((depth - 0.27) / 0.02) ** 2)) + 60 * np.exp(-(((depth - 0.80) / 0.018) ** 2))
    strands = np.asarray(Image.fromarray(_clouds(rng, height, width, 22)).resize((width * 3, height)), np.float64)
    echo += 14 * strands[:, width : 2 * width] * (depth > 0.2) - 45 * np.maximum(depth - 0.6, 0)
    oval = _step((0.40 - np.hypot((down + 0.10) * 1.55, across - 0.05) + 0.012 * strands[:, :width]) / 0.06)
    behind = np.exp(-(((across - 0.05) / 0.27) ** 4)) * _step((down - 0.14) / 0.05) * np.exp(-2 * (down + 0.1).clip(0))
    echo = (echo + 38 * behind) * (1 - 0.86 * oval)
    speckle = np.hypot(rng.normal(0, 1, (height, width)), rng.normal(0, 1, (height, width))) / 1.25
    coarse = _picture(np.repeat((90 * speckle)[..., None], 3, axis=2)).filter(ImageFilter.GaussianBlur(1.6))
    grey = echo[..., None] * (0.25 + 0.75 * np.asarray(coarse, np.float64) / 88)
    return _jpeg(_picture(grey), (150, 150, 150))


def film() -> bytes:
    """A JPEG of a chest from the front, 540 x 510: dark lungs, ribs, a spine and a heart."""
    height, width = 510, 540
    rng = np.random.default_rng(9)
    down, across = _grid(height, width)
    apart = np.abs(across)
    lungs = _lungs(down, across)
    shoulders = 7.2 * (apart - 0.35).clip(0) * (-0.72 - down).clip(0)
    shadow = 165 * _step((1.02 - apart**4 - shoulders) / 0.10) - 118 * lungs
    cage = _step((0.86 - apart) / 0.05) * _step((apart - 0.1) / 0.1)
    for number in range(9):
        front = down + 0.83 - 0.16 * number - 0.55 * (apart - 0.52) ** 2
        back = down + 0.74 - 0.16 * number + 0.35 * (apart - 0.9) ** 2
        for bow, strength in ((back, 15), (front, 8)):
            shadow += strength * np.exp(-((bow / 0.028) ** 4)) * cage
    shadow += 30 * _step((0.10 - apart) / 0.05) + 8 * np.sin(down * 44) * _step((0.08 - apart) / 0.03)
    heart = 1 - np.hypot((across - 0.14 - 0.25 * (down - 0.2)) / 0.31, (down - 0.22) / 0.34)
    shadow += 78 * _step(heart / 0.18) * lungs + 24 * _step(heart / 0.3)
    shadow += 70 * _step((0.15 - np.abs(across - 0.01)) / 0.06) * lungs
    collarbones = np.exp(-(((down + 0.82 - 0.16 * apart) / 0.03) ** 4)) * cage
    vessels = sum(_clouds(rng, height, width, size) for size in (8, 14, 26)) * lungs
    grey = shadow + 20 * collarbones + 9 * vessels * np.exp(-2.2 * np.abs(apart - 0.2))
    grey += 6 * _clouds(rng, height, width, 120)
    smooth = _picture(np.repeat(grey.clip(4, 228)[..., None], 3, axis=2)).filter(ImageFilter.GaussianBlur(1.5))
    noisy = np.asarray(smooth, np.float64) + rng.normal(0, 2, (height, width))[..., None]
    return _jpeg(_picture(noisy), (200, 200, 200))


def _lungs(down: Field, across: Field) -> Field:
    """1 in the lungs, 0 elsewhere; the heart's side ends a little lower."""
    apart = np.abs(across)
    half = 0.30 + 0.10 * (down + 0.9).clip(0) ** 0.5
    sides = _step((1 - np.abs((apart - 0.46) / half) ** 2.6 - np.abs((down + 0.12) / 0.72) ** 5) / 0.2)
    dome = down - 0.52 - 0.04 * np.sign(across) + 0.9 * (apart - 0.44) ** 2
    return sides * _step((0.02 - dome) / 0.05)


def _grid(height: int, width: int) -> tuple[Field, Field]:
    """Where each pixel lies, -1 to 1 from the top and from the left."""
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return down, across


def _step(distance: Field) -> Field:
    """From 0 outside to 1 inside, through a soft edge of that unit."""
    return np.asarray(1 / (1 + np.exp(-np.clip(4 * distance, -40, 40))))


def _clouds(rng: np.random.Generator, height: int, width: int, size: int) -> Field:
    """Smooth noise with patches of about `size` pixels, of standard deviation 1."""
    coarse = rng.normal(0, 1, (max(height // size, 2), max(width // size, 2))).astype(np.float32)
    fine = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return np.asarray(fine / fine.std())


def _picture(values: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _jpeg(picture: Image.Image, ink: tuple[int, int, int]) -> bytes:
    """The picture, marked."""
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=14)
    draw.text((10, picture.height - 24), "ARTIFICIAL - drawn by a program", ink, font=font)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88)
    return file.getvalue()
