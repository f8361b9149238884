"""Traces as they were read: in millivolts for whoever measures them, in colour for whoever looks at them."""

import numpy as np

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet import digitise
from models.preprocessing.ecg_sheet.overlay import draw_overlay
from tests.sheets import ecg, sheet


def test_each_lead_is_traced_in_millivolts_where_it_is_drawn() -> None:
    reading = digitise(sheet())
    assert tuple(reading.traces) == LEADS
    assert [len(reading.traces[lead]) for lead in LEADS] == [2 if lead == "II" else 1 for lead in LEADS]
    assert [reading.traces[lead][0].start for lead in ("I", "aVR", "V1", "V4")] == [0, 2.5, 5, 7.5]
    piece = reading.traces["II"][0]
    assert abs(piece.rate - 25 * reading.px_per_mm) < 3
    drawn = ecg()[:250, LEADS.index("II")]
    read = np.interp(np.arange(250) / 100, np.arange(len(piece.millivolts)) / piece.rate, piece.millivolts)
    assert np.corrcoef(drawn, read)[0, 1] > 0.7
    assert piece.inked.mean() > 0.8


def test_traces_in_the_overlay_lie_on_the_ink_of_the_sheet() -> None:
    reading = digitise(sheet())
    picture = np.asarray(draw_overlay(reading).convert("RGB"))
    assert picture.shape == (*reading.paper.shape, 3)
    piece = reading.traces["I"][0]
    at = np.rint(piece.heights).astype(int), np.arange(piece.left, piece.left + len(piece.heights))
    assert reading.paper[at][piece.inked].mean() > 3 * reading.paper.mean()
    coloured = np.ptp(picture[at].astype(int), axis=-1) > 40
    assert coloured.mean() > 0.9
