"""Combinations of symptoms that call for urgent care, checked before the model (red_flags.yaml)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache

from models.diagnoses.disease.knowledge import RedFlagRule, red_flag_knowledge
from models.diagnoses.disease.patient import Patient
from models.diagnoses.disease.vocabulary import vocabulary


def raised(present: Iterable[str], patient: Patient) -> list[tuple[RedFlagRule, tuple[str, ...]]]:
    """The rules that hold for the symptoms that are present, each with those that raised it, in their order."""
    wider = vocabulary().wider
    meanings = {symptom: wider[symptom] | {symptom} for symptom in present}
    known = frozenset[str]().union(*meanings.values())
    rules = red_flag_knowledge().rules
    candidates = sorted({place for symptom in known for place in _rules_by_symptom().get(symptom, ())})
    found = []
    for rule in [rules[place] for place in candidates]:
        if _holds(rule, known, patient):
            named = frozenset(name for group in rule.all_of for name in group)
            found.append((rule, tuple(symptom for symptom, means in meanings.items() if means & named)))
    return found


@cache
def _rules_by_symptom() -> Mapping[str, tuple[int, ...]]:
    """For each symptom of a rule's first group the places of those rules."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, rule in enumerate(red_flag_knowledge().rules):
        for symptom in rule.all_of[0]:
            places[symptom].append(place)
    return {symptom: tuple(found) for symptom, found in places.items()}


def _holds(rule: RedFlagRule, known: frozenset[str], patient: Patient) -> bool:
    return (
        all(not known.isdisjoint(group) for group in rule.all_of)
        and known.isdisjoint(rule.unless)
        and _fits(rule, patient)
    )


def _fits(rule: RedFlagRule, patient: Patient) -> bool:
    if rule.sex is not None and patient.sex not in (None, rule.sex):
        return False
    if rule.age is None:
        return True
    if patient.age is None:
        return not rule.age_must_be_known
    low, high = rule.age
    return low <= patient.age <= high
