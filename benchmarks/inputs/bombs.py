"""Pictures that announce or cost far more than their size: by declared size, by structure, by what goes with them."""

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from PIL import Image, ImageDraw

from benchmarks.inputs import jpeg
from benchmarks.pictures import encode

LARGEST = 15_700_000
"""Bytes that fit into a request of 16 MiB with its form around them."""
_HALF_EDGE = 6320
"""The edge of a square picture of just under 40 megapixels."""

Make = Callable[[], bytes]


def tiff(
    width: int,
    height: int,
    data: bytes,
    *,
    compression: int = 8,
    bits: int = 8,
    samples: int = 1,
    sample_format: int = 1,
    tile: int | None = None,
    tags: Mapping[int, tuple[int, bytes, int]] | None = None,
    next_directory: int = 0,
) -> bytes:
    """A TIFF of one directory whose strip, or whose tile of that edge, is `data`. `tags` are number: (type, content,
    count), replacing or adding."""

    def short(value: int) -> tuple[int, bytes, int]:
        return 3, struct.pack("<H", value), 1

    def long(value: int) -> tuple[int, bytes, int]:
        return 4, struct.pack("<I", value), 1

    entries = {
        256: long(width),
        257: long(height),
        258: (3, struct.pack("<H", bits) * samples, samples),
        259: short(compression),
        262: short(1 if samples in (1, 2) else 2),
        277: short(samples),
        339: (3, struct.pack("<H", sample_format) * samples, samples),
    }
    if samples > 3:
        entries[338] = (3, struct.pack("<H", 0) * (samples - 3), samples - 3)
    offset, length = long(8), long(len(data))
    if tile:
        entries |= {322: long(tile), 323: long(tile), 324: offset, 325: length}
    else:
        entries |= {278: long(height), 273: offset, 279: length}
    entries |= tags or {}
    directory = 8 + len(data) + len(data) % 2
    extra, listed, beyond = b"", [], directory + 2 + 12 * len(entries) + 4
    for number, (kind, content, count) in sorted(entries.items()):
        place = content.ljust(4, b"\0")
        if len(content) > 4:
            place = struct.pack("<I", beyond + len(extra))
            extra += content + b"\0" * (len(content) % 2)
        listed.append(struct.pack("<HHI", number, kind, count) + place)
    head = b"II*\0" + struct.pack("<I", directory) + data + b"\0" * (len(data) % 2)
    return head + struct.pack("<H", len(listed)) + b"".join(listed) + struct.pack("<I", next_directory) + extra


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int,
    height: int,
    *,
    depth: int = 8,
    colour: int = 2,
    interlaced: bool = False,
    before: bytes = b"",
    packed: bytes | None = None,
    after: bytes = b"",
) -> bytes:
    """A black PNG with chunks `before` and `after` its data."""
    if packed is None:
        row = 1 + -(-width * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] // 8)
        packed = _deflated_zeros(row * height + (8 * height if interlaced else 0))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    body = chunk(b"IHDR", header) + before + chunk(b"IDAT", packed) + after
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND")


