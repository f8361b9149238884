"""The structure of a Windows bitmap, looked at before anything is decoded."""

import struct

from models.preprocessing.picture_format import Structure, UnsupportedFormatError, damaged

MAX_RUN_LENGTH_BYTES = 1 << 20
MAX_RUN_LENGTH_PIXELS = 4_000_000
"""Of pixels in runs, which are decoded in Python; at these limits it takes half a second."""

_OF_RUNS = (1, 2)


def walk(data: bytes) -> Structure:
    """The structure of a BMP file. Raises `UnreadablePictureError` or `UnsupportedFormatError`."""
    try:
        (header,) = struct.unpack_from("<I", data, 14)
        if header == 12:
            width, height = struct.unpack_from("<HH", data, 18)
            compression = 0
        else:
            width, height, _, _, compression = struct.unpack_from("<iiHHI", data, 18)
    except struct.error as error:
        raise damaged("BMP") from error
    height = abs(height)
    if width <= 0 or not height:
        raise damaged("BMP")
    in_runs = compression in _OF_RUNS
    if in_runs and (len(data) > MAX_RUN_LENGTH_BYTES or width * height > MAX_RUN_LENGTH_PIXELS):
        raise UnsupportedFormatError(
            "The BMP is run-length encoded, which is read of small pictures only. "
            "Save it uncompressed, or as a PNG, and send that."
        )
    return Structure(data, (width, height), working_bytes=2 * width * height if in_runs else 0)
