"""ECG records made slower or faster by scaling their time."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_SEAM = 0.2
"""Seconds over which the end of a record passes into its beginning."""


def at_tempo(signal: NDArray[np.floating], rate: float, factor: float) -> FloatArray:
    """A signal (n, 12) at `rate` Hz whose heart beats `factor` times as often, of the same length.

    Everything in a beat is `factor` times as short too. Where that takes more than the record has, it is continued by
    its own beginning, joined where the two are most alike.
    """
    long = signal.astype(np.float64)
    while len(long) < len(signal) * factor + 1:
        long = _continued(long, rate)
    at = np.arange(len(signal)) * factor
    return np.stack([np.interp(at, np.arange(len(long)), lead) for lead in long.T], axis=1).astype(np.float32)


def _continued(signal: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    window, seam = round(rate), round(_SEAM * rate)
    opening = signal[:window] - signal[:window].mean(axis=0)
    starts = np.arange(len(signal) // 2, len(signal) - window)
    likeness = [
        float(((signal[at : at + window] - signal[at : at + window].mean(axis=0)) * opening).sum()) for at in starts
    ]
    join = int(starts[int(np.argmax(likeness))])
    part = np.linspace(0, 1, seam)[:, None]
    level = signal[join : join + seam].mean(axis=0) - signal[:seam].mean(axis=0)
    return np.concatenate(
        [
            signal[:join],
            (1 - part) * signal[join : join + seam] + part * (signal[:seam] + level),
            signal[seam:] + level,
        ]
    )
