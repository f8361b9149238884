"""What a line says as a whole, where single characters are not sure."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.preprocessing.ecg_sheet.spelling import word_scores

ALPHABET = "0123456789./:msV #"
PAPER = 10


def columns(text: str, blurred: dict[int, tuple[str, float]] | None = None) -> NDArray[np.float32]:
    """Chances of a text, three columns a character with nothing between; of those `blurred` another character has more,
    and its own has so much."""
    empty: tuple[int, tuple[str, float] | None] = (0, None)
    rows = [empty] * PAPER
    for place, character in enumerate(text):
        rows += [(1 + ALPHABET.index(character), (blurred or {}).get(place))] * 3 + [empty] * 2
    rows += [empty] * PAPER
    chances = np.full((len(rows), 1 + len(ALPHABET)), 0.001, np.float32)
    for row, (own, other) in zip(chances, rows, strict=True):
        row[own] = 0.95 if other is None else other[1]
        if other:
            row[1 + ALPHABET.index(other[0])] = 0.9 - other[1]
    return np.asarray(chances / chances.sum(axis=1, keepdims=True), np.float32)


def scores(chances: NDArray[np.float32], *words: str) -> list[float]:
    return [float(score) for score in word_scores(chances, ALPHABET, words, " :")]


def test_what_is_said_to_the_letter_has_nothing_against_it() -> None:
    right, other, longer = scores(columns("# 25mm/s"), "25mm/s", "50mm/s", "125mm/s")
    assert right == pytest.approx(0, abs=0.05)
    assert max(other, longer) < -5


def test_a_letter_that_seems_to_be_another_counts_little_where_it_may_be_the_right_one() -> None:
    chances = columns(": 50mm/s", {3: ("#", 0.3), 6: ("5", 0.4)})
    right, other = scores(chances, "50mm/s", "25mm/s")
    assert -4 < right < -0.5
    assert other < right - 5


def test_the_end_of_a_longer_number_is_not_the_number() -> None:
    assert scores(columns("# 15mm/mV"), "5mm/mV")[0] < -4
    assert scores(columns(": 5mm/mV"), "5mm/mV")[0] > -0.1


def test_one_letter_does_for_no_two() -> None:
    assert scores(columns(": 25m/s"), "25mm/s")[0] < -4


def test_words_of_any_length_in_lines_of_any_length() -> None:
    assert all(score < -6 for score in scores(columns(""), "25mm/s", "5"))
    assert scores(columns("7")[:1], "7", "7.5mm/mV")[1] < -10
