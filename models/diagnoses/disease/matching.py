"""Symptoms of a sentence: phrases of the vocabulary whose words stand close together, in any order."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from models.diagnoses.disease.knowledge import english
from models.diagnoses.disease.measurements import UNMASKED, measure, shown
from models.diagnoses.disease.negation import Denial, negation
from models.diagnoses.disease.reading import Kind
from models.diagnoses.disease.scope import Who, scopes
from models.diagnoses.disease.spelling import Speller
from models.diagnoses.disease.vocabulary import Phrase, Vocabulary, vocabulary
from models.diagnoses.disease.words import BOUNDARY, MEASURED, Sentence, Token, level, split

_GAP = 3
_ITS = frozenset({"it", "they"})
"""Words before a complaint that may stand for a place named before."""
_ONLY_THERE = frozenset({"only", "except", "apart", "just"})
"""Words before a place where there is what was denied elsewhere."""
_DOES = frozenset({"does", "do", "did", "is", "are"})
_BESIDE = 4
_A_COMPANION = 2.0
_NAMES_ALONE = 1.5
_IN_A_PHRASE = 0.5
_A_SLIP = 0.8
_ASKING = frozenset(":?(=-\u2013\u2014")
_SEPARATORS = frozenset(
    {
        BOUNDARY,
        MEASURED,
        "except",
        "and",
        "or",
        "nor",
        "but",
        "with",
        "then",
        "without",
        "no",
        "plus",
        "also",
        "followed",
        "+",
    }
)


@dataclass(frozen=True, slots=True)
class Match:
    """A symptom, and the places of its words among the tokens of the sentence."""

    symptom: str
    places: frozenset[int]
    span: int


class _Word(NamedTuple):
    """A word of a segment in its base form; `at` is its place in the sentence."""

    base: str
    denied: bool
    at: int


@cache
def speller() -> Speller:
    """Knows every word that the vocabulary and the rules look for, and those of everyday English."""
    words = vocabulary()
    looked_for = words.written | words.stopwords | negation().words | scopes().words
    ordinary, clinical = english()
    return Speller((word for word in looked_for if word.isalpha()), ordinary, clinical)


def mended(tokens: Sequence[Token]) -> list[Token]:
    """The tokens with typing errors mended where only one word can be meant, or the words beside it say which."""
    known, words = speller(), vocabulary()
    candidates = {
        at: near for at, token in enumerate(tokens) if token.text.isalpha() and (near := known.candidates(token.text))
    }
    if not candidates:
        return list(tokens)
    written = list(tokens)
    for at, near in candidates.items():
        around = [*range(max(0, at - _BESIDE), at), *range(at + 1, min(len(tokens), at + _BESIDE + 1))]
        beside = frozenset(
            words.base(word) for place in around for word in candidates.get(place, (tokens[place].text,))
        )
        written[at] = tokens[at]._replace(text=_likeliest(tokens[at].text, near, beside))
    return written


def _likeliest(written: str, candidates: Sequence[str], beside: frozenset[str]) -> str:
    """Of words that may be meant the one that goes best with the words beside it, names a symptom alone, stands in a
    phrase, and is the likeliest slip; of equals the first."""
    if len(candidates) == 1:
        return candidates[0]
    words, known = vocabulary(), speller()

    def fits(word: str) -> float:
        base = words.base(word)
        others = words.companions.get(base, frozenset())
        alone = _NAMES_ALONE if base in others else 0.0
        stands = _IN_A_PHRASE * (known.is_vocabulary(word) + (base in words.places))
        return _A_COMPANION * len(others & beside) + alone + stands - _A_SLIP * (known.slip(written, word) or 0)

    return max(candidates, key=fits)


def asking(tokens: Sequence[Token]) -> list[int]:
    """Places of boundaries behind which an answer may stand: `fever: no`, `fever (no)`."""
    return [at for at, token in enumerate(tokens) if token.text == BOUNDARY and token.mark in _ASKING]


def joining(tokens: Sequence[Token]) -> list[int]:
    """Places of slashes between what stands for one list: no cough/fever."""
    return [at for at, token in enumerate(tokens) if token.mark == "/"]


def in_entry(entry: str) -> tuple[list[tuple[str, Kind]], int, int]:
    """The symptoms of an entry of a list, present or denied; how many words they cover, and how many matter."""
    words = vocabulary()
    found: list[tuple[str, Kind]] = []
    covered = content = 0
    masked, measured = measure(level(entry))
    for value in measured:
        if value.quantity not in UNMASKED:
            found += [(name, Kind.PRESENT if is_there else Kind.DENIED) for name, is_there in shown(value, None)]
            covered += 1
    for sentence in split(entry, masked):
        tokens = words.rewrites.tokens(mended(sentence.tokens))
        content += sum(token.text not in words.stopwords and token.text != BOUNDARY for token in tokens)
        denied = negation().judge([token.text for token in tokens], asking(tokens), joining(tokens))
        who = scopes().judge(Sentence(tokens, sentence.question), Who.UNSAID).who
        matches = find(tokens, denied)
        covered += len({place for match in matches for place in match.places})
        for match in matches:
            if all(who[place] not in (Who.RELATIVE, Who.OTHER) for place in match.places):
                absent = any(denied[place] for place in match.places)
                found.append((match.symptom, Kind.DENIED if absent else Kind.PRESENT))
    return found, covered, content


def find(tokens: Sequence[Token], denied: Sequence[Denial]) -> list[Match]:
    """The symptoms of a sentence in the order of their first words."""
    words = vocabulary()
    segments = _segments(tokens, denied, words)
    alone = [_in_segment(segment, words) for segment in segments]
    accepted: list[Match] = []
    for index, segment in enumerate(segments):
        lent = _borrowed(tokens, segments, index, words, found=bool(alone[index]))
        if not lent and not alone[index] and (meant := _meant_by_it(tokens, segments, index, words)):
            accepted += _without(_in_segment([*segment, *meant], words), meant)
            continue
        matches = _in_segment([*segment, *lent], words) if lent else alone[index]
        denies = bool(lent) and all(word.denied for word in lent)
        accepted += _without(matches, lent) if denies and _is_exception(tokens, segment) else matches
    return sorted(accepted, key=lambda match: min(match.places))


def _segments(tokens: Sequence[Token], denied: Sequence[Denial], words: Vocabulary) -> list[list[_Word]]:
    """The words that matter between two separators."""
    segments: list[list[_Word]] = [[]]
    for at, token in enumerate(tokens):
        if token.text in _SEPARATORS:
            if segments[-1]:
                segments.append([])
        elif token.text not in words.stopwords:
            segments[-1].append(_Word(words.base(token.text), bool(denied[at]), at))
    return segments


def _borrowed(
    tokens: Sequence[Token], segments: list[list[_Word]], index: int, words: Vocabulary, *, found: bool
) -> list[_Word]:
    """What a list of places borrows of complaints and a list of complaints of places: `knee and hip pain`; `found` says
    whether the segment holds a symptom by itself."""
    kinds = {word.base for word in segments[index]} - words.sides
    if not kinds:
        return []
    following = segments[index + 1 : index + 3]
    if all(word.denied for word in segments[index]):
        following = [segment for segment in following if not _is_exception(tokens, segment)]
    if not found and kinds & words.places and not kinds & words.complaints:
        return _lent([*segments[max(0, index - 1) : index], *following], words.complaints)[:1]
    if kinds <= words.complaints:
        before = [] if found else _affirmed_before(segments, index)
        return _lent(following, words.places) or _lent(before, words.places)
    return []


def _meant_by_it(
    tokens: Sequence[Token], segments: Sequence[Sequence[_Word]], index: int, words: Vocabulary
) -> list[_Word]:
    """The place named last before a segment that says only that `it` hurts or swells: I broke my leg and it aches."""
    segment = segments[index]
    if any(word.base in words.places for word in segment):
        return []
    its = any(word.base in words.complaints and word.at and tokens[word.at - 1].text in _ITS for word in segment)
    return _lent(segments[:index][::-1], words.places)[-1:] if its else []


def _is_exception(tokens: Sequence[Token], segment: Sequence[_Word]) -> bool:
    """Whether a segment tells the one exception to what is denied before: no pain, only in the chest; my nose does not
    hurt, my ear does."""
    if not segment or any(word.denied for word in segment):
        return False
    behind = [token.text for token in tokens[segment[-1].at + 1 : segment[-1].at + 3]]
    if behind[:1] and behind[0] in _DOES and behind[1:] in ([], [BOUNDARY]):
        return True
    for at in range(segment[-1].at, -1, -1):
        if tokens[at].text in _ONLY_THERE:
            return True
        if tokens[at].text in _SEPARATORS:
            return False
    return False


def _without(matches: Iterable[Match], lent: Sequence[_Word]) -> list[Match]:
    """The matches by their own words: a lent one, which may be of the past, says only where."""
    places = {word.at for word in lent}
    return [replace(match, places=match.places - places) for match in matches if match.places - places]


def _affirmed_before(segments: list[list[_Word]], index: int) -> list[list[_Word]]:
    """The two segments before a bare `red` or `painful`, the nearest first, unless any of it is denied."""
    before = segments[max(0, index - 2) : index][::-1]
    return [] if any(word.denied for segment in (segments[index], *before) for word in segment) else before


def _lent(lenders: Sequence[Sequence[_Word]], wanted: frozenset[str]) -> list[_Word]:
    return next((lent for lender in lenders if (lent := [word for word in lender if word.base in wanted])), [])


def _in_segment(segment: Sequence[_Word], words: Vocabulary) -> list[Match]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(segment):
        places[word.base].append(place)
    bases = frozenset(places)
    candidates = [
        match
        for base in bases
        for phrase in words.phrases.get(base, ())
        if phrase.words <= bases and (match := _closest(segment, phrase, places))
    ]
    denied = {word.at for word in segment if word.denied}
    accepted: list[Match] = []
    for match in sorted(candidates, key=lambda match: (-len(match.places), match.span, match.symptom)):
        if not any(match.places <= other.places and not _is_left(match, other, denied) for other in accepted):
            accepted.append(match)
    return accepted


def _is_left(match: Match, other: Match, denied: Collection[int]) -> bool:
    """Whether a larger symptom is denied only by words beside those of a smaller one: a cough that brings up no
    blood."""
    return match.places.isdisjoint(denied) and not other.places.isdisjoint(denied)


def _closest(segment: Sequence[_Word], phrase: Phrase, places: Mapping[str, Sequence[int]]) -> Match | None:
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
    return Match(phrase.symptom, frozenset(word.at for word in best), span)
