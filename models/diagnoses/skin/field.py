"""The round field of a dermatoscope: a bright disc on black, as a camera sees it through the eyepiece.

Such a picture is cut to the square inside the disc, as those the model learned from are; every other is left alone.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

from models.preprocessing.dicom.modalities import SKIN_PICTURE
from models.preprocessing.inputs import PICTURE, InputKind, Limits, SentPicture, prover_of
from models.preprocessing.picture import (
    WHOLE,
    Box,
    ImagePreprocessing,
    ReadPicture,
    decode_and_judge,
    shown,
    to_tensor,
)

_LOOKED_AT = 64
_DARK = 32
_CORNER = 6
_DARK_CORNERS = 0.95
_LIT = 0.4
"""What counts as lit, as a share of nearly the brightest: a field may end softly."""
_LEAST_DARK, _MOST_DARK = 0.15, 0.8
_DISC, _TOLERANCE = np.pi / 4, 0.09
"""The share of its box that a disc fills."""
_INSIDE = 0.97 / np.sqrt(2)
"""The edge of the square inside a disc, of its diameter, a little less."""


class Disc(NamedTuple):
    """Where a bright disc lies: its centre and diameters, as shares of the picture's width and height."""

    x: float
    y: float
    width: float
    height: float


def find_disc(picture: Image.Image) -> Disc | None:
    """The bright disc of an RGB picture whose corners are all black; None where there is none."""
    small = np.asarray(picture.resize((_LOOKED_AT, _LOOKED_AT), Image.Resampling.NEAREST))
    corners = (small[rows, columns].max(axis=2) for rows in (_FIRST, _LAST) for columns in (_FIRST, _LAST))
    if any(np.mean(corner < _DARK) < _DARK_CORNERS for corner in corners):
        return None
    light = small.max(axis=2)
    looked_at = light >= max(_DARK, _LIT * float(np.quantile(light, 0.9)))
    if not _LEAST_DARK <= np.mean(~looked_at) <= _MOST_DARK:
        return None
    rows, columns = (np.flatnonzero(looked_at.mean(axis=axis) > 1.5 / _LOOKED_AT) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return None
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    if abs(float(looked_at[top:bottom, left:right].mean()) - _DISC) > _TOLERANCE:
        return None
    edges = np.array([left + right, top + bottom, 2 * (right - left), 2 * (bottom - top)]) / (2 * _LOOKED_AT)
    return Disc(*edges.tolist())


def inside(picture: Image.Image, disc: Disc) -> Image.Image:
    """The square, or rectangle, inside the disc of a picture."""
    box = [round(edge * size) for edge, size in zip(_edges(disc), picture.size * 2, strict=True)]
    return picture.crop((box[0], box[1], max(box[2], box[0] + 1), max(box[3], box[1] + 1)))


def _edges(disc: Disc) -> Box:
    across, down = (size * _INSIDE / 2 for size in (disc.width, disc.height))
    return disc.x - across, disc.y - down, disc.x + across, disc.y + down


def read_dermoscopy(sent: SentPicture, spec: ImagePreprocessing, limits: Limits) -> ReadPicture:
    """A picture as the tensor of `spec`, cut to the inside of a round field where it shows one; then it is decoded anew
    in full, since what is left of it is smaller. Raises a `PictureError`."""
    picture, damage = decode_and_judge(sent.image, max_pixels=limits.max_pixels, for_input=spec, wanted=SKIN_PICTURE)
    part = WHOLE
    if disc := find_disc(picture):
        del picture  # before there is another one
        picture, damage = decode_and_judge(sent.image, max_pixels=limits.max_pixels, wanted=SKIN_PICTURE)
        picture, part = inside(picture, disc), _edges(disc)
    return ReadPicture(to_tensor(picture, spec)[np.newaxis], damage, shown(picture.size, spec, part))


_FIRST, _LAST = slice(0, _CORNER), slice(-_CORNER, None)

DERMOSCOPY = InputKind(
    PICTURE.name, PICTURE.subject, PICTURE.dtype, PICTURE.revision, read_dermoscopy, prover_of(SKIN_PICTURE)
)
