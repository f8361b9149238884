"""Words that hold a typing error, by an index of deletions (W. Garbe's SymSpell): of two words that are one edit apart,
the same is left where at most one letter is left out of each."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA, Prefix

from models.diagnoses.disease.words import stem

_SHORTEST = 3
_SHORTEST_FREE = 5
"""Letters from which the first one may be wrong."""
_SHORTEST_TWICE = 7
"""Letters from which a word may hold two errors."""
_CANDIDATES = 6


class Speller:
    """Knows the words of the vocabulary and those of everyday English. Thread-safe; answers are kept."""

    def __init__(self, vocabulary: Iterable[str], ordinary: Iterable[str], clinical: Iterable[str]) -> None:
        self._vocabulary = frozenset(word for word in vocabulary if len(word) >= _SHORTEST)
        self._ordinary = frozenset(ordinary)
        self._ordinary_stems = frozenset(map(stem, self._ordinary))
        self._known = self._vocabulary | self._ordinary | frozenset(clinical)
        self._stems = frozenset(map(stem, self._known))
        self._near = deletions_index(word for word in self._known if len(word) >= _SHORTEST)
        self._by_letter: dict[str, list[str]] = defaultdict(list)
        for word in self._vocabulary:
            if len(word) >= _SHORTEST_TWICE - 1:
                self._by_letter[word[0]].append(word)
        self.is_ordinary = lru_cache(maxsize=8192)(self._is_ordinary)
        """Whether it is an everyday word, in any form."""
        self.candidates = lru_cache(maxsize=8192)(self._candidates)
        """The words that may be meant, the likeliest first; none where the word is known or nothing is near."""

    def knows(self, word: str) -> bool:
        """Whether it is a word of the vocabulary or an ordinary one, in any form."""
        if word in self._known:
            return True
        return bool(_INFLECTED.search(word)) and stem(word) in self._stems

    def _is_ordinary(self, word: str) -> bool:
        return word in self._ordinary or stem(word) in self._ordinary_stems

    def _candidates(self, word: str) -> tuple[str, ...]:
        if len(word) < _SHORTEST or self.knows(word):
            return ()
        heard = word.replace("shun", "tion")
        if heard != word and self.knows(heard):
            return (heard,)
        ranked = sorted(
            (slip, known) for known in one_edit_from(word, self._near) if (slip := self.slip(word, known)) is not None
        )
        if not any(known[0] == word[0] for _, known in ranked) and (twice := self._twice(word)):
            return twice
        return tuple(known for _, known in ranked[:_CANDIDATES]) or self._run(word)

    def slip(self, word: str, known: str) -> int | None:
        """How seldom that word is written for the known one, 0 to 3; None where a short word differs in what a slip
        seldom changes."""
        swapped = len(word) == len(known) and sorted(word) == sorted(known)
        if word[0] != known[0] and not swapped and len(word) < _SHORTEST_FREE:
            return None
        if len(known) < _SHORTEST or (len(word) == _SHORTEST and len(known) == _SHORTEST and not swapped):
            return None
        if swapped or _single(word) == _single(known) or known == f"{word}g" or _beside(word, known):
            return 0
        return (1 if len(word) != len(known) else 2) + (word[0] != known[0])

    def is_vocabulary(self, word: str) -> bool:
        """Whether phrases or rules hold the word."""
        return word in self._vocabulary

    def _run(self, word: str) -> tuple[str, ...]:
        """The word with each run of a letter as one, where that is known."""
        single = _single(word)
        return (single,) if single != word and self.knows(single) else ()

    def _twice(self, word: str) -> tuple[str, ...]:
        if len(word) < _SHORTEST_TWICE - 1:
            return ()
        near = process.extract(word, self._by_letter.get(word[0], ()), scorer=OSA.distance, score_cutoff=2, limit=None)
        likely = [known for known, _, _ in near if len(known) + len(word) >= 2 * _SHORTEST_TWICE - 1]
        return (max(likely, key=lambda known: (Prefix.similarity(word, known), known)),) if likely else ()


_INFLECTED = re.compile(
    r"(?:s|ed|d|ing|er|est|ly|y|ion|al|ic|ble|ent|ity|ous|ness|ful|is[mt]|ive|i[sz]e|or|ant|age|ate|en)$"
)
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_PLACES = {letter: (row, column + row / 2) for row, keys in enumerate(_KEYS) for column, letter in enumerate(keys)}


def _beside(word: str, known: str) -> bool:
    """Whether they differ in one letter whose key is beside the right one."""
    if len(word) != len(known):
        return False
    wrong = [pair for pair in zip(word, known, strict=True) if pair[0] != pair[1]]
    if len(wrong) != 1 or not all(letter in _PLACES for letter in wrong[0]):
        return False
    (row, column), (other_row, other_column) = (_PLACES[letter] for letter in wrong[0])
    return abs(row - other_row) <= 1 and abs(column - other_column) <= 1


def _single(word: str) -> str:
    """The word with each run of a letter as one."""
    return "".join(letter for at, letter in enumerate(word) if not at or word[at - 1] != letter)


def _deletions(word: str) -> set[str]:
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


def one_edit_from(word: str, index: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The words of an index that are one edit from a word, in alphabetic order."""
    near = {known for shorter in _deletions(word) for known in index.get(shorter, ())}
    return sorted(known for known in near if OSA.distance(word, known, score_cutoff=1) <= 1)


def deletions_index(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The words by each form of them that lacks at most one letter."""
    index: dict[str, tuple[str, ...]] = {}
    for word in sorted(words):
        for shorter in _deletions(word):
            index[shorter] = (*index[shorter], word) if shorter in index else (word,)
    return index
