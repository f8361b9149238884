"""Damaged files of every accepted type, files spliced from two, and files of other types."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image

from benchmarks.inputs import pick
from benchmarks.inputs.bombs import png
from benchmarks.pictures import encode, made_up_sheet

_GREATEST_FLIPS = 24
_HEAD = 600
"""Bytes from the front that half of all damage goes to, where the structure is."""


@cache
def whole_files() -> Sequence[bytes]:
    """Small valid pictures of every accepted type and way of storing."""
    rows, columns = np.mgrid[-1:1:120j, -1:1:160j]
    blot = 90 * np.exp(-6 * (rows**2 + columns**2))[..., np.newaxis]
    grain = np.random.default_rng(0).normal(0, 12, (120, 160, 3))
    picture = Image.fromarray((np.array([205, 160, 145]) - blot + grain).clip(0, 255).astype(np.uint8))
    deep = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 199)
    real = Image.fromarray(np.asarray(picture.convert("L")).astype(np.float32) / 7)
    turned = Image.Exif()
    turned[0x112] = 6
    flat, lucid, grey, two = picture.convert("P"), picture.convert("RGBA"), picture.convert("L"), picture.convert("1")
    return (
        encode(picture, "JPEG", quality=90),
        encode(picture, "JPEG", progressive=True),
        encode(picture, "JPEG", subsampling=2, restart_marker_rows=1),
        encode(picture.convert("CMYK"), "JPEG"),
        encode(grey, "JPEG", exif=turned),
        encode(picture, "PNG"),
        encode(lucid, "PNG"),
        encode(flat, "PNG", transparency=3),
        encode(deep, "PNG"),
        encode(two, "PNG"),
        _interlaced(grey),
        encode(picture, "WEBP", quality=80),
        encode(lucid, "WEBP", lossless=True, exif=turned.tobytes()),
        encode(picture, "WEBP", save_all=True, append_images=[flat.convert("RGB")] * 2, duration=50),
        encode(picture, "BMP"),
        encode(flat, "BMP"),
        *(
            encode(picture, "TIFF", compression=name)
            for name in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg")
        ),
        *(encode(two, "TIFF", compression=name) for name in ("group3", "group4")),
        encode(deep, "TIFF", compression="tiff_deflate"),
        encode(real, "TIFF"),
        encode(picture.convert("CMYK"), "TIFF", compression="tiff_lzw"),
        encode(picture, "TIFF", save_all=True, append_images=[flat.convert("RGB")]),
    )


def _interlaced(grey: Image.Image) -> bytes:
    """A greyscale PNG by Adam7, which Pillow doesn't write."""
    pixels = np.asarray(grey)
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = [b"\0" + row.tobytes() for top, left, down, across in passes for row in pixels[top::down, left::across]]
    return png(grey.width, grey.height, colour=0, interlaced=True, packed=zlib.compress(b"".join(rows)))


@cache
def other_files() -> Sequence[bytes]:
    """What people send by mistake: other pictures, documents, archives, text, nothing."""
    picture = Image.new("RGB", (64, 48), (180, 120, 110))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("picture.jpg", whole_files()[0])
    xml = b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    return (
        b"",
        b"\xff",
        b"\0" * 4096,
        bytes(range(256)) * 64,
        encode(picture, "GIF"),
        encode(picture, "ICO"),
        encode(picture, "PPM"),
        encode(picture, "TGA"),
        encode(picture, "JPEG2000"),
        encode(picture, "PDF"),
        encode(picture, "EPS"),
        *(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1" + brand + bytes(500) for brand in (b"heic", b"avif", b"mp42")),
        xml + b'<svg xmlns="http://www.w3.org/2000/svg"><text>&b;</text></svg>',
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9999999' height='9999999'/>",
        packed.getvalue(),
        gzip.compress(whole_files()[0]),
        b"8BPS\0\1" + bytes(400),
        b"II+\0\x08\0\0\0" + bytes(400),
        b"\x7fELF" + bytes(400),
        b"cos\nsystem\n(S'true'\ntR.",
        b"<html><body>Sign in to the hospital's Wi-Fi</body></html>",
        b"data:image/jpeg;base64,/9j/4AAQSkZJRgABAQ",
        b'{"image": null}',
        b"MZ" + bytes(400),
        made_up_sheet()[:5000],
    )


def damaged(rng: np.random.Generator) -> tuple[str, bytes]:
    """A file with bits flipped, bytes overwritten, a piece lost, doubled or moved in from another, or its end gone;
    and the name of what was done."""
    files = whole_files()
    data = bytearray(pick(rng, files))
    kind = pick(rng, ("flipped", "overwritten", "cut", "doubled", "truncated", "spliced", "headless", "whole"))
    reach = min(len(data), _HEAD) if rng.random() < 0.5 else len(data)
    start, length = int(rng.integers(reach)), int(rng.integers(1, 200))
    match kind:
        case "spliced":
            data[start:] = pick(rng, files)[start:]
        case "headless":
            del data[:length]
        case _:
            change(rng, data, kind, flipped=(0, reach, _GREATEST_FLIPS), piece=(start, length))
    return kind, bytes(data)


def change(
    rng: np.random.Generator, data: bytearray, kind: str, *, flipped: tuple[int, int, int], piece: tuple[int, int]
) -> None:
    """Do to a file what its name says: fewer than `flipped[2]` bits from byte `flipped[0]` on, below `flipped[1]`, or
    the piece of that start and length overwritten, cut or doubled, or all from there on lost; `whole` does nothing."""
    start, length = piece
    match kind:
        case "flipped":
            first, end, flips = flipped
            for place in rng.integers(first, end, rng.integers(1, flips)):
                data[place] ^= 1 << int(rng.integers(8))
        case "overwritten":
            data[start : start + length] = bytes([int(rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF]))]) * length
        case "cut":
            del data[start : start + length]
        case "doubled":
            data[start:start] = data[start : start + length] * int(rng.integers(1, 50))
        case "truncated":
            del data[start:]
