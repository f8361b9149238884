"""Phrases of danger in a text, beside the symptoms that are understood (danger_words.yaml).

A word or a set phrase belongs to classes (`chest`, `pressure`); a line of a rule, `chest pressure /6 -itch + sweat`,
holds where each stretch has one hit of every class within a window, in any order. What surely isn't the patient's now
doesn't count.
"""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import contains
from types import MappingProxyType
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import OSA

from models.diagnoses.disease.danger_values import values_of
from models.diagnoses.disease.knowledge import DangerWords, danger_words
from models.diagnoses.disease.matching import speller
from models.diagnoses.disease.reading import Measurement
from models.diagnoses.disease.remembering import remembered
from models.diagnoses.disease.spelling import Neighbours
from models.diagnoses.disease.standing import HERE, PAST, standing
from models.diagnoses.disease.words import american, each, level, stem
from models.diagnoses.knowledge import KnowledgeError

_WINDOW = 9
_BESIDE = 4
_NEXT_SENTENCE = 60
_UNNAMED_WINDOW = 7
_EVERYWHERE = -10_000
_SHORTEST_CORRECTED, _LONG_WORD, _MOST_MEANT = 3, 9, 4
_MOST_WORDS = 4000
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)*|\d+(?:[.,]\d+)?|[.;!?\n,:()/-]")
_AS_WRITTEN = "="
_LEAST_COUNT, _MOST_COUNT = 9, 200
_COUNT = re.compile("[0-9]{1,3}")
_UNITS = frozenset(
    each(
        "/ : am pm mg mcg ml g gram grams kg stone lb lbs pound pounds cm mm % percent times degrees c f oclock left"
        " days day weeks week months month years year hours hour hrs minutes minute mins min secs yo"
    )
)
_ENDS = frozenset(".;!?\n")
_MARKS = frozenset(",:()/-") | _ENDS
NO_CORRECTIONS: Mapping[int, str] = MappingProxyType({})


class Hit(NamedTuple):
    """The places of the first and the last word of a class, and where these begin and end in the text."""

    first: int
    last: int
    begin: int
    end: int


Hits = Mapping[str, Sequence[Hit]]


@dataclass(frozen=True, slots=True)
class Heard:
    """A text as it was heard: its words and marks, where each starts and how each stands (standing.py), the classes
    found in it, and which words are fillers."""

    hits: Hits
    words: Sequence[str]
    starts: Sequence[int]
    away: Sequence[int]
    fillers: Collection[str]


UNHEARD = Heard({}, (), (), (), frozenset())


@dataclass(frozen=True, slots=True)
class _Stretch:
    classes: tuple[str, ...]
    window: int
    barred: tuple[str, ...]

    def places(self, hits: Hits) -> Iterator[Hit]:
        """Where one hit of every class stands within the window and no barred one beside them."""
        if len(self.classes) == 1 and not self.barred:
            yield from hits[self.classes[0]]
            return
        rarest = min(self.classes, key=lambda name: len(hits[name]))
        others = [hits[name] for name in self.classes if name != rarest]
        for anchor in hits[rarest]:
            if (hit := self._around(anchor, others)) and not self._is_barred(hit, hits):
                yield hit

    def _around(self, anchor: Hit, others: Sequence[Sequence[Hit]]) -> Hit | None:
        first, last, begin, end = anchor
        for found in others:
            nearest, least = None, self.window + 1
            for other in found:
                span = (max(other.last, last)) - (min(other.first, first))
                if span < least:
                    nearest, least = other, span
            if nearest is None:
                return None
            first, last = min(first, nearest.first), max(last, nearest.last)
            begin, end = min(begin, nearest.begin), max(end, nearest.end)
        return Hit(first, last, begin, end)

    def _is_barred(self, hit: Hit, hits: Hits) -> bool:
        return any(
            other.first <= hit.last + _BESIDE and other.last >= hit.first - _BESIDE
            for name in self.barred
            for other in hits.get(name, ())
        )


