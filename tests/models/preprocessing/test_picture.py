"""Golden tests of the picture preprocessing: whoever changes a value here must raise `REVISION`.

Lossless pictures are compared exactly. JPEG and WebP are compared within a tolerance, since their decoders may round
differently from one version to the next.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.preprocessing.picture import (
    FORMATS,
    REVISION,
    TOLERANCE,
    Framing,
    ImagePreprocessing,
    PictureFormat,
    PictureTooLargeError,
    UnreadablePictureError,
    UnsupportedFormatError,
    decode,
    preprocess,
    sniff_format,
    to_tensor,
)
from tests.pictures import encode, noise, plain

MANY = 1_000_000
LARGE = 40_000_000
LOSSY_TOLERANCE = 6
FAITHFUL: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 100, "subsampling": 0},
    "WEBP": {"lossless": True},
}
"""How to save a picture with as little loss as the format allows."""

Pixels = NDArray[np.uint8]


def _pixels(data: bytes) -> Pixels:
    picture = decode(data, max_pixels=MANY)
    assert picture.mode == "RGB"
    return np.asarray(picture)


def _quadrants(width: int = 64, height: int = 32) -> Pixels:
    """Red, green, blue and white quadrants: no two orientations of it are alike."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    pixels[height // 2 :, width // 2 :] = (255, 255, 255)
    return pixels


STORED_AS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}
"""How a camera stores an upright scene under each EXIF orientation (TIFF 6.0, tag 274)."""


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("picture_format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_orientation_is_undone(picture_format: str, orientation: int) -> None:
    upright = _quadrants()
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](upright)))
    found = _pixels(encode(stored, picture_format, exif=exif, **FAITHFUL.get(picture_format, {})))
    assert found.shape == upright.shape
    np.testing.assert_allclose(found.astype(int), upright, atol=LOSSY_TOLERANCE if picture_format == "JPEG" else 0)


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_a_meaningless_orientation_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    np.testing.assert_array_equal(_pixels(encode(Image.fromarray(_quadrants()), exif=exif)), _quadrants())


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("RGBA", (255, 0, 0, 255), (255, 0, 0)),
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 128), (255, 127, 127)),
        ("L", 77, (77, 77, 77)),
        ("LA", (77, 255), (77, 77, 77)),
        ("LA", (0, 128), (127, 127, 127)),
        ("1", 1, (255, 255, 255)),
        ("1", 0, (0, 0, 0)),
    ],
)
def test_colour_modes(mode: str, colour: int | tuple[int, ...], expected: tuple[int, int, int]) -> None:
    found = _pixels(encode(Image.new(mode, (8, 8), colour)))
    np.testing.assert_array_equal(found, np.full((8, 8, 3), expected, np.uint8))


def _palette_picture() -> Image.Image:
    picture = Image.new("P", (4, 2))
    picture.putpalette([200, 10, 20, 30, 220, 40])
    picture.paste(1, (2, 0, 4, 2))
    return picture


def test_palette() -> None:
    found = _pixels(encode(_palette_picture()))
    assert found[0].tolist() == [[200, 10, 20], [200, 10, 20], [30, 220, 40], [30, 220, 40]]


def test_palette_with_transparency_lies_over_white() -> None:
    found = _pixels(encode(_palette_picture(), transparency=0))
    assert found[0].tolist() == [[255, 255, 255], [255, 255, 255], [30, 220, 40], [30, 220, 40]]


def test_a_see_through_colour_lies_over_white() -> None:
    picture = Image.new("RGB", (4, 2), (30, 220, 40))
    picture.paste((200, 10, 20), (0, 0, 2, 2))
    found = _pixels(encode(picture, transparency=(200, 10, 20)))
    assert found[0].tolist() == [[255, 255, 255], [255, 255, 255], [30, 220, 40], [30, 220, 40]]


def test_16_bit_grey_is_stretched_over_its_own_range() -> None:
    values = np.array([[1000, 2000], [3000, 4095]], np.uint16)
    found = _pixels(encode(Image.fromarray(values)))
    assert found[..., 0].tolist() == [[0, 82], [165, 255]]
    np.testing.assert_array_equal(found[..., 0], found[..., 1])
    np.testing.assert_array_equal(found[..., 0], found[..., 2])


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.uint16])
def test_deep_grey_tiff_is_stretched_over_its_own_range(dtype: type) -> None:
    values: NDArray[Any] = np.array([[0, 100], [300, 400]]).astype(dtype)
    assert _pixels(encode(Image.fromarray(values), "TIFF"))[..., 0].tolist() == [[0, 64], [191, 255]]


def test_float_tiff_with_nothing_but_nan_is_black() -> None:
    values = np.full((4, 4), np.nan, np.float32)
    assert not _pixels(encode(Image.fromarray(values), "TIFF")).any()


def test_a_flat_16_bit_picture_is_black() -> None:
    assert not _pixels(encode(Image.fromarray(np.full((4, 4), 5000, np.uint16)))).any()


