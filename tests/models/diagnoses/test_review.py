"""The list of clinical sentences: each has a source, a year and a state, and no urgency is lower than its source's."""

import re
from collections import Counter

import pytest

from models.diagnoses.disease.knowledge import disease_knowledge, red_flag_knowledge, unconfirmed_urgencies
from models.diagnoses.heart.knowledge import heart_knowledge
from models.diagnoses.knowledge import common_knowledge
from models.diagnoses.review import READ, STATES, WRITTEN, sentences, state_of, year_of

SENTENCES = list(sentences())

_AT_ONCE = re.compile(r"\b999\b|A&E|emergency|at once|straight away|immediate", re.IGNORECASE)
_LATER = re.compile(
    r"\b111\b|\bGP\b|optician|same day|same working|within (?:\d|two)|urgent|pathway|weeks|hours|days|unit|refer",
    re.IGNORECASE,
)
MILDER = {
    "Abdominal pain with fever and vomiting": "the page's list of what 999 is for does not hold it",
    "Pain that is hard to bear": "of severe pain alone; compartment syndrome is a rule of its own",
    "Confusion that is new": "of any new confusion; sudden confusion is a rule of its own",
    "New floaters with flashes": "the other page says 111; loss of sight is a rule of its own",
    "Very fast or slow heart": "of a figure alone; with collapse, chest pain or breathlessness others hold",
    "Hearing or seeing what is not there": "999 is for a life in danger, which is a rule of its own",
    "Bone that may be broken": "999 is for an open or bent one, which are rules of their own",
    "Bite of an animal or a person": "the emergency department is for very severe ones",
    "Possible mania or psychosis": "999 is for a life in danger, which is a rule of its own",
    "Something in the ear or nose": "A&E is for what was swallowed: batteries, magnets, poisons",
    "Possible torn tendon or ligament": "as soon as possible, which is no 999",
}
"""Rules that are milder than the gravest thing that their page says, and why."""


def test_each_sentence_has_a_source_a_year_and_a_state() -> None:
    assert len(SENTENCES) > 1000
    for each in SENTENCES:
        where = f"{each.file}, {each.place}: {each.text[:60]}"
        assert each.citations, where
        assert all(citation.strip() for citation in each.citations), where
        assert each.year, f"{where}: add the year, or `read in 2026` to a page without a date: {each.citations}"
        assert each.state in STATES, where


def test_every_file_that_answers_say_something_of_is_listed() -> None:
    assert {each.file for each in SENTENCES} == {
        *("common", "prevent", "skin", "heart", "breast", "xray", "disease", "heart_risk", "red_flags"),
    }
    texts = {each.text for each in SENTENCES}
    assert common_knowledge().disclaimer.value in texts
    assert {known.urgency.value.action for known in heart_knowledge().classes} <= texts
    assert len([each for each in SENTENCES if each.file == "red_flags"]) == len(red_flag_knowledge().rules)


def test_the_states_are_those_that_the_card_counts() -> None:
    urgencies = [each for each in SENTENCES if each.place.startswith("diseases.")]
    assert len(urgencies) == len(disease_knowledge().diseases.value)
    counted = Counter(each.state for each in urgencies)
    assert counted["unconfirmed"] == len(unconfirmed_urgencies())


@pytest.mark.parametrize(
    ("citations", "year", "state"),
    [
        (["NICE NG12, 2015, updated 2023. Suspected cancer"], "2023", "looked up"),
        (["NHS. Appendicitis (nhs.uk/Conditions/Appendicitis)"], READ, "looked up"),
        (["DermNet. Dermatofibroma, read in 2026"], READ, "looked up"),
        (["Somebody. Something"], None, "looked up"),
        (["This project's rule"], None, "own rule"),
        (["This project's rule", "NICE NG12, 2015"], "2015", "looked up"),
        (["NICE NG12, 2015", "Common textbook knowledge, no page looked up. unconfirmed"], "2015", "unconfirmed"),
    ],
)
def test_year_and_state_are_read_from_the_citations(citations: list[str], year: str | None, state: str) -> None:
    assert (year_of(citations), state_of(citations)) == (year, state)


def test_what_rests_on_no_page_has_the_year_in_which_it_was_written() -> None:
    assert {each.year for each in SENTENCES if each.state == "own rule"} >= {WRITTEN}


def test_no_danger_sign_is_less_urgent_than_its_source() -> None:
    document = red_flag_knowledge()
    milder = {
        rule.name
        for rule in document.rules
        if rule.urgency != "emergency"
        and any(
            _AT_ONCE.search(cited := document.sources[key]) and not _LATER.search(cited)
            for key in rule.source.split(", ")
        )
    }
    assert milder == set(MILDER)


def test_no_disease_is_less_urgent_than_the_page_that_names_it() -> None:
    document = disease_knowledge()
    levels: list[str] = list(document.urgencies)
    for least, names in document.confirmed.items():
        for name in names.value if least in levels else ():
            assert levels.index(document.diseases.value[name].urgency) <= levels.index(least), name
