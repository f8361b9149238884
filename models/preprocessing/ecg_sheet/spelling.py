"""How likely it is that a line of print holds a word, where its characters one by one are not sure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatMap = NDArray[np.float32]

_LEAST = 1e-6
"""Chance that nothing falls below."""
_BEFORE, _CUT = 6, 2
"""Columns before a word that belong to no character of it, and columns at the beginning of a line, before which one may
have been cut off."""
_CUT_OFF = -4.0
"""What counts against a word that begins there."""
_NEVER = np.float32(-50.0)


def word_scores(chances: FloatMap, alphabet: str, words: Sequence[str], between: str) -> NDArray[np.float32]:
    """For each of the words the logarithm of how likely a line says it somewhere, over how likely it says what it seems
    to say there: 0 where it says it to the letter, (words,).

    `chances` (columns, 1 + alphabet) are those of nothing and of each character. The best path through the columns
    counts, as in the decoding of CTC (Graves et al. 2006): over a character once or more often, with nothing or a space
    between two. Before a word there is nothing, or one of the characters in `between`.
    """
    logs = np.log(np.maximum(chances, _LEAST))
    off = logs - logs.max(axis=1, keepdims=True)
    number = {character: 1 + place for place, character in enumerate(alphabet)}
    gap = _any_of(chances, logs, [0, number[" "]])
    begin = _sums_before(_any_of(chances, logs, [0, *(number[each] for each in between)]))
    states = 2 * max(map(len, words))
    emitted = np.full((len(chances), len(words), states), _NEVER, np.float32)
    skipped = np.full((len(words), states), _NEVER, np.float32)
    for row, word in enumerate(words):
        for place, character in enumerate(word):
            emitted[:, row, 2 * place] = off[:, number[character]]
            emitted[:, row, 2 * place + 1] = gap
            if place and word[place - 1] != character:
                skipped[row, 2 * place] = 0
    ends = np.array([2 * len(word) - 2 for word in words])
    return _best_paths(emitted, skipped, begin, ends)


def _best_paths(emitted: FloatMap, skipped: FloatMap, begin: FloatMap, ends: NDArray[np.intp]) -> NDArray[np.float32]:
    """What the best path through all states of each word has, (words,)."""
    every = np.arange(len(ends))
    path = np.full(emitted.shape[1:], 20 * _NEVER, np.float32)
    best = np.full(len(ends), 20 * _NEVER, np.float32)
    for column, own in enumerate(emitted):
        moved = path.copy()
        np.maximum(moved[:, 1:], path[:, :-1], out=moved[:, 1:])
        np.maximum(moved[:, 2:], path[:, :-2] + skipped[:, 2:], out=moved[:, 2:])
        np.maximum(moved[:, 0], begin[column], out=moved[:, 0])
        path = moved + own
        np.maximum(best, path[every, ends], out=best)
    return best


def _any_of(chances: FloatMap, logs: FloatMap, characters: Sequence[int]) -> FloatMap:
    """What it counts against a path that each column is one of so many characters."""
    together = np.log(np.maximum(chances[:, characters].sum(axis=1), _LEAST))
    against: FloatMap = np.minimum(together - logs.max(axis=1), 0).astype(np.float32)
    return against


def _sums_before(values: FloatMap) -> FloatMap:
    """The sums of the values before each, where a line begins what counts against that."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    before: FloatMap = (sums[places] - sums[np.maximum(places - _BEFORE, 0)]).astype(np.float32)
    before[:_CUT] = _CUT_OFF
    return before
