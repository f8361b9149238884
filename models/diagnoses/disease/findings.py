"""Symptoms that are present or absent, found in a list of entries and in a free description."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from models.diagnoses.disease.description import describe
from models.diagnoses.disease.matching import in_entry
from models.diagnoses.disease.patient import Patient
from models.diagnoses.disease.reading import Kind, Measurement, Span
from models.diagnoses.disease.vocabulary import plain, vocabulary

_COVERED = 0.5
_SUGGESTIONS = 3
_ENTRIES_WITH_SUGGESTIONS = 10
_PIECES_WITH_SUGGESTIONS = 3


@dataclass(frozen=True, slots=True)
class Findings:
    """Symptoms by their vocabulary names, in the order they were named: `present`, `absent`, those of the `past`, of
    an `other_person`, and `hypothetical` ones; entries and pieces of the text not understood, as they were sent
    (`unrecognized`), with the nearest names as `suggestions`. Of the text alone: each piece that matters (`spans`), its
    `measurements`, the `patient` as it tells, and its `corrections`: by their places the words with typing errors, as
    they are taken to be meant."""

    present: tuple[str, ...]
    absent: tuple[str, ...] = ()
    unrecognized: tuple[str, ...] = ()
    suggestions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    past: tuple[str, ...] = ()
    other_person: tuple[str, ...] = ()
    hypothetical: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    patient: Patient = field(default_factory=Patient)
    corrections: Mapping[int, str] = field(default_factory=dict)


def read(entries: Iterable[str], text: str = "") -> Findings:
    """Understand the entries of a request and its free description.

    An entry is a name, everyday words, also misspelt or denied ("no fever"). A symptom both present and absent is
    present. Suggestions are made for the first 10 entries and the first 3 pieces that are not understood.
    """
    words = vocabulary()
    found: dict[Kind, dict[str, None]] = {kind: {} for kind in Kind}
    unrecognized: dict[str, None] = {}
    for entry in entries:
        understood = _entry(entry)
        if not understood:
            unrecognized[entry] = None
        for symptom, kind in understood:
            found[kind][symptom] = None
    near = list(unrecognized)[:_ENTRIES_WITH_SUGGESTIONS]
    asked: list[str] = []
    told = describe(text) if text else None
    if told:
        for symptom, kind in told.symptoms:
            found[kind][symptom] = None
        pieces = (text[span.start : span.end] for span in told.spans if span.kind is Kind.NOT_UNDERSTOOD)
        asked += [piece for piece in dict.fromkeys(map(str.lower, pieces)) if piece not in unrecognized]
        unrecognized |= dict.fromkeys(asked)
    present = found[Kind.PRESENT]
    implied = {wider for symptom in present for wider in words.wider[symptom]} | present.keys()
    near += asked[:_PIECES_WITH_SUGGESTIONS]
    suggestions = {entry: words.suggestions(plain(entry), _SUGGESTIONS) for entry in near}
    return Findings(
        present=tuple(present),
        absent=tuple(symptom for symptom in found[Kind.DENIED] if symptom not in implied),
        unrecognized=tuple(unrecognized),
        suggestions={entry: names for entry, names in suggestions.items() if names},
        past=tuple(symptom for symptom in found[Kind.PAST] if symptom not in implied),
        other_person=tuple(symptom for symptom in found[Kind.OTHER_PERSON] if symptom not in implied),
        hypothetical=tuple(symptom for symptom in found[Kind.HYPOTHETICAL] if symptom not in implied),
        spans=told.spans if told else (),
        measurements=told.measurements if told else (),
        patient=told.patient if told else Patient(),
        corrections=told.corrections if told else {},
    )


def _entry(entry: str) -> list[tuple[str, Kind]]:
    words = vocabulary()
    spelling = plain(entry)
    if symptom := words.spelt(spelling):
        return [(symptom, Kind.PRESENT)]
    found, covered, content = in_entry(entry)
    if found and covered >= _COVERED * content:
        return found
    near = words.nearest(spelling)
    return [(near, Kind.PRESENT)] if near else []
