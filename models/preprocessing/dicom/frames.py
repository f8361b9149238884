"""The one frame of a DICOM picture, as it is stored, to the numbers of its pixels.

Before a codec sees compressed data its header is held against the tags: a codec allocates what the header says.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.preprocessing import jpeg_structure
from models.preprocessing.dicom import codestreams
from models.preprocessing.dicom.structure import Walked, damaged, unread_syntax
from models.preprocessing.picture_format import PictureTooLargeError, UnreadablePictureError

Samples = NDArray[np.unsignedinteger[Any]]
"""Of 8 or 16 bits."""

_JPEG_FAMILY = "1.2.840.10008.1.2.4."
LOSSLESS_JPEG = frozenset(_JPEG_FAMILY + end for end in ("57", "70"))
"""JPEG lossless with any predictor, or with the first."""
JPEG = frozenset(_JPEG_FAMILY + end for end in ("50", "51")) | LOSSLESS_JPEG
"""JPEG baseline and extended, and lossless."""
_JPEG_LS = frozenset(_JPEG_FAMILY + end for end in ("80", "81"))
_JPEG_2000 = frozenset(_JPEG_FAMILY + end for end in ("90", "91", "201", "202", "203"))
_RLE = "1.2.840.10008.1.2.5"

MAX_WAVELET_SAMPLES = 16_000_000
"""Of JPEG 2000, and of JPEG-LS: a second of one core."""
_JP2 = b"\0\0\0\x0cjP  "


@dataclass(frozen=True, slots=True)
class Layout:
    """How the samples of a picture are stored, by its tags."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    planar: bool
    halved: bool
    """Whether the colour of native data is stored for every other column (YBR_FULL_422)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array of samples."""
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    @property
    def count(self) -> int:
        """How many samples there are."""
        return self.rows * self.columns * self.samples

    @property
    def bytes(self) -> int:
        """How many bytes they take in memory."""
        return self.count * self.bits_allocated // 8


def frame_of(walked: Walked) -> bytes:
    """The encapsulated frame in one piece, without the padding of its fragments. Raises `UnreadablePictureError`."""
    if not walked.pixels:
        raise damaged()
    return bytes(walked.pixels[0]) if len(walked.pixels) == 1 else b"".join(walked.pixels)


def samples_of(walked: Walked, layout: Layout) -> Samples:
    """The samples of a picture, unsigned, of the layout's shape, as they are stored.

    Raises `UnreadablePictureError`, `PictureTooLargeError`, `UnsupportedFormatError`, or `ImportError` where the codecs
    of the extra are not installed.
    """
    if not walked.encapsulated:
        return _native(walked, layout)
    if walked.syntax == _RLE:
        return _run_lengths(frame_of(walked), layout)
    for syntaxes, check, codec in _CODECS:
        if walked.syntax in syntaxes:
            frame = codestream(frame_of(walked))
            try:
                check(frame, layout)
            except (struct.error, IndexError) as error:  # it ends within a header
                raise damaged() from error
            return _shaped(_decoded(codec, frame), layout)
    raise unread_syntax()


def codestream(frame: bytes) -> bytes:
    """A frame without the boxes of a JP2 file, which DICOM doesn't have and some writers leave around it."""
    if not frame.startswith(_JP2):
        return frame
    place = frame.find(b"jp2c\xff\x4f\xff\x51", 0, 1 << 16)
    return frame[place + 4 :] if place > 0 else frame


def is_jpeg_2000(syntax: str) -> bool:
    """Whether it is one of the syntaxes of JPEG 2000."""
    return syntax in _JPEG_2000


