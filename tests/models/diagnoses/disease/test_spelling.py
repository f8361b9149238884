"""Words with a typing error are found wherever the error is."""

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from models.diagnoses.disease.matching import speller
from models.diagnoses.disease.spelling import Neighbours
from models.diagnoses.disease.words import stem, stems

WORDS = st.text("abc", min_size=1, max_size=6)


@given(known=st.sets(WORDS, max_size=40), word=WORDS)
def test_all_words_that_are_one_edit_away_are_found(known: set[str], word: str) -> None:
    assert Neighbours(known).of(word) == sorted(each for each in known if OSA.distance(word, each) <= 1)


def test_letters_swapped_in_the_middle_are_found() -> None:
    assert Neighbours(["headache", "fever"]).of("heaadche") == ["headache"]
    assert Neighbours(["headache", "fever"]).of("feevr") == ["fever"]


def test_many_stems_are_those_of_each() -> None:
    words = ["headaches", "dizziness", "swelling"]
    assert stems(words) == {stem(word) for word in words}


def test_a_misspelt_word_of_the_vocabulary_is_mended() -> None:
    assert speller().candidates("hedache")[0] == "headache"
