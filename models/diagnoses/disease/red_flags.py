"""Dangers that call for care at once, looked for in the text itself and among the symptoms, before the model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from models.diagnoses.disease.knowledge import RedFlagRule, red_flag_knowledge
from models.diagnoses.disease.patient import Patient
from models.diagnoses.disease.phrases import Hits, Line, compile_line, phrases
from models.diagnoses.disease.vocabulary import vocabulary

_AGES: Mapping[str, tuple[float, float]] = {
    "aged_young_baby": (0, 0.25),
    "aged_baby": (0, 2),
    "aged_child": (0, 15),
    "aged_old": (65, 120),
}
"""Years of the classes that a rule's lines may name."""


@dataclass(frozen=True, slots=True)
class Raised:
    """A rule that holds, the symptoms that raised it, and the words of the text that did, as they were sent."""

    rule: RedFlagRule
    symptoms: tuple[str, ...] = ()
    words: str | None = None


def raised(present: Iterable[str], patient: Patient, text: str = "") -> list[Raised]:
    """The rules that hold, in their order, for the symptoms that are present and for a text of up to 15,000 characters.

    Sex bars none: where what is told contradicts it, that is told, not trusted.
    """
    wider = vocabulary().wider
    meanings = {symptom: wider[symptom] | {symptom} for symptom in present}
    known = frozenset[str]().union(*meanings.values())
    hits = phrases().hits(text, _ages(patient)) if text else {}
    found = []
    for rule, lines in _rules():
        words = _said(lines, hits, text) if rule.age_must_be_known or _is_aged(rule, patient) else None
        holds = _holds(rule, known, hits) and _is_aged(rule, patient)
        if holds or words is not None:
            named = frozenset(name for group in rule.all_of for name in group) if holds else frozenset()
            found.append(Raised(rule, tuple(name for name, means in meanings.items() if means & named), words))
    return found


def citation(rule: RedFlagRule) -> str:
    """The sources of a rule in words."""
    sources = red_flag_knowledge().sources
    return "; ".join(sources[key] for key in rule.source.split(", "))


@cache
def _rules() -> tuple[tuple[RedFlagRule, tuple[Line, ...]], ...]:
    return tuple((rule, tuple(map(compile_line, rule.said))) for rule in red_flag_knowledge().rules)


def _ages(patient: Patient) -> list[str]:
    if patient.age is None:
        return []
    return [name for name, (low, high) in _AGES.items() if low <= patient.age <= high]


def _holds(rule: RedFlagRule, known: frozenset[str], hits: Hits) -> bool:
    if not rule.all_of or any(name in hits for name in rule.unless_said):
        return False
    return all(not known.isdisjoint(group) for group in rule.all_of) and known.isdisjoint(rule.unless)


def _said(lines: Sequence[Line], hits: Hits, text: str) -> str | None:
    """The words of the first line that holds; the whole text where it holds by what is known from elsewhere."""
    for line in lines:
        if places := line.places(hits):
            begin, end = places[0].begin, places[0].end
            return text[begin:end] if end > begin else text[:80]
    return None


def _is_aged(rule: RedFlagRule, patient: Patient) -> bool:
    if rule.age is None:
        return True
    if patient.age is None:
        return not rule.age_must_be_known
    low, high = rule.age
    return low <= patient.age <= high
