"""Dangers that call for care at once, looked for in the text itself and among the symptoms, before the model."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from models.diagnoses.disease.findings import Findings
from models.diagnoses.disease.knowledge import RedFlagRule, red_flag_knowledge
from models.diagnoses.disease.likeness import likeness
from models.diagnoses.disease.patient import Patient
from models.diagnoses.disease.phrases import UNHEARD, Heard, Hits, Line, compile_line, phrases
from models.diagnoses.disease.vocabulary import vocabulary

_MOST_QUOTED = 80
_REASSURED = "reassured"
"""The class of what tells of a mild course, for words that are only a little alike to a danger."""
_PREGNANT = "any_pregnant"
"""The class of what tells of a pregnancy, which is never taken from mere likeness."""
_AGES: Mapping[str, tuple[float, float]] = {
    "aged_young_baby": (0, 0.25),
    "aged_infant": (0.25, 0.5),
    "aged_under_one": (0, 1),
    "aged_under_five": (0, 5),
    "aged_baby": (0, 2),
    "aged_child": (0, 15),
    "aged_old": (65, 120),
}
"""Years of the classes that a rule's lines may name."""


@dataclass(frozen=True, slots=True)
class Raised:
    """A rule that holds, the symptoms that raised it, and the words of the text that did, as they were sent; whether
    these are only `alike` to words that do."""

    rule: RedFlagRule
    symptoms: tuple[str, ...] = ()
    words: str | None = None
    alike: bool = False


def hear(found: Findings, patient: Patient, text: str) -> Heard:
    """A text of up to 15,000 characters as the rules hear it; the places of what was found are those of that text."""
    return phrases().hear(text, _classes_of(patient), found.corrections, found.measurements) if text else UNHEARD


def raised(found: Findings, patient: Patient, text: str = "", heard: Heard | None = None) -> list[Raised]:
    """The rules that hold, in their order, for what was found and for a text, which may be `heard` already.

    Sex bars none: where what is told contradicts it, that is told, not trusted.
    """
    wider = vocabulary().wider
    meanings = {symptom: wider[symptom] | {symptom} for symptom in found.present}
    known = frozenset[str]().union(*meanings.values())
    hits = (heard or hear(found, patient, text)).hits
    words = _words(hits, text, patient)
    rules, by_symptom = red_flag_knowledge().rules, _rules_by_symptom()
    dangers = []
    for place in sorted(words.keys() | {place for symptom in known for place in by_symptom.get(symptom, ())}):
        rule = rules[place]
        holds = _holds(rule, known, hits) and _is_aged(rule, patient)
        if (holds or place in words) and hits.keys().isdisjoint(rule.silenced_by):
            named = frozenset(name for group in rule.all_of for name in group) if holds else frozenset()
            symptoms = tuple(name for name, means in meanings.items() if means & named)
            dangers.append(Raised(rule, symptoms, words.get(place)))
    return dangers


def _words(hits: Hits, text: str, patient: Patient) -> dict[int, str]:
    """For each rule of which a line holds, by its place, the words that say it."""
    rules = red_flag_knowledge().rules
    found: dict[int, str] = {}
    for name in hits:
        for place, line in _lines_by_class().get(name, ()):
            if place in found or not (rules[place].age_must_be_known or _is_aged(rules[place], patient)):
                continue
            if places := line.places(hits):
                begin, end = places[0].begin, places[0].end
                found[place] = text[begin:end] if end > begin else text[:_MOST_QUOTED]
    return found


def alike(found: Findings, patient: Patient, text: str, heard: Heard) -> tuple[Raised | None, str | None]:
    """The danger that a text tells in words alike to those that tell one, and the words of it that are a little alike:
    neither, the second, or both. Neither where the text says what makes that danger harmless."""
    like = likeness(heard, found.spans, len(text))
    if like is None:
        return None, None
    words = text[like.begin : like.end]
    if like.rule is None:
        return None, None if _REASSURED in heard.hits else words
    rule = _rules_by_name()[like.rule]
    if not heard.hits.keys().isdisjoint(rule.silenced_by):
        return None, None
    guessed = "pregnancy" in rule.means and _PREGNANT not in heard.hits and "pregnancy" not in found.present
    if guessed or not _is_aged(rule, patient):
        return None, words
    return Raised(rule, words=words, alike=True), words


def complaint(found: Findings, text: str) -> str | None:
    """The words of a text that tell a trouble of a part of the body, whatever the symptom is; None where none does."""
    return phrases().unnamed(text, found.corrections)


def citation(rule: RedFlagRule) -> str:
    """The sources of a rule in words."""
    sources = red_flag_knowledge().sources
    return "; ".join(sources[key] for key in rule.source.split(", "))


@cache
def _lines_by_class() -> Mapping[str, Sequence[tuple[int, Line]]]:
    """The lines of the rules, with the places of these, under the class of each that is seldom found."""
    found: dict[str, list[tuple[int, Line]]] = defaultdict(list)
    for place, rule in enumerate(red_flag_knowledge().rules):
        for line in map(compile_line, rule.said):
            found[phrases().most_seldom(line)].append((place, line))
    return found


@cache
def _rules_by_name() -> Mapping[str, RedFlagRule]:
    return {rule.name: rule for rule in red_flag_knowledge().rules}


@cache
def _rules_by_symptom() -> Mapping[str, Sequence[int]]:
    """The places of the rules that may hold with a symptom: those that name it where they name the fewest."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, rule in enumerate(red_flag_knowledge().rules):
        for name in min(rule.all_of, key=len, default=()):
            found[name].append(place)
    return found


def _classes_of(patient: Patient) -> list[str]:
    """The classes that hold for a patient, whatever the text says: of the age and of the sex."""
    sexes = [f"{patient.sex}_patient"] if patient.sex else []
    if patient.age is None:
        return sexes
    return [*sexes, *(name for name, (low, high) in _AGES.items() if low <= patient.age <= high)]


def _holds(rule: RedFlagRule, known: frozenset[str], hits: Hits) -> bool:
    for group in rule.all_of:
        if known.isdisjoint(group):
            return False
    if not rule.all_of:
        return False
    return known.isdisjoint(rule.unless) and not any(name in hits for name in rule.unless_said)


def _is_aged(rule: RedFlagRule, patient: Patient) -> bool:
    if rule.age is None:
        return True
    if patient.age is None:
        return not rule.age_must_be_known
    low, high = rule.age
    return low <= patient.age <= high
