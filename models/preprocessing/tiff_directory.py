"""A directory of a TIFF file (revision 6.0), or of EXIF, which is one."""

import re
import struct
from typing import NamedTuple

from models.preprocessing.picture_format import UnreadablePictureError, damaged, overloaded

MAX_TAGS = 1000
"""Cameras and scanners write some dozens."""
MAX_VALUES = 20_000
"""The most values of a tag that are read: strips or tiles. Some scanners write a strip for each row."""

BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Of a value, by the type of its tag."""
ORIENTATION = 274

_INTEGERS = {1: "B", 3: "H", 4: "I"}
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')


class Tag(NamedTuple):
    """The type of a tag, how many values it has, and where they are in the file."""

    kind: int
    number: int
    place: int


def orientation(exif: bytes, xmp: bytes = b"") -> int:
    """The orientation 1-8 that EXIF, or else XMP, gives a picture; 1 where neither makes sense."""
    if exif:
        try:
            order = byte_order(exif)
            found = integers(exif, order, directory(exif, order).get(ORIENTATION))
        except (UnreadablePictureError, struct.error):
            found = ()
        if found:
            return found[0] if 1 <= found[0] <= 8 else 1
    stated = _XMP_ORIENTATION.search(xmp, 0, 1 << 16)
    return int(stated[1]) if stated else 1


def byte_order(data: bytes) -> str:
    """The byte order as `struct` writes it. Raises `UnreadablePictureError`."""
    if data.startswith(b"II*\x00"):
        return "<"
    if data.startswith(b"MM\x00*"):
        return ">"
    raise damaged("TIFF")


def directory(data: bytes, order: str) -> dict[int, Tag]:
    """The first directory, by tag. Raises `UnreadablePictureError` or `struct.error`."""
    (place,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, place)
    if count > MAX_TAGS:
        raise overloaded("TIFF", "tags")
    tags: dict[int, Tag] = {}
    for at in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind, values, start = struct.unpack_from(order + "HHII", data, at)
        size = BYTES.get(kind, 1) * values
        if size <= 4:
            start = at + 8
        elif start + size > len(data):
            continue  # what is needed of it will be missed
        tags.setdefault(tag, Tag(kind, values, start))
    return tags


def integers(data: bytes, order: str, tag: Tag | None) -> tuple[int, ...]:
    """The first `MAX_VALUES` values of a tag of whole numbers; none where it is something else."""
    if tag is None or tag.kind not in _INTEGERS:
        return ()
    return struct.unpack_from(f"{order}{min(tag.number, MAX_VALUES)}{_INTEGERS[tag.kind]}", data, tag.place)
