"""The rows of a sheet: how many base lines there are, and how each runs across a sheet that isn't quite flat."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatMap = NDArray[np.float32]
FloatArray = NDArray[np.float64]

_MOST = 14
"""Rows of a 12x1 sheet with two rhythm strips; pages of more are no single ECG."""
_RARE = {1: 0.0, 2: 0.0, 3: 0.0, 4: 0.0, 5: 0.3, 6: 0.0, 7: 0.3, 12: 0.0, 13: 0.2}
_STRANGE = 0.6
"""What evidence, in rows, speaks against counts that few sheets have, and against any other."""
_SHARES = {45: 0.04, 130: 0.025}
"""Base lines wander by these parts of the height, a little where rows are many; and their least distance."""

_STRIPS = 24
_MAX_STEP = 3
"""How far, in pixels, a base line may move from one strip of columns to the next."""
_NEEDED = 0.5
"""Coverage a row must have, as a share of what the best rows have."""
_FAINT = 0.2
_PEAKS = 36
"""Least coverage of what may be a row, as such a share, and how many such heights are looked at."""
_UNEVEN = 0.3
"""What evidence, in rows, speaks against a distance twice or half the one above it."""


class Rows(NamedTuple):
    """`baselines` (n, width) in pixels from above, `gap` the usual distance of neighbours in pixels, `fit` 0-1: how
    much more ink lies along the rows than between them."""

    baselines: FloatMap
    gap: float
    fit: float


def find_rows(ink: FloatMap) -> Rows:
    """Rows of a straight sheet's ink (height, width), 0-1: base lines at whatever distances, the evenest preferred."""
    height, width = ink.shape
    drift = _follow(_coverage(ink, height // 130))
    found: tuple[float, FloatArray] = (-np.inf, np.zeros(1))
    for share, nearest in _SHARES.items():
        strips = np.clip((_coverage(ink, height // share) - 0.4) / 0.4, 0, 1)
        level = np.stack([np.roll(strip, -shift) for strip, shift in zip(strips, drift, strict=True)]).mean(axis=0)
        found = max(found, _chain(level, nearest * height), key=lambda each: each[0])
    most, rows = found
    gap = float(np.median(np.diff(rows))) if len(rows) > 1 else height / 3
    centres = (np.arange(_STRIPS) + 0.5) * width / _STRIPS
    baselines = rows[:, None] + np.interp(np.arange(width), centres, drift)
    return Rows(baselines.astype(np.float32), gap, float(np.clip(most / (len(rows) * (1 - _NEEDED)), 0, 1)))


def _coverage(ink: FloatMap, reach: int) -> FloatMap:
    """Share of a strip's columns with ink within `reach` pixels of a height, shape (strips, height)."""
    wide = np.pad(ink, ((0, 0), (1, 1)))
    steady = (wide[:, :-2] + ink + wide[:, 2:]) / 3  # grain is not
    grown = np.pad(np.clip(2 * steady - 0.3, 0, 1), ((reach, reach), (0, 0)))
    span = 1
    while span < 2 * reach + 1:
        step = min(span, 2 * reach + 1 - span)
        grown = np.maximum(grown[:-step], grown[step:])
        span += step
    edges = np.linspace(0, ink.shape[1], _STRIPS + 1).astype(int)
    return np.stack([grown[:, a:b].mean(axis=1) for a, b in pairwise(edges)])


def _follow(coverage: FloatMap) -> NDArray[np.intp]:
    """How far, in pixels, each strip lies below the middle one; found outwards from the middle."""
    drift = np.zeros(_STRIPS, dtype=np.intp)
    sharp = coverage - coverage.mean(axis=1, keepdims=True)
    steps = np.arange(-_MAX_STEP, _MAX_STEP + 1)
    middle = _STRIPS // 2
    for direction in (1, -1):
        model = sharp[middle].copy()
        shift, speed = 0, 0.0
        strip = middle + direction
        while 0 <= strip < _STRIPS:
            tries = shift + round(speed) + steps
            match = np.array([np.roll(sharp[strip], -t) @ model for t in tries])
            match -= 0.002 * np.abs(steps) * float(model @ model)
            step = int(tries[match.argmax()]) - shift
            shift += step
            speed = 0.5 * speed + 0.5 * step
            drift[strip] = shift
            model = 0.75 * model + 0.25 * np.roll(sharp[strip], -shift)
            strip += direction
    return drift


def _chain(coverage: FloatMap, nearest: float) -> tuple[float, FloatArray]:
    """Evidence, in rows, and heights of the rows that cover most, as evenly as may be, `nearest` pixels apart or more.

    Dynamic programming over pairs of neighbouring rows: how a third one fits depends on their distance.
    """
    best = float(np.sort(coverage)[-max(4, coverage.size // 60) :].mean()) + 1e-6
    heights = _peaks(coverage / best, nearest / 2)
    own = coverage[heights.astype(int)] / best - _NEEDED
    gaps = heights[None, :] - heights[:, None]
    middle = ((heights[None, :] + heights[:, None]) / 2).astype(int)
    far = np.where(gaps >= nearest, gaps, np.nan)
    step = np.where(np.isnan(far), -np.inf, own[None, :] - 0.5 * coverage[middle] / best)
    with np.errstate(invalid="ignore"):
        uneven = np.nan_to_num(_UNEVEN * np.abs(np.log2(far[None, :, :] / far[:, :, None])), nan=np.inf)
    top = int(own.argmax())
    found = (float(own[top]) - _RARE[1], [top])
    score, came = own[:, None] + step, []
    for count in range(2, _MOST + 1):
        if count > 2:
            ways = score[:, :, None] - uneven
            came.append(ways.argmax(axis=0))
            score = ways.max(axis=0) + step
        most = float(score.max()) - _RARE.get(count, _STRANGE)
        if most > found[0]:
            found = (most, _unwind(came, *np.unravel_index(int(score.argmax()), score.shape)))
        if not np.isfinite(score).any():
            break
    return found[0], heights[found[1]]


def _unwind(came: list[NDArray[np.intp]], above: np.intp, last: np.intp) -> list[int]:
    """The rows of a chain, first to last, from the rows that each pair came from."""
    chain = [int(last), int(above)]
    for table in reversed(came):
        chain.append(int(table[chain[-1], chain[-2]]))
    return chain[::-1]


def _peaks(level: FloatMap, apart: float) -> FloatArray:
    """Heights, ascending, of the highest peaks of a profile, in the middle of what is nearly as high, so far apart."""
    left = np.convolve(level, np.ones(5) / 5, "same")
    reach = int(apart)
    found: list[float] = []
    while len(found) < _PEAKS:
        at = int(left.argmax())
        if left[at] < _FAINT and found:
            break
        near = np.arange(max(0, at - reach), min(left.size, at + reach + 1))
        weight = np.clip(left[near] - 0.8 * left[at], 0, None)
        centre = float((near * weight).sum() / max(weight.sum(), 1e-9)) if left[at] > 0 else float(at)
        found.append(centre)
        left[max(0, int(centre) - 2 * reach) : int(centre) + 2 * reach + 1] = -1
    return np.array(sorted(found))
