"""A DICOM file to its tags, by pydicom, of what `structure` lets through."""

import io
import logging
import struct
import warnings
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from typing import TYPE_CHECKING

from models.preprocessing.dicom.structure import Walked, damaged, walk
from models.preprocessing.picture_format import UnsupportedFormatError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SOP_CLASS, MODALITY = 0x00080016, 0x00080060

_FAULTS = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, RecursionError),
    *(TypeError, ValueError, struct.error),
)


def faults() -> tuple[type[Exception], ...]:
    """What pydicom raises at values that make no sense. Whoever catches them keeps no cause: they quote the value."""
    from pydicom.errors import BytesLengthException

    return (*_FAULTS, BytesLengthException)


def open_file(data: bytes, needed: AbstractSet[int]) -> tuple[Walked, "Dataset"]:
    """What a file holds, and its tags of those that are needed.

    Raises `UnsupportedFormatError` where the extra `dicom` is not installed, or as `walk` does.
    """
    try:
        _set_up()
    except ImportError as error:
        raise no_reader() from error
    from pydicom.filereader import read_dataset

    walked = walk(data, needed)
    try:
        tags = read_dataset(io.BytesIO(walked.elements), walked.implicit, walked.order == "<")
    except faults():
        raise damaged() from None
    return walked, tags


def text_of(tags: "Dataset", name: str) -> str:
    """A tag's value as text; empty where there is none, or several."""
    try:
        value = tags.get(name)
    except faults():
        raise damaged() from None
    return value.strip() if isinstance(value, str) else ""


def items_of(tags: "Dataset", name: str) -> Sequence["Dataset"]:
    """The items of a sequence; none where it is empty or absent. Raises `UnreadablePictureError`."""
    try:
        return tuple(tags.get(name) or ())
    except faults():
        raise damaged() from None


def whole_number(tags: "Dataset", name: str, default: int | None = None) -> int:
    """A tag's value as a whole number of at least 0. Raises `UnreadablePictureError`."""
    try:
        value = tags.get(name)
        number = default if value is None or value == "" else int(value)
    except faults():
        raise damaged() from None
    if number is None or number < 0:
        raise damaged()
    return number


def object_name(tags: "Dataset") -> str:
    """What kind of object the file says it is, in DICOM's words, in brackets; empty where it is not known."""
    from pydicom.uid import UID

    uid = UID(text_of(tags, "SOPClassUID"))
    return f" ({uid.name.removesuffix(' Storage')})" if uid and uid.name != str(uid) else ""


def no_reader() -> UnsupportedFormatError:
    """The error where nothing is installed that reads DICOM."""
    return UnsupportedFormatError(
        "The content is a DICOM file, which this service can't read as it is installed: "
        "`pip install 'medidiagnose-ai[dicom]'` adds what is missing. Or export it from the viewer as a PNG or JPEG, "
        "of an ECG as a WFDB record, and send that."
    )


@cache
def _set_up() -> None:
    """Import pydicom, and keep it from writing what it reads into the log."""
    import pydicom
    import pydicom.config

    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"pydicom\b")