def _native(walked: Walked, layout: Layout) -> Samples:
    if walked.syntax.startswith(_JPEG_FAMILY) or walked.syntax == _RLE or not walked.pixels:
        raise damaged()
    data, deep = walked.pixels[0], layout.bits_allocated == 16
    wanted = layout.bytes * 2 // 3 if layout.halved else layout.bytes
    if len(data) < wanted:
        raise damaged()
    values: Samples
    if deep:
        values = np.frombuffer(data[:wanted], walked.order + "u2").astype(np.uint16)
    elif walked.order == ">" and walked.words:
        values = np.frombuffer(data[: wanted + wanted % 2], ">u2").astype("<u2").view(np.uint8)[:wanted]
    else:
        values = np.frombuffer(data[:wanted], np.uint8)
    if layout.halved:
        pairs = values.reshape(layout.rows, layout.columns // 2, 4)
        values = np.stack([pairs[..., (0, 2, 3)], pairs[..., (1, 2, 3)]], axis=2)
    elif layout.planar:
        values = values.reshape(layout.samples, layout.rows, layout.columns).transpose(1, 2, 0)
    return values.reshape(layout.shape)


def _run_lengths(frame: bytes, layout: Layout) -> Samples:
    """PS3.5, G: a segment a byte of each sample, the most significant first."""
    pixels, depth = layout.rows * layout.columns, layout.bits_allocated // 8
    try:
        number, *starts = struct.unpack_from("<16I", frame)
    except struct.error as error:
        raise damaged() from error
    if number != layout.samples * depth:
        raise damaged()
    ends = [*starts[1:number], len(frame)]
    planes = np.empty((layout.samples, depth, pixels), np.uint8)
    for place, (start, end) in enumerate(zip(starts[:number], ends, strict=True)):
        if not 64 <= start <= end <= len(frame):
            raise damaged()
        unpacked = _unpacked(frame[start:end], pixels)
        if len(unpacked) < pixels:
            raise damaged()
        planes[place // depth, place % depth] = np.frombuffer(unpacked, np.uint8, pixels)
    values: Samples = planes[:, 0]
    if depth == 2:
        values = (planes[:, 0].astype(np.uint16) << np.uint16(8)) | planes[:, 1]
    return values.reshape(layout.samples, layout.rows, layout.columns).transpose(1, 2, 0).reshape(layout.shape)


def _unpacked(packed: bytes, pixels: int) -> "NDArray[np.generic] | bytes":
    """The bytes of a segment, of which the last may only make its length even."""
    try:
        return _decoded("packbits", packed, out=pixels)
    except UnreadablePictureError:
        if not packed.endswith(b"\0"):
            raise
    return _decoded("packbits", packed[:-1], out=pixels)


def _decoded(codec: str, data: bytes, **options: object) -> "NDArray[np.generic] | bytes":
    import imagecodecs

    try:
        decoded: NDArray[np.generic] | bytes = getattr(imagecodecs, f"{codec}_decode")(data, **options)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise damaged() from error
    return decoded


def _shaped(decoded: "NDArray[np.generic] | bytes", layout: Layout) -> Samples:
    values = np.asarray(decoded)
    if values.shape != layout.shape or values.dtype.kind not in "iu" or values.dtype.itemsize > 2:
        raise damaged()
    unsigned: Samples = values.view(np.uint8 if values.dtype.itemsize == 1 else np.uint16)
    return unsigned


def _check_jpeg(frame: bytes, layout: Layout) -> None:
    structure = jpeg_structure.walk(frame, medical=True)
    if structure.size != (layout.columns, layout.rows) or structure.components != layout.samples:
        raise damaged()


def _check_codestream(head: codestreams.Head, layout: Layout) -> None:
    if (head.rows, head.columns, head.samples) != (layout.rows, layout.columns, layout.samples):
        raise damaged()
    if layout.count > MAX_WAVELET_SAMPLES:
        raise PictureTooLargeError(
            f"Decoding the DICOM picture of {layout.columns} x {layout.rows} pixels takes longer than one request is "
            "given. Export it uncompressed or smaller."
        )


_CODECS: tuple[tuple[frozenset[str], Callable[[bytes, Layout], None], str], ...] = (
    (JPEG, _check_jpeg, "jpeg8"),
    (_JPEG_LS, lambda frame, layout: _check_codestream(codestreams.jpeg_ls(frame), layout), "jpegls"),
    (_JPEG_2000, lambda frame, layout: _check_codestream(codestreams.jpeg_2000(frame), layout), "jpeg2k"),
)
