"""What is measured on one stretch of an ECG, in numbers; none of it is learned.

Levels and amplitudes are relative to the level before QRS, as the Fourth Universal Definition of Myocardial Infarction
(2018) reads ST: at the J point against the onset of QRS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.heart.beats import FINE, FloatArray, MedianBeat, Sampled, find_beats, mean_beat, median_beat
from models.diagnoses.heart.waves import Waves, find_waves, onset_of
from models.preprocessing.ecg_record import LEADS

NO_BEATS = "No beats stand out."
TOO_FEW_BEATS = "Fewer than three beats were found."
NO_QRS = "The end of QRS is not told from ST."
NO_P = "No P wave stands out before QRS, as in atrial fibrillation, pacing or noise."
NO_T = "No T wave stands out from noise and from the next beat."
NO_AXIS = "QRS has no net direction in the frontal plane."
NO_LEVEL = "Null leads are too noisy, or too little of them is shown."

MOST_MARGIN = 0.1
UNSURE = 0.05
"""mV: of a lead whose level is less sure than that, by the spread of its beats, no level is told."""

_LIMB = 6
_FROM_I_II = np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])
"""The limb leads from I and II, by Einthoven's law and Goldberger's leads."""
_SURE, _OFF = 0.02, 0.05
"""mV: what a level is unsure by at least, and off those of the others, from where a lead counts less."""
_PLACE = {lead: place for place, lead in enumerate(LEADS)}
_AFTER_J = 0.06
_AT_J = 0.004


class Levels(NamedTuple):
    """Of each of the twelve leads, mV, NaN where no beat of it is shown: at the J point, 60 ms later, the highest and
    the deepest wave of QRS, and the peak of T. `error` is the standard error of these, by the spread of the beats."""

    j: FloatArray
    later: FloatArray
    r: FloatArray
    s: FloatArray
    t: FloatArray
    error: FloatArray

    @property
    def sure(self) -> NDArray[np.bool_]:
        """Which leads' levels are sure enough to be told."""
        return np.asarray(self.error < UNSURE)

    def least(self, values: FloatArray) -> FloatArray:
        """`values` of unsure leads less their standard error, or a millimetre; those of sure ones as they are."""
        margin = np.where(self.sure, 0, np.minimum(self.error, MOST_MARGIN))
        return np.asarray(np.sign(values) * np.maximum(np.abs(values) - margin, 0), np.float32)


@dataclass(frozen=True, slots=True)
class Figures:
    """One stretch of an ECG. Times are in ms, `rate` a minute, None where a figure can't be told; `why` says why.

    `intervals` are those between beats; `noise` (12,) is how far single beats lie from the median one, mV.
    """

    beats: int
    intervals: NDArray[np.float64]
    rate: float | None
    pr: float | None
    qrs: float | None
    qt: float | None
    axis: float | None
    levels: Levels | None
    noise: FloatArray
    why: Mapping[str, str]

    @property
    def longest(self) -> float | None:
        """The longest interval between two beats, ms."""
        return float(self.intervals.max()) if self.intervals.size else None

    @property
    def variation(self) -> float | None:
        """The median change from one interval to the next, per cent of the mean interval."""
        if self.intervals.size < 2:
            return None
        return float(100 * np.median(np.abs(np.diff(self.intervals))) / self.intervals.mean())

    def corrected(self, exponent: float) -> float | None:
        """QT for a rate of 60 a minute: Bazett with an exponent of 1/2, Fridericia with 1/3."""
        if self.qt is None or self.rate is None:
            return None
        return self.qt / float((60 / self.rate) ** exponent)


def add_up(levels: Levels) -> Levels:
    """The levels with those of limb leads at the J point and after it as one heart has them: what six leads say, each
    by its error, of the two that they all follow from. Leads that are off the others count less."""
    j, error = _of_one_heart(levels.j, levels.error)
    later, _ = _of_one_heart(levels.later, levels.error)
    return levels._replace(j=j, later=later, error=error)


