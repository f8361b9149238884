"""The picture of a DICOM object as the upright 8-bit RGB picture that a screen shows of it."""

from typing import TYPE_CHECKING, Any

from PIL import Image

from models.preprocessing import jpeg_structure
from models.preprocessing.dicom import codestreams, display, frames
from models.preprocessing.dicom.frames import Layout
from models.preprocessing.dicom.modalities import NAMES, Wanted
from models.preprocessing.dicom.reading import (
    MODALITY,
    SOP_CLASS,
    items_of,
    no_reader,
    object_name,
    open_file,
    text_of,
    whole_number,
)
from models.preprocessing.dicom.structure import Walked, damaged, unread_syntax
from models.preprocessing.picture_format import PictureTooLargeError, Structure, UnusablePictureError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_NEEDED = frozenset(
    {SOP_CLASS, MODALITY, 0x00186011}
    | {0x00280000 | number for number in (0x02, 0x04, 0x06, 0x08, 0x10, 0x11, 0x100, 0x101, 0x102, 0x103, 0x120, 0x121)}
    | {0x00280000 | number for number in (0x1050, 0x1051, 0x1052, 0x1053, 0x1056, 0x3000, 0x3010)}
    | {0x00281100 | number for number in (0x01, 0x02, 0x03)}
    | {0x00281200 | number for number in (0x01, 0x02, 0x03)}
    | {0x54000100}
)
"""The modality, the regions of an ultrasound, how pixels are stored and shown, and whether there is an ECG."""
_MOST_FRAMES = 10_000_000
_TISSUE, _TWO_DIMENSIONAL = 1, 1
_ADOBE_AS_STORED = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
"""The segment that says of a JPEG that its three components are RGB (ITU-T T.872, 6.5.3)."""


def walk(data: bytes, wanted: Wanted, max_pixels: int) -> "DicomPicture":
    """What a file says of its picture, before anything is decoded.

    Raises `UnusablePictureError` where it is none that is wanted, or another `PictureError`.
    """
    walked, tags = open_file(data, _NEEDED)
    _refuse_others(walked, tags, wanted)
    layout = _layout(tags)
    if layout.rows * layout.columns > max_pixels:
        raise PictureTooLargeError(
            f"The picture has {layout.columns} x {layout.rows} pixels; at most {max_pixels / 1e6:g} megapixels are "
            "read. Send it smaller."
        )
    return DicomPicture(walked, tags, layout)


