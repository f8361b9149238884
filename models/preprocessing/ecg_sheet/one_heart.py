"""Whether the columns of a sheet show different leads, and the beats of one heart.

Leads of one heart beat together: a rhythm strip has the beats of each column above it, and columns that follow one
another have beats that do. Rows that show one lead all along have the same beat in each column.
"""

from collections.abc import Sequence
from itertools import pairwise, permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatMap = NDArray[np.float32]
Span = tuple[int, int]

_EDGE = 3
"""Pixels at either end of a column that a separator may darken."""
_STEEP = 0.05
"""Seconds over which steepness is averaged."""
_BEFORE, _AFTER, _SKEW = 0.1, 0.25, 0.04
"""Seconds of a beat before and after where it is steepest, and by how much beats are moved to be compared."""
_REFRACTORY = 0.3
_SAME = 0.55
"""Likeness of the beats of one column with the next from which rows show one lead all along: of 140 made-up sheets of
twelve leads it is up to 0.47, of pages of fewer leads 0.60 or more."""
_LIMB = 0.8
"""The same of four columns whose first two are one: I, II and III are never like aVR, aVL and aVF, lead by lead."""
_MOVED = 2.0
"""Millimetres by which a strip may be moved against the columns above it."""
_TOGETHER, _APART, _CONTRAST = 0.7, 0.6, 0.45
"""Correlation of steepness where leads beat together; the most that those of two hearts have anywhere, and how much
less it is than of those that beat together."""
_AT_ONCE, _IN_TURN = 0.75, 0.3
"""Correlation of the steepness of columns that show the same seconds with what a strip has below the first, and how
much less it is with what it has below each of them: of 16 made-up sheets of that kind 13 are told so, of 22 others
none."""
_LESS = 0.15
"""By how much less a strip goes with the columns of the other heart, where another strip does the opposite."""
_SURELY, _LESS_SURE, _NOT = 0.85, 0.8, 0.4
"""Correlation of a strip with the columns of its own heart, and the most that the other's have, of which one has less
than the last."""
_REGULAR, _FEWEST = 0.15, 3
"""Spread of intervals, over their median, of a heart whose next beat can be foretold, and of how many intervals."""
_OTHER_RATE, _LATE = (0.08, 2.0), (0.1, 1.0)
"""How much the intervals of two hearts differ (natural logarithm of their ratio), and how far off, in intervals, a beat
is that does not follow: at least, and more by so many times the spread; one that goes faster with each beat differs by
twice its spread. Of 1,303 records with that many intervals in either half none changes its rate so, of 1,263 whose
chest leads are another heart's 256."""
_SHORTEST, _LONGEST, _NEARLY = 0.35, 1.7, 0.04
"""Seconds from beat to beat that are looked for, and how far these may differ."""
_REPEATS, _STRANGE = 0.65, 0.2
"""Correlation of columns with themselves one beat on, and the most that two hearts have one beat of the other on: of 60
made-up sheets of one heart none that repeats itself has less than 0.4."""


class Beating(NamedTuple):
    """What tells of the beats of a sheet: rows of `columns` of leads (rows, width), and `strips` (rows, width) that run
    below them all along, at `rate` pixels a second.

    `shifts` are ways in which strips may run ahead: pixels for each column.
    """

    grid: FloatMap
    strips: FloatMap
    columns: Sequence[Span]
    rate: float
    px_per_mm: float
    shifts: Sequence[Sequence[float]]

    @property
    def insides(self) -> list[slice]:
        """Where each column is, without what a separator may darken."""
        return [slice(first + _EDGE, last - _EDGE) for first, last in self.columns]

    @property
    def steepness(self) -> list[FloatMap]:
        """That of each column."""
        return [_steepness(self.grid[:, inside], self.rate) for inside in self.insides]

    @property
    def moved(self) -> int:
        """Pixels by which one may be moved against another."""
        return round(_MOVED * self.px_per_mm)


