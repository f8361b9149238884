"""The structure of a WebP file (RFC 9649), walked before anything is decoded."""

from models.preprocessing.picture_format import Structure, damaged, overloaded
from models.preprocessing.tiff_directory import orientation

MAX_CHUNKS = 1000
"""Of a still picture there are at most six; an animation has one for each frame, of which the first is read."""
BYTES_PER_PIXEL = 12
"""What the decoder takes besides the decoded picture: a canvas, the canvas before, and a copy to hand over."""


def walk(data: bytes) -> Structure:
    """The structure of a WebP file. Raises `UnreadablePictureError`."""
    place, chunks, exif, xmp = 12, 0, b"", b""
    size = _size(data)
    end = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while place + 8 <= end:
        kind, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if kind == b"EXIF":
            exif = data[place + 8 : place + 8 + length].removeprefix(b"Exif\0\0")
        elif kind == b"XMP ":
            xmp = data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise overloaded("WEBP", "chunks or frames")
    return Structure(data, size, orientation(exif, xmp), working_bytes=len(data) + BYTES_PER_PIXEL * size[0] * size[1])


def _size(data: bytes) -> tuple[int, int]:
    """Width and height, from the header of whichever of the three kinds it is."""
    kind, head = data[12:16], data[20:30]
    if kind == b"VP8X" and len(head) == 10:
        return 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
    if kind == b"VP8L" and head[:1] == b"\x2f":
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(head[6:8], "little") & 0x3FFF, int.from_bytes(head[8:10], "little") & 0x3FFF
    raise damaged("WEBP")
