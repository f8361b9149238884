"""The beats of a 12-lead ECG, found on all leads together, and one median beat a lead.

Wander of the base line is taken out by a cubic curve through the levels just before QRS, beat by beat, as by Meyer and
Keiser (Comput Biomed Res 1977;10:459-470): unlike a filter it leaves the ST segment where it is. No constant here is
learned; all are stated in seconds or as shares.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

RATE = 250.0
"""Hz: slower signals are brought to this rate, faster ones to the next above it that averaging samples reaches."""
FINE = 500.0
"""Hz of a median beat."""
BEFORE, AFTER = 0.36, 0.72
"""Seconds of a median beat before and after its alignment."""
LEVEL = 0.016
"""Seconds before QRS whose mean is the base line."""

_INDEPENDENT = np.array([0, 1, 6, 7, 8, 9, 10, 11])
"""I, II and V1-V6; the other limb leads follow from them."""
_SLOPE = 0.016
_ENERGY = 0.06
_BORDER = 0.06
"""Seconds beside where a lead begins or ends to be shown that tell no beat: labels and strokes between columns do."""
_REFRACTORY = 0.2
_T_WAVE = 0.36
_THRESHOLD, _SEARCH_BACK = 0.3, 0.18
_ALIGNMENT, _SHIFT = 0.06, 0.04
_ALIKE = 0.75
"""Correlation of the slopes of two QRS of one shape."""
_LOW_PASS = 45.0
"""Hz: standard deviation of the bell curve by which a median beat is low-passed; it doesn't ring either."""
_COARSE = 8
_BESIDE = (0.06, 0.16)
"""Seconds after the alignment, from the J point on, in which beats are compared."""


class Sampled(NamedTuple):
    """An ECG at a working `rate`, Hz: `signal` (samples, 12) in mV without gaps, and where each lead is `shown`."""

    signal: FloatArray
    shown: BoolArray
    rate: float

    @property
    def telling(self) -> NDArray[np.intp]:
        """The leads that tell beats: those the others follow from, or all where they aren't shown all along."""
        return _INDEPENDENT if self.shown.all() else np.arange(self.signal.shape[1])


class Beats(NamedTuple):
    """`at` (beats,): where each beat lies, in samples. `usual` (beats,): which are of the most frequent shape."""

    at: NDArray[np.float64]
    usual: BoolArray


class MedianBeat(NamedTuple):
    """`signal` (samples, 12) at `FINE` Hz, mV, low-passed; NaN in a lead that shows no usual beat. Sample `origin` is
    aligned. `sharp` (samples, 12) is the same at `rate` Hz as it was recorded, for the heights of narrow waves.

    `spread` (12,) is how far single beats lie from it about the J point, mV, and `of` (12,) of how many it is the
    median.
    """

    signal: FloatArray
    sharp: FloatArray
    rate: float
    origin: int
    spread: FloatArray
    of: NDArray[np.intp]


