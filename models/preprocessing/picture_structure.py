"""What a picture file is made of, walked before any decoder sees it: the one gate that every picture passes.

Decoders trust a file's structure: a tile of 46,000 x 46,000 is allocated, 20,000 scans are passed over, a million
chunks are parsed. Each format's walk counts these, takes a thousandth of the time of decoding, and bounds what decoding
can cost; strict checks alone were chosen over decoding in processes that can be killed, as what passes them takes at
most a second of one core.
"""

import struct
from collections.abc import Callable, Mapping

from models.preprocessing import bmp_structure, jpeg_structure, png_structure, tiff_structure, webp_structure
from models.preprocessing.picture_format import (
    PictureFormat,
    PictureTooLargeError,
    Structure,
    damaged,
)

_WALKS: Mapping[PictureFormat, Callable[[bytes], Structure]] = {
    "JPEG": jpeg_structure.walk,
    "PNG": png_structure.walk,
    "WEBP": webp_structure.walk,
    "BMP": bmp_structure.walk,
    "TIFF": tiff_structure.walk,
}


def walk(data: bytes, picture_format: PictureFormat, *, max_pixels: int) -> Structure:
    """The structure of a picture of at most `max_pixels`.

    Raises `PictureTooLargeError`, `UnreadablePictureError` or `UnsupportedFormatError`.
    """
    try:
        structure = _WALKS[picture_format](data)
    except (struct.error, IndexError) as error:  # the file ends within a header
        raise damaged(picture_format) from error
    width, height = structure.size
    if width * height > max_pixels:
        raise PictureTooLargeError(
            f"The picture has {width} x {height} pixels; at most {max_pixels / 1e6:g} megapixels are read. "
            "Send it smaller."
        )
    return structure
