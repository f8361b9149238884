"""Files whose structure would make a decoder take more memory or time than a picture may, made on the spot."""

import struct
import traceback
import zlib
from collections.abc import Mapping

import numpy as np
import pytest
from PIL import Image

from models.preprocessing import jpeg_structure, picture_structure, png_structure, tiff_structure, webp_structure
from models.preprocessing.picture import (
    PictureError,
    PictureTooLargeError,
    UnreadablePictureError,
    UnsupportedFormatError,
    decode,
    decode_and_judge,
)
from models.preprocessing.tiff_directory import MAX_TAGS, MAX_VALUES, orientation
from tests.pictures import encode, noise, plain

LARGE = 40_000_000


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _scans(count: int, width: int = 16, height: int = 16) -> bytes:
    """A progressive JPEG of one component with that many scans of the same coefficients."""
    frame = _segment(0xC2, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0))
    scan = _segment(0xDA, bytes([1, 1, 0, 1, 5, 0x02])) + b"\x00"
    return b"\xff\xd8" + frame + count * scan + b"\xff\xd9"


def _tiff(tags: Mapping[int, tuple[int, int, int]], rest: bytes = b"", *, after: int = 0) -> bytes:
    """A little-endian TIFF of one directory: type, number of values, and value or place by tag."""
    entries = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(tags.items()))
    return b"II*\x00" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", after) + rest


def _chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _with_chunks(chunks: bytes) -> bytes:
    """A PNG with more chunks after its header."""
    file = encode(noise(8, 8))
    return file[:33] + chunks + file[33:]


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_a_file_that_ends_anywhere_is_read_or_refused(picture_format: str) -> None:
    whole = encode(plain((90, 120, 60), 24), picture_format)
    refused = 0
    for length in range(1, len(whole)):
        try:
            decode(whole[:length], max_pixels=LARGE)
        except PictureError:
            refused += 1
    assert refused > len(whole) * 0.5


def test_scans_are_counted() -> None:
    jpeg_structure.walk(_scans(jpeg_structure.MAX_SCANS))
    with pytest.raises(UnreadablePictureError, match="more segments, scans or padding than any program writes"):
        decode(_scans(jpeg_structure.MAX_SCANS + 1), max_pixels=LARGE)


def test_scans_of_a_large_picture_count_by_its_blocks() -> None:
    jpeg_structure.walk(_scans(40, 6320, 6320))
    with pytest.raises(UnreadablePictureError, match="scans"):
        decode(_scans(99, 6320, 6320), max_pixels=LARGE)


@pytest.mark.parametrize("subsampling", [0, 2])
def test_the_scans_of_a_large_progressive_picture_are_few_enough(subsampling: int) -> None:
    """A file of libjpeg's ten scans, scaled up in its header to 40 megapixels, which only the walk looks at."""
    file = encode(plain((90, 30, 60), 64), "JPEG", progressive=True, subsampling=subsampling)
    frame = file.index(b"\xff\xc2")
    large = file[: frame + 5] + struct.pack(">HH", 5477, 7302) + file[frame + 9 :]
    assert jpeg_structure.walk(large).size == (7302, 5477)


