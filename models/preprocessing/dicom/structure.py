"""The structure of a DICOM file (PS3.5 and PS3.10), walked before anything is parsed or decoded.

Of a file only the elements that reading needs are handed on: the rest, with all that identifies the patient, is never
parsed. What is walked is counted, so that nested sequences, a million elements or a deflated bomb end here.
"""

import struct
import zlib
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from models.preprocessing.picture_format import PictureTooLargeError, UnreadablePictureError, UnsupportedFormatError

MAX_ELEMENTS = 20_000
"""Of elements and items that are walked; a picture of one frame has some hundreds."""
MAX_DEPTH = 16
"""Of sequences in each other."""
MAX_INFLATED = 64_000_000
"""Bytes that a deflated data set may have."""
MAX_VALUE = 4096
"""Bytes of a value that is no bulk data: those that reading needs are numbers and codes."""
MAX_TABLE = 131_072
"""Bytes of a look-up table: 65,536 entries of two."""

PREAMBLE = 128
MAGIC = b"DICM"
PIXEL_DATA = 0x7FE00010
IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN = (f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".1.99", ".2"))

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_TRANSFER_SYNTAX = 0x00020010
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
"""Value representations whose length has four bytes (PS3.5, 7.1.2)."""
_WAVEFORM, _WAVEFORM_DATA = 0x54000100, 0x54001010
_TABLES = frozenset({0x00283006, 0x00281201, 0x00281202, 0x00281203})
"""LUT Data, and the three palettes."""
_SEQUENCES = frozenset({0x00283000, 0x00283010, 0x00186011, _WAVEFORM, 0x003A0200, 0x003A0208, 0x003A0211})
"""Which of the elements that reading needs are sequences, since implicit encoding doesn't tell."""


class _Element(NamedTuple):
    tag: int
    kind: bytes
    """Its value representation, empty where the encoding doesn't tell."""
    value: int
    """Where its value begins."""
    length: int


class _Encoding(NamedTuple):
    implicit: bool
    order: str


@dataclass(frozen=True, slots=True)
class Walked:
    """What a file holds of what is needed.

    `elements` are the bytes of the needed elements, but for the pixel data, encoded as `implicit` and `order` say. Of
    native pixel data `pixels` has one piece, of encapsulated pixel data one a fragment; without any it is empty.
    """

    syntax: str
    implicit: bool
    order: str
    elements: bytes
    pixels: tuple[memoryview, ...] = ()
    encapsulated: bool = False
    words: bool = False
    """Whether native pixel data are words (OW), whose bytes a big-endian file swaps."""
    has_waveform: bool = False


def is_dicom(data: bytes) -> bool:
    """Whether the file begins as PS3.10 says."""
    return data[PREAMBLE : PREAMBLE + 4] == MAGIC


def damaged() -> UnreadablePictureError:
    """The error for a file that doesn't hold what it says it does."""
    return UnreadablePictureError("The DICOM file is truncated or damaged. Export it again and resend it.")


def walk(data: bytes, needed: AbstractSet[int]) -> Walked:
    """The elements of a file with those tags, and its pixel data.

    Raises `UnreadablePictureError`, `PictureTooLargeError` or `UnsupportedFormatError`.
    """
    try:
        syntax, place = _meta(data)
        if syntax == DEFLATED:
            data, place = _inflated(data[place:]), 0
        told = data[place + 4 : place + 6].isalpha()  # some writers say explicit and write implicit
        encoding = _Encoding(syntax == IMPLICIT or not told, ">" if syntax == BIG_ENDIAN else "<")
        return _Walk(data, encoding, needed).run(place, syntax)
    except struct.error as error:  # the file ends within a header
        raise damaged() from error


def _meta(data: bytes) -> tuple[str, int]:
    """The transfer syntax, and where the data set begins."""
    walk = _Walk(data, _Encoding(implicit=False, order="<"), frozenset())
    place, syntax = PREAMBLE + 4, ""
    while place + 8 <= len(data) and data[place : place + 2] == b"\x02\x00":
        element = walk.element(place)
        place = walk.end(element)
        if element.tag == _TRANSFER_SYNTAX:
            syntax = data[element.value : place].rstrip(b"\0 ").decode("ascii", "replace")
    if not syntax:
        raise UnreadablePictureError(
            "The DICOM file doesn't say how it is encoded (no Transfer Syntax UID). Export it again and resend it."
        )
    return syntax, place


def _inflated(data: bytes) -> bytes:
    packer = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = packer.decompress(data, MAX_INFLATED)
    except zlib.error as error:
        raise damaged() from error
    if not packer.eof:
        if len(inflated) < MAX_INFLATED:
            raise damaged()
        raise PictureTooLargeError(
            f"The deflated DICOM file holds more than {MAX_INFLATED / 1e6:g} MB. Export it uncompressed or smaller."
        )
    return inflated