def test_cmyk_jpeg() -> None:
    found = _pixels(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100))
    np.testing.assert_allclose(found.astype(int), np.full((16, 16, 3), (255, 0, 0)), atol=LOSSY_TOLERANCE)


@pytest.mark.parametrize("picture_format", FORMATS)
def test_each_format_is_read_by_its_content(picture_format: PictureFormat) -> None:
    data = encode(Image.fromarray(_quadrants()), picture_format, **FAITHFUL.get(picture_format, {}))
    assert sniff_format(data) == picture_format
    centres = _pixels(data)[8::16, 16::32].astype(int)
    np.testing.assert_allclose(centres, _quadrants()[8::16, 16::32], atol=LOSSY_TOLERANCE)


@pytest.mark.parametrize("picture_format", ["TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_is_read(picture_format: str) -> None:
    options = {**FAITHFUL.get(picture_format, {}), "save_all": True, "append_images": [plain((0, 0, 255), 16)]}
    data = encode(plain((255, 0, 0), 16), picture_format, **options)
    assert _pixels(data)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(("width", "height"), [(101, 64), (64, 101), (65, 64), (64, 64), (333, 32)])
def test_middle_square_cuts_both_ends_alike(width: int, height: int) -> None:
    """The filter of the outermost pixels reaches a little beyond the square; all others see nothing but it."""
    edge = min(width, height)
    left, top = (width - edge) // 2, (height - edge) // 2
    pixels = np.full((height, width, 3), (255, 0, 0), np.uint8)
    pixels[top : top + edge, left : left + edge] = (0, 255, 0)
    tensor = to_tensor(Image.fromarray(pixels), ImagePreprocessing(size=48, framing="middle_square"))
    np.testing.assert_array_equal(tensor[1:-1, 1:-1], np.full((46, 46, 3), (0, 255, 0), np.uint8))
    np.testing.assert_allclose(tensor.astype(int), np.full((48, 48, 3), (0, 255, 0)), atol=48)


def test_squash_keeps_the_whole_picture() -> None:
    tensor = to_tensor(Image.fromarray(_quadrants(128, 64)), ImagePreprocessing(size=32, framing="squash"))
    assert tensor.shape == (32, 32, 3)
    assert tensor.dtype == np.uint8
    corners = tensor[[0, 0, -1, -1], [0, -1, 0, -1]].tolist()
    assert corners == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]


@pytest.mark.parametrize(("width", "height"), [(128, 64), (64, 128)])
def test_letterbox_keeps_the_proportions_on_black(width: int, height: int) -> None:
    spec = ImagePreprocessing(size=32, framing="letterbox")
    tensor = to_tensor(Image.new("RGB", (width, height), (9, 8, 7)), spec)
    lying = tensor if width > height else tensor.transpose(1, 0, 2)
    np.testing.assert_array_equal(lying[8:24], np.full((16, 32, 3), (9, 8, 7), np.uint8))
    assert not lying[:8].any()
    assert not lying[24:].any()


def test_letterbox_of_a_line_shows_it() -> None:
    tensor = to_tensor(Image.new("RGB", (1, 500), (9, 8, 7)), ImagePreprocessing(size=32, framing="letterbox"))
    assert (tensor.any(axis=2).sum(axis=0) > 0).sum() == 1


def test_resizing_is_antialiased() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    tensor = to_tensor(Image.fromarray(stripes), ImagePreprocessing(size=32, framing="squash"))
    np.testing.assert_allclose(tensor[:, 1:-1].astype(int), 127, atol=2)


def test_a_picture_of_the_wanted_size_passes_unchanged() -> None:
    picture = noise(32, 32)
    tensor = to_tensor(picture, ImagePreprocessing(size=32, framing="middle_square"))
    np.testing.assert_array_equal(tensor, np.asarray(picture))


@pytest.mark.parametrize("picture", [Image.new("RGB", (1, 1), (9, 8, 7)), Image.new("RGB", (1, 500), (9, 8, 7))])
@pytest.mark.parametrize("framing", ["middle_square", "squash"])
def test_tiny_and_thin_pictures(picture: Image.Image, framing: Framing) -> None:
    tensor = preprocess(encode(picture), ImagePreprocessing(size=32, framing=framing), max_pixels=MANY)
    np.testing.assert_array_equal(tensor, np.full((32, 32, 3), (9, 8, 7), np.uint8))


GOLDEN = {
    ("middle_square", 224): "4544e1ff576caaeb9de71f9c276353ad777dc89628457a569bc475fda9cc9a0e",
    ("squash", 224): "033c43859938716013eca2e1d4441a50e1f9eba7ac1679a22189f3d706d3397a",
    ("middle_square", 64): "b5323577a7e30b0d6ab440daf490b94be9d190f2ac064c87c54699cab3c642b9",
}
"""SHA-256 of the tensor of `noise(321, 240)`, revision 1."""


@pytest.mark.parametrize(("framing", "size"), GOLDEN)
@pytest.mark.parametrize("picture_format", ["PNG", "BMP", "TIFF"])
def test_golden_tensor(picture_format: str, framing: Framing, size: int) -> None:
    spec = ImagePreprocessing(size=size, framing=framing)
    tensor = preprocess(encode(noise(321, 240), picture_format), spec, max_pixels=MANY)
    assert REVISION == 1
    assert tensor.shape == (size, size, 3)
    assert hashlib.sha256(tensor.tobytes()).hexdigest() == GOLDEN[framing, size]


def test_decoding_twice_gives_the_same() -> None:
    data = encode(noise(), "JPEG")
    np.testing.assert_array_equal(_pixels(data), _pixels(data))


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a" + bytes(32),
        b"%PDF-1.7\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x00\x00\x01\x00" + bytes(32),
        b"PK\x03\x04",
        b"hello",
        b"\x00",
        b"RIFF\x00\x00\x00\x00WAVE",
    ],
)
def test_other_content_is_an_unsupported_format(data: bytes) -> None:
    assert sniff_format(data) is None
    with pytest.raises(UnsupportedFormatError, match="not a JPEG, PNG, WebP, BMP or TIFF"):
        decode(data, max_pixels=MANY)


