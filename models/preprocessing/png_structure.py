"""The structure of a PNG file (W3C, third edition), walked before anything is decoded.

Only the chunks that hold pixels are given to the decoder: compressed text, profiles and animations are never looked at.
"""

import struct

from models.preprocessing.picture_format import PictureTooLargeError, Structure, damaged, overloaded
from models.preprocessing.tiff_directory import orientation

MAX_CHUNKS = 10_000
"""Encoders that write small chunks write 8 KB each: 2,000 chunks of the largest file that is accepted."""
MAX_INFLATED = 165_000_000
"""The most bytes that the pixels may inflate to, which takes most of a second: 40 megapixels of 8-bit RGBA. With more
bits a sample, no picture of that size fits into a file of 16 MB."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_OF_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"


def walk(data: bytes) -> Structure:
    """The structure of a PNG file. Raises `UnreadablePictureError` or `PictureTooLargeError`."""
    place, chunks, exif, xmp = len(_SIGNATURE), 0, b"", b""
    kept = [_SIGNATURE]
    view = memoryview(data)
    while place < len(data):
        length, kind = int.from_bytes(view[place : place + 4], "big"), data[place + 4 : place + 8]
        end = place + 12 + length
        if kind in _OF_PIXELS or kind == b"IEND":
            kept.append(view[place:end])  # type: ignore[arg-type]  # join takes any buffer
        elif kind == b"eXIf" and not exif:
            exif = data[place + 8 : end - 4]
        elif kind == b"iTXt" and data.startswith(_XMP, place + 8):
            xmp = data[place + 8 : end - 4]
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise overloaded("PNG", "chunks")
        if kind == b"IEND":
            break
        place = end
    return Structure(b"".join(kept), _size(data), orientation(exif, xmp), working_bytes=len(data))


def _size(data: bytes) -> tuple[int, int]:
    if data[12:16] != b"IHDR":
        raise damaged("PNG")
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    if colour not in _SAMPLES or not width or not height:
        raise damaged("PNG")
    if height * -(-width * depth * _SAMPLES[colour] // 8) > MAX_INFLATED:
        raise PictureTooLargeError(
            f"The PNG of {width} x {height} pixels has {depth * _SAMPLES[colour]} bits each. "
            "Send it smaller, or with 8 bits for each colour."
        )
    return width, height
