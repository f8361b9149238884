"""Words that hold a typing error, and what may be meant by them."""

import re
from collections import defaultdict
from collections.abc import Iterable

from rapidfuzz import process
from rapidfuzz.distance import OSA, Prefix

from models.diagnoses.disease.remembering import remembered
from models.diagnoses.disease.words import stem, stems

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
        self._ordinary_stems = stems(self._ordinary)
        self._known = self._vocabulary | self._ordinary | frozenset(clinical)
        self._stems = self._ordinary_stems | stems(self._known - self._ordinary)
        self._near = Neighbours(word for word in self._known if len(word) >= _SHORTEST)
        self._by_letter: dict[str, list[str]] = defaultdict(list)
        for word in self._vocabulary:
            if len(word) >= _SHORTEST_TWICE - 1:
                self._by_letter[word[0]].append(word)
        self.is_ordinary = remembered(self._is_ordinary)
        """Whether it is an everyday word, in any form."""
        self.candidates = remembered(self._candidates)
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
        ranked = sorted((slip, known) for known in self._near.of(word) if (slip := self.slip(word, known)) is not None)
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


class Neighbours:
    """Finds the words that are one edit from another: a letter too many, too few or wrong, or two swapped. Each known
    word stands under its first and under its last half, one of which such an edit leaves whole, but where it swaps the
    letters between them."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._by_half: dict[tuple[int, bool, str], list[str]] = defaultdict(list)
        for word in self._words:
            length, middle = len(word), len(word) // 2
            self._by_half[length, True, word[:middle]].append(word)
            self._by_half[length, False, word[middle:]].append(word)

    def of(self, word: str) -> list[str]:
        """The known words that are at most one edit from a word, in alphabetic order."""
        near: set[str] = set()
        for length in range(max(1, len(word) - 1), len(word) + 2):
            middle = length // 2
            near.update(self._by_half.get((length, True, word[:middle]), ()))
            near.update(self._by_half.get((length, False, word[len(word) - length + middle :]), ()))
        found = {known for known in near if OSA.distance(word, known, score_cutoff=1) <= 1}
        middle = len(word) // 2
        if 0 < middle < len(word):
            found.update({word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]} & self._words)
        return sorted(found)
