"""Texts as words."""

import pytest

from models.diagnoses.disease.words import Rewriter, american, sentences


def test_sentences_end_where_they_should() -> None:
    assert sentences("No fever. Cough; chills!\nRash of 2.5 cm") == [
        ["no", "fever"],
        ["cough"],
        ["chills"],
        ["rash", "of", "2.5", "cm"],
    ]
    assert sentences(" .,; ") == []


def test_contractions_and_joined_words() -> None:
    assert sentences("I can\u2019t sleep, doesn't itch") == [["i", "cannot", "sleep", ",", "does", "not", "itch"]]
    assert sentences("non-productive high_fever") == [["nonproductive", "high", "fever"]]


@pytest.mark.parametrize(
    ("british", "word"),
    [
        ("diarrhoea", "diarrhea"),
        ("haemorrhage", "hemorrhage"),
        ("oedema", "edema"),
        ("odour", "odor"),
        ("hour", "hour"),
        ("grey", "gray"),
        ("shoe", "shoe"),
    ],
)
def test_british_spelling(british: str, word: str) -> None:
    assert american(british) == word


def test_the_longest_phrase_is_replaced_first_and_only_once() -> None:
    rewrite = Rewriter({"passed out": "fainted", "passed out cold": "collapsed", "fainted": "x"})
    assert rewrite(["he", "passed", "out", "cold", "then", "passed", "out"]) == ["he", "collapsed", "then", "fainted"]
    assert rewrite([]) == []
