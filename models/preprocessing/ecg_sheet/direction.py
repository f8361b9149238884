"""Which way time runs on a sheet, and which way is up: mirrored sheets are told by what follows what in a beat."""

import numpy as np
from numpy.typing import NDArray

FloatMap = NDArray[np.float32]

_STEEP = 85
"""Percentile of steepness from which a moment belongs to a QRS complex."""
_TALL = 90
_LATER = np.arange(0.14, 0.36, 0.01)
"""Seconds after a QRS complex at which its T wave is."""
_UPRIGHT = ((0, 1.0), (1, 1.0), (3, -1.0), (9, 0.5), (10, 1.0), (11, 1.0))
"""Leads I, II, aVR, V4, V5, V6, and which way most of their deflections go."""


def time_arrow(millivolts: FloatMap, rate: float) -> float:
    """How much more there is after QRS complexes of traces (rows, samples) than before them: T waves are larger than P
    waves. Of 700 training records 0.9 is the median and 0.2 % have less than -0.15; reversed, the signs change."""
    level = millivolts - np.median(millivolts, axis=1, keepdims=True)
    steep = np.convolve(np.abs(np.gradient(level, axis=1)).sum(axis=0), np.ones(4) / 4, "same")
    away = np.abs(level).sum(axis=0)
    away = np.minimum(away, np.percentile(away, _TALL))
    away -= away.mean()
    weight = np.clip(steep - np.percentile(steep, _STEEP), 0, None)
    spread = float(away.std())
    if spread == 0 or not weight.any():
        return 0.0
    lags = np.rint(_LATER * rate).astype(int)
    after = np.mean([float(np.roll(away, -lag) @ weight) for lag in lags])
    before = np.mean([float(np.roll(away, lag) @ weight) for lag in lags])
    return float(after - before) / float(weight.sum()) / spread


def uprightness(signal: FloatMap) -> float:
    """Whether the deflections of leads (samples, 12) go the usual way, -1 to 1; 5 % of training records have less than
    0."""
    cubes = signal.astype(np.float64) ** 3
    skew = cubes.sum(axis=0) / (np.abs(cubes).sum(axis=0) + 1e-9)
    return float(sum(way * skew[lead] for lead, way in _UPRIGHT) / sum(abs(way) for _, way in _UPRIGHT))