def test_nothing_is_unreadable() -> None:
    with pytest.raises(UnreadablePictureError, match="empty"):
        decode(b"", max_pixels=MANY)


@pytest.mark.parametrize("picture_format", FORMATS)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_truncated_picture_is_unreadable(picture_format: PictureFormat, share: float) -> None:
    data = encode(noise(), picture_format)
    with pytest.raises(UnreadablePictureError, match=f"The {picture_format} picture is truncated or damaged"):
        decode(data[: int(len(data) * share)], max_pixels=MANY)


@pytest.mark.parametrize("data", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\x00", b"RIFF\0\0\0\0WEBP"])
def test_a_signature_alone_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadablePictureError):
        decode(data, max_pixels=MANY)


def test_the_pixel_limit_is_inclusive() -> None:
    data = encode(noise(20, 10))
    assert decode(data, max_pixels=200).size == (20, 10)
    with pytest.raises(PictureTooLargeError, match="20 x 10 pixels"):
        decode(data, max_pixels=199)


@pytest.mark.parametrize(("width", "height"), [(6400, 6400), (50_000, 50_000), (2**31 - 1, 2**31 - 1)])
def test_the_pixel_limit_is_checked_before_decoding(width: int, height: int) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    pixels = b"IDAT" + zlib.compress(bytes(1024))
    bomb += struct.pack(">I", len(pixels) - 4) + pixels + struct.pack(">I", zlib.crc32(pixels))
    with pytest.raises(PictureTooLargeError, match="Send it smaller"):
        decode(bomb, max_pixels=40_000_000)


def test_a_file_that_lies_about_its_palette_is_unreadable() -> None:
    data = bytearray(encode(_palette_picture(), "BMP"))
    data[46:50] = struct.pack("<I", 0xFFFFFFFF)
    with pytest.raises(UnreadablePictureError):
        decode(bytes(data), max_pixels=MANY)


@cache
def _photograph(width: int, height: int, mode: str = "RGB") -> bytes:
    """A JPEG of smooth shades with grain, as a camera gives."""
    rows, columns = np.mgrid[0:height, 0:width]
    shades = 120 + 60 * np.sin(columns / width * 9) * np.cos(rows / height * 7)
    grain = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    picture = Image.fromarray((shades[..., None] + grain).clip(0, 255).astype(np.uint8)).convert(mode)
    return encode(picture, "JPEG", quality=92)


@pytest.mark.parametrize("framing", ["middle_square", "squash", "letterbox"])
@pytest.mark.parametrize(
    ("size", "mode", "decoded"),
    [
        ((600, 450), "RGB", (300, 225)),
        ((450, 600), "L", (225, 300)),
        ((1000, 950), "CMYK", (250, 238)),
        ((2400, 1800), "RGB", (300, 225)),
        ((440, 330), "RGB", None),
    ],
)
def test_a_large_jpeg_is_decoded_at_a_reduced_size_with_nearly_the_same_result(
    framing: Framing, size: tuple[int, int], mode: str, decoded: tuple[int, int] | None
) -> None:
    spec = ImagePreprocessing(size=224, framing=framing)
    file = _photograph(*size, mode)
    if framing != "letterbox":
        assert decode(file, max_pixels=LARGE, for_input=spec).size == (decoded or size)
    whole = to_tensor(decode(file, max_pixels=LARGE), spec).astype(float)
    assert np.abs(preprocess(file, spec, max_pixels=LARGE) - whole).mean() < TOLERANCE


def test_a_letterbox_needs_only_its_longer_edge() -> None:
    spec = ImagePreprocessing(size=224, framing="letterbox")
    file = _photograph(920, 300)
    assert decode(file, max_pixels=LARGE, for_input=spec).size == (230, 75)


def test_only_jpegs_are_reduced() -> None:
    spec = ImagePreprocessing(size=224, framing="squash")
    file = encode(noise(600, 450), "PNG")
    assert decode(file, max_pixels=LARGE, for_input=spec).size == (600, 450)
