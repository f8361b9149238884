"""Texts in other languages are told, in theirs, that only English is read."""

import pytest

from models.diagnoses.disease.interpretation import NoKnownSymptomError, understand
from models.diagnoses.disease.languages import only_english
from schemas.disease import DiseaseRequest


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("ich habe seit gestern starke Schmerzen im Bauch", "Es wird nur Englisch"),
        ("j'ai mal au ventre depuis hier", "Seul l'anglais"),
        ("me duele mucho el pecho", "Solo se lee"),
        ("ho un forte dolore alla pancia", "Viene letto"),
        ("estou com muita dor no peito", "Só se lê"),
        ("ik heb pijn in mijn borst", "Alleen Engels"),
        ("boli mnie brzuch od wczoraj", "Czytany jest"),
        ("göğsüm çok ağrıyor", "Yalnızca"),  # noqa: RUF001
        ("у меня болит живот", "Читается"),  # noqa: RUF001
        ("我头疼", "只能"),
        ("عندي ألم في الصدر", "تُقرأ"),
    ],
)
def test_the_sentence_is_in_the_language_of_the_text(text: str, start: str) -> None:
    sentence = only_english(text)
    assert sentence is not None
    assert sentence.startswith(start)
    assert "112" in sentence


@pytest.mark.parametrize("text", ["zorp blimp glorp", "", "..."])
def test_what_no_language_tells_gets_none(text: str) -> None:
    assert only_english(text) is None


def test_a_text_that_is_not_understood_says_so_in_its_language_with_whom_to_call() -> None:
    with pytest.raises(NoKnownSymptomError, match=r"^Es wird nur Englisch.*call your local emergency number now"):
        understand(DiseaseRequest.model_validate({"text": "ich habe seit gestern starke Schmerzen im Bauch"}))
