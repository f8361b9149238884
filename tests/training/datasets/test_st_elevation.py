import numpy as np
import pytest

from models.preprocessing.ecg_record import LEADS
from tests.sheets import RATE, ecg
from training.datasets.st_elevation import CONTIGUOUS, Wall, elevate, find_beats, limit


def test_every_beat_is_found_where_it_is_largest() -> None:
    peaks = find_beats(ecg(), RATE)
    np.testing.assert_allclose(peaks / RATE, 0.5 + 0.86 * np.arange(len(peaks)), atol=0.03)
    assert len(peaks) == 12


@pytest.mark.parametrize("wall", CONTIGUOUS)
@pytest.mark.parametrize("millimetres", [1.0, 4.0])
def test_contiguous_leads_rise_that_far_above_their_limits(wall: Wall, millimetres: float) -> None:
    signal = ecg()
    raised = elevate(signal, RATE, wall, millimetres)
    after, before = 0.5 + 0.86 * 3 + 0.12, 0.5 + 0.86 * 3 - 0.06
    for lead in CONTIGUOUS[wall]:
        trace = raised[:, LEADS.index(lead)]
        level = trace[round(after * RATE)] - trace[round(before * RATE)]
        assert level >= limit(lead) + millimetres / 10 - 0.04


@pytest.mark.parametrize("wall", CONTIGUOUS)
def test_limb_leads_still_add_up(wall: Wall) -> None:
    raised = dict(zip(LEADS, elevate(ecg(), RATE, wall, 2.0).T, strict=True))
    np.testing.assert_allclose(raised["II"], raised["I"] + raised["III"], atol=1e-5)
    np.testing.assert_allclose(raised["aVR"] + raised["aVL"] + raised["aVF"], 0, atol=1e-5)


def test_a_record_without_beats_is_refused() -> None:
    with pytest.raises(ValueError, match="no beats"):
        elevate(np.zeros((1000, 12)), RATE, "anterior", 1.0)
