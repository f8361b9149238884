"""Deterministic changes of chest pictures (n, size, size, 3), uint8 before and after: what is left when something is
hidden."""

from collections.abc import Callable

import numpy as np

from models.preprocessing.picture import UInt8Array

View = Callable[[UInt8Array], UInt8Array]

FRAME = 0.1
LUNGS = ((0.08, 0.82), (0.08, 0.92))


def whole(pictures: UInt8Array) -> UInt8Array:
    """The pictures (n, size, size, 3) as they are."""
    return pictures


def without_frame(pictures: UInt8Array) -> UInt8Array:
    """A black frame of a tenth of the edge, over borders, text and most markers."""
    edge = round(FRAME * pictures.shape[1])
    masked = np.zeros_like(pictures)
    masked[:, edge:-edge, edge:-edge] = pictures[:, edge:-edge, edge:-edge]
    return masked


def without_corners(pictures: UInt8Array) -> UInt8Array:
    """Grey squares of a fifth of the edge over the corners, where side markers stand."""
    edge = round(0.2 * pictures.shape[1])
    masked = pictures.copy()
    for rows in (slice(0, edge), slice(-edge, None)):
        for columns in (slice(0, edge), slice(-edge, None)):
            masked[:, rows, columns] = 96
    return masked


def without_lungs(pictures: UInt8Array) -> UInt8Array:
    """A grey box over the lung fields, the heart and the middle: what is left is frame, shoulders, neck and belly."""
    size = pictures.shape[1]
    rows, columns = (slice(round(low * size), round(high * size)) for low, high in LUNGS)
    masked = pictures.copy()
    masked[:, rows, columns] = 96
    return masked


def thumbnail(pictures: UInt8Array) -> UInt8Array:
    """8 x 8 pixels, enlarged: exposure and framing are left, lung texture is not."""
    size = pictures.shape[1]
    block = size // 8
    small = pictures.reshape(-1, 8, block, 8, block, 3).mean(axis=(2, 4))
    return np.repeat(np.repeat(small, block, axis=1), block, axis=2).astype(np.uint8)


def equalised(pictures: UInt8Array) -> UInt8Array:
    """Each picture's grey values spread evenly: exposure and contrast of the machine removed."""
    spread = [
        np.interp(picture, np.arange(256), np.cumsum(np.bincount(picture.ravel(), minlength=256)) * 255 / picture.size)
        for picture in pictures
    ]
    return np.stack(spread).astype(np.uint8)
