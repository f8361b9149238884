"""The kinds of input: how each becomes the tensors of a network, and what is known of it before any bundle is open."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.preprocessing import ecg_record, ecg_sheet, form, picture
from models.preprocessing.dicom.modalities import ANY_PICTURE, ECG_SHEET, Wanted
from models.preprocessing.ecg_record import EcgWindows, Record, SignalPreprocessing
from models.preprocessing.ecg_sheet.preparation import ReadSheet, SheetPreprocessing
from models.preprocessing.form import TabularPreprocessing
from models.preprocessing.picture import ImagePreprocessing, ReadPicture

Preprocessing = ImagePreprocessing | SignalPreprocessing | SheetPreprocessing | TabularPreprocessing


class Prepared(Protocol):
    """An input ready for a network, in one or several pieces."""

    @property
    def tensors(self) -> NDArray[Any]:
        """The tensors of its pieces, at least one, stacked."""


SentT_contra = TypeVar("SentT_contra", contravariant=True)
PreparedT_co = TypeVar("PreparedT_co", bound=Prepared, covariant=True)


class Limits(NamedTuple):
    """What an input may have at most."""

    max_pixels: int


@dataclass(frozen=True, slots=True)
class SentPicture:
    """The bytes of a picture; what else a caller says of it is added by diagnoses that ask for more."""

    image: bytes


@dataclass(frozen=True, slots=True)
class SentRecord:
    """The bytes of the two files of a WFDB record, .hea and .dat, or else those of a DICOM waveform object."""

    header: bytes
    signal: bytes
    dicom: bytes = field(default=b"", kw_only=True)

    def read(self) -> Record:
        """The record that was sent. Raises a `RecordError`."""
        return ecg_record.read_dicom(self.dicom) if self.dicom else ecg_record.read_record(self.header, self.signal)


class SentForm(Protocol):
    """A form that was understood."""

    @property
    def values(self) -> Mapping[str, float | None]:
        """The values by the names of the model's features, None where one was not sent."""


@dataclass(frozen=True, slots=True)
class PreparedForm:
    """The values of a form, by feature, and as the one row (1, features), float32."""

    tensors: NDArray[np.float32]
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class InputKind(Generic[SentT_contra, PreparedT_co]):
    """How one kind of input is read.

    `name` is `preprocessing.kind` of a bundle's metadata, `subject` what an answer calls it. `prepare` raises what that
    kind's reader does; `prove` is its check where no bundle says how it is to be prepared. `largest_batch` bounds what
    is computed together. A kind that is `immediate` is prepared and computed on the event loop, since that takes less
    than the way to a thread and back.
    """

    name: str
    subject: str
    dtype: str
    revision: int
    prepare: Callable[[SentT_contra, Any, Limits], PreparedT_co]
    prove: Callable[[SentT_contra, Limits], object]
    largest_batch: int | None = None
    immediate: bool = False


def pictures_of(wanted: Wanted) -> InputKind[SentPicture, ReadPicture]:
    """Pictures, in DICOM those of the wanted modalities."""

    def prepare(sent: SentPicture, preprocessing: ImagePreprocessing, limits: Limits) -> ReadPicture:
        return picture.read(sent.image, preprocessing, max_pixels=limits.max_pixels, wanted=wanted)

    return InputKind("image", "picture", "uint8", picture.REVISION, prepare, prover_of(wanted))


def prover_of(wanted: Wanted) -> Callable[[SentPicture, Limits], None]:
    """The check that something sent is a picture, in DICOM of the wanted modalities."""

    def prove(sent: SentPicture, limits: Limits) -> None:
        picture.decode(sent.image, max_pixels=limits.max_pixels, wanted=wanted)

    return prove


def _prepare_sheet(sent: SentPicture, preprocessing: SheetPreprocessing, limits: Limits) -> ReadSheet:
    return ecg_sheet.preprocess(sent.image, preprocessing, max_pixels=limits.max_pixels)


def _prepare_record(sent: SentRecord, preprocessing: SignalPreprocessing, _: Limits) -> EcgWindows:
    return ecg_record.cut_windows(sent.read(), preprocessing)


def _prove_record(sent: SentRecord, limits: Limits) -> None:
    _prepare_record(sent, SignalPreprocessing(), limits)


def _prepare_form(sent: SentForm, preprocessing: TabularPreprocessing, _: Limits) -> PreparedForm:
    values = sent.values
    return PreparedForm(preprocessing.row(values)[np.newaxis], values)


PICTURE = pictures_of(ANY_PICTURE)
SHEET = InputKind(
    "sheet", "picture", "float", ecg_sheet.REVISION, _prepare_sheet, prover_of(ECG_SHEET), largest_batch=1
)
"""Batches of sheets take a quarter longer than as many sheets by themselves, since their feature maps outgrow
the cache: `python -m benchmarks.tuning`."""
RECORD = InputKind("signal", "record", "float", ecg_record.REVISION, _prepare_record, _prove_record)
FORM: InputKind[SentForm, PreparedForm] = InputKind(
    "tabular", "form", "float", form.REVISION, _prepare_form, lambda _, __: None, immediate=True
)
KINDS: Mapping[str, InputKind[Any, Any]] = {kind.name: kind for kind in (PICTURE, SHEET, RECORD, FORM)}
