"""The grid of a straight sheet: what is as dark all along a line as it is anywhere on it."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.preprocessing.picture import UInt8Array

FloatMap = NDArray[np.float32]

_CELL = 12
_TOLERANCE = 1
_CELLS = 24
_STEP = 3
_SHARE = 0.12
"""A line is as dark as that share of its darkness-sorted cells, out of 24 of 12 pixels: no trace is straight so long,
but for a base line in places."""
_BASE_LINES, _STROKES = 60, 120
"""Rows of pixels that base lines, and columns that tall beats, may take up."""
_INKED, _FAINT = 99.0, 0.4
"""Percentile of density at which traces are, and the share of it that beats one above the other have at least."""
_RULE = 0.5
_RULE_SHARE = 0.04
"""A printed rule is dark for half the width but for that share of its cells; a base line has beats in more."""
_EVEN = 0.75
"""And these have at least so much of the darkness of the usual cell: a beat leaves less of a base line in its cell."""


def without_lines(density: UInt8Array) -> FloatMap:
    """The density map (height, width) of a straight sheet less its lines across and down; what crosses them stays."""
    ink = density.astype(np.float32)
    cells = _cells(ink)
    faint = _FAINT * float(np.percentile(ink[::2, ::2], _INKED))
    lines = np.maximum(_along(cells, ink.shape[1], _BASE_LINES), _along(_cells(ink.T), ink.shape[0], _STROKES, faint).T)
    np.maximum(lines, _rules(cells)[:, None], out=lines)
    return ink * np.clip((ink - 1.2 * lines) / (0.5 * lines + 1), 0, 1)


def halved(density: FloatMap) -> FloatMap:
    """Of each two by two pixels the darkest."""
    height, width = (length // 2 * 2 for length in density.shape)
    pairs = np.maximum(density[:height:2, :width], density[1:height:2, :width])
    return np.maximum(pairs[:, ::2], pairs[:, 1::2])


def _cells(density: FloatMap) -> FloatMap:
    """Density of cells along the second axis, that of a neighbouring row where it is higher."""
    height, width = density.shape
    count = max(width // _CELL, 1)
    levels = density[:, : count * _CELL].reshape(height, count, -1).mean(axis=2)
    padded = np.pad(levels, ((_TOLERANCE, _TOLERANCE), (0, 0)))
    tolerant: FloatMap = np.max([padded[k : k + height] for k in range(2 * _TOLERANCE + 1)], axis=0)
    return tolerant


def _rules(cells: FloatMap) -> FloatMap:
    """Density of the printed rule at each height, 0 where there is none."""
    length = max(round(_RULE * cells.shape[1]), 1)
    share = int(_RULE_SHARE * length)
    windows = sliding_window_view(cells, length, axis=1)[:, :: max(length // 8, 1)]
    low = np.partition(windows, share, axis=2)[:, :, share]
    best = low.argmax(axis=1)
    rules: FloatMap = low.max(axis=1)
    dark = np.flatnonzero(rules)
    usual = np.median(windows[dark, best[dark]], axis=1)
    rules[dark[rules[dark] < _EVEN * usual]] = 0
    return rules


def _along(levels: FloatMap, width: int, traces: int, faint: float = 0.0) -> FloatMap:
    """Density of lines along the second axis of cells, `width` pixels; `traces` rows of pixels may be as dark all
    along without being lines, unless they are as `faint` as no trace is."""
    height, count = levels.shape
    cells = min(_CELLS, count)
    windows = sliding_window_view(levels, cells, axis=1)[:, ::_STEP]
    low = np.partition(windows, int(_SHARE * cells), axis=2)[:, :, int(_SHARE * cells)]
    low = np.minimum(low, max(faint, 1.15 * float(np.sort(low.max(axis=1))[-min(traces, height)])))
    around = cells // _STEP
    padded = np.pad(low, ((0, 0), (around - 1, around - 1)))
    lines = sliding_window_view(padded, around, axis=1).max(axis=2)
    at = np.minimum(np.arange(width) // (_STEP * _CELL), lines.shape[1] - 1)
    return np.ascontiguousarray(lines[:, at])
