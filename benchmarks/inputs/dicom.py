"""DICOM objects: damaged ones, and ones that announce or cost far more than their size. Made by hand, element by
element, since a library writes none of them; without the extra `dicom` the service refuses them all alike."""

import struct
import zlib
from collections.abc import Callable, Mapping
from functools import cache, partial

import numpy as np

from benchmarks.inputs import pick
from benchmarks.inputs.jpeg import progressive
from benchmarks.inputs.mutations import change
from benchmarks.pictures import made_up_record
from models.preprocessing.ecg_record import LEADS

LARGEST = 15_000_000
_PLAIN, _DEFLATED = b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.1.99"
_RLE, _JPEG, _JPEG_2000 = (b"1.2.840.10008.1.2." + end for end in (b"5", b"4.50", b"4.90"))
_UNDEFINED = 0xFFFFFFFF
_LONG = (b"OB", b"OW", b"SQ", b"UN")
_EDGE = 64


def element(tag: int, kind: bytes, value: bytes, length: int | None = None) -> bytes:
    """An element in explicit little endian; `length` replaces that of its value."""
    value += b"\0" * (len(value) % 2)
    size = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, kind)
    return head + (struct.pack("<HI", 0, size) if kind in _LONG else struct.pack("<H", size)) + value


def item(content: bytes, length: int | None = None) -> bytes:
    """An item of a sequence, or a fragment."""
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content) if length is None else length) + content


def file(content: bytes, syntax: bytes = _PLAIN) -> bytes:
    """A file of that data set."""
    meta = element(0x00020010, b"UI", syntax)
    return bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<I", len(meta))) + meta + content


def _us(tag: int, value: int) -> bytes:
    return element(tag, b"US", struct.pack("<H", value))


