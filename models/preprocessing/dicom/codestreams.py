"""The structure of JPEG-LS and JPEG 2000 codestreams (ITU-T T.87 and T.800), walked before a codec allocates what their
headers ask for: size and components, tiles, layers, code-blocks and precincts.

A header may say the same thing twice, or a part of it change what was said before; what is checked would then not be
what is decoded, so such codestreams are refused. No encoder of pictures writes them.
"""

import struct
from typing import NamedTuple

from models.preprocessing.dicom.structure import damaged, unread_syntax

MAX_SEGMENTS = 1000
MAX_TILES = 1024
MAX_PARTS = 8 * MAX_TILES
MAX_LAYERS = 64

_SOC, _SIZ, _COD, _COC, _POC, _SOT, _SOD = 0xFF4F, 0xFF51, 0xFF52, 0xFF53, 0xFF5F, 0xFF90, 0xFF93
_EOC = b"\xff\xd9"
"""The end of both."""
_SOI, _SOF_55, _LSE, _SOS = b"\xff\xd8", 0xFFF7, 0xFFF8, 0xFFDA
_OVERSIZE = 4
_LEAST_BLOCK, _LARGEST_BLOCK = 2, 8
"""Exponents of a code-block's edges, less two: each at least 16 samples, both together at most 4096 (A.6.1)."""
_LEAST_PRECINCT = 5
"""Exponent of a precinct's edges: at least 32 samples."""


class Head(NamedTuple):
    """What a codestream says of its picture. `mixed` says that its decoder gives back RGB."""

    rows: int
    columns: int
    samples: int
    mixed: bool = False


def jpeg_ls(frame: bytes) -> Head:
    """The head of a whole JPEG-LS codestream, which is built as a JPEG. Raises `UnreadablePictureError` or
    `struct.error`. One that has lost its end marker can keep the decoder busy for seconds, however small it is."""
    if not (frame.startswith(_SOI) and _is_ended(frame)):
        raise damaged()
    place, head = 2, None
    for _ in range(MAX_SEGMENTS):
        marker, length = struct.unpack_from(">HH", frame, place)
        body = frame[place + 4 : place + 2 + length]
        if marker == _SOS and head:
            return head
        if length < 2 or marker == _SOS or (marker == _LSE and body[:1] == bytes([_OVERSIZE])):
            raise damaged()
        if marker == _SOF_55:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", body)
            if head or not 2 <= bits <= 16:
                raise damaged()
            head = Head(rows, columns, samples)
        place += 2 + length
    raise damaged()


def jpeg_2000(frame: bytes) -> Head:
    """The head of a whole JPEG 2000 codestream. Raises `UnreadablePictureError`, `UnsupportedFormatError` or
    `struct.error`."""
    if int.from_bytes(frame[:2], "big") != _SOC:
        raise damaged()
    segments: dict[int, bytes] = {}
    place = 2
    for _ in range(MAX_SEGMENTS):
        marker, length = struct.unpack_from(">HH", frame, place)
        if marker == _SOT:
            break
        if length < 2 or (marker in segments and marker in (_SIZ, _COD)):
            raise damaged()
        if marker in (_COC, _POC):
            raise unread_syntax()
        segments[marker] = frame[place + 4 : place + 2 + length]
        place += 2 + length
    else:
        raise damaged()
    head, tiles = _size(segments.get(_SIZ, b""))
    mixed = _style(segments.get(_COD, b""))
    if tiles > MAX_TILES:
        raise unread_syntax()
    _check_parts(frame, place)
    return head._replace(mixed=mixed)


def _size(body: bytes) -> tuple[Head, int]:
    """A.5.1: the picture, and how many tiles it has."""
    width, height, left, top, tile_width, tile_height, tile_left, tile_top, samples = struct.unpack_from(
        ">8IH", body, 2
    )
    parts = [body[36 + 3 * place : 39 + 3 * place] for place in range(samples)]
    if not (tile_width and tile_height and width > left and height > top and 1 <= samples <= 4):
        raise damaged()
    if any(part[0] & 127 > 15 or part[1:] != b"\x01\x01" for part in parts):
        raise unread_syntax()
    tiles = -(-(width - tile_left) // tile_width) * -(-(height - tile_top) // tile_height)
    return Head(height - top, width - left, samples), tiles


def _style(body: bytes) -> bool:
    """A.6.1: whether colours are mixed, once layers, code-blocks and precincts are few."""
    scheme, _, layers, mixed, levels, across, down = struct.unpack_from(">BBHBBBB", body)
    precincts = body[10 : 11 + levels] if scheme & 1 else b""
    blocks = min(across, down) >= _LEAST_BLOCK and across + down <= _LARGEST_BLOCK
    if layers > MAX_LAYERS or levels > 32 or not blocks:
        raise unread_syntax()
    if any(min(each & 15, each >> 4) < _LEAST_PRECINCT for each in precincts):
        raise unread_syntax()
    return bool(mixed)


def _check_parts(frame: bytes, place: int) -> None:
    """A.4.2: the tile-parts, by their lengths, end where the codestream does, since a decoder makes up what was cut
    off; and none changes what the main header says."""
    for _ in range(MAX_PARTS):
        marker, _, _, length = struct.unpack_from(">HHHI", frame, place)
        if marker != _SOT:
            raise damaged()
        _check_part(frame, place + 12)
        if not length:  # the last one, which goes on to the end
            if not _is_ended(frame):
                raise damaged()
            return
        if length < 14:
            raise damaged()
        place += length
        if frame[place : place + 2] == _EOC:
            return
    raise damaged()


def _check_part(frame: bytes, place: int) -> None:
    for _ in range(MAX_SEGMENTS):
        marker, length = struct.unpack_from(">HH", frame, place)
        if marker == _SOD:
            return
        if marker in (_SIZ, _COD, _COC, _POC):
            raise unread_syntax()
        if length < 2:
            break
        place += 2 + length
    raise damaged()


def _is_ended(frame: bytes) -> bool:
    """Whether it has its end marker, behind which only what makes a length even may follow."""
    return frame.rstrip(b"\0").endswith(_EOC)
