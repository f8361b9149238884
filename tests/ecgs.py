"""Made-up 12-lead ECGs whose waves begin and end where it is known.

`gaussian` sums bell curves, as McSharry et al. (IEEE Trans Biomed Eng 2003;50:289-294) do along a beat; a wave of
theirs ends 2.5 standard deviations from its middle. `ramps` has triangles, `cosines` half cosines and humps: both end
where they are drawn to end. How large a wave is in each lead is drawn once a record.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.ecg_record import LEADS

Shape = Literal["gaussian", "ramps", "cosines"]
SHAPES: tuple[Shape, ...] = ("gaussian", "ramps", "cosines")

_P = np.array([0.08, 0.13, 0.06, 0.05, 0.06, 0.07, 0.07, 0.06])
_Q = np.array([-0.06, -0.08, 0.0, 0.0, -0.02, -0.08, -0.12, -0.12])
_R = np.array([0.7, 1.1, 0.25, 0.5, 0.9, 1.5, 1.4, 1.1])
_S = np.array([-0.15, -0.2, -0.9, -1.4, -0.9, -0.5, -0.2, -0.1])
_T = np.array([0.2, 0.3, 0.1, 0.45, 0.5, 0.45, 0.35, 0.25])
"""mV of each wave in I, II and V1-V6."""


@dataclass(frozen=True, slots=True)
class MadeUpEcg:
    """A (samples, 12) signal in mV at `hertz`, and what is true of it: `rate` a minute, the rest in ms."""

    signal: NDArray[np.float32]
    hertz: float
    rate: float
    pr: float
    qrs: float
    qt: float
    onsets: NDArray[np.float64]


def twelve(independent: NDArray[np.float64]) -> NDArray[np.float32]:
    """The twelve leads that (samples, 8) of I, II and V1-V6 make."""
    one, two = independent[:, 0], independent[:, 1]
    leads = dict(zip(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"), independent.T, strict=True))
    leads |= {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    return np.stack([leads[lead] for lead in LEADS], axis=1).astype(np.float32)


def made_up(
    shape: Shape = "gaussian",
    *,
    rate: float = 70,
    qrs: float = 90,
    pr: float = 150,
    qt: float | None = None,
    hertz: float = 500,
    seconds: float = 10,
    noise: float = 0.0,
    wander: float = 0.0,
    irregular: float = 0.03,
    st: dict[str, float] | None = None,
    seed: int = 0,
) -> MadeUpEcg:
    """An ECG of `rate` a minute whose intervals, ms, are as asked for; QT by the rate where none is given.

    `noise` is the standard deviation of white noise, `wander` the amplitude of a slow drift, both mV; `irregular` how
    far beats stray from even distances, as a share of them; `st` a level from the J point on by lead, mV.
    """
    rng = np.random.default_rng(seed)
    qt = 390 * (60 / rate) ** (1 / 3) if qt is None else qt
    time = np.arange(round(seconds * hertz)) / hertz
    onsets = _onsets(rate, seconds, irregular, rng)
    field = rng.uniform(0.7, 1.3, (5, 8))
    signal = np.zeros((len(time), 8))
    levels = np.zeros((len(time), 12))
    waves = (
        (_P, (-pr, -0.38 * pr)),
        (_Q, (0, 0.35 * qrs)),
        (_R, (0.15 * qrs, 0.75 * qrs)),
        (_S, (0.55 * qrs, qrs)),
        (_T, (qt - min(200, 0.62 * (qt - qrs)), qt)),
    )
    for onset in onsets:
        near = slice(*np.searchsorted(time, [onset - 2 * pr / 1000, onset + (qt + 200) / 1000]))
        since = 1000 * (time[near] - onset)
        for number, (amplitudes, (first, last)) in enumerate(waves):
            heights = _wave(since, first, last, shape, slow=number in (0, 4))
            signal[near] += heights[:, None] * amplitudes * field[number]
        if st:
            levels[near] += _plateau(since, qrs, qt)[:, None] * [st.get(lead, 0.0) for lead in LEADS]
    leads = twelve(signal) + levels.astype(np.float32)
    if wander:
        phases = rng.uniform(0, 2 * np.pi, 12)
        leads += (wander * np.sin(2 * np.pi * 0.25 * time[:, None] + phases)).astype(np.float32)
    leads += rng.normal(0, noise, leads.shape).astype(np.float32) if noise else np.float32(0)
    whole = onsets[(onsets > 0) & (onsets < seconds)]
    return MadeUpEcg(leads, hertz, 60 / float(np.diff(whole).mean()), pr, qrs, qt, whole)


def _onsets(rate: float, seconds: float, irregular: float, rng: np.random.Generator) -> NDArray[np.float64]:
    apart = 60 / rate * (1 + irregular * rng.standard_normal(int(seconds * rate / 60) + 8).clip(-2, 2))
    return np.cumsum(apart) - 60 / rate * rng.uniform(1.2, 2)


def _wave(since: NDArray[np.float64], first: float, last: float, shape: Shape, *, slow: bool) -> NDArray[np.float64]:
    """A wave of height 1 between two times, ms."""
    middle, half = (first + last) / 2, (last - first) / 2
    at: NDArray[np.float64] = (since - middle) / half
    if shape == "gaussian":
        return np.exp(-0.5 * (2.5 * at) ** 2)
    if shape == "ramps":
        return np.asarray(np.maximum(1 - np.abs(at), 0), np.float64)
    hump = 0.5 + 0.5 * np.cos(np.pi * at) if slow else np.cos(np.pi / 2 * at)
    return np.asarray(hump * (np.abs(at) < 1), np.float64)


def _plateau(since: NDArray[np.float64], qrs: float, qt: float) -> NDArray[np.float64]:
    """1 from the end of QRS to the top of T, rising within QRS and falling with T."""
    rise: NDArray[np.float64] = np.clip((since - 0.7 * qrs) / (0.3 * qrs), 0, 1)
    return rise * np.clip((qt - since) / 100, 0, 1)
