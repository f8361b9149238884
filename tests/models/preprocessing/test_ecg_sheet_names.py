"""Sheets with names on them are read as they are printed, and refused where they are not twelve leads."""

import re
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet.digitisation import SheetError, Told, digitise
from models.preprocessing.ecg_sheet.layout import GRIDS
from models.preprocessing.ecg_sheet.preparation import SheetPreprocessing, read
from models.preprocessing.ecg_sheet.printed_layout import CABRERA
from tests.sheets import MARGIN, PX_PER_MM, ROW_GAP, ecg, sheet


def with_names(picture: Image.Image, layout: str, names: Sequence[str] = LEADS) -> Image.Image:
    """The picture with names over the beginnings of the traces, in place."""
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(20)
    for row, leads in enumerate(GRIDS[layout]):
        for column, lead in enumerate(leads):
            x = (MARGIN + 250 * column / len(leads) + 1) * PX_PER_MM
            y = (MARGIN + (row + 0.5) * ROW_GAP) * PX_PER_MM - 52
            draw.text((x, y), names[lead], (20, 20, 30), font)
    return picture


def cabrera(signal: np.ndarray) -> np.ndarray:
    """The leads in the places that they have in Cabrera order, -aVR upside down."""
    return np.concatenate([signal[:, (4, 0, 3, 1, 5, 2)] * (1, 1, -1, 1, 1, 1), signal[:, 6:]], axis=1)


@pytest.mark.parametrize("layout", ["3x4", "6x2"])
def test_cabrera_order_is_read_as_it_is_printed(layout: str) -> None:
    picture = with_names(sheet(cabrera(ecg()), layout=layout, strip=None), layout, (*CABRERA, *LEADS[6:]))
    found = digitise(picture)
    assert (found.layout, found.order) == (layout, "cabrera")
    for lead in range(6):
        own = found.shown[:, lead]
        drawn = [np.roll(ecg()[:, lead], shift)[own] for shift in range(-5, 6)]
        assert max(np.corrcoef(found.signal[own, lead], each)[0, 1] for each in drawn) > 0.75


def test_what_is_printed_and_what_is_told_must_agree() -> None:
    picture = with_names(sheet(strip=None), "3x4")
    assert digitise(picture.copy(), Told(layout="3x4")).layout == "3x4"
    with pytest.raises(SheetError, match="You say cabrera order, but standard order is printed"):
        digitise(picture, Told(order="cabrera"))


def test_a_page_of_limb_leads_is_refused_by_its_names() -> None:
    signal = ecg()
    halves = np.concatenate([signal[:, :6], signal[:, :6]], axis=1)
    picture = sheet(halves, layout="6x2", strip=None)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(20)
    for row in range(6):
        y = (MARGIN + (row + 0.5) * ROW_GAP) * PX_PER_MM - 52
        draw.text(((MARGIN + 1) * PX_PER_MM, y), LEADS[row], (20, 20, 30), font)
    fault = read(picture, SheetPreprocessing()).fault
    assert fault is not None
    assert re.search(r"I, II, III, aVR, aVL and aVF only|one lead all along", fault)
