"""Symptoms to diseases: the vocabulary, and which entries of a request it knows."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from models import knowledge
from models.diagnoses.probabilities import percent
from schemas.disease import DiseasePrediction, DiseaseReading, DiseaseRequest

_KNOWLEDGE = knowledge.disease()
_SUGGESTIONS = 3
_ENTRIES_WITH_SUGGESTIONS = 10

KNOWN_SYMPTOMS: tuple[str, ...] = _KNOWLEDGE.symptoms.text


class NoKnownSymptomError(ValueError):
    """None of the symptoms sent is known; the message suggests the nearest ones."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """The entries of a request: `known` by their vocabulary names, `unknown` as sent, with up to 3 suggestions each."""

    known: tuple[str, ...]
    unknown: tuple[str, ...]
    suggestions: dict[str, tuple[str, ...]]


def recognise(symptoms: Iterable[str]) -> Recognised:
    """Find each symptom in the vocabulary, whatever its case and whether words are joined by spaces, `_` or `-`.

    Suggestions are made for the first 10 unknown entries that have a near name.
    """
    known: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for symptom in symptoms:
        name = _plain(symptom)
        if name in KNOWN_SYMPTOMS:
            known[name] = None
        else:
            unknown[symptom] = None
    near = {
        symptom: tuple(get_close_matches(_plain(symptom), KNOWN_SYMPTOMS, n=_SUGGESTIONS))
        for symptom in tuple(unknown)[:_ENTRIES_WITH_SUGGESTIONS]
    }
    return Recognised(tuple(known), tuple(unknown), {symptom: names for symptom, names in near.items() if names})


def sample(request: DiseaseRequest) -> DiseaseReading:
    """The fixed ranking of the demo mode with the request's own symptoms.

    Raises `NoKnownSymptomError` where the vocabulary knows none of them.
    """
    recognised = recognise(request.symptoms)
    if not recognised.known:
        raise NoKnownSymptomError(_none_known(recognised))
    fixed = _KNOWLEDGE.sample.text
    first = fixed.ranking[0]
    return DiseaseReading(
        prediction=DiseasePrediction(
            disease=first.disease, confidence=first.probability, confidence_percent=percent(first.probability)
        ),
        top_predictions=fixed.ranking,
        symptoms_analyzed=recognised.known,
        symptoms_unrecognized=recognised.unknown,
        suggestions=recognised.suggestions,
        recommendations=fixed.recommendations,
    )


def _plain(symptom: str) -> str:
    return " ".join(symptom.replace("_", " ").replace("-", " ").casefold().split())


def _none_known(recognised: Recognised) -> str:
    near = dict.fromkeys(name for names in recognised.suggestions.values() for name in names)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return f"None of the symptoms is known.{hint} GET /symptoms lists those that are."