@pytest.mark.parametrize(
    "rubbish",
    [
        (jpeg_structure.MAX_SEGMENTS + 1) * _segment(0xE1, b""),
        (jpeg_structure.MAX_SEGMENTS + 1) * _segment(0xE1, b"Exif\0\0"),
        b"\xff" * (jpeg_structure.MAX_JUNK + 2),
        bytes(jpeg_structure.MAX_JUNK + 2),
    ],
    ids=["segments", "EXIF segments", "padding", "zeros"],
)
def test_segments_and_padding_of_a_jpeg_are_bounded(rubbish: bytes) -> None:
    file = encode(noise(16, 16), "JPEG")
    assert decode(file[:20] + rubbish[: len(rubbish) // 100 // 10 * 10] + file[20:], max_pixels=LARGE).size == (16, 16)
    with pytest.raises(UnreadablePictureError, match="segments, scans or padding"):
        decode(file[:20] + rubbish + file[20:], max_pixels=LARGE)


@pytest.mark.parametrize("marker", [0xC3, 0xC9, 0xCA])
def test_rare_kinds_of_jpeg_are_named(marker: int) -> None:
    file = encode(noise(16, 16), "JPEG").replace(b"\xff\xc0", bytes([0xFF, marker]), 1)
    with pytest.raises(UnsupportedFormatError, match="lossless, hierarchical or arithmetic"):
        decode(file, max_pixels=LARGE)


def test_coefficients_that_are_kept_count_as_memory() -> None:
    progressive = encode(noise(64, 64), "JPEG", progressive=True, subsampling=0, quality=50)
    assert jpeg_structure.walk(progressive).working_bytes == 3 * 64 * 64 * 2
    assert jpeg_structure.walk(encode(noise(64, 64), "JPEG")).working_bytes == 0


def test_a_truncated_jpeg_has_no_end() -> None:
    with pytest.raises(UnreadablePictureError, match="truncated"):
        jpeg_structure.walk(encode(noise(64, 64), "JPEG")[:-2])


@pytest.mark.parametrize("compression", [5, 8, 32773])
@pytest.mark.parametrize("edge", [46_000, 4096])
def test_a_tile_that_dwarfs_its_picture_is_refused(compression: int, edge: int) -> None:
    long, short = 4, 3
    tags = {
        256: (short, 1, 64), 257: (short, 1, 64), 258: (short, 1, 8), 259: (short, 1, compression),
        262: (short, 1, 1), 277: (short, 1, 1), 322: (long, 1, edge), 323: (long, 1, edge),
        324: (long, 1, 200), 325: (long, 1, 4),
    }  # fmt: skip
    with pytest.raises(PictureTooLargeError, match=f"tiles of {edge} x {edge}"):
        decode(_tiff(tags, bytes(100)), max_pixels=LARGE)


@pytest.mark.parametrize("compression", [34925, 50000, 50001, 6, 34676])
def test_compressions_that_are_not_read_are_named(compression: int) -> None:
    tags = {256: (3, 1, 8), 257: (3, 1, 8), 259: (3, 1, compression), 273: (4, 1, 8), 279: (4, 1, 8)}
    with pytest.raises(UnsupportedFormatError, match=f"number {compression}"):
        decode(_tiff(tags), max_pixels=LARGE)


def test_strips_and_tags_of_a_tiff_are_bounded() -> None:
    strips = {256: (3, 1, 8), 257: (3, 1, 8), 259: (3, 1, 1), 273: (4, MAX_VALUES, 100)}
    with pytest.raises(UnreadablePictureError, match="more strips or tiles"):
        decode(_tiff(strips, bytes(4 * MAX_VALUES + 100)), max_pixels=LARGE)
    with pytest.raises(UnreadablePictureError, match="more tags"):
        decode(_tiff(dict.fromkeys(range(256, 257 + MAX_TAGS), (3, 1, 8))), max_pixels=LARGE)


def test_strips_that_share_their_bytes_are_refused() -> None:
    file = bytearray(encode(noise(64, 64), "TIFF", compression="tiff_lzw"))
    structure = tiff_structure.walk(bytes(file))
    assert structure.size == (64, 64)
    place = file.index(struct.pack("<HHI", 279, 4, 1))
    file[place + 8 : place + 12] = struct.pack("<I", len(file) + 1)
    with pytest.raises(UnreadablePictureError):
        decode(bytes(file), max_pixels=LARGE)


def test_only_the_first_directory_of_a_tiff_is_looked_at() -> None:
    """One that is its own successor, with a private tag and a colour profile, is read as if it had neither."""
    picture = noise(16, 16)
    file = bytearray(encode(picture, "TIFF", icc_profile=bytes(600), tiffinfo={65000: "x" * 300}))
    (place,) = struct.unpack_from("<I", file, 4)
    (count,) = struct.unpack_from("<H", file, place)
    struct.pack_into("<I", file, place + 2 + 12 * count, place)
    np.testing.assert_array_equal(np.asarray(decode(bytes(file), max_pixels=LARGE)), np.asarray(picture))


def test_a_progressive_jpeg_inside_a_tiff_is_counted() -> None:
    file = bytearray(encode(noise(16, 16), "TIFF", compression="jpeg"))
    jpeg = _scans(200)
    for tag, value in ((273, len(file)), (279, len(jpeg))):
        struct.pack_into("<I", file, file.index(struct.pack("<HHI", tag, 4, 1)) + 8, value)
    with pytest.raises(UnreadablePictureError, match="scans"):
        decode(bytes(file) + jpeg, max_pixels=LARGE)


def test_chunks_of_a_png_are_counted() -> None:
    assert decode(_with_chunks(1000 * _chunk(b"tEXt", b"a\0b")), max_pixels=LARGE).size == (8, 8)
    with pytest.raises(UnreadablePictureError, match="more chunks"):
        decode(_with_chunks(png_structure.MAX_CHUNKS * _chunk(b"tEXt", b"a\0b")), max_pixels=LARGE)


def test_compressed_text_and_profiles_of_a_png_are_never_inflated() -> None:
    bomb = zlib.compress(bytes(10_000_000))
    chunks = _chunk(b"zTXt", b"a\0\0" + bomb) + _chunk(b"iCCP", b"a\0\0" + bomb)
    file = _with_chunks(chunks)
    assert len(picture_structure.walk(file, "PNG", max_pixels=LARGE).data) == len(file) - len(chunks)
    np.testing.assert_array_equal(np.asarray(decode(file, max_pixels=LARGE)), np.asarray(noise(8, 8)))


def test_what_the_pixels_of_a_png_inflate_to_is_bounded() -> None:
    header = struct.pack(">IIBBBBB", 7300, 5470, 16, 6, 0, 0, 1)
    file = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(100))) + _chunk(b"IEND")
    with pytest.raises(PictureTooLargeError, match="64 bits each"):
        decode(file, max_pixels=LARGE)