class _Walk:
    def __init__(self, data: bytes, encoding: _Encoding, needed: AbstractSet[int]) -> None:
        self._data = data
        self._encoding = encoding
        self._needed = needed
        self._count = 0

    def run(self, place: int, syntax: str) -> Walked:
        """Walk the data set from `place` to its pixel data or its end."""
        data, encoding, last = self._data, self._encoding, 0
        kept: list[bytes] = []
        found: frozenset[int] = frozenset()
        while place + 8 <= len(data):
            element = self.element(place)
            if element.tag == PIXEL_DATA:
                encapsulated = element.length == _UNDEFINED
                pixels = self._fragments(element) if encapsulated else (self._piece(element.value, element.length),)
                words = element.kind != b"OB"
                return Walked(syntax, *encoding, b"".join(kept), pixels, encapsulated, words, _WAVEFORM in found)
            if element.tag <= last:
                raise damaged()
            wanted = element.tag in self._needed
            end = self._skip(element, encoding, 0, look=wanted)
            if wanted:
                kept.append(data[place:end])
                found |= {element.tag}
            place, last = end, element.tag
        if not last:
            raise damaged()
        return Walked(syntax, *encoding, b"".join(kept), has_waveform=_WAVEFORM in found)

    def element(self, place: int, encoding: _Encoding | None = None) -> _Element:
        """The header of the element there."""
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise UnreadablePictureError(
                "The DICOM file has far more elements than a picture or an ECG has. Export it again and resend it."
            )
        implicit, order = encoding or self._encoding
        group, number = struct.unpack_from(order + "HH", self._data, place)
        tag = group << 16 | number
        if implicit or group == 0xFFFE:
            return _Element(tag, b"", place + 8, *struct.unpack_from(order + "I", self._data, place + 4))
        kind = self._data[place + 4 : place + 6]
        if not (kind.isalpha() and kind.isupper()):
            raise damaged()
        if kind in _LONG:
            return _Element(tag, kind, place + 12, *struct.unpack_from(order + "I", self._data, place + 8))
        return _Element(tag, kind, place + 8, *struct.unpack_from(order + "H", self._data, place + 6))

    def end(self, element: _Element) -> int:
        """Where an element of a stated length ends."""
        self._piece(element.value, element.length)
        return element.value + element.length

    def _piece(self, start: int, length: int) -> memoryview:
        if start + length > len(self._data):
            raise damaged()
        return memoryview(self._data)[start : start + length]

    def _skip(self, element: _Element, encoding: _Encoding, depth: int, *, look: bool) -> int:
        """Where an element ends. It is looked into where that alone tells its end, and where it will be parsed."""
        if element.length == _UNDEFINED:
            if element.kind == b"UN":  # PS3.5, 6.2.2: its items are encoded implicitly
                encoding = _Encoding(implicit=True, order="<")
            return self._sequence(element.value, len(self._data), encoding, depth + 1, look=look)
        end = self.end(element)
        if look and (element.kind == b"SQ" or element.tag in _SEQUENCES):
            if element.kind == b"UN":
                encoding = _Encoding(implicit=True, order="<")
            self._sequence(element.value, end, encoding, depth + 1, look=True)
        elif look and element.length > _longest(element):
            raise UnreadablePictureError(
                "The DICOM file has far longer values than a picture or an ECG has. Export it again and resend it."
            )
        return end

    def _sequence(self, place: int, end: int, encoding: _Encoding, depth: int, *, look: bool) -> int:
        """Where the items of a sequence end."""
        if depth > MAX_DEPTH:
            raise UnreadablePictureError(
                "The DICOM file has sequences in each other, deeper than any object has. Export it again and resend it."
            )
        while place < end:
            item = self.element(place, encoding)
            if item.tag == _SEQUENCE_END:
                return item.value
            if item.tag != _ITEM:
                raise damaged()
            place = self._item(item, end, encoding, depth, look=look)
        return place

    def _item(self, item: _Element, end: int, encoding: _Encoding, depth: int, *, look: bool) -> int:
        """Where an item of a sequence ends."""
        if item.length != _UNDEFINED:
            end = self.end(item)
            if not look:
                return end
        place = item.value
        while place < end:
            element = self.element(place, encoding)
            if element.tag == _ITEM_END:
                return element.value
            place = self._skip(element, encoding, depth, look=look)
        return place

    def _fragments(self, element: _Element) -> tuple[memoryview, ...]:
        """The fragments of encapsulated pixel data, after the offset table (PS3.5, A.4)."""
        place = element.value
        fragments: list[memoryview] = []
        while True:
            item = self.element(place)
            if item.tag == _SEQUENCE_END:
                return tuple(fragments[1:])
            if item.tag != _ITEM or item.length == _UNDEFINED:
                raise damaged()
            fragments.append(self._piece(item.value, item.length))
            place = self.end(item)


def _longest(element: _Element) -> int:
    """The most bytes that the value of a needed element may have."""
    if element.tag == _WAVEFORM_DATA and element.kind in (b"", b"OB", b"OW"):
        return _UNDEFINED
    return MAX_TABLE if element.tag in _TABLES else MAX_VALUE


def unread_syntax() -> UnsupportedFormatError:
    """The error for a file that is compressed in a way that isn't read."""
    return UnsupportedFormatError(
        "The DICOM picture is compressed in a way that is not read. Export it uncompressed, or as JPEG 2000 or "
        "JPEG lossless, or as a PNG."
    )
