"""Picture bytes to the uint8 tensor a network reads; one code path for training and service.

The order is fixed: recognise the format by content, walk its structure and check what decoding will cost, decode (a
picture far larger than needed at a half, a quarter or an eighth of its size), bring every colour mode to 8-bit RGB,
turn upright (EXIF), frame (middle square, squash or letterbox), resize with antialiasing. Every step is deterministic.
A bundle stores its `ImagePreprocessing`, so a change of any step here must raise `REVISION`; reduced decoding did not,
as it stays within `TOLERANCE`.

JPEGs are decoded by simplejpeg, which tells of damage and gives the same pixels as Pillow at every size.
"""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from models.preprocessing import picture_structure
from models.preprocessing.dicom import picture as dicom_picture
from models.preprocessing.dicom.modalities import ANY_PICTURE, Wanted
from models.preprocessing.dicom.structure import is_dicom
from models.preprocessing.picture_format import (
    FORMATS,
    PictureError,
    PictureFormat,
    PictureTooLargeError,
    Structure,
    UnreadablePictureError,
    UnsupportedFormatError,
    UnusablePictureError,
    damaged,
    sniff_format,
    unsupported,
)

__all__ = (
    "FORMATS",
    "REVISION",
    "TOLERANCE",
    "WHOLE",
    "Box",
    "Framing",
    "ImagePreprocessing",
    "PictureError",
    "PictureFormat",
    "PictureTooLargeError",
    "ReadPicture",
    "UInt8Array",
    "UnreadablePictureError",
    "UnsupportedFormatError",
    "UnusablePictureError",
    "WantedInput",
    "decode",
    "decode_and_judge",
    "inside_square",
    "preprocess",
    "read",
    "shown",
    "sniff_format",
    "to_tensor",
)

REVISION = 1

MAX_BYTES = 180_000_000
"""The most memory that decoding may take, the picture and its copies together. 40 megapixels of RGB take 160 MB; what a
request sent, and what others just left, has to fit into 300 MB beside it."""

Framing = Literal["middle_square", "squash", "letterbox"]
Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
UInt8Array = NDArray[np.uint8]

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
_RGB_BYTES = 4
"""Of a pixel in Pillow's memory, where it has any colour."""
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_REDUCTIONS = (1, 2, 4, 8)
_STRIP_PIXELS = 1 << 20

_JPEG_MODES = {1: ("L", "GRAY"), 3: ("RGB", "RGB"), 4: ("CMYK", "CMYK")}
_HARMLESS = ("Warning: unknown JFIF revision", "Unknown Adobe color transform", "Invalid SOS parameters for sequential")
_DAMAGE = ("Corrupt JPEG data", "Inconsistent progression sequence")
"""How the warnings of libjpeg begin (jerror.h): those that say nothing about pixels, and those that do."""
_DAMAGED = (
    "The JPEG is damaged: some of its data was lost or changed on the way, so parts of the picture may be wrong. "
    "Export it from where it was taken and send it again."
)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation (TIFF 6.0, tag 274)."""


class WantedInput(Protocol):
    """What a picture is decoded for."""

    reduced_formats: ClassVar[Sequence[PictureFormat]]
    """Formats whose pictures are decoded at a half, a quarter or an eighth of their size, where that is enough."""

    def least_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The width and height that a picture of that size has to keep, in pixels."""


