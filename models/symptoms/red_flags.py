"""Combinations of symptoms that call for urgent care, checked before the model (models/knowledge/red_flags.yaml)."""

from collections.abc import Iterable

from models import knowledge
from models.knowledge import RedFlagRule
from models.symptoms.patient import Patient
from models.symptoms.vocabulary import vocabulary


def raised(present: Iterable[str], patient: Patient) -> list[tuple[RedFlagRule, tuple[str, ...]]]:
    """The rules that hold for the symptoms that are present, each with those that raised it, in their order."""
    wider = vocabulary().wider
    meanings = {symptom: wider[symptom] | {symptom} for symptom in present}
    known = frozenset().union(*meanings.values())
    found = []
    for rule in knowledge.red_flags().rules:
        if _holds(rule, known, patient):
            named = frozenset(name for group in rule.all_of for name in group)
            found.append((rule, tuple(symptom for symptom, means in meanings.items() if means & named)))
    return found


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