@dataclass(frozen=True, slots=True)
class Line:
    """Stretches that all stand in the text, in any order, and classes that must not stand in it anywhere."""

    stretches: tuple[_Stretch, ...]
    barred: tuple[str, ...]
    classes: frozenset[str]

    def places(self, hits: Hits) -> list[Hit]:
        """A hit for each place of the first stretch; none where the line does not hold."""
        if not self.classes <= hits.keys() or any(name in hits for name in self.barred):
            return []
        found = list(self.stretches[0].places(hits))
        if found and all(next(stretch.places(hits), None) for stretch in self.stretches[1:]):
            return found
        return []


def compile_line(text: str) -> Line:
    """Compile `chest pressure /6 -itch + sweat --said_before`: a window of 6 words instead of 9, no `itch` beside the
    stretch, `said_before` nowhere."""
    stretches: list[_Stretch] = []
    barred: list[str] = []
    for part in text.split(" + "):
        words = part.split()
        stretches.append(
            _Stretch(
                tuple(word for word in words if word[0] not in "-/"),
                next((int(word[1:]) for word in words if word[0] == "/"), _WINDOW),
                tuple(word[1:] for word in words if word[0] == "-" and word[1] != "-"),
            )
        )
        barred += [word[2:] for word in words if word.startswith("--")]
    named = frozenset(name for stretch in stretches for name in stretch.classes)
    return Line(tuple(stretches), tuple(barred), named)