def test_chunks_of_a_webp_are_counted() -> None:
    file = encode(noise(8, 8), "WEBP")
    more = file + webp_structure.MAX_CHUNKS * b"JUNK\0\0\0\0"
    more = more[:4] + struct.pack("<I", len(more) - 8) + more[8:]
    with pytest.raises(UnreadablePictureError, match="more chunks or frames"):
        decode(more, max_pixels=LARGE)


@pytest.mark.parametrize("size", [(6000, 6000), (16383, 2441)])
def test_a_webp_whose_canvases_would_not_fit_is_refused(size: tuple[int, int]) -> None:
    bits = (size[0] - 1) | (size[1] - 1) << 14
    body = b"VP8L" + struct.pack("<IBI", 20, 0x2F, bits) + bytes(15)
    with pytest.raises(PictureTooLargeError, match="more memory"):
        decode(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body, max_pixels=LARGE)


def test_a_run_length_encoded_bmp_is_read_while_it_is_small() -> None:
    def bmp(width: int, height: int) -> bytes:
        head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 256, 0)
        palette = b"".join(bytes([value, value, value, 0]) for value in range(256))
        rows = height * (bytes([width, 77, 0, 0])) + b"\0\1"
        return b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + 40 + 1024) + head + palette + rows

    assert np.asarray(decode(bmp(16, 8), max_pixels=LARGE)).tolist() == [[[77] * 3] * 16] * 8
    with pytest.raises(UnsupportedFormatError, match="run-length encoded"):
        decode(bmp(200, 30_000), max_pixels=LARGE)


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"II",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff" + bytes(100),
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 274, 3, 1, 9),
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 274, 2, 1, 6),
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 274, 3, 2**32 - 1, 6),
    ],
)
def test_an_orientation_that_makes_no_sense_is_none(exif: bytes) -> None:
    assert orientation(exif) == 1


