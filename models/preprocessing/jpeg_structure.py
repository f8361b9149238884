"""The structure of a JPEG file (ITU-T T.81), walked before anything is decoded.

What decoding costs is decided by the structure: each scan passes over all blocks of its components, however few bytes
it has, and files of several scans keep all coefficients in memory. The limits are far above what is written: libjpeg,
cameras and editors write at most 10 scans a file, at most some dozens of segments (a colour profile or a depth map is
split into pieces of 64 KB), and no padding. At these limits a file of 40 megapixels takes at most a
second of one core.
"""

import re
from typing import NamedTuple

from models.preprocessing.picture_format import Structure, UnsupportedFormatError, damaged, overloaded
from models.preprocessing.tiff_directory import orientation

MAX_SEGMENTS = 2000
MAX_SCANS = 100
MAX_WORK = 6e8
"""The most coefficients that all scans together visit, each block counting `_BLOCK_WORK` more: half a second. The ten
scans of libjpeg come to 4.1e8 for a colour picture of 40 megapixels without subsampling."""
MAX_JUNK = 1 << 16
"""The most bytes of padding and rubbish between segments."""

_BLOCK_WORK = 16
_WINDOW = 1 << 17
"""How much is searched at once: other threads wait as long."""

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SOF_READ = (0xC0, 0xC1, 0xC2)
_LOSSLESS = 0xC3
_LOSSLESS_BAND = 512
"""What decoding a lossless sample costs, in coefficients, times 64."""
_SOF_OTHER = (0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_TEM, _SOI, _EOI, _SOS, _APP1 = 0x01, 0xD8, 0xD9, 0xDA, 0xE1
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"


class _Component(NamedTuple):
    name: int
    blocks: int


def walk(data: bytes, *, medical: bool = False) -> Structure:
    """The structure of a JPEG file. A `medical` one may also be lossless, or have up to 16 bits a sample.

    Raises `UnreadablePictureError` or `UnsupportedFormatError`.
    """
    return _Walk(data, medical=medical).run()


def work(data: bytes) -> int:
    """What its scans cost, of at most `MAX_WORK`. Raises as `walk` does."""
    walked = _Walk(data)
    walked.run()
    return walked.work


class _Walk:
    def __init__(self, data: bytes, *, medical: bool = False) -> None:
        self._data = data
        self._medical = medical
        self._depth = 8
        self._lossless = False
        self._size = (0, 0)
        self._components: list[_Component] = []
        self._progressive = False
        self._several = False
        self._scans = 0
        self.work = 0
        self._exif: list[bytes] = []
        self._xmp = b""

    def run(self) -> Structure:
        data, place, segments, junk, marker = self._data, 2, 0, 0, _SOI
        while True:
            found = self._next_marker(place)
            if marker != _SOS:
                junk += found - place
            marker, place = data[found + 1], found + 2
            if marker == _EOI:
                break
            if marker in (_TEM, _SOI):
                raise damaged("JPEG")
            length = int.from_bytes(data[place : place + 2], "big")
            if length < 2:
                raise damaged("JPEG")
            self._segment(marker, data[place + 2 : place + length])
            place += length
            segments += 1
            if segments > MAX_SEGMENTS or junk > MAX_JUNK:
                raise overloaded("JPEG", "segments, scans or padding")
        if not self._components or not self._scans:
            raise damaged("JPEG")
        blocks = sum(component.blocks for component in self._components)
        return Structure(
            data,
            self._size,
            orientation(b"".join(self._exif), self._xmp),
            working_bytes=128 * blocks if self._progressive or self._several else 0,
            components=len(self._components),
            depth=self._depth,
        )

    def _next_marker(self, place: int) -> int:
        data = self._data
        while place < len(data) - 1:
            found = _MARKER.search(data, place, place + _WINDOW)
            if found:
                return found.start()
            place += _WINDOW - 1
        raise damaged("JPEG")

    def _segment(self, marker: int, body: bytes) -> None:
        if marker in _SOF_READ or (marker == _LOSSLESS and self._medical):
            self._frame(marker, body)
        elif marker in _SOF_OTHER or marker == _LOSSLESS:
            raise UnsupportedFormatError(
                "The JPEG is of a rare kind (lossless, hierarchical or arithmetic) that is not read. "
                "Save it as an ordinary JPEG or a PNG and send that."
            )
        elif marker == _SOS:
            self._scan(body)
        elif marker == _APP1 and body.startswith(_EXIF):
            self._exif.append(body[len(_EXIF) :])
        elif marker == _APP1 and body.startswith(_XMP):
            self._xmp = body

    def _frame(self, marker: int, body: bytes) -> None:
        if self._components or len(body) < 6 or len(body) < 6 + 3 * body[5]:
            raise damaged("JPEG")
        if body[0] != 8 and not (self._medical and 2 <= body[0] <= 16):
            raise UnsupportedFormatError(
                f"The JPEG has {body[0]} bits a sample; 8 are read. Save it as an ordinary JPEG or a PNG and send that."
            )
        height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
        specs = [body[at : at + 3] for at in range(6, 6 + 3 * body[5], 3)]
        if not width or not height or not 1 <= len(specs) <= 4:
            raise damaged("JPEG")
        across, down = max(spec[1] >> 4 for spec in specs), max(spec[1] & 15 for spec in specs)
        if not all(1 <= spec[1] >> 4 <= 4 and 1 <= spec[1] & 15 <= 4 for spec in specs):
            raise damaged("JPEG")
        units = -(-width // (8 * across)) * -(-height // (8 * down))
        self._size = width, height
        self._depth = body[0]
        self._progressive, self._lossless = marker == 0xC2, marker == _LOSSLESS
        self._components = [_Component(spec[0], units * (spec[1] >> 4) * (spec[1] & 15)) for spec in specs]

    def _scan(self, body: bytes) -> None:
        count = body[0] if body else 0
        if not self._components or not count or len(body) < 4 + 2 * count:
            raise damaged("JPEG")
        names = body[1 : 1 + 2 * count : 2]
        first, last = body[1 + 2 * count], body[2 + 2 * count]
        band = _LOSSLESS_BAND if self._lossless else max(1, last - first + 1) if self._progressive else 64
        blocks = sum(component.blocks for component in self._components if component.name in names)
        self._several |= count < len(self._components)
        self._scans += 1
        self.work += blocks * (band + _BLOCK_WORK)
        if self._scans > MAX_SCANS or self.work > MAX_WORK:
            raise overloaded("JPEG", "segments, scans or padding")