def same_leads(traces: FloatMap, columns: Sequence[Span], rate: float) -> bool:
    """Whether rows of traces (rows, width) show in each of the columns the same leads, at `rate` pixels a second."""
    beats = [_beat(traces[:, first + _EDGE : last - _EDGE], rate) for first, last in columns]
    if len(beats) < 2:
        return False
    likeness = [_likeness(one, other, rate) for one, other in pairwise(beats)]
    return min(likeness) > _SAME or (len(likeness) > 1 and likeness[0] > _LIMB)


def at_once(seen: Beating) -> bool:
    """Whether columns of leads surely show the same seconds, those that strips begin with."""
    if len(seen.columns) < 2 or not len(seen.strips):
        return False
    each, insides, moved = seen.steepness, seen.insides, seen.moved
    if min(_correlation(each[0], own, moved) for own in each[1:]) < _TOGETHER - _IN_TURN:
        return False
    for strip in seen.strips:
        begun = _steepness(_window(strip, insides[0], 0), seen.rate)
        first = float(np.mean([_correlation(own, begun, moved) for own in each[1:]]))
        later = [way[1:] for way in seen.shifts]
        own_time = float(_with_strip(strip, each[1:], insides[1:], later, seen).mean(axis=1).max())
        if first > _AT_ONCE and own_time < first - _IN_TURN:
            return True
    return False


def two_hearts(seen: Beating) -> bool:
    """Whether the second half of the columns of leads surely beats otherwise than the first.

    Hearts that are irregular can't be told apart where there is no strip.
    """
    if len(seen.columns) < 2:
        return False
    each, insides, moved = seen.steepness, seen.insides, seen.moved
    half = len(each) // 2
    ways = [_with_strip(strip, each, insides, seen.shifts, seen) for strip in seen.strips]
    if any(_of_half(*pair, each, seen) for pair in zip(seen.strips, ways, strict=True)):
        return True
    with_first = [_correlation(each[0], own, moved) for own in each[1:]]
    if np.median(with_first) > _TOGETHER:
        return False  # columns may all show the same seconds
    told = [together for way in ways if (together := _suits_all(way)).max() > _TOGETHER]
    # what goes with no column is a line of print, say
    odd = not told
    if odd and _other_rates(each[:half], each[half:], seen.rate):
        return True
    odd |= any(float(together.min()) < _APART for together in told)
    beats = [_peaks(own, seen.rate) + inside.start for own, inside in zip(each, insides, strict=True)]
    gaps = [right[0] - left[1] for left, right in pairwise(seen.columns)]
    if odd and (_change_their_rate(beats) or (told and _do_not_follow(beats, gaps))):
        return True
    if any(_goes_with(one, half) and _goes_with(other[::-1], half) for one, other in permutations(told, 2)):
        return True
    return odd and half > 1 and min(with_first[: half - 1]) > _TOGETHER and _disagree(each, half, moved)


def _of_half(strip: FloatMap, ways: FloatMap, each: Sequence[FloatMap], seen: Beating) -> bool:
    """Whether a strip surely beats with one half of the columns and not with the other, however far it is moved, nor
    at the strip's own beginning, where columns that all show the same seconds are."""
    half = len(each) // 2
    begun = _steepness(_window(strip, seen.insides[0], 0), seen.rate)
    if min(_correlation(own, begun, seen.moved) for own in each[half:]) > _TOGETHER:
        return False
    for mine, others in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
        near, far = _suits_all(ways[:, mine]), ways[:, others].max(axis=0)
        if near.min() > _TOGETHER and far.max() < _APART and near.mean() - far.mean() > _CONTRAST:
            return True
        if half > 1 and near.min() > _SURELY and far.max() < _LESS_SURE and far.min() < _NOT:
            return True
    return False


def _suits_all(ways: FloatMap) -> FloatMap:
    """Of the ways (ways, columns) to lay a strip, what the columns have in the one that suits all best."""
    best: FloatMap = ways[int(ways.min(axis=1).argmax())]
    return best


def _with_strip(
    strip: FloatMap,
    each: Sequence[FloatMap],
    insides: Sequence[slice],
    shifts: Sequence[Sequence[float]],
    seen: Beating,
) -> FloatMap:
    """How the steepness of each column correlates with that of a strip below it, in each way, (ways, columns)."""
    return np.array(
        [
            [
                _correlation(own, _steepness(_window(strip, inside, round(shift)), seen.rate), seen.moved)
                for own, inside, shift in zip(each, insides, way, strict=True)
            ]
            for way in shifts
        ],
        np.float32,
    )


