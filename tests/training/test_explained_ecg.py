"""Explanations of ECGs, put to the test."""

import numpy as np

from schemas.common import Explanation
from training.explained_ecg import straightened, told_first


def test_a_part_is_made_a_straight_line_and_the_rest_stays() -> None:
    signal = np.random.default_rng(1).normal(size=(1000, 12)).astype(np.float32)
    part = np.zeros((12, 10), bool)
    part[3, 2:4] = True
    part[5] = True
    part[7, 0] = True
    silent = straightened(signal, part)
    assert np.abs(np.diff(silent[200:400, 3], 2)).max() < 1e-5
    assert abs(silent[200, 3] - signal[199, 3]) < 0.1
    assert not silent[:, 5].any()
    assert np.ptp(silent[:100, 7]) == 0
    rest = ~np.repeat(part, 100, axis=1).T
    assert (silent[rest] == signal[rest]).all()


def test_the_lead_told_first_is_read_from_what_is_told() -> None:
    parts = ("V1, seconds 0 to 10", "Measured, ST at the J point raised: aVF +0.31 mV, II +0.12 mV, V6 +0.20 mV")
    assert told_first(Explanation(kind="leads", method="x", parts=parts)) == "aVF"
    assert told_first(Explanation(kind="leads", method="x", parts=parts[:1])) is None
