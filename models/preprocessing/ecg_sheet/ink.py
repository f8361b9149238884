"""Ink and grid of a sheet, told from paper, shadow and table.

Levels are optical densities against the paper around a pixel, so that light falling off across a photograph and its
colour drop out. What is thin and dark has density; the edge of a table or of a broad shadow has none.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps

from models.preprocessing.picture import UInt8Array

FloatMap = NDArray[np.float32]

_DARKEST = 8
"""Grey levels added before the logarithm, so that noise in deep shadow stays small."""
_DARK_SCREEN = 64
"""Brightness of most of a picture, 0-255, below which it shows a dark screen: no paper is so dark in a photograph."""
_NEPERS = 255 / float(np.log((255 + _DARKEST) / _DARKEST))
"""Steps of density in one natural logarithm of darkness."""


class Densities(NamedTuple):
    """Maps (height, width) of uint8 density: `ink` is dark in every colour, `lines` in at least one; `print` is the ink
    with what lies at the picture's edge, where the others have none."""

    ink: UInt8Array
    lines: UInt8Array
    print: UInt8Array


def on_light(picture: Image.Image) -> Image.Image:
    """An RGB picture of traces on light paper: the negative of a dark screen with bright traces."""
    small = np.asarray(picture.resize((64, 64), Image.Resampling.NEAREST)).max(axis=2)
    if float(np.median(small)) >= _DARK_SCREEN:
        return picture
    red, green, blue = picture.split()
    brightest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return Image.merge("RGB", [ImageOps.invert(brightest)] * 3)


def densities(picture: Image.Image, pen: int) -> Densities:
    """Densities of an RGB picture; lines up to `pen` pixels wide are seen as lines."""
    levels = np.rint(_NEPERS * np.log((np.arange(256) + _DARKEST) / _DARKEST)).astype(int).tolist()
    channels = np.ascontiguousarray(np.asarray(picture.point(levels * 3)).transpose(2, 0, 1))
    paper = _running(np.minimum, _running(np.maximum, channels, pen), pen)
    density = paper - channels
    printed = density.min(axis=0)
    for border in (density[:, : 2 * pen], density[:, -2 * pen :], density[:, :, : 2 * pen], density[:, :, -2 * pen :]):
        border[:] = 0  # a strip of table beside the sheet would pass for a line
    return Densities(density.min(axis=0), density.max(axis=0), printed)


def _running(extreme: np.ufunc, maps: UInt8Array, reach: int) -> UInt8Array:
    """Extreme over squares of side 2 * reach + 1 around every pixel; `maps` is (channels, height, width)."""
    for axis in (1, 2):
        pads = [(0, 0)] * 3
        pads[axis] = (reach, reach)
        wide = np.pad(maps, pads, mode="edge")
        length, span = maps.shape[axis], 1
        while span < 2 * reach + 1:
            step = min(span, 2 * reach + 1 - span)
            size = wide.shape[axis] - step
            wide = extreme(_cut(wide, axis, 0, size), _cut(wide, axis, step, size))
            span += step
        maps = _cut(wide, axis, 0, length)
    return np.ascontiguousarray(maps)


def _cut(maps: UInt8Array, axis: int, start: int, size: int) -> UInt8Array:
    return maps[:, start : start + size] if axis == 1 else maps[:, :, start : start + size]
