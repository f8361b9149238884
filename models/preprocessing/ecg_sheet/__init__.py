"""Reading the signals of a 12-lead ECG off a picture of the sheet, with numpy and Pillow alone."""

from models.preprocessing.ecg_sheet.digitisation import SheetError, SheetReading, read_sheet

__all__ = ["SheetError", "SheetReading", "read_sheet"]