def test_an_orientation_is_read_from_exif_or_else_from_xmp() -> None:
    exif = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 274, 3, 1, 6)
    assert orientation(exif, b'tiff:Orientation="3"') == 6
    assert orientation(b"", b"<tiff:Orientation>8</tiff:Orientation>") == 8


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
def test_16_bits_with_white_at_0_are_read_the_right_way_round(order: str, compression: int) -> None:
    values = np.array([[0, 1000], [3000, 4000]], order + "u2")
    pixels = values.tobytes() if compression == 1 else zlib.compress(values.tobytes())
    tags = {256: 2, 257: 2, 258: 16, 259: compression, 262: 0, 273: 8, 277: 1, 278: 2, 279: len(pixels)}
    place = 8 + len(pixels) + len(pixels) % 2
    file = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", place) + pixels + bytes(len(pixels) % 2)
    file += struct.pack(order + "H", len(tags))
    file += b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags.items()) + bytes(4)
    assert np.asarray(decode(file, max_pixels=LARGE))[..., 0].tolist() == [[255, 191], [64, 0]]


def _damaged(bytes_lost: int) -> bytes:
    picture = noise(24, 18).resize((600, 450), Image.Resampling.BICUBIC)
    file = encode(picture, "JPEG", quality=90)
    middle = len(file) // 2
    return file[:middle] + file[middle + bytes_lost :]


def test_a_jpeg_that_decodes_with_warnings_is_called_damaged() -> None:
    picture, damage = decode_and_judge(_damaged(400), max_pixels=LARGE)
    assert picture.size == (600, 450)
    assert damage is not None
    assert "damaged" in damage
    assert decode_and_judge(_damaged(0), max_pixels=LARGE)[1] is None


@pytest.mark.parametrize("progressive", [False, True])
def test_lost_pieces_of_a_jpeg_are_noticed(progressive: bool) -> None:
    picture = noise(24, 18).resize((600, 450), Image.Resampling.BICUBIC)
    file = encode(picture, "JPEG", quality=90, progressive=progressive)
    first = file.index(b"\xff\xda") + 20
    random = np.random.default_rng(0)
    noticed = 0
    for place in random.integers(first, len(file) - 500, 40):
        try:
            noticed += decode_and_judge(file[:place] + file[place + 400 :], max_pixels=LARGE)[1] is not None
        except PictureError:
            noticed += 1
    assert noticed >= 36


def test_an_unknown_jfif_revision_is_no_damage() -> None:
    file = bytearray(encode(noise(64, 64), "JPEG"))
    file[file.index(b"JFIF") + 5] = 5
    assert decode_and_judge(bytes(file), max_pixels=LARGE)[1] is None


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"GIF89a" + bytes(32), "a GIF"),
        (b"\0\0\0\x18ftypheic" + bytes(32), "an HEIC picture"),
        (b"\0\0\0\x18ftypmif1" + bytes(32), "an HEIC picture"),
        (b"\0\0\0\x1cftypavif" + bytes(32), "an AVIF picture"),
        (b"\0\0\0\x18ftypmp42" + bytes(32), "a video"),
        (b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100", "a DICOM data set without the head of a file"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\xef\xbb\xbf%PDF-1.7\n", "a PDF document"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"<?xml version='1.0'?>\n<!-- x -->\n<svg width='3'>", "an SVG drawing"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"<?xml version='1.0'?><AnnotatedECG>", "an XML document"),
        (b"PK\x03\x04" + bytes(8), "a ZIP archive"),
        (b"hello, doctor", "text"),
        (b"RIFF\0\0\0\0WAVE", "a sound file"),
        (b"II+\0\x08\0\0\0", "a BigTIFF picture"),
    ],
)
def test_what_arrived_is_named_with_what_to_do(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=f"The content is {name}.*, not a JPEG, PNG.*[Ss]end"):
        decode(data, max_pixels=LARGE)


@pytest.mark.parametrize("picture_format", ["PNG", "TIFF", "BMP", "WEBP"])
def test_the_error_of_a_failed_decode_keeps_nothing_of_it(picture_format: str) -> None:
    file = encode(noise(), picture_format)
    with pytest.raises(UnreadablePictureError) as caught:
        decode(file[: len(file) // 2], max_pixels=LARGE)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert not [value for frame in frames for value in frame.f_locals.values() if isinstance(value, Image.Image)]
