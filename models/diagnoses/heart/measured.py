"""An ECG prepared for its network, with what was measured on it; made in the thread that prepares it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.heart.alerts import OF_RECORDS, OF_SHEETS, alerts_of_misread, raise_alerts
from models.diagnoses.heart.beats import sample
from models.diagnoses.heart.figures import Figures, add_up, measure, together
from models.diagnoses.heart.sent import SentHeartRecord, SentSheet
from models.preprocessing import ecg_record, ecg_sheet
from models.preprocessing.ecg_record import LEADS, EcgWindows, SignalPreprocessing
from models.preprocessing.ecg_sheet import ReadSheet, SheetPreprocessing, Told
from models.preprocessing.ecg_sheet.digitisation import RATE as SHEET_RATE
from models.preprocessing.inputs import Limits
from schemas.common import Alert

LARGEST_QRS = 8.0
"""mV: of 1,498 records of folds 1 to 8 none spans more than 7.0."""
MOST_NOISE = 0.12
"""mV, in the middle one of the leads: one record in 700 has more."""

J_OF_SHEETS = 0.01
"""Seconds after the end of QRS at which the J point of a sheet is looked at, one of its samples: pixels make the end of
QRS steeper than it is, so that it is seen 4 to 12 ms early, where a raised J point is not reached yet."""

SHEET_LIKE = 0.6
"""Fit from which rows that do not fit together are still those of an ECG: other pictures have up to 0.51."""


@dataclass(frozen=True, slots=True)
class MeasuredRecord:
    """The windows of a record, what was measured on them, the alerts this raises, and why none of it is to be relied
    upon, if so."""

    windows: EcgWindows
    figures: Figures
    alerts: tuple[Alert, ...]
    fault: str | None

    @property
    def tensors(self) -> NDArray[np.float32]:
        """As `EcgWindows.tensors`."""
        return self.windows.tensors


@dataclass(frozen=True, slots=True)
class MeasuredSheet:
    """A sheet that was read, what was measured on its traces where they are a heart's, and the alerts this raises: of
    traces that do not fit together that of ST elevation alone, since a person has to look at them."""

    sheet: ReadSheet
    figures: Figures | None
    alerts: tuple[Alert, ...]

    @property
    def tensors(self) -> NDArray[np.float32]:
        """As `ReadSheet.tensors`."""
        return self.sheet.tensors


def prepare_record(sent: SentHeartRecord, preprocessing: SignalPreprocessing, _: Limits) -> MeasuredRecord:
    """Read a record, and measure the stretches that a network reads. Raises a `RecordError`."""
    record, stretches = sent.read(), list[Figures]()
    windows = ecg_record.cut_windows(
        record, preprocessing, lambda window: stretches.append(measure(sample(window, None, record.rate)))
    )
    figures = together(stretches)
    return MeasuredRecord(windows, figures, raise_alerts(stretches, sent.person, OF_RECORDS), _fault(windows, figures))


def prepare_sheet(sent: SentSheet, preprocessing: SheetPreprocessing, limits: Limits) -> MeasuredSheet:
    """Read a sheet, and measure its traces. Raises a `PictureError`."""
    printed = sent.printed
    told = Told(printed.speed, printed.gain, printed.layout, printed.lead_order)
    sheet = ecg_sheet.preprocess(sent.image, preprocessing, max_pixels=limits.max_pixels, told=told)
    reading = sheet.reading
    if reading is None or reading.fit < preprocessing.least_fit:
        return MeasuredSheet(sheet, None, ())
    figures = measure(sample(*ecg_sheet.as_drawn(reading), SHEET_RATE), J_OF_SHEETS)
    if figures.levels is not None:
        figures = replace(figures, levels=add_up(figures.levels))
    if reading.consistency < preprocessing.least_consistency:
        misread = alerts_of_misread(figures, sent.person, OF_SHEETS) if reading.fit >= SHEET_LIKE else ()
        return MeasuredSheet(sheet, None, misread)
    return MeasuredSheet(sheet, figures, raise_alerts([figures], sent.person, OF_SHEETS))


def _fault(windows: EcgWindows, figures: Figures) -> str | None:
    """A record too short, or what no heart does: waves of QRS too large for one, or noise that drowns it."""
    if windows.short:
        return f"The record has only {windows.record.seconds:.3g} seconds: send a longer one."
    if figures.levels is not None:
        sizes = np.nan_to_num(figures.levels.r - figures.levels.s)
        if sizes.max() > LARGEST_QRS:
            lead = LEADS[int(sizes.argmax())]
            return f"QRS of {lead} spans {sizes.max():.0f} mV, more than a heart's: check gain and units in the header."
    noise = float(np.nanmedian(figures.noise)) if np.isfinite(figures.noise).any() else 0.0
    if noise > MOST_NOISE:
        return (
            f"Noise of {noise:.2f} mV in half of the leads, as of tremor or loose electrodes: record the ECG again, "
            "lying still."
        )
    return None
