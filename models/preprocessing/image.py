"""Picture bytes to the uint8 tensor a network reads; one code path for training and service.

The order is fixed: recognise the format by content, check the size before decoding, decode (a large JPEG at a half, a
quarter or an eighth of its size), turn upright (EXIF), bring every colour mode to 8-bit RGB, frame (middle square,
squash or letterbox), resize with antialiasing. Every step is deterministic. A bundle stores its `ImagePreprocessing`,
so a change of any step here must raise `REVISION`; reduced decoding did not, as it stays within `TOLERANCE`.
"""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field

REVISION = 1

PictureFormat = Literal["JPEG", "PNG", "WEBP", "BMP", "TIFF"]
Framing = Literal["middle_square", "squash", "letterbox"]
UInt8Array = NDArray[np.uint8]

FORMATS: Sequence[PictureFormat] = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")

_DECODER_FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    zlib.error,
)
TOLERANCE = 2.0
"""The mean difference, in grey levels, that decoding a JPEG at a reduced size may make to a tensor."""

_WHITE = (255, 255, 255, 255)


class PictureError(ValueError):
    """A picture that can't be turned into a tensor; the message says what to do."""


class UnsupportedFormatError(PictureError):
    """The content is none of `FORMATS`, whatever the file name says."""


class UnreadablePictureError(PictureError):
    """The content is empty, truncated or damaged."""


class PictureTooLargeError(PictureError):
    """The header announces more pixels than allowed; nothing was decoded."""


class ImagePreprocessing(BaseModel):
    """How a bundle wants its pictures; stored in metadata.json and compared at load.

    `size` is the edge of the square input in pixels. `framing` is `middle_square` (crop the largest centred square),
    `squash` (resize both edges independently, as the chest sets were published) or `letterbox` (the whole picture in
    its own proportions, in the middle of a black square).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["image"] = "image"
    revision: int = REVISION
    size: int = Field(ge=32, le=1024)
    framing: Framing

    @property
    def tensor_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one tensor, which is uint8."""
        return self.size, self.size, 3


def sniff_format(data: bytes) -> PictureFormat | None:
    """Name the picture format from its first bytes, or None where it is none of `FORMATS`."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"II*\x00", b"MM\x00*")):
        return "TIFF"
    if data.startswith(b"BM"):
        return "BMP"
    return None


def decode(data: bytes, *, max_pixels: int, for_input: ImagePreprocessing | None = None) -> Image.Image:
    """Decode picture bytes to an upright 8-bit RGB picture (its first frame).

    `max_pixels` bounds width x height and is checked from the header, before any pixel is decoded. With `for_input` a
    JPEG is decoded at the smallest of 1/1, 1/2, 1/4 and 1/8 of its size that is still no smaller than that input.

    Raises `UnsupportedFormatError`, `PictureTooLargeError` or `UnreadablePictureError`.
    """
    if not data:
        raise UnreadablePictureError("The picture is empty. Send the bytes of a JPEG, PNG, WebP, BMP or TIFF file.")
    picture_format = sniff_format(data)
    if picture_format is None:
        raise UnsupportedFormatError("The content is not a JPEG, PNG, WebP, BMP or TIFF picture.")
    try:
        with Image.open(io.BytesIO(data), formats=[picture_format]) as picture:
            width, height = picture.size
            if width * height > max_pixels:
                raise PictureTooLargeError(
                    f"The picture has {width} x {height} pixels; at most {max_pixels / 1e6:g} megapixels are read. "
                    "Send it smaller."
                )
            if for_input and picture_format == "JPEG":
                picture.draft("", _least_size(picture.size, for_input))
            picture.load()
            return to_rgb(ImageOps.exif_transpose(picture))
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureTooLargeError("The picture announces far more pixels than are read. Send it smaller.") from error
    except _DECODER_FAULTS as error:
        raise UnreadablePictureError(
            f"The {picture_format} picture is truncated or damaged. Save it again and resend it."
        ) from error


def to_rgb(picture: Image.Image) -> Image.Image:
    """Bring any Pillow mode to 8-bit RGB: transparency over white, deep greyscale stretched from its own darkest to
    its own brightest value (12-bit pictures in 16-bit files would be almost black otherwise)."""
    see_through = "transparency" in picture.info
    if picture.mode == "RGB" and not see_through:
        return picture
    if picture.mode.startswith("I") or picture.mode == "F":
        return _stretch_to_8_bit(picture).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or see_through:
        return Image.alpha_composite(Image.new("RGBA", picture.size, _WHITE), picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")


def to_tensor(picture: Image.Image, spec: ImagePreprocessing) -> UInt8Array:
    """Frame and resize an RGB picture to a (size, size, 3) uint8 array, 0-255, channels last."""
    width, height = picture.size
    box = (0.0, 0.0, float(width), float(height))
    if spec.framing == "letterbox":
        inner = _inside_square(picture.size, spec.size)
        square = Image.new("RGB", (spec.size, spec.size))
        corner = ((spec.size - inner[0]) // 2, (spec.size - inner[1]) // 2)
        square.paste(picture.resize(inner, Image.Resampling.BILINEAR), corner)
        return np.asarray(square, dtype=np.uint8)
    if spec.framing == "middle_square":
        edge = min(width, height)
        left, top = (width - edge) // 2, (height - edge) // 2
        box = (float(left), float(top), float(left + edge), float(top + edge))
    resized = picture.resize((spec.size, spec.size), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized, dtype=np.uint8)


def preprocess(data: bytes, spec: ImagePreprocessing, *, max_pixels: int) -> UInt8Array:
    """Picture bytes to the (size, size, 3) uint8 tensor of `spec`. Raises a `PictureError`."""
    return to_tensor(decode(data, max_pixels=max_pixels, for_input=spec), spec)


def _least_size(size: tuple[int, int], spec: ImagePreprocessing) -> tuple[int, int]:
    """The width and height below which a picture of that size would have to be enlarged."""
    return _inside_square(size, spec.size) if spec.framing == "letterbox" else (spec.size, spec.size)


def _inside_square(size: tuple[int, int], edge: int) -> tuple[int, int]:
    """The largest width and height of the same proportions inside a square."""
    scale = edge / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _stretch_to_8_bit(picture: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
    darkest, brightest = float(values.min()), float(values.max())
    if brightest == darkest:
        return Image.new("L", picture.size, 0)
    return Image.fromarray(np.rint((values - darkest) * (255.0 / (brightest - darkest))).astype(np.uint8))