class ImagePreprocessing(BaseModel):
    """How a bundle wants its pictures; stored in metadata.json and compared at load.

    `size` is the edge of the square input in pixels. `framing` is `middle_square` (crop the largest centred square),
    `squash` (resize both edges independently, as the chest sets were published) or `letterbox` (the whole picture in
    its own proportions, in the middle of a black square).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    reduced_formats: ClassVar[Sequence[PictureFormat]] = ("JPEG",)

    kind: Literal["image"] = "image"
    revision: int = REVISION
    size: int = Field(ge=32, le=1024)
    framing: Framing

    @property
    def tensor_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one tensor, which is uint8."""
        return self.size, self.size, 3

    def least_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The width and height below which a picture of that size would have to be enlarged."""
        return inside_square(size, self.size) if self.framing == "letterbox" else (self.size, self.size)


@dataclass(frozen=True, slots=True)
class ReadPicture:
    """The one tensor (1, size, size, 3) uint8 of a picture, and what is wrong with its file though it was decoded.

    `box` is the part of the upright picture that the tensor shows: left, top, right and bottom as shares of its width
    and height; below 0 and above 1 where the tensor has margins.
    """

    tensors: UInt8Array
    damage: str | None
    box: Box = WHOLE


def decode(
    data: bytes, *, max_pixels: int, for_input: WantedInput | None = None, wanted: Wanted = ANY_PICTURE
) -> Image.Image:
    """Decode picture bytes to an upright 8-bit RGB picture (its first frame).

    `max_pixels` bounds width x height and is checked from the header, before any pixel is decoded. With `for_input` a
    picture of its formats is decoded at the smallest of 1/1, 1/2, 1/4 and 1/8 of its size that is still large enough.
    One whose pixels and their copies would take more than `MAX_BYTES` is reduced likewise. `wanted` says which
    modalities of DICOM are read.

    Raises `UnsupportedFormatError`, `PictureTooLargeError`, `UnreadablePictureError` or `UnusablePictureError`.
    """
    return decode_and_judge(data, max_pixels=max_pixels, for_input=for_input, wanted=wanted)[0]


def decode_and_judge(
    data: bytes, *, max_pixels: int, for_input: WantedInput | None = None, wanted: Wanted = ANY_PICTURE
) -> tuple[Image.Image, str | None]:
    """As `decode`, and a sentence about what is damaged, where the decoder got over it."""
    if not data:
        raise UnreadablePictureError("The picture is empty. Send the bytes of a JPEG, PNG, WebP, BMP or TIFF file.")
    if is_dicom(data):
        return _decode_dicom(dicom_picture.walk(data, wanted, max_pixels), for_input)
    picture_format = sniff_format(data)
    if picture_format is None:
        raise unsupported(data)
    structure = picture_structure.walk(data, picture_format, max_pixels=max_pixels)
    if picture_format == "JPEG":
        return _decode_jpeg(structure, for_input)
    return _decode_by_pillow(structure, picture_format, for_input), None


def _decode_dicom(source: dicom_picture.DicomPicture, for_input: WantedInput | None) -> tuple[Image.Image, str | None]:
    region, jpeg = source.region(), source.jpeg()
    if jpeg is not None:
        picture, damage = _decode_jpeg(jpeg, None if region else for_input)
        picture = source.of_jpeg(picture)
    else:
        size, damage = (source.layout.columns, source.layout.rows), None
        reduction = next(
            (by for by in _REDUCTIONS if source.decoding_bytes + _RGB_BYTES * size[0] * size[1] // by**2 <= MAX_BYTES),
            None,
        )
        if reduction is None:
            raise _too_large(Structure(b"", size))
        picture = to_rgb(source.decode(), reduction=reduction)
    if region:
        scale = picture.width / source.layout.columns
        left, top, right, bottom = (round(edge * scale) for edge in region)
        picture = picture.crop((left, top, right, bottom))
    return picture, damage


def _decode_jpeg(structure: Structure, for_input: WantedInput | None) -> tuple[Image.Image, str | None]:
    width, height = structure.size
    if structure.components not in _JPEG_MODES:
        raise _unusual_colours()
    mode, colours = _JPEG_MODES[structure.components]
    wanted = _reduction(structure.size, "JPEG", for_input)
    for reduction in _REDUCTIONS[_REDUCTIONS.index(wanted) :]:
        size = -(-width // reduction), -(-height // reduction)
        pixels = size[0] * size[1]
        turned = structure.orientation in _UPRIGHT or mode != "RGB"
        if structure.working_bytes + pixels * (2 * _RGB_BYTES if turned else 3 + _RGB_BYTES) <= MAX_BYTES:
            break
    else:
        raise _too_large(structure)
    values = np.empty((size[1], size[0], {"L": 1, "RGB": 3, "CMYK": 4}[mode]), np.uint8)
    damage = None
    try:
        simplejpeg.decode_jpeg(
            structure.data, colours, min_width=size[0], min_height=size[1], min_factor=reduction, buffer=values
        )
    except ValueError as error:
        damage = _judge(str(error))
    if mode == "CMYK":
        np.subtract(255, values, out=values)  # as Adobe's programs write it
    picture = Image.fromarray(values[..., 0] if mode == "L" else values, mode)
    del values
    return _upright(picture if mode == "RGB" else picture.convert("RGB"), structure.orientation), damage


def _judge(message: str) -> str | None:
    """What a message of libjpeg says about the picture. Raises `PictureError` where there is none."""
    if message.startswith(_HARMLESS):
        return None
    if message.startswith(_DAMAGE):
        return _DAMAGED
    if "subsampling" in message:
        raise _unusual_colours()
    raise damaged("JPEG")


def _unusual_colours() -> UnsupportedFormatError:
    return UnsupportedFormatError(
        "The JPEG stores its colours in a way that no camera does. Save it again as a JPEG or PNG and send that."
    )


def _reduction(size: tuple[int, int], picture_format: PictureFormat, for_input: WantedInput | None) -> int:
    """How many times smaller a picture may be decoded for an input."""
    if for_input is None or picture_format not in for_input.reduced_formats:
        return 1
    least = for_input.least_size(size)
    scale = min(size[0] // least[0], size[1] // least[1])
    return next((reduction for reduction in _REDUCTIONS[::-1] if reduction <= scale), 1)


def _decode_by_pillow(
    structure: Structure, picture_format: PictureFormat, for_input: WantedInput | None
) -> Image.Image:
    picture = _opened(structure, picture_format, _reduction(structure.size, picture_format, for_input))
    if picture is None:
        raise damaged(picture_format)
    return _upright(picture, structure.orientation)


def _opened(structure: Structure, picture_format: PictureFormat, wanted: int) -> Image.Image | None:
    """The picture as stored, in RGB, `wanted` times smaller or more; None where Pillow can't decode it. Then its
    exception ends here: whoever keeps the service's own would keep, by the frames of its cause, all that was decoded.

    Raises `PictureTooLargeError`.
    """
    try:
        with Image.open(io.BytesIO(structure.data), formats=[picture_format]) as picture:
            if picture.size != structure.size:
                return None
            reduction = _affordable_reduction(structure, picture.mode, wanted)
            picture.load()
            return to_rgb(picture, reduction=reduction, inverted=structure.inverted)
    except PictureError:
        raise
    except (*_DECODER_FAULTS, Image.DecompressionBombError):
        return None


def _affordable_reduction(structure: Structure, mode: str, wanted: int) -> int:
    """The least reduction, from `wanted` on, at which decoding stays within `MAX_BYTES`. Raises
    `PictureTooLargeError`."""
    pixels = structure.size[0] * structure.size[1]
    decoded = pixels * _MODE_BYTES.get(mode, _RGB_BYTES)
    for reduction in _REDUCTIONS[_REDUCTIONS.index(wanted) :]:
        copies = int(mode != "RGB" or reduction > 1) + int(structure.orientation in _UPRIGHT)
        converted = copies * _RGB_BYTES * pixels // reduction**2
        if decoded + max(structure.working_bytes, converted) <= MAX_BYTES:
            return reduction
    raise _too_large(structure)


def _too_large(structure: Structure) -> PictureTooLargeError:
    return PictureTooLargeError(
        f"Decoding the picture of {structure.size[0]} x {structure.size[1]} pixels in this format takes more memory "
        "than one request is given. Send it smaller, or as an ordinary (not progressive) JPEG."
    )


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    method = _UPRIGHT.get(orientation)
    return picture if method is None else picture.transpose(method)


def to_rgb(picture: Image.Image, *, reduction: int = 1, inverted: bool = False) -> Image.Image:
    """Bring any Pillow mode to 8-bit RGB: transparency over white, deep greyscale stretched from its own darkest to
    its own brightest value (12-bit pictures in 16-bit files would be almost black otherwise).

    `reduction` divides both edges; `inverted` says that 0 is white in deep greyscale. Large pictures are converted in
    strips, so that there are no whole copies in between.
    """
    convert = _conversion(picture, inverted=inverted)
    width, height = picture.size
    if convert is None and reduction == 1:
        return picture
    if width * height <= _STRIP_PIXELS and reduction == 1 and convert:
        return convert(picture)
    rows = max(1, _STRIP_PIXELS // (width * reduction)) * reduction
    whole = Image.new("RGB", (-(-width // reduction), -(-height // reduction)))
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(top + rows, height)))
        strip = convert(strip) if convert else strip
        whole.paste(strip.reduce(reduction) if reduction > 1 else strip, (0, top // reduction))
    return whole


def _conversion(picture: Image.Image, *, inverted: bool) -> Callable[[Image.Image], Image.Image] | None:
    """What makes 8-bit RGB of a piece of a picture; None where it is that already."""
    see_through = "transparency" in picture.info
    if picture.mode == "RGB" and not see_through:
        return None
    if picture.mode.startswith("I") or picture.mode == "F":
        return _stretching(picture, inverted=inverted)
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or see_through:
        return _over_white
    return _plainly


def _plainly(piece: Image.Image) -> Image.Image:
    return piece.convert("RGB")


def _over_white(piece: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", piece.size, _WHITE), piece.convert("RGBA")).convert("RGB")


def _stretching(picture: Image.Image, *, inverted: bool) -> Callable[[Image.Image], Image.Image]:
    """A linear map of the picture's own darkest value to 0 and its brightest to 255, or the other way round."""
    width, height = picture.size
    rows = max(1, _STRIP_PIXELS // width)
    extremes = []
    for top in range(0, height, rows):
        values = _values(picture.crop((0, top, width, min(top + rows, height))) if rows < height else picture)
        extremes.append((float(values.min()), float(values.max())))
    darkest, brightest = min(low for low, _ in extremes), max(high for _, high in extremes)

    def stretch(piece: Image.Image) -> Image.Image:
        if brightest == darkest:
            return Image.new("RGB", piece.size, 0)
        grey = np.rint((_values(piece) - darkest) * (255.0 / (brightest - darkest))).astype(np.uint8)
        return Image.fromarray(255 - grey if inverted else grey).convert("RGB")

    return stretch


def _values(piece: Image.Image) -> NDArray[np.float64]:
    values = np.asarray(piece, dtype=np.float64)
    return np.nan_to_num(values) if piece.mode == "F" else values


def to_tensor(picture: Image.Image, spec: ImagePreprocessing) -> UInt8Array:
    """Frame and resize an RGB picture to a (size, size, 3) uint8 array, 0-255, channels last."""
    width, height = picture.size
    box = (0.0, 0.0, float(width), float(height))
    if spec.framing == "letterbox":
        inner = inside_square(picture.size, spec.size)
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


def read(data: bytes, spec: ImagePreprocessing, *, max_pixels: int, wanted: Wanted = ANY_PICTURE) -> ReadPicture:
    """As `preprocess`, of DICOM only what is `wanted`, and what is damaged. Raises a `PictureError`."""
    picture, damage = decode_and_judge(data, max_pixels=max_pixels, for_input=spec, wanted=wanted)
    return ReadPicture(to_tensor(picture, spec)[np.newaxis], damage, shown(picture.size, spec))


def shown(size: tuple[int, int], spec: ImagePreprocessing, part: Box = WHOLE) -> Box:
    """What of an upright picture a tensor shows, as `ReadPicture.box`, where a part of it, of that size in pixels, was
    framed."""
    match spec.framing:
        case "middle_square":
            across, down = (min(size) / edge / 2 for edge in size)
        case "letterbox":
            across, down = (max(size) / edge / 2 for edge in size)
        case _:
            across = down = 0.5
    left, top, right, bottom = part
    width, height = right - left, bottom - top
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - across * width, y - down * height, x + across * width, y + down * height


def inside_square(size: tuple[int, int], edge: int) -> tuple[int, int]:
    """The largest width and height of the same proportions inside a square."""
    scale = edge / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
