"""Which picture format a file has, by its content, what else it may be, and the errors of pictures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

PictureFormat = Literal["JPEG", "PNG", "WEBP", "BMP", "TIFF"]

FORMATS: Sequence[PictureFormat] = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")


class PictureError(ValueError):
    """A picture that can't be turned into a tensor; the message says what to do."""


class UnsupportedFormatError(PictureError):
    """The content is none of `FORMATS`, whatever the file name says, or a variant of one that is not read."""


class UnreadablePictureError(PictureError):
    """The content is empty, truncated or damaged."""


class UnusablePictureError(PictureError):
    """The file is sound, and says itself that it is not a picture of the kind that is read."""


class PictureTooLargeError(PictureError):
    """The header announces more pixels, or pixels that take more memory, than allowed; nothing was decoded."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What walking a file told, before anything was decoded.

    `data` is what is to be decoded, `size` the width and height in pixels as stored, `orientation` that of EXIF, 1-8.
    `working_bytes` are those that decoding takes besides the decoded picture. `inverted` says that 0 is white in
    samples of more than 8 bits. `components` are those of a JPEG, `depth` its bits a sample.
    """

    data: bytes
    size: tuple[int, int]
    orientation: int = 1
    working_bytes: int = 0
    inverted: bool = False
    components: int = 0
    depth: int = 8


def damaged(picture_format: PictureFormat) -> UnreadablePictureError:
    """The error for a file that doesn't hold what its format says it must."""
    return UnreadablePictureError(f"The {picture_format} picture is truncated or damaged. Save it again and resend it.")


def overloaded(picture_format: PictureFormat, what: str) -> UnreadablePictureError:
    """The error for a file that has far more of something than any program writes."""
    return UnreadablePictureError(
        f"The {picture_format} picture has far more {what} than any program writes. Save it again and resend it."
    )


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


_AS_PICTURE = "Save it as a JPEG or PNG and send that."
_EXPORT = "Export it from the viewer as a DICOM file (with its preamble), PNG or JPEG and send that."
_PAGE = "Save the page as a PNG picture (or take a screenshot) and send that."
_FRAME = "Save one frame as a JPEG or PNG and send that."
_UNPACK = "Unpack it and send one picture."
_FROM_PHONE = "Save or export it as a JPEG and send that; a phone's camera can be set to save JPEG."
_EXPECTED = "a JPEG, PNG, WebP, BMP or TIFF picture"

_FOREIGN: Sequence[tuple[int, bytes, str, str]] = (
    (0, b"GIF8", "a GIF", _AS_PICTURE),
    (0, b"%PDF", "a PDF document", _PAGE),
    (0, b"\x08\x00\x05\x00", "a DICOM data set without the head of a file", _EXPORT),
    (0, b"\x08\x00\x00\x00", "a DICOM data set without the head of a file", _EXPORT),
    (4, b"ftypavi", "an AVIF picture", _AS_PICTURE),
    (4, b"ftyphei", "an HEIC picture", _FROM_PHONE),
    (4, b"ftyphev", "an HEIC picture", _FROM_PHONE),
    (4, b"ftypmif1", "an HEIC picture", _FROM_PHONE),
    (4, b"ftypmsf1", "an HEIC picture", _FROM_PHONE),
    (4, b"ftyp", "a video", _FRAME),
    (4, b"moov", "a video", _FRAME),
    (0, b"\x1a\x45\xdf\xa3", "a video", _FRAME),
    (8, b"AVI ", "a video", _FRAME),
    (8, b"WAVE", "a sound file", "Send a picture."),
    (0, b"\xff\x0a", "a JPEG XL picture", _AS_PICTURE),
    (4, b"JXL \r\n", "a JPEG XL picture", _AS_PICTURE),
    (4, b"jP  \r\n", "a JPEG 2000 picture", _AS_PICTURE),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture", _AS_PICTURE),
    (0, b"II+\x00", "a BigTIFF picture", "Save it as a plain TIFF or a PNG and send that."),
    (0, b"MM\x00+", "a BigTIFF picture", "Save it as a plain TIFF or a PNG and send that."),
    (0, b"8BPS", "a Photoshop document", _AS_PICTURE),
    (0, b"\x00\x00\x01\x00", "an icon", "Send the picture itself as a JPEG or PNG."),
    (0, b"PK\x03\x04", "a ZIP archive or an office document", _UNPACK),
    (0, b"\x1f\x8b", "a compressed file (gzip)", _UNPACK),
    (0, b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (0, b"Rar!", "a RAR archive", _UNPACK),
)
"""Where another kind of file has its signature, what it is called, and what its sender can do."""

_TAGS: Sequence[tuple[re.Pattern[bytes], str, str]] = (
    (re.compile(rb"<svg[\s>]", re.IGNORECASE), "an SVG drawing", _PAGE),
    (re.compile(rb"<(?:!doctype html|html|head|body)[\s>]", re.IGNORECASE), "a web page", _AS_PICTURE),
    (re.compile(rb"\s*(?:\xef\xbb\xbf)?<\?xml\s"), "an XML document", _PAGE),
)
_HEAD = 1024
_TEXT = re.compile(rb"(?:\xef\xbb\xbf)?[\t\n\r\x20-\x7e]{4,}")


def unsupported(data: bytes) -> UnsupportedFormatError:
    """The error for a file that is none of `FORMATS`: what arrived, where that can be told, and what to do."""
    name, advice = _recognise(data)
    if name is None:
        return UnsupportedFormatError(f"The content is not {_EXPECTED}. {advice}")
    return UnsupportedFormatError(f"The content is {name}, not {_EXPECTED}. {advice}")


def _recognise(data: bytes) -> tuple[str | None, str]:
    for place, signature, name, advice in _FOREIGN:
        if data.startswith(signature, place):
            return name, advice
    head = data[:_HEAD]
    for pattern, name, advice in _TAGS:
        if pattern.search(head):
            return name, advice
    if b"%PDF-" in head:  # its readers allow for something before it
        return "a PDF document", _PAGE
    if _TEXT.fullmatch(head):
        return "text", "Send the picture itself, as a file."
    return None, _AS_PICTURE
