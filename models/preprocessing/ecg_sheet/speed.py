"""How fast the paper ran, told by the shape of the beats where nothing that is printed says so."""

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.ecg_sheet.scale import Scale

FloatMap = NDArray[np.float32]

_FAST_PAPER = 110.0
"""Product of the width and the distance of beats, in square mm, above which paper runs at 50 mm/s. Real sheets at 25
mm/s have up to 70, slow hearts and broad beats more; most that are drawn at 50 mm/s have 39 to 89, so that one without
a pulse, whose sender doesn't say, is taken for the usual 25."""
_WIDE = 375.0
"""Traces wider than that, in mm, show 20 seconds at 25 mm/s or 10 at 50."""


def find_speed(
    millivolts: FloatMap, layout: str, width: float, scale: Scale, known: float | None = None
) -> tuple[float, bool]:
    """Paper speed in mm/s of traces `width` mm wide, where it is not `known`, and whether each of two columns shows the
    whole record."""
    broad, apart = beat_shape(millivolts, scale)
    fast = known == 50 if known else broad * apart > _FAST_PAPER
    if width < _WIDE:
        return (50.0 if fast else 25.0), False
    if layout == "6x2" and not fast:
        return 25.0, True
    return 50.0, False


def beat_shape(millivolts: FloatMap, scale: Scale) -> tuple[float, float]:
    """Width of the steep part of beats, and their distance, in mm: both double with the speed of the paper. 0 where no
    beats repeat themselves."""
    padded = np.pad(millivolts, ((0, 0), (2, 2)), mode="edge")
    smooth = np.mean([padded[:, k : k + millivolts.shape[1]] for k in range(5)], axis=0)
    steep = np.abs(np.gradient(smooth, axis=1)).mean(axis=0)
    steep = np.minimum(steep, np.percentile(steep, 97))
    steep -= steep.mean()
    echo = np.fft.irfft(np.abs(np.fft.rfft(steep, 2 * steep.size)) ** 2)[: steep.size]
    half = int(np.argmax(echo < 0.5 * echo[0]))
    broad = half - 1 + (echo[half - 1] - 0.5 * echo[0]) / max(echo[half - 1] - echo[half], 1e-9)
    lags = np.arange(round(8 * scale.across), min(round(65 * scale.across), steep.size - 1))
    peaks = lags[(echo[lags] >= echo[lags - 1]) & (echo[lags] >= echo[lags + 1])]
    if not peaks.size or echo[peaks].max() <= 0:
        return 0.0, 0.0
    apart = peaks[echo[peaks] > 0.6 * echo[peaks].max()][0]
    return float(broad) / scale.across, float(apart) / scale.across