def _of_one_heart(values: FloatArray, errors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Values (12,) with the limb leads' replaced, and their standard errors."""
    known = np.isfinite(values[:_LIMB]) & np.isfinite(errors[:_LIMB])
    seen, spread = np.where(known, values[:_LIMB], 0), np.where(known, errors[:_LIMB], 0) ** 2 + _SURE**2
    if known.sum() < 2:
        return values, errors
    weights = known / spread
    fitted, covariance = _fit(seen, weights)
    for _ in range(2):
        off = np.abs(fitted - seen) * known
        weights = known / (spread * np.maximum(1, off / _OFF))
        fitted, covariance = _fit(seen, weights)
    misfit = float((weights * ((fitted - seen) * known) ** 2).sum())
    excess = max(1.0, misfit / max(int(known.sum()) - 2, 1))
    better, sure = values.copy(), errors.copy()
    better[:_LIMB] = np.where(known, fitted, np.nan)
    sure[:_LIMB] = np.where(known, np.sqrt(excess * np.diag(covariance)), errors[:_LIMB])
    return better, sure


def _fit(seen: NDArray[np.floating], weights: NDArray[np.floating]) -> tuple[NDArray[np.floating], ...]:
    """The limb leads, (6,), that those seen come nearest to, each by its weight, and their covariance."""
    within = np.linalg.inv(_FROM_I_II.T @ (weights[:, None] * _FROM_I_II))
    return _FROM_I_II @ within @ (_FROM_I_II.T @ (weights * seen)), _FROM_I_II @ within @ _FROM_I_II.T


def measure(ecg: Sampled, late: float = 0.0) -> Figures:
    """The figures of one stretch of an ECG; its J point is looked at `late` seconds after QRS was seen to end."""
    beats = find_beats(ecg)
    nothing = np.full(12, np.nan, np.float32)
    if beats.at.size == 0:
        return Figures(0, np.zeros(0), None, None, None, None, None, None, nothing, _everything(NO_BEATS))
    intervals = 1000 * np.diff(beats.at) / ecg.rate
    rate = 60_000 / float(intervals.mean()) if intervals.size > 1 else None
    onset = onset_of(mean_beat(ecg, beats))
    beat = median_beat(ecg, beats, -0.05 if onset is None else onset)
    waves = find_waves(beat, float(np.median(intervals)) / 1000 if intervals.size else 1.0)
    if waves is None:
        return Figures(len(beats.at), intervals, rate, None, None, None, None, None, beat.spread, _everything(NO_BEATS))
    levels = _levels(beat, waves._replace(offset=waves.offset + late * FINE))
    ms = 1000 / FINE
    figures = {
        "pr": None if waves.p_onset is None else (waves.onset - waves.p_onset) * ms,
        "qrs": (waves.offset - waves.onset) * ms if waves.clear else None,
        "qt": None if waves.t_end is None else (waves.t_end - waves.onset) * ms,
        "axis": _axis(beat, waves),
    }
    reasons = {"qrs": NO_QRS, "pr": NO_P, "qt": NO_T, "axis": NO_AXIS, "rate": TOO_FEW_BEATS}
    why = {name: reason for name, reason in reasons.items() if {**figures, "rate": rate}[name] is None}
    return Figures(len(beats.at), intervals, rate, **figures, levels=levels, noise=beat.spread, why=why)


def together(stretches: Sequence[Figures]) -> Figures:
    """The median of each figure over the stretches of one ECG; all intervals between its beats."""
    if len(stretches) == 1:
        return stretches[0]
    read = [each for each in stretches if each.levels is not None] or list(stretches)
    levels = [each.levels for each in read if each.levels is not None]

    def middle(values: Sequence[float | None]) -> float | None:
        told = [value for value in values if value is not None]
        return float(np.median(told)) if told else None

    intervals = np.concatenate([each.intervals for each in stretches])
    figures = {name: middle([getattr(each, name) for each in read]) for name in ("pr", "qrs", "qt", "axis")}
    rate = 60_000 / float(intervals.mean()) if intervals.size > 1 else None
    merged = {name: reason for each in read for name, reason in each.why.items()}
    return Figures(
        beats=sum(each.beats for each in stretches),
        intervals=intervals,
        rate=rate,
        **figures,
        levels=Levels(*(_median(values) for values in zip(*levels, strict=True))) if levels else None,
        noise=_median([each.noise for each in read]),
        why={name: reason for name, reason in merged.items() if {**figures, "rate": rate}.get(name) is None},
    )


def _median(values: Sequence[FloatArray]) -> FloatArray:
    stacked = np.stack(values)
    told = np.isfinite(stacked).any(axis=0)
    middle = np.full(stacked.shape[1:], np.nan, np.float32)
    if told.any():
        middle[told] = np.nanmedian(stacked[:, told], axis=0)
    return middle


def _everything(reason: str) -> dict[str, str]:
    return dict.fromkeys(("rate", "pr", "qrs", "qt", "axis", "levels"), reason)


def _levels(beat: MedianBeat, waves: Waves) -> Levels:
    signal = beat.signal
    error = beat.spread / np.sqrt(np.maximum(beat.of, 1))
    near = round(_AT_J * FINE)
    onset, offset = round(waves.onset), min(round(waves.offset), len(signal) - 2 * near)
    later = min(offset + round(_AFTER_J * FINE), len(signal) - 2 * near)
    qrs = beat.sharp[int(onset / FINE * beat.rate) : int(offset / FINE * beat.rate) + 2]
    end = round(waves.t_end) if waves.t_end is not None else min(len(signal) - 1, later + round(0.2 * FINE))
    repolarisation = signal[min(later, end - 1) : end]
    peak = np.abs(np.nan_to_num(repolarisation)).argmax(axis=0)
    values = [
        signal[offset - near : offset + near + 1].mean(axis=0),
        signal[later - near : later + near + 1].mean(axis=0),
        np.maximum(qrs.max(axis=0), 0),
        np.minimum(qrs.min(axis=0), 0),
        repolarisation[peak, np.arange(12)],
    ]
    return Levels(*(each.astype(np.float32) for each in (*values, error)))


def _axis(beat: MedianBeat, waves: Waves) -> float | None:
    """Of the net area of QRS in I and aVF; leads of the Einthoven system are longer than augmented ones."""
    qrs = beat.signal[round(waves.onset) : round(waves.offset) + 1]
    across, down = float(qrs[:, _PLACE["I"]].sum()), float(qrs[:, _PLACE["aVF"]].sum()) * 2 / 3**0.5
    size = float(np.abs(qrs[:, [_PLACE["I"], _PLACE["aVF"]]]).sum())
    if not np.isfinite(size) or np.hypot(across, down) < 0.1 * size:
        return None
    return float(np.degrees(np.arctan2(down, across)))