class Phrases:
    """The classes of the knowledge file, compiled once."""

    def __init__(self, document: DangerWords) -> None:
        self._same = document.same.value
        self._fillers = frozenset(document.fillers.value)
        self._history = frozenset(document.history.value)
        self._denying = frozenset(document.denying.value)
        self._masks: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for mask in document.masks.value:
            first, *rest = mask.split()
            self._masks[first].append(tuple(rest))
        self._single: dict[str, list[str]] = defaultdict(list)
        self._longer: dict[str, dict[str, list[tuple[tuple[str, ...], str]]]] = defaultdict(lambda: defaultdict(list))
        self._exact: dict[str, list[tuple[tuple[str, ...], str]]] = defaultdict(list)
        self._forms: dict[str, str] = {}
        self._add(document.classes.value)
        self._parts, self._troubles = (
            frozenset(stem(american(word)) for word in words)
            for words in (document.unnamed.value.part, document.unnamed.value.trouble)
        )
        self._keys = frozenset(self._forms.values())
        self._sizes = {name: len(phrases) for name, phrases in document.classes.value.items()}
        self._sizes |= dict.fromkeys(document.measured.value, 0)
        self._composed = [
            (name, compiled, frozenset(map(self.most_seldom, compiled)))
            for name, lines in document.composed.value.items()
            for compiled in (tuple(map(compile_line, lines)),)
        ]
        forms = [form for form in self._forms if len(form) >= _SHORTEST_CORRECTED]
        self._near = Neighbours(forms)
        self._long: dict[str, list[str]] = defaultdict(list)
        for form in forms:
            if len(form) >= _LONG_WORD - 2:
                self._long[form[0]].append(form)
        self._meant = remembered(self._keys_of)
        self.names = frozenset(
            [*document.classes.value, *document.composed.value, *document.measured.value, *document.known.value]
        )

    def most_seldom(self, line: Line) -> str:
        """The class of a line that is likely to be found the least: the one with the fewest phrases."""
        return min(line.classes, key=lambda name: (self._sizes.get(name, 1_000), name))

    def _add(self, classes: Mapping[str, Sequence[str]]) -> None:
        """Index the phrases, as one text of a line each: read one by one they take three times as long."""
        named = [(name, phrase) for name, phrases in classes.items() for phrase in phrases]
        lines: list[list[str]] = [[]]
        for word, _ in self._tokens(level("\n".join(phrase.removeprefix(_AS_WRITTEN) for _, phrase in named))):
            if word == "\n":
                lines.append([])
            else:
                lines[-1].append(word)
        key_of = {word: stem(american(word)) for word in dict.fromkeys(word for line in lines for word in line)}
        self._forms |= {word: key for word, key in key_of.items() if word.isalpha()}
        for (name, phrase), words in zip(named, lines, strict=True):
            keys = [key_of[word] for word in words if word not in self._fillers]
            if not keys and len(words) < 2:
                raise KnowledgeError(f"danger_words.yaml, {name}: `{phrase}` holds nothing but fillers.")
            if phrase.startswith(_AS_WRITTEN) or len(keys) < 2 <= len(words):
                self._exact[words[0]].append((tuple(words[1:]), name))
            elif len(keys) == 1:
                self._single[keys[0]].append(name)
            else:
                self._longer[keys[0]][keys[1]].append((tuple(keys[2:]), name))

    def hear(
        self,
        text: str,
        known: Iterable[str] = (),
        corrections: Mapping[int, str] = NO_CORRECTIONS,
        measured: Sequence[Measurement] = (),
    ) -> Heard:
        """The words of a text and the classes in it with its measurements; `known` are classes that hold whatever the
        text says, `corrections` what words with typing errors mean, by their places: such a word is looked for both
        ways."""
        plain = level(text)
        tokens = self._tokens(plain, corrections)[:_MOST_WORDS]
        words = [word for word, _ in tokens]
        masked = self._masked(words)
        mattering = [at for at, word in enumerate(words) if word not in self._fillers]
        keys = [() if at in masked else self._meant(words[at]) for at in mattering]
        starts = [start for _, start in tokens]
        self._take_both_ways(keys, mattering, starts, plain, corrections)
        places = _places(words, frozenset(mattering))
        matches = [(mattering[first], mattering[last], name) for first, last, name in self._matches(keys)]
        matches += self._exactly(words, masked)
        used = {
            at
            for first, last, name in matches
            if last > first and name not in self._denying
            for at in range(first, last + 1)
        }
        away = standing(words, used, self._fillers)
        hits: dict[str, list[Hit]] = {}
        for first, last, name in matches:
            how = away[first]
            if how == HERE or (how == PAST and name in self._history):
                word, begin = tokens[last]
                hits.setdefault(name, []).append(Hit(places[first], places[last], tokens[first][1], begin + len(word)))
        for name, start in (*values_of(measured, plain), *_counts(tokens, measured)):
            at = places[max(0, bisect_right(starts, start) - 1)]
            hits.setdefault(name, []).append(Hit(at, at, start, start + 1))
        for name in known:
            hits.setdefault(name, []).append(Hit(_EVERYWHERE, _EVERYWHERE, 0, 0))
        for name, lines, seldom in self._composed:
            if seldom.isdisjoint(hits):
                continue
            found = [hit for line in lines for hit in line.places(hits)]
            if found:
                hits[name] = [*hits.get(name, ()), *found]
        return Heard(hits, words, starts, away, self._fillers)

    def unnamed(self, text: str, corrections: Mapping[int, str] = NO_CORRECTIONS) -> str | None:
        """The words from a part of the body to a trouble of it, or back; None where a text has no such pair."""
        tokens = self._tokens(level(text), corrections)[:_MOST_WORDS]
        words = [word for word, _ in tokens]
        places = _places(words, frozenset(at for at, word in enumerate(words) if word not in self._fillers))
        away = standing(words, (), self._fillers)
        stems = [stem(american(word)) if away[at] == HERE else "" for at, word in enumerate(words)]
        parts = [at for at, word in enumerate(stems) if word in self._parts]
        troubles = [at for at, word in enumerate(stems) if word in self._troubles]
        for part in parts:
            for trouble in troubles:
                if part != trouble and abs(places[part] - places[trouble]) <= _UNNAMED_WINDOW:
                    first, last = sorted((part, trouble))
                    return text[tokens[first][1] : tokens[last][1] + len(words[last])]
        return None

    def _tokens(self, plain: str, corrections: Mapping[int, str] = NO_CORRECTIONS) -> list[tuple[str, int]]:
        """Words of a leveled text without apostrophes, numbers and marks, each with its place in the text."""
        same, found = self._same, []
        for match in _TOKEN.finditer(plain):
            word, start = match[0].replace("'", ""), match.start()
            if start in corrections:
                word = corrections[start]
            found.append((same.get(word, word), start))
        return found

    def _take_both_ways(
        self,
        keys: list[tuple[str, ...]],
        mattering: Sequence[int],
        starts: Sequence[int],
        plain: str,
        corrections: Mapping[int, str],
    ) -> None:
        """Add to the keys of each corrected word those of the word as it was sent."""
        for start in corrections:
            at = bisect_left(mattering, bisect_left(starts, start))
            if at < len(mattering) and starts[mattering[at]] == start and keys[at]:
                sent = _TOKEN.match(plain, start)
                keys[at] = tuple(dict.fromkeys((*keys[at], *self._meant(sent[0] if sent else ""))))

    def _masked(self, words: Sequence[str]) -> set[int]:
        masked: set[int] = set()
        for at, word in enumerate(words):
            for rest in self._masks.get(word, ()):
                if tuple(words[at + 1 : at + 1 + len(rest)]) == rest:
                    masked.update(range(at, at + 1 + len(rest)))
        return masked

    def _matches(self, keys: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, int, str]]:
        """The places of the first and the last word of each phrase, and its class."""
        single, longer = self._single, self._longer
        for at, meant in enumerate(keys):
            for key in meant:
                if key in single:
                    for name in single[key]:
                        yield at, at, name
                if key in longer and at + 1 < len(keys):
                    for second in keys[at + 1]:
                        for rest, name in longer[key].get(second, ()):
                            end = at + 2 + len(rest)
                            if end <= len(keys) and all(map(contains, keys[at + 2 : end], rest)):
                                yield at, end - 1, name

    def _exactly(self, words: Sequence[str], masked: Collection[int]) -> list[tuple[int, int, str]]:
        """The same by places of tokens, of phrases that hold little but fillers and count only as they are written."""
        return [
            (at, at + len(rest), name)
            for at, word in enumerate(words)
            if word in self._exact and at not in masked
            for rest, name in self._exact[word]
            if tuple(words[at + 1 : at + 1 + len(rest)]) == rest
        ]

    def _keys_of(self, word: str) -> tuple[str, ...]:
        """The stem of a word; of one that is no word the stems of those that are a slip away."""
        stemmed = stem(american(word))
        length = len(word)
        if stemmed in self._keys or length < _SHORTEST_CORRECTED or speller().knows(word):
            return (stemmed,)
        near = [form for form in self._near.of(word) if form[0] == word[0]]
        if not near and length >= _LONG_WORD:
            twice = process.extract(word, self._long[word[0]], scorer=OSA.distance, score_cutoff=2, limit=_MOST_MEANT)
            near = [form for form, _, _ in twice]
        meant = [self._forms[form] for form in near if length > _SHORTEST_CORRECTED or sorted(form) == sorted(word)]
        return tuple(dict.fromkeys(meant)) or (stemmed,)


def _counts(tokens: Sequence[tuple[str, int]], measured: Iterable[Measurement]) -> Iterator[tuple[str, int]]:
    """Whole numbers that may count tablets, of which nothing says that they measure anything else."""
    taken = [(found.start, found.end) for found in measured if found.quantity != "tablets"]
    for at, (word, start) in enumerate(tokens):
        if not _COUNT.fullmatch(word) or any(a <= start < b for a, b in taken):
            continue
        if not _LEAST_COUNT <= int(word) <= _MOST_COUNT:
            continue
        if at + 1 == len(tokens) or tokens[at + 1][0] not in _UNITS:
            yield "many_number", start


def _places(words: Sequence[str], mattering: Collection[int]) -> list[int]:
    """A place for each word: one that matters counts one, marks and fillers nothing, a new sentence many."""
    places, place = [], 0
    for at, word in enumerate(words):
        if word in _ENDS:
            place += _NEXT_SENTENCE
        elif word not in _MARKS and at in mattering:
            place += 1
        places.append(place)
    return places


@cache
def phrases() -> Phrases:
    """The classes of danger_words.yaml. Raises `KnowledgeError`."""
    return Phrases(danger_words())