def sample(signal: FloatArray, shown: BoolArray | None, rate: float) -> Sampled:
    """A (samples, 12) signal in mV, NaN where it is missing, at a working rate; `shown` None where all is."""
    here = np.isfinite(signal) if shown is None else shown & np.isfinite(signal)
    whole = np.where(here, signal, 0).astype(np.float32, copy=False)
    if not here.all():
        whole = _bridged(whole, here)
    if rate >= 2 * RATE:
        step = int(rate // RATE)
        end = len(whole) // step * step
        mean = np.ascontiguousarray(whole[:end:step])
        for place in range(1, step):
            mean += whole[place:end:step]
        mean /= np.float32(step)
        return Sampled(mean, here[:end:step], rate / step)
    if rate < RATE:
        at = np.arange(round(len(whole) * RATE / rate)) * (rate / RATE)
        nearest = np.minimum(np.rint(at).astype(np.intp), len(whole) - 1)
        return Sampled(_between_samples(whole, at), here[nearest], RATE)
    return Sampled(np.ascontiguousarray(whole), here, rate)


def find_beats(ecg: Sampled) -> Beats:
    """Beats by the slopes of all leads together; none where nothing stands out."""
    energy, slopes = _energy(ecg)
    at = _peaks(energy, ecg.rate)
    if at.size < 2:
        return Beats(at.astype(np.float64), np.ones(at.size, np.bool_))
    return _align(at, slopes, ecg)


def mean_beat(ecg: Sampled, beats: Beats) -> FloatArray:
    """The mean of the usual beats in I, II and V1-V6, (samples, 8) at `FINE` Hz, about any level: to find QRS by."""
    offsets = np.arange(-round(BEFORE * ecg.rate), round(AFTER * ecg.rate))
    places = np.rint(beats.at[beats.usual]).astype(np.intp)[:, None] + offsets
    inside = (places >= 0) & (places < len(ecg.signal))
    places = np.clip(places, 0, len(ecg.signal) - 1)
    steps = np.diff(ecg.signal[:, _INDEPENDENT], axis=0, prepend=ecg.signal[:1, _INDEPENDENT])
    both = ecg.shown[:, _INDEPENDENT]
    both[1:] &= ecg.shown[:-1, _INDEPENDENT]
    seen = inside[:, :, None] & both[places]
    mean = (steps[places] * seen).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return _low_passed(np.cumsum(mean, axis=0, dtype=np.float32), ecg.rate)


def median_beat(ecg: Sampled, beats: Beats, onset: float) -> MedianBeat:
    """The median of the usual beats in each lead, about the level before QRS, whose onset is in seconds after the
    alignment."""
    rate, length = ecg.rate, len(ecg.signal)
    offsets = np.arange(-round(BEFORE * rate), round(AFTER * rate))
    usual = np.rint(beats.at[beats.usual])
    places = usual.astype(np.intp)[:, None] + offsets
    inside = (places >= 0) & (places < length) & _own_time(beats, offsets, rate)
    level = slice(*np.searchsorted(offsets, [(onset - LEVEL) * rate, onset * rate + 1]))
    levelled = inside[:, level].all(axis=1)
    usual, places, inside = usual[levelled], np.clip(places[levelled], 0, length - 1), inside[levelled]
    pieces = ecg.signal[places]
    levels = pieces[:, level].mean(axis=1)
    known = np.ones(levels.shape, np.bool_)
    if not ecg.shown.all():
        shown = ecg.shown[places]
        known = shown[:, level].all(axis=1)
        pieces[~shown] = np.nan
    pieces -= _wander(usual, onset * rate, levels, known, offsets)
    pieces[~inside] = np.nan
    if not known.all():
        pieces[np.broadcast_to(~known[:, None], pieces.shape)] = np.nan
    return _summarise(pieces, offsets, rate)


def _between_samples(signal: FloatArray, at: NDArray[np.floating]) -> FloatArray:
    """A (samples, leads) signal at places between its samples, by the cubic curve through four of them (Catmull and
    Rom), which unlike a band-limited one doesn't ring beside QRS."""
    first = np.clip(np.floor(at).astype(np.intp), 0, len(signal) - 1)
    x = (at - first).astype(np.float32)[:, None]
    padded = np.concatenate([signal[:1], signal, signal[-1:], signal[-1:]])
    before, left, right, after = (padded[first + place] for place in range(4))
    bend = 2 * before - 5 * left + 4 * right - after
    turn = 3 * (left - right) + after - before
    curve: FloatArray = left + 0.5 * x * (right - before + x * (bend + x * turn))
    return curve


def _bridged(signal: FloatArray, shown: BoolArray) -> FloatArray:
    """Lines over what is not shown of each lead."""
    time = np.arange(len(signal))
    for lead in np.flatnonzero(~shown.all(axis=0)):
        here = shown[:, lead]
        if here.any():
            signal[~here, lead] = np.interp(time[~here], time[here], signal[here, lead])
    return signal


def _energy(ecg: Sampled) -> tuple[FloatArray, FloatArray]:
    """How steep the leads are together, (samples,), and the slopes of the telling leads it is made of, each lead by its
    own steep parts, so that a large lead drowns no other."""
    step = max(1, round(_SLOPE * ecg.rate))
    signal = ecg.signal[:, ecg.telling]
    slopes = np.zeros_like(signal)
    half = step // 2
    slopes[half : half + len(signal) - step] = signal[step:] - signal[:-step]
    both = ecg.shown[:, ecg.telling]
    if not both.all():
        reach = step + round(_BORDER * ecg.rate)
        edge = both.copy()
        edge[reach:] &= both[:-reach]
        edge[:-reach] &= both[reach:]
        slopes[~edge] = 0
    steep = np.abs(slopes)
    kth = int(0.02 * len(steep))
    largest = np.partition(steep, len(steep) - 1 - kth, axis=0)[len(steep) - 1 - kth]
    if not both.all():
        share = both.mean(axis=0)
        for lead in np.flatnonzero((share < 0.9) & (share > 0)):
            values = steep[both[:, lead], lead]
            largest[lead] = np.quantile(values, 0.98)
    weights = np.where(largest > 0.01, 1 / np.maximum(largest, 0.01), 0).astype(np.float32)
    slopes *= weights
    seen = np.maximum((both * (weights > 0)).sum(axis=1), 1)
    together = np.minimum(np.abs(slopes), 2).sum(axis=1) / seen
    window = max(1, round(_ENERGY * ecg.rate))
    energy = np.convolve(together, np.full(window, 1 / window, np.float32), "same")
    return energy.astype(np.float32), slopes


def _peaks(energy: FloatArray, rate: float) -> NDArray[np.intp]:
    """Where beats stand out: the highest places, apart from one another, T waves left out."""
    higher = np.flatnonzero((energy[1:-1] >= energy[:-2]) & (energy[1:-1] > energy[2:])) + 1
    if not higher.size:
        return np.zeros(0, np.intp)
    block = max(1, round(1.5 * rate))
    blocks = [energy[start : start + block].max() for start in range(0, len(energy), block)]
    usual = float(np.quantile(blocks, 0.6))
    floor = float(np.median(energy))
    if usual < 0.05 or usual < 1.8 * floor:
        return np.zeros(0, np.intp)
    candidates = higher[energy[higher] > floor + _SEARCH_BACK * (usual - floor)]
    strong = candidates[energy[candidates] > floor + _THRESHOLD * (usual - floor)]
    found = _apart(strong, energy, rate)
    if len(found) > 2:
        apart = float(np.median(np.diff(found)))
        for left, right in pairwise(found):
            if right - left > 1.6 * apart:
                margin = max(0.5 * apart, _T_WAVE * rate)
                between = candidates[(candidates > left + margin) & (candidates < right - margin)]
                if between.size:
                    found.append(int(between[energy[between].argmax()]))
    return np.array(sorted(found), np.intp)


def _apart(candidates: NDArray[np.intp], energy: FloatArray, rate: float) -> list[int]:
    found: list[int] = []
    for place in candidates.tolist():
        since = place - found[-1] if found else np.inf
        if since < _REFRACTORY * rate:
            if energy[place] > energy[found[-1]]:
                found[-1] = place
        elif since >= _T_WAVE * rate or energy[place] > 0.6 * energy[found[-1]]:
            found.append(place)
    return found


def _align(at: NDArray[np.intp], slopes: FloatArray, ecg: Sampled) -> Beats:
    """Shift each beat to where its slopes fit those of the others best, to a part of a sample, and tell its shape."""
    reach, shift = round(_ALIGNMENT * ecg.rate), round(_SHIFT * ecg.rate)
    offsets = np.arange(-reach - shift, reach + shift + 1)
    places = np.clip(at[:, None] + offsets, 0, len(slopes) - 1)
    pieces = slopes[places]
    centre = slice(shift, shift + 2 * reach + 1)
    alike = _likeness(pieces[:, centre], ecg.shown[places[:, centre]][:, :, ecg.telling])
    usual = _most_frequent(alike)
    moved = np.zeros(len(at))
    for _ in range(2):
        template = (
            pieces[usual][:, centre].mean(axis=0)
            if not moved.any()
            else _shifted(pieces, moved, centre)[usual].mean(axis=0)
        )
        fits = np.stack(
            [np.einsum("bsl,sl->b", pieces[:, lag : lag + 2 * reach + 1], template) for lag in range(2 * shift + 1)],
            axis=1,
        )
        moved = _vertex(fits) - shift
    aligned = _shifted(pieces, moved, centre)
    usual = _most_frequent(_likeness(aligned, ecg.shown[places[:, centre]][:, :, ecg.telling]))
    return Beats(at + moved, _with_every_lead(usual, at, ecg))


def _with_every_lead(usual: BoolArray, at: NDArray[np.intp], ecg: Sampled) -> BoolArray:
    """The usual beats, and all beats of a lead that shows none of them."""
    if ecg.shown.all():
        return usual
    here = ecg.shown[at]
    lacking = here.any(axis=0) & ~(here & usual[:, None]).any(axis=0)
    with_all: BoolArray = usual | (here & lacking).any(axis=1)
    return with_all


def _shifted(pieces: FloatArray, moved: NDArray[np.float64], centre: slice) -> FloatArray:
    starts = np.clip(centre.start + np.rint(moved).astype(np.intp), 0, pieces.shape[1] - (centre.stop - centre.start))
    places = starts[:, None] + np.arange(centre.stop - centre.start)
    shifted: FloatArray = np.take_along_axis(pieces, places[:, :, None], axis=1)
    return shifted


def _vertex(fits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Where each row is largest, to a part of a place."""
    best: NDArray[np.intp] = np.clip(fits.argmax(axis=1), 1, fits.shape[1] - 2)
    each = np.arange(len(fits))
    left, middle, right = fits[each, best - 1], fits[each, best], fits[each, best + 1]
    bend = left - 2 * middle + right
    part = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1), 0)
    return np.asarray(best + np.clip(part, -0.5, 0.5), np.float64)


def _likeness(pieces: FloatArray, shown: BoolArray) -> NDArray[np.floating]:
    """Correlation of each two pieces (beats, samples, leads) in what both show; 1 where that is less than a third of
    either."""
    flat, seen = pieces.reshape(len(pieces), -1), shown.reshape(len(pieces), -1).astype(np.float32)
    flat = flat * seen
    energy = np.square(flat) @ seen.T
    scale = np.sqrt(energy * energy.T)
    whole = np.square(flat).sum(axis=1)
    enough = (energy >= whole[:, None] / 3) & (whole / 3 <= energy.T) & (scale > 1e-6)
    alike: NDArray[np.floating] = np.where(enough, flat @ flat.T / np.maximum(scale, 1e-6), 1)
    return alike


def _most_frequent(alike: NDArray[np.floating]) -> BoolArray:
    """The largest group of beats that are like one of them."""
    near = alike > _ALIKE
    members: BoolArray = near[int((near.sum(axis=1) + alike.mean(axis=1)).argmax())]
    return members


def _own_time(beats: Beats, offsets: NDArray[np.intp], rate: float) -> BoolArray:
    """(usual beats, offsets): whether that time belongs to the beat and not to one of its neighbours."""
    intervals = np.diff(beats.at)
    to_next = np.append(intervals, np.inf)[beats.usual][:, None]
    to_last = np.insert(intervals, 0, np.inf)[beats.usual][:, None]
    own: BoolArray = (offsets < to_next - 0.06 * rate) & (offsets > 0.2 * rate - to_last)
    return own


def _wander(
    usual: NDArray[np.float64],
    start: float,
    levels: FloatArray,
    known: BoolArray,
    offsets: NDArray[np.intp],
) -> FloatArray:
    """The base line of each beat, (beats, offsets, 12): a cubic curve through the levels of all beats where every one
    is known, else the beat's own level."""
    if len(usual) < 3 or not known.all():
        return np.broadcast_to(levels[:, None], (len(levels), len(offsets), levels.shape[1])).astype(np.float32)
    knots = usual + start
    steps = np.diff(knots)
    rise = np.diff(levels, axis=0) / steps[:, None].astype(np.float32)
    tangents = np.empty_like(levels)
    tangents[1:-1] = (rise[:-1] + rise[1:]) / 2
    tangents[0], tangents[-1] = rise[0] / 2, rise[-1] / 2
    coarse = np.append(offsets[::_COARSE], offsets[-1])
    time = usual[:, None] + coarse
    piece = np.clip(np.searchsorted(knots, time, side="right") - 1, 0, len(steps) - 1)
    step = steps[piece]
    x = np.clip((time - knots[piece]) / step, 0, 1)
    weights = (
        (1 + 2 * x) * (1 - x) ** 2,
        x**2 * (3 - 2 * x),
        step * x * (1 - x) ** 2,
        step * x**2 * (x - 1),
    )
    values = (levels[piece], levels[piece + 1], tangents[piece], tangents[piece + 1])
    curve = np.zeros_like(values[0])
    for weight, value in zip(weights, values, strict=True):
        curve += weight[:, :, None].astype(np.float32) * value
    return np.asarray(_between(coarse, offsets) @ curve, np.float32)


def _between(coarse: NDArray[np.intp], offsets: NDArray[np.intp]) -> FloatArray:
    """The matrix (offsets, coarse) that draws lines between values at coarse offsets."""
    left = np.clip(np.searchsorted(coarse, offsets, side="right") - 1, 0, len(coarse) - 2)
    part = (offsets - coarse[left]) / np.maximum(coarse[left + 1] - coarse[left], 1)
    lines = np.zeros((len(offsets), len(coarse)), np.float32)
    each = np.arange(len(offsets))
    lines[each, left] = 1 - part
    lines[each, left + 1] = part
    return lines


def _summarise(pieces: FloatArray, offsets: NDArray[np.intp], rate: float) -> MedianBeat:
    """The median of (beats, offsets, 12), low-passed and at `FINE` Hz."""
    if not len(pieces):
        pieces = np.full((1, *pieces.shape[1:]), np.nan, np.float32)
    ordered = np.sort(pieces, axis=0)
    count = np.isfinite(pieces).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, len(pieces) - 1)
    middle = (np.take_along_axis(ordered, low[None], 0)[0] + np.take_along_axis(ordered, high[None], 0)[0]) / 2
    quiet = (offsets > _BESIDE[0] * rate) & (offsets < _BESIDE[1] * rate)
    residual = np.abs(pieces[:, quiet] - middle[quiet])
    residual = np.where(np.isfinite(residual), residual, 0)
    shown = np.maximum(np.isfinite(pieces[:, quiet]).sum(axis=(0, 1)), 1)
    spread = (1.25 * residual.sum(axis=(0, 1)) / shown).astype(np.float32)
    smooth = _low_passed(_filled(middle.astype(np.float32)), rate)
    fine = np.arange(len(smooth)) / FINE
    outside = np.interp(fine, np.arange(len(middle)) / rate, np.arange(len(middle))).astype(np.intp)
    smooth[~np.isfinite(middle[outside])] = np.nan
    origin = round(-offsets[0] / rate * FINE)
    core = count[(offsets > -0.1 * rate) & (offsets < 0.25 * rate)]
    return MedianBeat(smooth, middle.astype(np.float32), rate, origin, spread, core.min(axis=0))


def _filled(beat: FloatArray) -> FloatArray:
    """A beat without NaN: at its ends the last value goes on."""
    gaps = ~np.isfinite(beat)
    if not gaps.any():
        return beat
    filled = beat.copy()
    time = np.arange(len(beat))
    for lead in np.flatnonzero(gaps.any(axis=0)):
        here = ~gaps[:, lead]
        filled[:, lead] = np.interp(time, time[here], beat[here, lead]) if here.any() else 0
    return filled


def _low_passed(beat: FloatArray, rate: float) -> FloatArray:
    """(samples, 12) at `FINE` Hz, without muscle and mains, its steps at the ends mirrored away."""
    length = len(beat)
    samples = round(length / rate * FINE)
    spectrum = np.fft.rfft(np.concatenate([beat, beat[::-1]]), axis=0)
    frequencies = np.arange(len(spectrum)) / (2 * length) * rate
    gain = np.exp(-0.5 * (frequencies / _LOW_PASS) ** 2)
    spectrum = spectrum * gain[:, None].astype(np.float32)
    kept = spectrum[: samples + 1]
    wide = np.zeros((samples + 1, beat.shape[1]), np.complex64)
    wide[: len(kept)] = kept
    fine = np.fft.irfft(wide, 2 * samples, axis=0)[:samples] * (samples / length)
    return fine.astype(np.float32)
