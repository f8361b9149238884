"""The structure of a TIFF file (revision 6.0), walked before anything is decoded.

Of a TIFF file only the first picture is read. It is given a directory of its own, with nothing but the tags that
decoding needs: other pictures, private tags, and directories that loop or hold a million entries are never looked at.
"""

import struct
from collections.abc import Mapping

from models.preprocessing import jpeg_structure
from models.preprocessing.picture_format import (
    PictureTooLargeError,
    Structure,
    UnsupportedFormatError,
    damaged,
    overloaded,
)
from models.preprocessing.tiff_directory import BYTES, MAX_VALUES, ORIENTATION, Tag, byte_order, directory, integers

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_STRIPS, _ROWS, _STRIP_BYTES, _PLANAR, _TILE_WIDTH, _TILE_LENGTH, _TILES = 273, 278, 279, 284, 322, 323, 324
_TILE_BYTES, _TABLES = 325, 347
_NEEDED = frozenset(
    {_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _STRIPS, _ROWS, _STRIP_BYTES, _PLANAR, _TILE_WIDTH}
    | {_TILE_LENGTH, _TILES, _TILE_BYTES, _TABLES, 266, 292, 293, 317, 320, 338, 339, 529, 530, 531, 532}
)
"""What decoding needs: also the fill order, the options of CCITT, the predictor, the colour map, what further samples
and numbers are, and how YCbCr is stored."""
_READ = frozenset((1, 2, 3, 4, 5, 7, 8, 32773, 32946))
"""Compressions: none, three of CCITT, LZW, JPEG, deflate, PackBits, and deflate by its older number."""
_JPEG = 7
_SHORT = 3
_TILE = 1024
"""The edge in pixels that a tile of any picture may have."""


def walk(data: bytes) -> Structure:
    """The structure of the first picture of a TIFF file.

    Raises `UnreadablePictureError`, `UnsupportedFormatError` or `PictureTooLargeError`.
    """
    try:
        return _walk(data)
    except (struct.error, IndexError) as error:
        raise damaged("TIFF") from error


def _walk(data: bytes) -> Structure:
    order = byte_order(data)
    tags = directory(data, order)

    def first(tag: int, default: int) -> int:
        values = integers(data, order, tags.get(tag))
        return values[0] if values else default

    width, height = first(_WIDTH, 0), first(_LENGTH, 0)
    if not width or not height:
        raise damaged("TIFF")
    compression, photometric = first(_COMPRESSION, 1), first(_PHOTOMETRIC, 0)
    if compression not in _READ:
        raise UnsupportedFormatError(
            f"The TIFF is compressed in a way (number {compression}) that is not read. "
            "Save it with LZW, with deflate or uncompressed, or as a PNG, and send that."
        )
    bits, samples = integers(data, order, tags.get(_BITS)) or (1,), first(_SAMPLES, 1)
    if samples > 16 or max(bits) > 64:
        raise damaged("TIFF")
    piece = _piece((width, height), first(_TILE_WIDTH, 0), first(_TILE_LENGTH, 0), first(_ROWS, height))
    _check_pieces(data, order, tags, compression)
    together = samples if first(_PLANAR, 1) == 1 else 1
    inverted = photometric == 0 and samples == 1 and max(bits) > 8
    stored = first(ORIENTATION, 1)
    return Structure(
        _rewritten(data, order, tags, as_black_is_zero=inverted),
        (width, height),
        stored if 1 <= stored <= 8 else 1,
        working_bytes=len(data) + (0 if compression == 1 else piece * max(4, together * max(bits) // 8)),
        inverted=inverted,
    )


def _piece(size: tuple[int, int], tile_width: int, tile_length: int, rows: int) -> int:
    """The pixels of the largest strip or tile. Raises `PictureTooLargeError` where a tile dwarfs the picture."""
    if not tile_width and not tile_length:
        return size[0] * min(rows, size[1])
    if tile_width > max(_TILE, 2 * size[0]) or tile_length > max(_TILE, 2 * size[1]):
        raise PictureTooLargeError(
            f"The TIFF of {size[0]} x {size[1]} pixels has tiles of {tile_width} x {tile_length}. "
            "Save it without tiles, or as a PNG, and send that."
        )
    return tile_width * tile_length


def _check_pieces(data: bytes, order: str, tags: Mapping[int, Tag], compression: int) -> None:
    """Strips and tiles are there, few enough, and none is read twice; those that are JPEG have few scans."""
    starts, lengths = (
        [value for tag in both for value in integers(data, order, tags.get(tag))]
        for both in ((_STRIPS, _TILES), (_STRIP_BYTES, _TILE_BYTES))
    )
    if not starts:
        raise damaged("TIFF")
    if len(starts) >= MAX_VALUES:
        raise overloaded("TIFF", "strips or tiles")
    if compression == 1:
        return
    if len(lengths) < len(starts) or sum(lengths) > len(data):
        raise damaged("TIFF")
    if compression == _JPEG:
        pieces = (data[start : start + length] for start, length in zip(starts, lengths, strict=False))
        if sum(jpeg_structure.work(piece) for piece in pieces) > jpeg_structure.MAX_WORK:
            raise overloaded("TIFF", "scans")


def _rewritten(data: bytes, order: str, tags: Mapping[int, Tag], *, as_black_is_zero: bool) -> bytes:
    """The file with one directory, of the tags that decoding needs, at its end."""
    kept = sorted((tag, where) for tag, where in tags.items() if tag in _NEEDED)
    directory = bytearray(struct.pack(order + "H", len(kept)))
    for tag, (kind, number, place) in kept:
        if tag == _PHOTOMETRIC and as_black_is_zero:
            directory += struct.pack(order + "HHIHH", tag, _SHORT, 1, 1, 0)
            continue
        directory += struct.pack(order + "HHI", tag, kind, number)
        inside = BYTES.get(kind, 1) * number <= 4
        directory += data[place : place + 4] if inside else struct.pack(order + "I", place)
    padding = len(data) % 2
    head = data[:4] + struct.pack(order + "I", len(data) + padding)
    return b"".join((head, memoryview(data)[8:], bytes(padding), directory, bytes(4)))
