"""What is mistaken: counted by class and kind, and told in words from the counts alone."""

import pytest

from models.serving.bundle import MISTAKEN
from training.mistakes import EVERYTHING, HEADING, NOT_SETTLED, REFUSED, Case, figures, section_of


def _cases() -> list[Case]:
    """Forty melanomas, soft ones named nevus, two refused, two not settled; and twelve nevi, all named so."""
    said = ["nv"] * 16 + ["mel"] * 20 + [REFUSED] * 2 + [NOT_SETTLED] * 2
    kinds = [("resolution=soft",)] * 20 + [("resolution=sharp",)] * 20
    pairs = enumerate(zip(said, kinds, strict=True))
    melanomas = [Case(("mel",), each, kind, str(place)) for place, (each, kind) in pairs]
    return melanomas + [Case(("nv",), "nv", (), f"nv{place}") for place in range(12)]


def test_shares_are_those_of_the_class_of_its_kinds_and_of_what_is_said_instead() -> None:
    found = dict(figures(_cases()))
    assert (found["mel: not named"].value, found["mel: not named"].n) == (0.5, 40)
    assert found["mel: said instead, nv"].value == 0.4
    assert (found["mel: not named, resolution=soft"].value, found["mel: not named, resolution=soft"].n) == (0.8, 20)
    assert found["mel: not named, resolution=sharp"].value == 0.2
    assert found["nv: not named"].value == 0
    assert not [key for key in found if REFUSED in key or NOT_SETTLED in key], "two are too few to tell"
    assert found["mel: not named"].low < 0.5 < found["mel: not named"].high


def test_few_of_a_class_are_not_told_and_many_classes_are_told_together() -> None:
    assert not dict(figures(_cases()[:9]))
    many = [Case((f"disease {place}",), "Cold", (), str(place)) for place in range(20)]
    assert [(key, value.value) for key, value in figures(many)] == [
        (f"{EVERYTHING}: not named", 1.0),
        (f"{EVERYTHING}: said instead, Cold", 1.0),
    ]


def test_an_input_with_several_truths_is_right_with_any_of_them() -> None:
    cases = [Case(("MI", "CD"), "MI", (), str(place)) for place in range(10)]
    assert {key: value.value for key, value in figures(cases)} == {"CD: not named": 0.0, "MI: not named": 0.0}


def test_the_words_are_those_of_the_counts() -> None:
    found = {key: value.model_dump() for key, value in figures(_cases())}
    text = section_of("skin", {"sets": {f"{MISTAKEN}a set": found, "Reliability: a set": {}}})
    assert text.startswith(HEADING)
    assert "### a set" in text
    assert "Of 40 inputs with Melanoma (`mel`) 20 were not named so, 0.500 (" in text
    assert "Said most instead: 16 Melanocytic Nevi (`nv`)." in text
    assert "Most often of `resolution=soft`, 0.800 (" in text
    assert "least often of `resolution=sharp`, 0.200 (" in text
    assert text.index("Melanoma (`mel`)") < text.index("Of 12 inputs with Melanocytic Nevi (`nv`) all were named right")
    assert section_of("skin", {"sets": {"Reliability: a set": {}}}) == ""


def test_what_is_too_rare_to_tell_and_kinds_without_a_difference_are_left_out() -> None:
    cases = [Case(("mel",), f"code {place}", (f"sex={place % 2}",), str(place)) for place in range(40)]
    found = {key: value.model_dump() for key, value in figures(cases)}
    text = section_of("skin", {"sets": {f"{MISTAKEN}a set": found}})
    assert text.rstrip().endswith("40 were not named so, 1.000 (0.912 to 1.000).")


def test_a_key_that_is_none_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="no share of what is mistaken"):
        section_of("skin", {"sets": {f"{MISTAKEN}a set": {"mel": {"value": 0, "low": 0, "high": 0, "n": 1}}}})


def test_the_words_of_a_form_say_what_counts_as_named_and_which_band_was_told() -> None:
    cases = [Case(("narrowed",), "low" if place < 4 else "narrowed", (), str(place)) for place in range(20)]
    found = {key: value.model_dump() for key, value in figures(cases)}
    text = section_of("heart_risk", {"sets": {f"{MISTAKEN}a hospital left out": found}})
    assert "A chance of at least a half counts as a narrowed artery named" in text
    assert "Of 20 inputs with a narrowed artery (`narrowed`) 4 were not named so" in text
    assert "Said most instead: 4 Low Risk (`low`)." in text
    assert "names a band" not in section_of("skin", {"sets": {f"{MISTAKEN}a set": found}})
