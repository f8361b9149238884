"""The grid of a straight sheet: what is as dark all along a line as it is anywhere on it."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.preprocessing.picture import UInt8Array

FloatMap = NDArray[np.float32]

_CELL = 12
_TOLERANCE = 1
_CELLS = 25
_SHARE = 0.12
"""A line is as dark as that share of its darkness-sorted cells, out of 25 of 12 pixels: no trace is straight so long,
but for a base line in places."""
_BASE_LINES, _STROKES = 60, 120
"""Rows of pixels that base lines, and columns that tall beats, may take up."""


def without_lines(density: UInt8Array) -> FloatMap:
    """The density map (height, width) of a straight sheet less its lines across and down; what crosses them stays."""
    ink = density.astype(np.float32)
    lines = np.maximum(_along(ink, _BASE_LINES), _along(ink.T, _STROKES).T)
    return ink * np.clip((ink - 1.2 * lines) / (0.5 * lines + 1), 0, 1)


def _along(density: FloatMap, traces: int) -> FloatMap:
    """Density of lines along the second axis; `traces` rows of pixels may be as dark all along without being lines."""
    height, width = density.shape
    count = max(width // _CELL, 1)
    levels = density[:, : count * _CELL].reshape(height, count, -1).mean(axis=2)
    padded = np.pad(levels, ((_TOLERANCE, _TOLERANCE), (0, 0)))
    tolerant = np.max([padded[k : k + height] for k in range(2 * _TOLERANCE + 1)], axis=0)
    cells = min(_CELLS, count)
    windows = sliding_window_view(tolerant, cells, axis=1)[:, ::3]
    low = np.partition(windows, int(_SHARE * cells), axis=2)[:, :, int(_SHARE * cells)]
    low = np.minimum(low, 1.15 * float(np.sort(low.max(axis=1))[-min(traces, height)]))
    centres = (np.arange(low.shape[1]) * 3 + cells / 2) * _CELL
    nearest = np.abs(np.arange(width)[:, None] - centres).argmin(axis=1)
    return np.ascontiguousarray(low[:, nearest])
