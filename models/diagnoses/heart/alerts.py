"""Danger signs that are measured, each by a written rule of knowledge.yaml, whatever the network says."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from models.diagnoses.heart.beats import FloatArray
from models.diagnoses.heart.figures import Figures
from models.diagnoses.heart.knowledge import FigureRule, Rule, StLimits, heart_knowledge
from models.preprocessing.ecg_record import LEADS
from schemas.common import Alert
from schemas.heart import Person

CONTIGUOUS: tuple[tuple[str, str], ...] = (
    ("aVL", "I"),
    ("I", "-aVR"),
    ("-aVR", "II"),
    ("II", "aVF"),
    ("aVF", "III"),
    *((f"V{number}", f"V{number + 1}") for number in range(1, 6)),
)
"""Leads that look at the heart side by side, by the Fourth Universal Definition: those of the frontal plane in the
order aVL, I, -aVR, II, aVF, III, and the precordial ones."""

ADULT = 16.0
"""Years from which the limits of rates hold."""

_KNOWLEDGE = heart_knowledge()
_RULES = _KNOWLEDGE.alerts
_WIDE_QRS = 120.0
_SOKOLOW_LYON = 3.5
_EARLY_REPOLARISATION = 23.4
_WIDESPREAD = 6
_MIRRORED = 0.05
_UPRIGHT_T = 0.1
_UNITS = {"rate": "/min", "longest": "ms", "qtc_fridericia": "ms", "qrs": "ms"}
_PLACE = {str(lead): place for place, lead in enumerate(LEADS)}


class Tolerance(NamedTuple):
    """By how far a level has to pass its limit, mV: that of ST elevation in V2 and V3, and any other."""

    v2_v3: float
    others: float


OF_RECORDS = Tolerance(_RULES.tolerance_of_records_in_v2_v3.value, _RULES.tolerance_of_records.value)
OF_SHEETS = Tolerance(_RULES.tolerance_of_sheets_in_v2_v3.value, _RULES.tolerance_of_sheets.value)
"""Those of levels measured on a record, and on the traces of a sheet."""


def raise_alerts(stretches: Sequence[Figures], person: Person, tolerance: Tolerance) -> tuple[Alert, ...]:
    """The alerts that any stretch of an ECG raises, each once, in the order of the rules, with the first evidence."""
    found = {alert.name: alert for figures in reversed(stretches) for alert in _alerts_of(figures, person, tolerance)}
    return tuple(found[rule.name] for rule in _RULES.all if rule.name in found)


def alerts_of_misread(figures: Figures, person: Person, tolerance: Tolerance) -> tuple[Alert, ...]:
    """The alert of ST elevation that traces raise which do not fit together, with that said: a sheet is misread in part
    more often than all over, and other signs need more of it."""
    doubt = _RULES.misread.value
    return tuple(
        alert.model_copy(update={"evidence": f"{alert.evidence}; {doubt}"})
        for alert in raise_alerts([figures], person, tolerance)
        if alert.name == _RULES.st_elevation.name
    )


def limit_of_v2_v3(limits: StLimits, person: Person) -> float:
    """mV; the lowest of those that may hold for a person of whom not all is known."""
    if person.sex == "female":
        return limits.women
    if person.sex != "male":
        return min(limits.women, limits.men_from_40, limits.men_under_40)
    if person.age is None:
        return min(limits.men_from_40, limits.men_under_40)
    return limits.men_under_40 if person.age < 40 else limits.men_from_40


def elevated(levels: FloatArray, v2_v3: float, others: float) -> list[str]:
    """The leads, in the order of `CONTIGUOUS`, that with a contiguous one reach their limits, all in mV."""
    leads: list[str] = []
    for pair in CONTIGUOUS:
        if all(_level(levels, lead) >= (v2_v3 if lead in ("V2", "V3") else others) for lead in pair):
            leads += [lead for lead in pair if lead not in leads]
    return leads


def _alerts_of(figures: Figures, person: Person, tolerance: Tolerance) -> Iterator[Alert]:
    levels = figures.levels
    if levels is not None:
        limits = _RULES.st_elevation.limits.value
        v2_v3, others = limit_of_v2_v3(limits, person) + tolerance.v2_v3, limits.others + tolerance.others
        leads = elevated(levels.least(levels.j), v2_v3, others)
        if leads:
            yield _alert(_RULES.st_elevation, _levels_told(levels.j, leads), *_imitators(figures, leads))
        leads = _posterior(figures, -_RULES.posterior.depression.value - tolerance.others)
        if leads:
            yield _alert(_RULES.posterior, _levels_told(levels.j, leads), *_imitators(figures, leads))
        leads = _widespread(
            figures, -_RULES.widespread_depression.depression.value - tolerance.others, tolerance.others
        )
        if leads:
            yield _alert(_RULES.widespread_depression, _levels_told(levels.j, leads), *_imitators(figures, leads))
    for rule in _RULES.figures:
        value = _figure(figures, rule, person)
        if value is not None and _passes(value, rule):
            yield _alert(rule, f"{value:.0f} {_UNITS[rule.figure]}")


def _alert(rule: Rule, evidence: str, *beside: str) -> Alert:
    return Alert(
        name=rule.name,
        evidence="; ".join((evidence, *beside)),
        urgency=rule.urgency.value,
        source=_KNOWLEDGE.cite(rule.urgency.source),
    )


def _level(levels: FloatArray, lead: str) -> float:
    return -float(levels[_PLACE["aVR"]]) if lead == "-aVR" else float(levels[_PLACE[lead]])


def _levels_told(levels: FloatArray, leads: Sequence[str]) -> str:
    told = ", ".join(f"{lead} {_level(levels, lead):+.2f}" for lead in leads)
    return f"J point in mV: {told}"


def _posterior(figures: Figures, limit: float) -> list[str]:
    """Those of V1-V3, two side by side, whose ST lies at or below the limit, mV, at the J point and 60 ms later, with
    an upright T: the mirror of an elevation at the back."""
    if figures.levels is None:
        return []
    j, later, t = (figures.levels.least(each) for each in (figures.levels.j, figures.levels.later, figures.levels.t))
    low = [
        lead
        for lead in ("V1", "V2", "V3")
        if _level(j, lead) <= limit and _level(later, lead) <= limit and _level(t, lead) >= _UPRIGHT_T
    ]
    return low if "V2" in low and len(low) > 1 else []


def _widespread(figures: Figures, limit: float, tolerance: float) -> list[str]:
    """Six leads or more whose ST lies at or below the limit, mV, at the J point and 60 ms later, and aVR or V1 if
    elevated."""
    if figures.levels is None:
        return []
    j, later = figures.levels.least(figures.levels.j), figures.levels.least(figures.levels.later)
    low = [lead for lead in LEADS if _level(j, lead) <= limit and _level(later, lead) <= limit]
    high = [lead for lead in ("aVR", "V1") if _level(j, lead) >= _MIRRORED + tolerance]
    return [*low, *high] if len(low) >= _WIDESPREAD and high else []


def _imitators(figures: Figures, leads: Sequence[str]) -> list[str]:
    levels, texts = figures.levels, _RULES.imitators.value
    if levels is None:
        return []
    found = []
    if figures.qrs is not None and figures.qrs >= _WIDE_QRS:
        found.append(texts.wide_qrs.format(qrs=figures.qrs))
    tall = float(np.nanmax([0.0, *levels.r[[_PLACE["V5"], _PLACE["V6"]]]])) - float(levels.s[_PLACE["V1"]])
    if tall >= _SOKOLOW_LYON:
        found.append(texts.hypertrophy.format(sum=tall))
    value = _early_repolarisation(figures)
    if value is not None and value < _EARLY_REPOLARISATION and set(leads) <= {"V1", "V2", "V3", "V4"}:
        found.append(texts.early_repolarisation.format(value=value))
    return found


def _early_repolarisation(figures: Figures) -> float | None:
    """Smith's equation: 1.196 x ST of V3 at 60 ms in mm + 0.059 x QTc (Bazett) in ms - 0.326 x R of V4 in mm."""
    qtc = figures.corrected(1 / 2)
    if figures.levels is None or qtc is None:
        return None
    st, r = (float(each) for each in (figures.levels.later[_PLACE["V3"]], figures.levels.r[_PLACE["V4"]]))
    value = 1.196 * 10 * st + 0.059 * qtc - 0.326 * 10 * r
    return value if np.isfinite(value) else None


def _figure(figures: Figures, rule: FigureRule, person: Person) -> float | None:
    match rule.figure:
        case "rate":
            return figures.rate if person.age is None or person.age >= ADULT else None
        case "longest":
            return figures.longest
        case "qtc_fridericia":
            return figures.corrected(1 / 3)
        case "qrs":
            return figures.qrs


def _passes(value: float, rule: FigureRule) -> bool:
    below = rule.below is not None and value < rule.below
    return below or (rule.above is not None and value > rule.above)