def _goes_with(together: FloatMap, half: int) -> bool:
    """Whether a strip beats with the first half of the columns, and less so with each of the others."""
    near = float(together[:half].min())
    return near > _TOGETHER and float(together[half:].max()) < near - _LESS


def _disagree(each: Sequence[FloatMap], half: int, moved: int) -> bool:
    """Whether the columns of the second half beat together, and those of the first don't with them."""
    later = [_correlation(each[half], own, moved) for own in each[half + 1 :]]
    across = [_correlation(one, own, moved) for one in each[:half] for own in each[half:]]
    return min(later) > _TOGETHER and max(across) < _APART


def _other_rates(one: Sequence[FloatMap], other: Sequence[FloatMap], rate: float) -> bool:
    """Whether two sets of columns repeat themselves, each beat by beat, and neither does after a beat of the other."""
    echoes = [_echo(columns, rate) for columns in (one, other)]
    near = round(_NEARLY * rate)
    for mine, theirs in (echoes, echoes[::-1]):
        beat = _period(mine, rate)
        strange = theirs[max(0, beat - near) : beat + near + 1].max()
        if not beat or mine[beat] < _REPEATS or strange > _STRANGE:
            return False
    return True


def _echo(columns: Sequence[FloatMap], rate: float) -> FloatMap:
    """Correlation of columns with themselves, by pixels of distance up to the longest beat, together."""
    total = np.zeros(round(_LONGEST * rate))
    energy = 1e-9
    for column in columns:
        size = column.size
        detail = np.minimum(column, np.percentile(column, 97))
        detail = detail - detail.mean()
        echo = np.correlate(detail, detail, "full")[size - 1 :]
        lags = np.arange(min(total.size, round(0.85 * size)))  # of what is left beyond that little is told
        total[lags] += echo[lags] * size / (size - lags)
        energy += float(echo[0])
    together: FloatMap = (total / energy).astype(np.float32)
    return together


def _period(echo: FloatMap, rate: float) -> int:
    """Pixels of the shortest distance at which columns repeat themselves nearly as well as at any; 0 of none."""
    inside = np.arange(round(_SHORTEST * rate), echo.size - 1)
    peaks = inside[(echo[inside] >= echo[inside - 1]) & (echo[inside] >= echo[inside + 1])]
    best = float(echo[peaks].max(initial=0))
    return int(peaks[echo[peaks] > 0.8 * best][0]) if best > 0 else 0


def _change_their_rate(beats: Sequence[NDArray[np.intp]]) -> bool:
    """Whether both halves of the columns are regular, and one is faster."""
    half = len(beats) // 2
    each = [np.concatenate([np.diff(column) for column in part]) for part in (beats[:half], beats[half:])]
    if min(map(len, each)) < _FEWEST:
        return False
    usual = [float(np.median(intervals)) for intervals in each]
    spread = max(float(np.abs(own / middle - 1).max()) for own, middle in zip(each, usual, strict=True))
    least, more = _OTHER_RATE
    return spread < _REGULAR and bool(abs(np.log(usual[0] / usual[1])) > least + more * spread)


def _do_not_follow(beats: Sequence[NDArray[np.intp]], gaps: Sequence[int]) -> bool:
    """Whether the columns, with so many pixels between them, are regular, but for the first beat of the second half:
    time may run on or stand still from one column to the next."""
    half = len(beats) // 2
    intervals = np.concatenate([np.diff(column) for column in beats])
    if not all(map(len, beats)) or len(intervals) < _FEWEST:
        return False
    usual = float(np.median(intervals))
    off = [_off(one, other, gap, usual) for (one, other), gap in zip(pairwise(beats), gaps, strict=True)]
    broken = off.pop(half - 1)
    spread = max([*np.abs(intervals / usual - 1).tolist(), *off])
    least, more = _LATE
    return bool(spread < _REGULAR and broken > least + more * spread)


