"""Reading the signals of a 12-lead ECG off a picture of the sheet, with numpy and Pillow alone."""

from models.preprocessing.ecg_sheet.digitisation import DigitisedSheet, SheetError, Told, TracedLead, as_drawn, digitise
from models.preprocessing.ecg_sheet.preparation import REVISION, ReadSheet, SheetPreprocessing, preprocess

__all__ = [
    "REVISION",
    "DigitisedSheet",
    "ReadSheet",
    "SheetError",
    "SheetPreprocessing",
    "Told",
    "TracedLead",
    "as_drawn",
    "digitise",
    "preprocess",
]