class DicomPicture:
    """The one picture of a file that was walked."""

    def __init__(self, walked: Walked, tags: "Dataset", layout: Layout) -> None:
        self._walked = walked
        self._tags = tags
        self.layout = layout
        self._photometric = text_of(tags, "PhotometricInterpretation").upper()

    @property
    def decoding_bytes(self) -> int:
        """What decoding takes in memory besides the picture that comes of it: the samples, those of the codec, and
        what a screen shows of them."""
        layout = self.layout
        copies = 1 + self._walked.encapsulated
        return copies * layout.bytes + layout.rows * layout.columns * (1 if self.is_grey else 3)

    @property
    def is_grey(self) -> bool:
        """Whether it has no colours."""
        return self._photometric in display.GREY

    def jpeg(self) -> Structure | None:
        """The JPEG of 8 bits that it holds, to be decoded as any other; None where it holds something else."""
        if self._walked.syntax not in frames.JPEG:
            return None
        frame = frames.frame_of(self._walked)
        try:
            structure = jpeg_structure.walk(frame, medical=True)
        except IndexError as error:  # it ends within a header
            raise damaged() from error
        if structure.size != (self.layout.columns, self.layout.rows) or structure.components != self.layout.samples:
            raise damaged()
        if structure.depth != 8:
            return None
        if not self.is_grey and not _says_how_colours_are_stored(frame):
            if self._photometric == "RGB":
                frame = frame[:2] + _ADOBE_AS_STORED + frame[2:]
            elif self._walked.syntax in frames.LOSSLESS_JPEG:  # its decoder would take it for RGB
                raise unread_syntax()
        return Structure(frame, structure.size, 1, structure.working_bytes, components=structure.components)

    def of_jpeg(self, picture: Image.Image) -> Image.Image:
        """What a screen shows of the decoded `jpeg`, an RGB picture, which is changed. Raises a `PictureError`."""
        if self.is_grey:
            display.change_greys(picture, self.layout, self._tags)
        return picture

    def decode(self) -> Image.Image:
        """What a screen shows of any other, L or RGB. Raises a `PictureError`."""
        try:
            samples = frames.samples_of(self._walked, self.layout)
        except ImportError as error:
            raise no_reader() from error
        if self.is_grey:
            return display.greys(samples, self.layout, self._tags)
        return Image.fromarray(display.colours(samples, self.layout, self._tags, self._colours_of()))

    def region(self) -> tuple[int, int, int, int] | None:
        """Of an ultrasound with one two-dimensional region of tissue, its edges: left, top, right, bottom (PS3.3,
        C.8.5.5). What lies around it, names and scales, is no ultrasound."""
        regions = [each for each in items_of(self._tags, "SequenceOfUltrasoundRegions") if _is_tissue(each)]
        if len(regions) != 1:
            return None
        edges = [whole_number(regions[0], f"RegionLocation{name}", 0) for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
        left, top, right, bottom = edges[0], edges[1], edges[2] + 1, edges[3] + 1
        inside = left < right <= self.layout.columns and top < bottom <= self.layout.rows
        return (left, top, right, bottom) if inside else None

    def _colours_of(self) -> str:
        """The photometric interpretation after decoding."""
        if frames.is_jpeg_2000(self._walked.syntax):
            head = codestreams.jpeg_2000(frames.codestream(frames.frame_of(self._walked)))
            return "RGB" if head.mixed else self._photometric
        return "YBR_FULL" if self._photometric.startswith("YBR_FULL") else self._photometric


def _refuse_others(walked: Walked, tags: "Dataset", wanted: Wanted) -> None:
    """Raises `UnusablePictureError` for what is no picture, not one picture, or one of another modality."""
    modality = text_of(tags, "Modality").upper()
    if not walked.pixels and not walked.encapsulated:
        if walked.has_waveform:
            raise UnusablePictureError(
                "The DICOM file holds the signal of an ECG, not a picture. Send it to /analyze/heart/record, in the "
                "part named `dicom`."
            )
        raise UnusablePictureError(
            f"The DICOM file holds no picture{object_name(tags)}. Send {wanted.what}, as DICOM, PNG or JPEG."
        )
    if not wanted.takes(modality):
        named = NAMES.get(modality, "of another modality")
        raise UnusablePictureError(
            f"The DICOM file is {named}, by its tag Modality. This endpoint reads {wanted.what}: send that."
        )
    if (number := whole_number(tags, "NumberOfFrames", 1)) > 1:
        raise UnusablePictureError(
            f"The DICOM file holds {min(number, _MOST_FRAMES)} frames, and one picture is read. Export the frame that "
            "shows it best, and send that."
        )


def _layout(tags: "Dataset") -> Layout:
    """How the samples are stored. Raises a `PictureError` where that makes no sense or is not read."""
    photometric = text_of(tags, "PhotometricInterpretation").upper()
    samples = whole_number(tags, "SamplesPerPixel", 1)
    allocated = whole_number(tags, "BitsAllocated")
    stored = whole_number(tags, "BitsStored", allocated)
    if allocated not in (8, 16) or photometric not in _PHOTOMETRIC or samples != _PHOTOMETRIC[photometric]:
        raise UnusablePictureError(
            "The DICOM file stores its picture in a way that is not read: 8 or 16 bits a sample, in grey, RGB, YBR or "
            "by a palette, are. Export it as a PNG and send that."
        )
    rows, columns = whole_number(tags, "Rows"), whole_number(tags, "Columns")
    high = whole_number(tags, "HighBit", stored - 1)
    if not rows or not columns or not 1 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise damaged()
    halved = photometric == "YBR_FULL_422"
    if halved and (columns % 2 or allocated != 8):
        raise damaged()
    return Layout(
        rows, columns, samples, allocated, stored, high,
        planar=whole_number(tags, "PlanarConfiguration", 0) == 1,
        halved=halved,
    )  # fmt: skip


_PHOTOMETRIC = {
    **dict.fromkeys(display.GREY, 1),
    display.PALETTE: 1,
    **dict.fromkeys(("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT"), 3),
}
"""Samples a pixel of what is read."""


def _is_tissue(region: Any) -> bool:
    return (
        whole_number(region, "RegionDataType", 0) == _TISSUE
        and whole_number(region, "RegionSpatialFormat", 0) == _TWO_DIMENSIONAL
    )


def _says_how_colours_are_stored(frame: bytes) -> bool:
    """Whether a JPEG has a segment of JFIF or of Adobe before its first scan."""
    place = 2
    while place + 4 <= len(frame) and frame[place] == 0xFF and frame[place + 1] != 0xDA:
        if (frame[place + 1] == 0xE0 and frame[place + 4 : place + 8] == b"JFIF") or (
            frame[place + 1] == 0xEE and frame[place + 4 : place + 9] == b"Adobe"
        ):
            return True
        place += 2 + int.from_bytes(frame[place + 2 : place + 4], "big")
    return False