def picture(
    pixels: bytes = bytes(_EDGE**2),
    *,
    rows: int = _EDGE,
    columns: int = _EDGE,
    bits: int = 8,
    first: bytes = b"",
    shown: bytes = b"",
    syntax: bytes = _PLAIN,
    encapsulated: bool = False,
) -> bytes:
    """A grey picture; `first` comes before, `shown` after the elements that say how it is stored."""
    content = element(0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.7") + first + element(0x00080060, b"CS", b"OT")
    content += _us(0x00280002, 1) + element(0x00280004, b"CS", b"MONOCHROME2") + _us(0x00280010, rows)
    content += _us(0x00280011, columns) + _us(0x00280100, bits) + _us(0x00280101, bits) + _us(0x00280102, bits - 1)
    content += _us(0x00280103, 0) + shown
    fragments = item(b"") + item(pixels + b"\0" * (len(pixels) % 2)) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    stored = (fragments, _UNDEFINED) if encapsulated else (pixels, None)
    content += element(0x7FE00010, b"OW", *stored)
    return file(_deflated(content) if syntax == _DEFLATED else content, syntax)


def record(samples: int = 1000, announced: int | None = None) -> bytes:
    """A 12-lead ECG object."""
    channels = b"".join(item(_channel(lead)) for lead in LEADS)
    signal = np.frombuffer(made_up_record()[1], "<i2").reshape(-1, 12)
    data = np.resize(signal, (samples, 12)).tobytes()
    group = _us(0x003A0005, 12) + element(0x003A0010, b"UL", struct.pack("<I", announced or samples))
    group += element(0x003A001A, b"DS", b"500") + element(0x003A0200, b"SQ", channels)
    group += _us(0x54001004, 16) + element(0x54001006, b"CS", b"SS") + element(0x54001010, b"OW", data)
    return file(element(0x00080060, b"CS", b"ECG") + element(0x54000100, b"SQ", item(group)))


def _channel(lead: str) -> bytes:
    named = item(element(0x00080104, b"LO", f"Lead {lead}".encode()))
    unit = item(element(0x00080100, b"SH", b"mV"))
    return element(0x003A0208, b"SQ", named) + element(0x003A0210, b"DS", b"0.001") + element(0x003A0211, b"SQ", unit)


def _deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def _bomb(megabytes: int) -> bytes:
    """So many megabytes of nothing, packed once: after a full flush each is packed alike."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return file(block * megabytes + packer.flush(), _DEFLATED)


def _nested(depth: int) -> bytes:
    opening = element(0x00081115, b"SQ", b"", _UNDEFINED) + item(b"", _UNDEFINED)
    return picture(first=opening * depth)


def _elements(content: bytes, count: int) -> bytes:
    return picture(first=element(0x00081115, b"SQ", b"", _UNDEFINED) + item(content * count, _UNDEFINED))


def _runs(size: int) -> bytes:
    return struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * (size // 2)


def _codestream(
    edge: int, tile: int, layers: int = 1, *, block: int = 4, precinct: int | None = None, later: bytes = b""
) -> bytes:
    """The head of a JPEG 2000 codestream (ISO/IEC 15444-1, A.5.1 and A.6.1) of one grey component, and no data."""
    levels, precincts = 5, b"" if precinct is None else bytes([17 * precinct]) * 6
    size = struct.pack(">HHHIIIIIIIIHBBB", 0xFF51, 41, 0, edge, edge, 0, 0, tile, tile, 0, 0, 1, 7, 1, 1)
    style = struct.pack(
        ">HHBBHBBBBBB", 0xFF52, 12 + len(precincts), bool(precincts), 0, layers, 0, levels, block, block, 0, 1
    )
    steps = struct.pack(">HHB", 0xFF5C, 4 + 3 * levels, 0x40) + b"\x48" * (1 + 3 * levels)
    tiles = struct.pack(">HHHIBB", 0xFF90, 10, 0, 0, 0, 1) + later + b"\xff\x93" + bytes(2000)
    return b"\xff\x4f" + size + style + precincts + steps + tiles + b"\xff\xd9"


def _packed(frame: bytes, syntax: bytes, edge: int = _EDGE, bits: int = 8) -> bytes:
    return picture(frame, rows=edge, columns=edge, bits=bits, syntax=syntax, encapsulated=True)


def _table(entries: int) -> bytes:
    lut = element(0x00283002, b"US", struct.pack("<HHH", 0, 0, 16)) + element(0x00283006, b"OW", bytes(2 * entries))
    return picture(bytes(2 * _EDGE**2), bits=16, shown=element(0x00283010, b"SQ", item(lut) * 100))


_PICTURES: Mapping[str, Callable[[], bytes]] = {
    "65535 x 65535": partial(picture, rows=65_535, columns=65_535),
    "6300 x 6300 that are not there": partial(picture, rows=6300, columns=6300, bits=16),
    "15 MB of pixels": partial(picture, bytes(LARGEST), rows=3000, columns=5000),
    "15 MB of deep pixels": partial(picture, bytes(LARGEST), rows=3000, columns=2500, bits=16),
    "deflated 60 MB": partial(_bomb, 60),
    "deflated 1 GB": partial(_bomb, 1000),
    "deflated picture of 40 MP": lambda: picture(bytes(40_000_000), rows=5000, columns=8000, syntax=_DEFLATED),
    "10 sequences in each other": partial(_nested, 10),
    "500,000 sequences in each other": partial(_nested, 500_000),
    "a million elements": partial(_elements, element(0x00080005, b"CS", b""), 1_000_000),
    "a million items": lambda: picture(first=element(0x00081115, b"SQ", item(b"") * 1_000_000)),
    "a million fragments": lambda: picture(item(b"") * 1_000_000, syntax=_RLE, encapsulated=True),
    "items without an end": lambda: picture(first=element(0x00081115, b"SQ", item(b"", _UNDEFINED), _UNDEFINED)),
    "length of 4 GB": lambda: picture(first=element(0x00081199, b"OB", b"", 0xFFFFFFFE)),
    "number of 15 MB": lambda: picture(shown=element(0x00281050, b"UN", b"1\\" * (LARGEST // 2))),
    "100 look-up tables": partial(_table, 65_536),
    "15 MB of runs": lambda: _packed(_runs(LARGEST), _RLE, edge=6000),
    "runs of 1 GB": lambda: _packed(_runs(LARGEST), _RLE),
    "JPEG of 6000 scans": lambda: _packed(progressive(_EDGE, _EDGE, 6000), _JPEG),
    "JPEG of another size": lambda: _packed(progressive(6000, 6000, 2), _JPEG),
    "wavelets of 6000 x 6000": lambda: _packed(_codestream(6000, 6000), _JPEG_2000, edge=6000),
    "wavelets of 4000 x 4000": lambda: _packed(_codestream(4000, 4000), _JPEG_2000, edge=4000),
    "wavelets in tiles of one": lambda: _packed(_codestream(4000, 1), _JPEG_2000, edge=4000),
    "wavelets of 65535 layers": lambda: _packed(_codestream(_EDGE, _EDGE, layers=65_535), _JPEG_2000),
    "wavelets in blocks of four": lambda: _packed(_codestream(4000, 4000, block=0), _JPEG_2000, edge=4000),
    "wavelets in precincts of one": lambda: _packed(_codestream(4000, 4000, precinct=0), _JPEG_2000, edge=4000),
    "wavelets of another style in a tile": lambda: _packed(
        _codestream(4000, 4000, later=_codestream(4000, 4000, precinct=0)[45:65]), _JPEG_2000, edge=4000
    ),
    "wavelets of 2^32 x 2^32": lambda: _packed(_codestream(2**32 - 1, 2**32 - 1), _JPEG_2000),
}
_RECORDS: Mapping[str, Callable[[], bytes]] = {
    "15 MB of samples": partial(record, 620_000),
    "4 billion samples": partial(record, announced=4_000_000_000),
    "of a picture": picture,
}
PICTURES = {f"DICOM {name}": make for name, make in _PICTURES.items()}
"""Pictures by their name."""
RECORDS = {f"DICOM ECG {name}": make for name, make in _RECORDS.items()}
"""ECG objects by their name."""


@cache
def made(name: str) -> bytes:
    """A picture or an ECG object, made once."""
    return (PICTURES | RECORDS)[name]()


@cache
def _whole() -> tuple[bytes, ...]:
    grain = np.random.default_rng(0).integers(0, 4096, (_EDGE, _EDGE))
    window = element(0x00281050, b"DS", b"2048") + element(0x00281051, b"DS", b"4096")
    shades, deep = (grain >> 4).astype(np.uint8).tobytes(), grain.astype("<u2").tobytes()
    halves = shades[:2048], shades[2048:]
    literal = b"".join(b"\x7f" + half[at : at + 128] for half in halves for at in range(0, 2048, 128))
    return (
        picture(shades),
        picture(deep, bits=16, shown=window),
        picture(deep, bits=16, syntax=_DEFLATED),
        _packed(struct.pack("<16I", 1, 64, *[0] * 14) + literal, _RLE),
        _packed(progressive(_EDGE, _EDGE, 5), _JPEG),
        _packed(_codestream(_EDGE, _EDGE), _JPEG_2000),
    )


def damaged(rng: np.random.Generator) -> tuple[str, bytes]:
    """A picture with bits flipped, bytes overwritten, a piece lost or doubled, or its end gone; and what was done."""
    data = bytearray(pick(rng, _whole()))
    kind = pick(rng, ("flipped", "overwritten", "cut", "doubled", "truncated", "whole"))
    reach = min(len(data), 500) if rng.random() < 0.7 else len(data)
    start, length = int(rng.integers(132, reach)), int(rng.integers(1, 60))
    change(rng, data, kind, flipped=(132, reach, 12), piece=(start, length))
    return kind, bytes(data)


def damaged_record(rng: np.random.Generator) -> bytes:
    """An ECG object with bytes overwritten where its structure is."""
    data = bytearray(record(200))
    for place in rng.integers(132, 2500, rng.integers(1, 8)):
        data[place] = int(rng.integers(256))
    return bytes(data)
