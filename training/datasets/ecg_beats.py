"""The median beats of ECGs, and the rhythms that their reports name."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.ecg_beat import read_beats
from training.datasets import ptbxl
from training.datasets.ptbxl import EcgSample

RHYTHMS = {
    "AFIB_AFLT": {"rhythm:AFIB", "rhythm:AFLT"},
    "SINUS": {"rhythm:SR", "rhythm:SBRAD", "rhythm:STACH", "rhythm:SARRH"},
    "EXTRASYSTOLES": {"form:PVC", "form:PAC", "rhythm:BIGU", "rhythm:TRIGU"},
}
"""What the rhythm outputs mean, by PTB-XL's statements: any of them. Paced rhythms are too few to learn from."""

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class BeatData:
    """Median beats (n, 112, 12) and figures of rhythm (n, 8) of ECGs; see `models.preprocessing.ecg_beat`."""

    median: FloatArray
    rhythm: FloatArray

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "BeatData":
        return BeatData(self.median[chosen], self.rhythm[chosen])


def read_data(signals: FloatArray) -> BeatData:
    """The beats of band-passed signals (n, 1000, 12)."""
    everything = np.ones(signals.shape[1:], np.bool_)
    found = [read_beats(signal, everything) for signal in signals]
    return BeatData(np.stack([each.median for each in found]), np.stack([each.rhythm for each in found]))


def targets_of(samples: Sequence[EcgSample]) -> FloatArray:
    """The five classes, then whether each of `RHYTHMS` was named, 0 or 1, (n, 8)."""
    rhythms = [[bool(sample.statements & names) for names in RHYTHMS.values()] for sample in samples]
    named = np.array(rhythms, np.float32).reshape(len(samples), len(RHYTHMS))
    return np.concatenate([ptbxl.labels_of(samples), named], axis=1)