def _off(one: NDArray[np.intp], other: NDArray[np.intp], gap: int, interval: float) -> float:
    """How far off the first beat of a column is from where it follows the last one before it, in intervals."""
    ways = np.array([other[0] - one[-1], other[0] - one[-1] - gap]) / interval
    return float(np.abs(ways - np.maximum(np.rint(ways), 1)).min())


def _window(strip: FloatMap, inside: slice, shift: int) -> FloatMap:
    start = max(0, inside.start - shift)
    return strip[np.newaxis, start : start + inside.stop - inside.start]


def _steepness(traces: FloatMap, rate: float) -> FloatMap:
    """How steep rows of traces are together, each by its own steepest parts, (width,)."""
    window = max(3, round(_STEEP * rate))
    kernel = np.full(window, 1 / window)
    steep = np.stack([np.convolve(np.abs(np.gradient(row)), kernel, "same") for row in traces])
    level = np.percentile(steep, 95, axis=1, keepdims=True) + 1e-6
    together: FloatMap = np.minimum(steep / level, 1.2).mean(axis=0).astype(np.float32)
    return together


def _correlation(one: FloatMap, other: FloatMap, moved: int) -> float:
    """The highest correlation of two curves, moved by up to so many pixels."""
    size = min(len(one), len(other))
    first, second = one[:size].astype(np.float64), other[:size].astype(np.float64)
    shifts = np.arange(-moved, moved + 1)
    ahead, behind = np.maximum(shifts, 0), np.maximum(-shifts, 0)
    count = size - np.abs(shifts)
    dots = np.correlate(np.pad(first, moved), second, "valid")
    sum_one, square_one = (sums[ahead + count] - sums[ahead] for sums in (_running(first), _running(first**2)))
    sum_other, square_other = (sums[behind + count] - sums[behind] for sums in (_running(second), _running(second**2)))
    energy = (square_one - sum_one**2 / count) * (square_other - sum_other**2 / count)
    return float(((dots - sum_one * sum_other / count) / (np.sqrt(np.maximum(energy, 0)) + 1e-9)).max())


def _running(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(curve)])


def _peaks(steep: FloatMap, rate: float) -> NDArray[np.intp]:
    """Where beats are, ascending: the steepest places, apart from one another."""
    low, high = np.percentile(steep, (40, 97))
    apart = _REFRACTORY * rate
    found: list[int] = []
    for place in np.argsort(-steep).tolist():
        if steep[place] < (low + high) / 2:
            break
        if all(abs(place - other) >= apart for other in found):
            found.append(place)
    return np.array(sorted(found), dtype=np.intp)


def _beat(traces: FloatMap, rate: float) -> FloatMap | None:
    """The median beat of rows of traces, (rows, length), each about its mean; None where no beat is whole."""
    before, after = round(_BEFORE * rate), round(_AFTER * rate)
    pieces = [
        traces[:, at - before : at + after]
        for at in _peaks(_steepness(traces, rate), rate).tolist()
        if at >= before and at + after <= traces.shape[1]
    ]
    if not pieces:
        return None
    beat: FloatMap = np.median([piece - piece.mean(axis=1, keepdims=True) for piece in pieces], axis=0)
    return beat


def _likeness(one: FloatMap | None, other: FloatMap | None, rate: float) -> float:
    """Correlation of the rows of two beats, moved to where it is highest: the mean of what it is where each row counts
    alike and where each counts by its size; -1 where there is no beat."""
    if one is None or other is None:
        return -1.0
    most = max(1, round(_SKEW * rate))
    inner = one[:, most:-most]
    inner = inner - inner.mean(axis=1, keepdims=True)
    best = -1.0
    for shift in range(2 * most + 1):
        moved = other[:, shift : shift + inner.shape[1]]
        moved = moved - moved.mean(axis=1, keepdims=True)
        scale = np.linalg.norm(inner, axis=1) * np.linalg.norm(moved, axis=1) + 1e-9
        shared = (inner * moved).sum(axis=1)
        best = max(best, float((shared / scale).mean() + shared.sum() / scale.sum()) / 2)
    return best
