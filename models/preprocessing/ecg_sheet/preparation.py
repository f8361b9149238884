"""The picture of a 12-lead ECG sheet to the tensor a network reads; one code path for training and service.

The traces are read off the sheet (`ecg_sheet`) and laid on ten seconds at 100 Hz, where the sheet shows them. A bundle
stores its `SheetPreprocessing`, so a change of any step here must raise `REVISION`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from models.preprocessing.dicom.modalities import ECG_SHEET
from models.preprocessing.ecg_record import LEADS, MAX_FLAT_LEADS
from models.preprocessing.ecg_sheet.digitisation import (
    LONG_SIDE,
    REDUCING_GAP,
    SAMPLES,
    UNTOLD,
    DigitisedSheet,
    SheetError,
    Told,
    digitise,
)
from models.preprocessing.picture import FORMATS, PictureFormat, UInt8Array, decode_and_judge, inside_square

REVISION = 2
LEAST_SHOWN = 1.5
"""The fewest seconds of a lead that count as read."""

FLAT_MILLIVOLTS = 0.1
"""A lead whose trace moves less than that, a millimetre at the usual gain, is a ruled line as likely as an ECG."""


class SheetPreprocessing(BaseModel):
    """How a bundle wants its sheets; stored in metadata.json and compared at load.

    A sheet whose `fit` or `consistency` (see `DigitisedSheet`), 0-1, is below the least that sheets of known
    records have is not relied upon.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    reduced_formats: ClassVar[Sequence[PictureFormat]] = FORMATS

    kind: Literal["sheet"] = "sheet"
    revision: int = REVISION
    least_fit: float = Field(default=0.0, ge=0, le=1)
    least_consistency: float = Field(default=0.0, ge=0, le=1)

    @property
    def tensor_shape(self) -> tuple[int, int]:
        """Samples at 100 Hz, and channels: each lead in mV about its median, then whether it is shown, 0 or 1."""
        return SAMPLES, 2 * len(LEADS)

    def least_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The width and height to which `digitise` averages a picture of that size before it resizes it."""
        return inside_square(size, REDUCING_GAP * LONG_SIDE)


@dataclass(frozen=True, slots=True)
class ReadSheet:
    """The one tensor (1, samples, channels) of a sheet, what was read, and why that is not to be relied upon."""

    tensors: NDArray[np.float32]
    reading: DigitisedSheet | None
    fault: str | None


def preprocess(data: bytes, spec: SheetPreprocessing, *, max_pixels: int, told: Told = UNTOLD) -> ReadSheet:
    """Picture bytes to a read sheet; one without an ECG has an empty tensor and a fault. Raises a `PictureError`."""
    picture, damage = decode_and_judge(data, max_pixels=max_pixels, wanted=ECG_SHEET)
    sheet = read(picture, spec, told)
    return replace(sheet, fault=damage) if damage else sheet


def read(picture: UInt8Array | Image.Image, spec: SheetPreprocessing, told: Told = UNTOLD) -> ReadSheet:
    """A picture, RGB or an array (height, width, 3), to a read sheet."""
    try:
        reading = digitise(picture, told)
    except SheetError as error:
        return ReadSheet(np.zeros((1, *spec.tensor_shape), np.float32), None, _advise(str(error), picture))
    fault = _fault(reading, spec)
    return ReadSheet(tensor_of(reading)[np.newaxis], reading, _advise(fault, picture) if fault else None)


def _advise(fault: str, picture: UInt8Array | Image.Image) -> str:
    """What to do about a fault; of a picture that is taller than wide, to turn it first."""
    width, height = picture.size if isinstance(picture, Image.Image) else picture.shape[1::-1]
    if height <= width:
        return fault
    return f"{fault} The picture is taller than wide: if the sheet lies on its side, turn it by 90 degrees first."


def tensor_of(reading: DigitisedSheet) -> NDArray[np.float32]:
    """The tensor (samples, channels) of what was read."""
    return np.concatenate([reading.signal, reading.shown.astype(np.float32)], axis=1)


def leads_shown(reading: DigitisedSheet) -> tuple[str, ...]:
    """The names of the leads that the sheet shows for at least `LEAST_SHOWN` seconds."""
    seconds = reading.shown.sum(axis=0) / 100
    return tuple(lead for lead, shown in zip(LEADS, seconds, strict=True) if shown >= LEAST_SHOWN)


def qualities(reading: DigitisedSheet) -> dict[str, float]:
    """How well each lead was read, 0-1: the share of its trace that lies on ink, of limb leads times how well they add
    up."""
    inked = {lead: float(pieces[0].inked.mean()) for lead, pieces in reading.traces.items()}
    limb = reading.consistency**0.5
    return {lead: round(share * (1.0 if lead.startswith("V") else limb), 2) for lead, share in inked.items()}


def _flat_leads(reading: DigitisedSheet) -> tuple[str, ...]:
    """The names of the leads that are shown and hardly move."""
    return tuple(
        lead
        for lead, signal, shown in zip(LEADS, reading.signal.T, reading.shown.T, strict=True)
        if shown.any() and np.ptp(signal[shown]) < FLAT_MILLIVOLTS
    )


def _fault(reading: DigitisedSheet, spec: SheetPreprocessing) -> str | None:
    if reading.fit < spec.least_fit:
        return (
            "Hardly any rows of traces stand out in the picture. Send a picture of a 12-lead ECG sheet, upright and "
            "in focus."
        )
    flat = _flat_leads(reading)
    if len(flat) > MAX_FLAT_LEADS:
        return f"The lines of {', '.join(flat)} are flat. Send a picture of a 12-lead ECG sheet."
    if reading.consistency < spec.least_consistency:
        return (
            "The limb leads do not add up as those of one heart do, so the traces were probably misread. Send a sharp, "
            "upright picture of the whole sheet."
        )
    if reading.fault:
        return reading.fault
    if missing := sorted(set(LEADS) - set(leads_shown(reading)), key=LEADS.index):
        return f"Too little was read of {', '.join(missing)}. Send a sharp, upright picture of the whole sheet."
    return None
