"""Symptoms that are present or absent, found in a list of entries and in a free description."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from models.diagnoses.disease.measurements import in_words
from models.diagnoses.disease.negation import Status, negation
from models.diagnoses.disease.patient import Patient
from models.diagnoses.disease.reading import Measurement, Span, Word
from models.diagnoses.disease.vocabulary import Phrase, Tolerance, Vocabulary, plain, vocabulary
from models.diagnoses.disease.words import BOUNDARY, sentences

_GAP = 3
_IN_ENTRY = Tolerance(errors=2, shortest=5)
_IN_TEXT = Tolerance(errors=1, shortest=7)  # in running text a short word is likelier another word than a slip
_COVERED = 0.5
_SUGGESTIONS = 3
_ENTRIES_WITH_SUGGESTIONS = 10
_SEPARATORS = frozenset(
    {BOUNDARY, "and", "or", "nor", "but", "with", "then", "without", "no", "plus", "also", "followed"}
)


@dataclass(frozen=True, slots=True)
class Findings:
    """Symptoms by their vocabulary names, in the order they were named: `present`, `absent`, those of the `past`, of
    an `other_person`, and `hypothetical` ones; entries and pieces of the text not understood, as they were sent
    (`unrecognized`), with the nearest names as `suggestions`. Of the text alone: each piece that matters (`spans`), its
    `measurements`, its `sentences` word by word, and the `patient` as it tells."""

    present: tuple[str, ...]
    absent: tuple[str, ...] = ()
    unrecognized: tuple[str, ...] = ()
    suggestions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    past: tuple[str, ...] = ()
    other_person: tuple[str, ...] = ()
    hypothetical: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    sentences: tuple[tuple[Word, ...], ...] = ()
    patient: Patient = field(default_factory=Patient)


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a segment in its base form; `at` is its place in the sentence."""

    base: str
    status: Status
    at: int


@dataclass(frozen=True, slots=True)
class _Match:
    symptom: str
    places: frozenset[int]
    span: int
    status: Status


def read(entries: Iterable[str], text: str = "") -> Findings:
    """Understand the entries of a request and its free description.

    An entry is a name, everyday words, also misspelt or denied ("no fever"). A symptom both present and absent is
    present. Suggestions are made for the first 10 entries that are not understood.
    """
    words = vocabulary()
    present: dict[str, None] = {}
    absent: dict[str, None] = {}
    unrecognized: dict[str, None] = {}
    for entry in entries:
        found = _entry(entry, words)
        if not found:
            unrecognized[entry] = None
        for symptom, status in found:
            (present if status is Status.PRESENT else absent)[symptom] = None
    for symptom, status in in_text(text):
        (present if status is Status.PRESENT else absent)[symptom] = None
    implied = {wider for symptom in present for wider in words.wider[symptom]}
    near = {
        entry: words.suggestions(plain(entry), _SUGGESTIONS) for entry in list(unrecognized)[:_ENTRIES_WITH_SUGGESTIONS]
    }
    return Findings(
        present=tuple(present),
        absent=tuple(symptom for symptom in absent if symptom not in present and symptom not in implied),
        unrecognized=tuple(unrecognized),
        suggestions={entry: names for entry, names in near.items() if names},
    )


def in_text(text: str) -> list[tuple[str, Status]]:
    """Every symptom that a free description says to be present or absent, in order."""
    words = vocabulary()
    return [
        (match.symptom, match.status)
        for sentence in sentences(in_words(text))
        for match in _matches(words.rewrite(sentence), words, _IN_TEXT)
        if match.status is not Status.NOT_THE_PATIENT
    ]


def _entry(entry: str, words: Vocabulary) -> list[tuple[str, Status]]:
    spelling = plain(entry)
    if symptom := words.spelt(spelling):
        return [(symptom, Status.PRESENT)]
    found: list[tuple[str, Status]] = []
    covered = 0
    content = 0
    for sentence in sentences(in_words(entry)):
        rewritten = words.rewrite(sentence)
        content += sum(word not in words.stopwords and word != BOUNDARY for word in rewritten)
        matches = _matches(rewritten, words, _IN_ENTRY)
        covered += len({place for match in matches for place in match.places})
        found += [(match.symptom, match.status) for match in matches if match.status is not Status.NOT_THE_PATIENT]
    if found and covered >= _COVERED * content:
        return found
    near = words.nearest(spelling)
    return [(near, Status.PRESENT)] if near else []


