"""An ECG prepared for its network, with what was measured on it; made in the thread that prepares it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.heart.sent import SentHeartRecord, SentSheet
from models.preprocessing import ecg_record, ecg_sheet
from models.preprocessing.ecg_record import EcgWindows, SignalPreprocessing
from models.preprocessing.ecg_sheet import ReadSheet, SheetPreprocessing
from models.preprocessing.inputs import Limits
from schemas.common import Alert
from schemas.heart import HeartMeasurements


@dataclass(frozen=True, slots=True)
class MeasuredRecord:
    """The windows of a record, what was measured on them, and the alerts this raises."""

    windows: EcgWindows
    measurements: HeartMeasurements | None
    alerts: tuple[Alert, ...]

    @property
    def tensors(self) -> NDArray[np.float32]:
        """As `EcgWindows.tensors`."""
        return self.windows.tensors


@dataclass(frozen=True, slots=True)
class MeasuredSheet:
    """A sheet that was read, what was measured on its traces, and the alerts this raises."""

    sheet: ReadSheet
    measurements: HeartMeasurements | None
    alerts: tuple[Alert, ...]

    @property
    def tensors(self) -> NDArray[np.float32]:
        """As `ReadSheet.tensors`."""
        return self.sheet.tensors


def prepare_record(sent: SentHeartRecord, preprocessing: SignalPreprocessing, _: Limits) -> MeasuredRecord:
    """Raises a `RecordError`."""
    windows = ecg_record.preprocess(sent.header, sent.signal, preprocessing)
    return MeasuredRecord(windows, None, ())


def prepare_sheet(sent: SentSheet, preprocessing: SheetPreprocessing, limits: Limits) -> MeasuredSheet:
    """Raises a `PictureError`."""
    sheet = ecg_sheet.preprocess(sent.image, preprocessing, max_pixels=limits.max_pixels)
    return MeasuredSheet(sheet, None, ())
