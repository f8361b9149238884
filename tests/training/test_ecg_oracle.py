"""Our beats against those that neurokit2 finds on the same made-up records."""

import numpy as np
import pytest

from models.diagnoses.heart.beats import find_beats, sample
from models.preprocessing.ecg_record import LEADS
from tests.ecgs import SHAPES, Shape, made_up

neurokit2 = pytest.importorskip("neurokit2")


@pytest.mark.parametrize("shape", SHAPES)
def test_beats_are_those_that_neurokit_finds(shape: Shape) -> None:
    for seed, rate in enumerate((45, 70, 110)):
        ecg = made_up(shape, rate=rate, noise=0.01, wander=0.1, seed=seed)
        ours = find_beats(sample(ecg.signal, None, ecg.hertz)).at / 250
        cleaned = neurokit2.ecg_clean(ecg.signal[:, LEADS.index("II")], int(ecg.hertz))
        _, found = neurokit2.ecg_peaks(cleaned, int(ecg.hertz))
        theirs = np.asarray(found["ECG_R_Peaks"]) / ecg.hertz
        inside = theirs[(theirs > 0.5) & (theirs < 9.5)]
        assert len(inside) > 4
        assert np.abs(inside[:, None] - ours).min(axis=1).max() < 0.06