def _matches(sentence: Sequence[str], words: Vocabulary, tolerance: Tolerance) -> list[_Match]:
    """The symptoms of a sentence in the order of their first words."""
    status = negation().judge(sentence)
    accepted: list[_Match] = []
    for segment in _segments(sentence, status, words, tolerance):
        accepted += _in_segment(segment, words)
    return sorted(accepted, key=lambda match: min(match.places))


def _segments(
    sentence: Sequence[str], status: Sequence[Status], words: Vocabulary, tolerance: Tolerance
) -> list[list[_Word]]:
    segments: list[list[_Word]] = []
    numbered = list(enumerate(zip(sentence, status, strict=True)))
    for separates, group in groupby(numbered, key=lambda item: item[1][0] in _SEPARATORS):
        if not separates:
            segments.append(
                [
                    _Word(words.understood(word, tolerance), judged, at)
                    for at, (word, judged) in group
                    if word not in words.stopwords
                ]
            )
    return _share(segments, words)


def _share(segments: list[list[_Word]], words: Vocabulary) -> list[list[_Word]]:
    """Lend a complaint to a list of places and places to a list of complaints: `knee and hip pain`."""
    shared = [list(segment) for segment in segments]
    for index, segment in enumerate(segments):
        kinds = {word.base for word in segment} - words.sides
        following = segments[index + 1 : index + 3]
        if kinds & words.places and not kinds & words.complaints and not _in_segment(segment, words):
            shared[index] += _lent([*segments[max(0, index - 1) : index], *following], words.complaints)[:1]
        elif kinds and kinds <= words.complaints:
            shared[index] += _lent(following, words.places) or _lent(
                _affirmed_before(segments, index, words), words.places
            )
    return shared


def _affirmed_before(segments: list[list[_Word]], index: int, words: Vocabulary) -> list[list[_Word]]:
    """The two segments before a bare `red` or `painful`, the nearest first, unless any of it is denied."""
    before = segments[max(0, index - 2) : index][::-1]
    affirmed = all(word.status is Status.PRESENT for segment in (segments[index], *before) for word in segment)
    return before if affirmed and not _in_segment(segments[index], words) else []


def _lent(lenders: Sequence[Sequence[_Word]], wanted: frozenset[str]) -> list[_Word]:
    return next((lent for lender in lenders if (lent := [word for word in lender if word.base in wanted])), [])


def _in_segment(segment: Sequence[_Word], words: Vocabulary) -> list[_Match]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(segment):
        places[word.base].append(place)
    bases = places.keys()
    candidates = [
        match
        for base in bases
        for phrase in words.phrases.get(base, ())
        if phrase.words <= bases and (match := _closest(segment, phrase, places))
    ]
    accepted: list[_Match] = []
    for match in sorted(candidates, key=lambda match: (-len(match.places), match.span, match.symptom)):
        if not any(match.places <= other.places for other in accepted):
            accepted.append(match)
    return accepted


def _closest(segment: Sequence[_Word], phrase: Phrase, places: Mapping[str, Sequence[int]]) -> _Match | None:
    """The narrowest stretch of a segment that holds every word of a phrase, with at most 3 other words.

    `places` are those of each word of the segment.
    """
    best: list[_Word] | None = None
    span = len(phrase.words) + _GAP + 1
    for start in sorted(place for word in phrase.words for place in places[word]):
        missing, used = set(phrase.words), []
        for at, word in enumerate(segment[start : start + span - 1], start):
            if word.base in missing:
                missing.discard(word.base)
                used.append((word, at))
            if not missing:
                break
        if not missing and (length := used[-1][1] - start + 1) < span:
            best, span = [word for word, _ in used], length
    if best is None:
        return None
    statuses = {word.status for word in best}
    status = next((judged for judged in (Status.NOT_THE_PATIENT, Status.ABSENT) if judged in statuses), Status.PRESENT)
    return _Match(phrase.symptom, frozenset(word.at for word in best), span, status)
