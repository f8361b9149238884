"""`measurements` of an answer: figures as they are told, with their units or the reason why they can't be."""

import numpy as np

from models.diagnoses.heart.beats import FloatArray
from models.diagnoses.heart.figures import NO_BEATS, NO_LEVEL, TOO_FEW_BEATS, Figures
from models.preprocessing.ecg_record import LEADS
from schemas.heart import HeartMeasurements, LeadMeasurement, Measurement, Rhythm

MILLIMETRES = 10
"""A millivolt at the usual gain."""


def tell(figures: Figures, rhythm: Rhythm) -> HeartMeasurements:
    """The figures of an ECG as an answer has them."""
    why, levels = figures.why, figures.levels
    nan = np.full(12, np.nan, np.float32)
    j, later, r, s = (np.where(levels.sure, each, nan) for each in levels[:4]) if levels else (nan,) * 4
    return HeartMeasurements(
        rate=_figure(figures.rate, "/min", why.get("rate", TOO_FEW_BEATS), decimals=1),
        rr_variation=_figure(figures.variation, "%", TOO_FEW_BEATS, decimals=1),
        longest_rr=_figure(figures.longest, "ms", TOO_FEW_BEATS),
        pr=_figure(figures.pr, "ms", why.get("pr")),
        qrs=_figure(figures.qrs, "ms", why.get("qrs")),
        qt=_figure(figures.qt, "ms", why.get("qt")),
        qtc_bazett=_figure(figures.corrected(1 / 2), "ms", why.get("qt") or why.get("rate")),
        qtc_fridericia=_figure(figures.corrected(1 / 3), "ms", why.get("qt") or why.get("rate")),
        axis=_figure(figures.axis, "degrees", why.get("axis")),
        st_j=_by_lead(j, "mV"),
        st_j_mm=_by_lead(j * MILLIMETRES, "mm", decimals=2),
        st_60=_by_lead(later, "mV"),
        st_60_mm=_by_lead(later * MILLIMETRES, "mm", decimals=2),
        r=_by_lead(r, "mV"),
        s=_by_lead(s, "mV"),
        rhythm=rhythm,
    )


def _figure(value: float | None, unit: str, reason: str | None, *, decimals: int = 0) -> Measurement:
    if value is None:
        return Measurement(value=None, unit=unit, reason=reason or NO_BEATS)
    return Measurement(value=round(value, decimals), unit=unit)


def _by_lead(levels: FloatArray, unit: str, *, decimals: int = 3) -> LeadMeasurement:
    told = np.isfinite(levels)
    if not told.any():
        return LeadMeasurement(value=None, unit=unit, reason=NO_BEATS)
    value = {
        lead: round(level, decimals) if sure else None
        for lead, level, sure in zip(LEADS, levels.tolist(), told.tolist(), strict=True)
    }
    return LeadMeasurement(value=value, unit=unit, reason=None if told.all() else NO_LEVEL)
