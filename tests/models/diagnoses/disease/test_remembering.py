"""What is kept of words is bounded, whatever is sent."""

from models.diagnoses.disease.remembering import LONGEST, MOST_WORDS, remembered


def test_a_word_is_looked_into_once_and_a_long_one_is_never_kept() -> None:
    asked: list[str] = []

    @remembered
    def length(word: str) -> int:
        asked.append(word)
        return len(word)

    long = "a" * (LONGEST + 1)
    assert [length(word) for word in ("cough", "cough", long, long)] == [5, 5, LONGEST + 1, LONGEST + 1]
    assert asked == ["cough", long, long]


def test_many_words_push_out_the_first() -> None:
    asked: list[str] = []
    answer = remembered(lambda word: asked.append(word))
    for number in range(MOST_WORDS + 1):
        answer(f"word{number}")
    answer("word0")
    assert asked.count("word0") == 2