def bmp(width: int, height: int, data: bytes, *, bits: int = 8, compression: int = 1) -> bytes:
    """A BMP with 256 greys where it has a palette."""
    palette = b"".join(bytes([grey, grey, grey, 0]) for grey in range(256)) if bits <= 8 else b""
    start = 54 + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, len(palette) // 4, 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + palette + data


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP container."""
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def canvas(width: int, height: int, flags: int) -> tuple[bytes, bytes]:
    """The VP8X chunk."""
    return b"VP8X", bytes([flags, 0, 0, 0]) + _three(width - 1) + _three(height - 1)


def animation(width: int, height: int, frames: int) -> bytes:
    """A WebP animation whose every frame is one pixel on a canvas of that size."""
    pixel = encode(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    frame = (b"ANMF", _three(0) * 2 + _three(0) * 2 + _three(10) + b"\x02" + pixel)
    return riff(canvas(width, height, 0x02), (b"ANIM", bytes(6)), *[frame] * frames)


def exif(*entries: tuple[int, int, int, bytes], order: str = "<", next_directory: int = 0) -> bytes:
    """The APP1 content of EXIF entries (tag, type, count, four bytes)."""
    packed = b"".join(struct.pack(order + "HHI", *entry[:3]) + entry[3] for entry in entries)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(order + "H", len(entries)) + packed + struct.pack(order + "I", next_directory)
    return b"Exif\0\0" + mark + struct.pack(order + "I", 8) + directory


def _three(value: int) -> bytes:
    return struct.pack("<I", value)[:3]


@cache
def _deflated_zeros(length: int) -> bytes:
    packer, block = zlib.compressobj(9), bytes(2**20)
    whole, rest = divmod(length, 2**20)
    return b"".join(packer.compress(block) for _ in range(whole)) + packer.compress(bytes(rest)) + packer.flush()


def _many(piece: bytes, limit: int = LARGEST) -> bytes:
    return piece * (limit // len(piece))


def _solid_webp(edge: int) -> bytes:
    return encode(Image.new("RGB", (edge, edge), (150, 90, 80)), "WEBP", lossless=True, quality=0, method=0)


def _group4(edge: int) -> bytes:
    return encode(Image.new("1", (edge, edge)), "TIFF", compression="group4")


def _diagonals(edge: int) -> bytes:
    picture = Image.new("L", (edge, edge), 255)
    draw = ImageDraw.Draw(picture)
    for left in range(-edge, edge, 300):
        draw.line((left, 0, left + edge, edge), fill=0, width=3)
        draw.line((left + edge, 0, left, edge), fill=0, width=3)
    return encode(picture, "PNG")


def _tiff_bombs() -> dict[str, Make]:
    e, grey = _HALF_EDGE, bytes(16)
    bombs: dict[str, Make] = {}
    for name, number in {
        "none": 1,
        "g4": 4,
        "lzw": 5,
        "jpeg": 7,
        "deflate": 8,
        "packbits": 32773,
        "zstd": 50000,
    }.items():
        data = b"\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01" if number == 5 else grey
        bombs[f"tile 46000 {name}"] = partial(tiff, 64, 64, data, compression=number, tile=46_000)
    bombs |= {
        "tile 23000 float": partial(tiff, 64, 64, grey, bits=32, sample_format=3, tile=23_000),
        "tile 2^31 wide": partial(tiff, 64, 64, grey, tile=16, tags={322: (4, struct.pack("<I", 2**31), 1)}),
        "200 samples": partial(tiff, 2000, 2000, grey, samples=200),
        "65535 samples": partial(tiff, 64, 64, grey, samples=65_535),
        "planar 16 bit": partial(tiff, e, e, grey, samples=4, bits=16, tags={284: (3, b"\x02\0", 1)}),
        "strip of 2^32-1 rows": partial(tiff, 64, 64, grey, tags={278: (4, b"\xff" * 4, 1)}),
        "strip of 2^32-1 bytes": partial(tiff, 64, 64, grey, tags={279: (4, b"\xff" * 4, 1)}),
        "a million strips": partial(
            tiff, 64, 64, grey, tags={273: (4, struct.pack("<I", 8) * 10**6, 10**6), 279: (4, bytes(4 * 10**6), 10**6)}
        ),
        "2^31 wide": partial(tiff, 2**31 - 1, 1, grey),
        "40 MP 16 bit": lambda: tiff(e, e, _deflated_zeros(2 * e * e), bits=16),
        "40 MP float": lambda: tiff(e, e, _deflated_zeros(4 * e * e), bits=32, sample_format=3),
        "40 MP four 16 bit samples": lambda: tiff(e, e, _deflated_zeros(8 * e * e), bits=16, samples=4),
        "40 MP group 4": lambda: _group4(e),
        "directory that is its own next": partial(tiff, 64, 64, bytes(4096), next_directory=8 + 4096),
        "description of 15 MB": partial(tiff, 64, 64, grey, tags={270: (2, b"a" * LARGEST, LARGEST)}),
        "ten thousand tags": partial(tiff, 64, 64, grey, tags={40_000 + n: (3, b"\0\0", 1) for n in range(10_000)}),
    }
    return bombs


def _png_bombs() -> dict[str, Make]:
    e = _HALF_EDGE
    small = partial(png, 64, 64)
    text = zlib.compress(bytes(50_000_000), 9)
    return {
        "2^31 wide": partial(png, 2**31 - 1, 2**31 - 1, packed=b""),
        "40 MP truncated": partial(png, e, e, packed=b""),
        "40 MP 16 bit rgba": partial(png, e, e, depth=16, colour=6),
        "40 MP 16 bit grey": partial(png, e, e, depth=16, colour=0),
        "40 MP palette": partial(png, e, e, colour=3, before=chunk(b"PLTE", bytes(768))),
        "40 MP one bit": partial(png, e, e, depth=1, colour=0),
        "40 MP interlaced": partial(png, e, e, interlaced=True),
        "40 MP rgba see-through": partial(png, e, e, colour=6),
        "row of 40 MP": partial(png, 40_000_000, 1, depth=16, colour=6),
        "40 MP of diagonals": partial(_diagonals, e),
        "data of 500 MB for 64x64": lambda: small(packed=_deflated_zeros(5 * 10**8)),
        "a million chunks": lambda: small(before=_many(chunk(b"prVt"))),
        "a million text chunks": lambda: small(before=_many(chunk(b"tEXt", b"a\0b"))),
        "a million data chunks": lambda: small(before=_many(chunk(b"IDAT"))),
        "a million chunks at the end": lambda: small(after=_many(chunk(b"prVt"))),
        "text of 50 MB": partial(small, before=chunk(b"zTXt", b"a\0\0" + text)),
        "hundred texts of 50 MB": partial(small, before=chunk(b"zTXt", b"a\0\0" + text) * 100),
        "international texts": partial(small, before=chunk(b"iTXt", b"a\0\1\0\0\0" + text) * 10),
        "profile of 50 MB": partial(small, before=chunk(b"iCCP", b"a\0\0" + text)),
        "palette of 15 MB": partial(small, colour=3, before=chunk(b"PLTE", b"abc" * (LARGEST // 3))),
        "chunk of 2^32-1": lambda: small()[:33] + b"\xff\xff\xff\xffprVt" + bytes(100),
        "animation of a million frames": partial(small, before=chunk(b"acTL", struct.pack(">II", 10**6, 0))),
        "frames of 40 MP": lambda: png(
            e, e, before=chunk(b"acTL", struct.pack(">II", 2, 0)), after=chunk(b"fcTL", bytes(26)) * 1000
        ),
    }


def _webp_bombs() -> dict[str, Make]:
    e = _HALF_EDGE
    small = partial(encode, Image.new("RGB", (64, 64)), "WEBP")
    return {
        "canvas of 2^24": partial(riff, canvas(2**24, 2**24, 0), (b"VP8L", bytes(20))),
        "40 MP lossless": partial(_solid_webp, e),
        "40 MP lossy": lambda: encode(Image.new("RGB", (e, e)), "WEBP", quality=1, method=0),
        "animated canvas of 40 MP": partial(animation, e, e, 1),
        "animated canvas of 40 MP, 1,000 frames": partial(animation, e, e, 1000),
        "a hundred thousand frames": partial(animation, 64, 64, 100_000),
        "EXIF of 15 MB": lambda: riff(canvas(64, 64, 8), (small()[12:16], small()[20:]), (b"EXIF", bytes(LARGEST))),
        "a million chunks": lambda: small() + _many(b"abcd\0\0\0\0"),
        "size that isn't": lambda: small()[:4] + b"\xff\xff\xff\xff" + small()[8:],
    }


def _bmp_bombs() -> dict[str, Make]:
    e = _HALF_EDGE
    return {
        "2^31 wide": partial(bmp, 2**31 - 1, 2**31 - 1, bytes(16)),
        "negative": partial(bmp, -64, -64, bytes(4096), compression=0),
        "40 MP truncated": partial(bmp, e, e, bytes(16), bits=32, compression=0),
        "40 MP of nothing": partial(bmp, e, e, b"\0\1"),
        "40 MP of line ends": partial(bmp, e, e, _many(b"\0\0")),
        "40 MP of jumps": partial(bmp, e, e, _many(b"\0\2\0\0")),
        "40 MP of single pixels": partial(bmp, e, e, _many(b"\1\7")),
        "40 MP run-length": partial(bmp, e, e, (b"\xff\0" * (e // 255) + bytes([e % 255, 0, 0, 0])) * e),
        "run-length 4 bit": partial(bmp, e, e, _many(b"\2\x77"), bits=4, compression=2),
        "40 MP one bit": partial(bmp, e, e, bytes((e + 31) // 32 * 4 * e), bits=1, compression=0),
        "palette of 2^31": lambda: bmp(64, 64, bytes(4096), compression=0).replace(
            struct.pack("<II", 256, 0), struct.pack("<II", 2**31, 0), 1
        ),
    }


def _jpeg_bombs() -> dict[str, Make]:
    e, small = _HALF_EDGE, partial(jpeg.baseline, 64, 64)
    tiny_exif = jpeg.segment(0xE1, b"Exif\0\0")
    bombs: dict[str, Make] = {
        "65500 wide": lambda: small().replace(jpeg.frame(64, 64), jpeg.frame(65_500, 65_500)),
        "two frames": lambda: small(between=jpeg.frame(65_500, 65_500)),
        "40 MP": partial(jpeg.baseline, e, e),
        "40 MP four components": partial(jpeg.baseline, e, e, components=4),
        "40 MP four components, progressive": partial(jpeg.progressive, e, e, 4, components=4),
        "40 MP three components, progressive": partial(jpeg.progressive, e, e, 9, components=3),
        "row of 40 MP": partial(jpeg.baseline, 65_000, 610),
        "arithmetic": partial(jpeg.baseline, 2000, 2000, kind=0xC9),
        "lossless": partial(jpeg.baseline, 2000, 2000, kind=0xC3),
        "12 bit": lambda: small().replace(jpeg.frame(64, 64), jpeg.frame(64, 64, depth=12)),
        "a million tiny EXIF": lambda: small(between=_many(tiny_exif)),
        "a million comments": lambda: small(between=_many(jpeg.segment(0xFE))),
        "a million restarts": lambda: small(between=_many(jpeg.segment(0xDD, bytes(2)))),
        "a million quantisation tables": lambda: small(between=_many(jpeg.segment(0xDB, b"\0" + bytes([16]) * 64))),
        "15 MB of padding": lambda: small(between=b"\xff" * LARGEST),
        "15 MB of padding, later": lambda: small()[:-2] + b"\xff" * LARGEST + jpeg.END,
        "15 MB of rubbish before the frame": lambda: small(between=bytes(LARGEST)),
        "15 MB of restart markers": lambda: small()[:-2] + _many(b"\xff\xd0") + jpeg.END,
        "profile in 255 pieces": lambda: small(
            between=b"".join(
                jpeg.segment(0xE2, b"ICC_PROFILE\0" + bytes([n, 255]) + bytes(60_000)) for n in range(1, 256)
            )
        ),
        "Photoshop resources": lambda: small(
            between=jpeg.segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\x04\0\0\0\0\0\0" * 5000) * 200
        ),
        "height in a later marker": partial(jpeg.baseline, 64, 0),
        "multi picture": lambda: small(
            between=jpeg.segment(
                0xE2,
                b"MPF\0II*\0\x08\0\0\0\x02\0\x01\xb0\x07\0\4\0\0\0" + b"0100" + b"\x01\xb0\4\0\1\0\0\0" + b"\xff" * 4,
            )
        ),
    }
    for scans in (200, 1000, 5000, 20_000):
        bombs[f"{scans} scans"] = partial(jpeg.progressive, e, e, scans)
    bombs["5000 scans of 600x600"] = partial(jpeg.progressive, 600, 600, 5000)
    return bombs


def _exif_bombs() -> dict[str, Make]:
    def turned(value: int, **more: Any) -> bytes:
        return jpeg.baseline(
            64, 48, between=jpeg.segment(0xE1, exif((0x112, 3, 1, struct.pack("<HH", value, 0)), **more))
        )

    itself = (0x8769, 4, 1, struct.pack("<I", 8))
    bombs: dict[str, Make] = {f"orientation {value}": partial(turned, value) for value in (0, 1, 3, 6, 8, 9, 65_535)}
    odd: Sequence[tuple[str, tuple[int, int, int, bytes]]] = (
        ("orientation as text", (0x112, 2, 4, b"six\0")),
        ("orientation of 2^32-1 values", (0x112, 3, 2**32 - 1, bytes(4))),
        ("orientation as a fraction of nothing", (0x112, 5, 1, struct.pack("<I", 8))),
        ("orientation of type 99", (0x112, 99, 1, bytes(4))),
        ("directory within itself", itself),
    )
    for name, entry in odd:
        bombs[name] = partial(jpeg.baseline, 64, 48, between=jpeg.segment(0xE1, exif(entry)))
    bombs["directories in a ring"] = partial(turned, 6, next_directory=8)
    bombs["turned 40 MP"] = partial(
        jpeg.baseline, _HALF_EDGE, _HALF_EDGE, between=jpeg.segment(0xE1, exif((0x112, 3, 1, struct.pack("<HH", 6, 0))))
    )
    return bombs


BOMBS: Mapping[str, Make] = {
    f"{kind} {name}": make
    for kind, made in (
        ("TIFF", _tiff_bombs()),
        ("PNG", _png_bombs()),
        ("WebP", _webp_bombs()),
        ("BMP", _bmp_bombs()),
        ("JPEG", _jpeg_bombs()),
        ("EXIF", _exif_bombs()),
    )
    for name, make in made.items()
}
"""Each bomb by its name."""


@cache
def bomb(name: str) -> bytes:
    """A bomb, made once."""
    return BOMBS[name]()
