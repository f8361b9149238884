"""The rows of a sheet: how many base lines there are, and how each runs across a sheet that isn't quite flat."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatMap = NDArray[np.float32]

_FEW, _MANY = (3, 4, 5, 6, 7), (12, 13)
COUNTS = (*_FEW, *_MANY)
"""How many rows sheets have: 3x4 and 6x2, then 12x1, with what rhythm strips add."""

_RARE = {5: 0.8, 7: 0.3, 13: 0.2}
"""What evidence, in rows, speaks against counts that few sheets have."""

_STRIPS = 24
_MAX_STEP = 5
"""How far, in pixels, a base line may move from one strip of columns to the next."""
_NEEDED = 0.5
"""Coverage a row must have, as a share of what the best rows have."""


class Rows(NamedTuple):
    """`baselines` (n, width) in pixels from above, `gap` the distance of neighbours in pixels, `fit` 0-1: how much
    more ink lies along the rows than between them."""

    baselines: FloatMap
    gap: float
    fit: float


def find_rows(ink: FloatMap) -> Rows:
    """Rows of a straight sheet's ink (height, width), 0-1."""
    height, width = ink.shape
    drift = _follow(_coverage(ink, height // 130))
    flat = {}
    for counts, share in ((_FEW, 45), (_MANY, 130)):
        strips = np.clip((_coverage(ink, height // share) - 0.4) / 0.4, 0, 1)
        level = np.stack([np.roll(strip, -shift) for strip, shift in zip(strips, drift, strict=True)]).mean(axis=0)
        flat.update(dict.fromkeys(counts, level))
    first, gap, count, fit = _comb(flat)
    centres = (np.arange(_STRIPS) + 0.5) * width / _STRIPS
    rows = first + gap * np.arange(count)
    return Rows((rows[:, None] + np.interp(np.arange(width), centres, drift)).astype(np.float32), gap, fit)


def _coverage(ink: FloatMap, reach: int) -> FloatMap:
    """Share of a strip's columns with ink within `reach` pixels of a height, shape (strips, height)."""
    wide = np.pad(ink, ((0, 0), (2, 2)))
    steady = sum(wide[:, k : k + ink.shape[1]] for k in range(5)) / 5  # grain is not
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


def _comb(coverages: dict[int, FloatMap]) -> tuple[float, float, int, float]:
    """First row, gap, count and fit of the evenly spaced rows that cover most."""
    found, most = (0.0, 1.0, COUNTS[0], 0.0), -np.inf
    for count, coverage in coverages.items():
        height = coverage.size
        best = float(np.sort(coverage)[-max(4, height // 60) :].mean()) + 1e-6
        near = np.maximum(coverage, np.maximum(np.roll(coverage, 2), np.roll(coverage, -2))) / best
        for gap in np.arange(height * 0.4 / count, min(height / (count - 0.9), height / 2.2), max(0.5, 3 / count)):
            steps = np.rint(gap * np.arange(count)).astype(int)
            starts, half = height - steps[-1], round(gap / 2)
            if starts < 1:
                break
            on = np.sum([near[step : step + starts] for step in steps], axis=0)
            between = np.sum([coverage[step + half : step + half + starts] for step in steps[:-1]], axis=0) / best
            score = on - _NEEDED * count - 0.5 * between - _RARE.get(count, 0.0)
            at = int(score.argmax())
            if score[at] > most:
                most = float(score[at])
                found = (float(at), float(gap), count, float(np.clip(most / (count * (1 - _NEEDED)), 0, 1)))
    return found
