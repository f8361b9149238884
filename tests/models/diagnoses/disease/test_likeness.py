"""Words alike to those that tell of a danger, where no rule has them."""

import pytest

from models.diagnoses.disease import findings, likeness, red_flags
from models.diagnoses.disease.interpretation import understand
from models.diagnoses.disease.knowledge import red_flag_knowledge
from models.diagnoses.disease.likeness import Likeness
from schemas.disease import DiseaseRequest

TOLD = "There's a truck parked on my chest and I'm dripping wet and grey"
HARMLESS = (
    "my shoes rub and I have a blister",
    "I painted a fence and my shoulders ache",
    "no chest pain, no breathlessness, only a runny nose",
    "My uncle had a stroke last year, I have dry skin",
    "What are the signs of a stroke?",
)


def like(text: str) -> Likeness | None:
    found = findings.read((), text)
    return likeness.likeness(red_flags.hear(found, found.patient, text), found.spans, len(text))


def test_words_that_no_rule_has_are_alike_to_a_danger() -> None:
    found = like(TOLD)
    assert found is not None
    assert found.rule == "Possible heart attack"
    assert found.score >= likeness.weights().sure


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_denied_past_of_others_or_asked_is_not_alike(text: str) -> None:
    assert like(text) is None


@pytest.mark.parametrize("text", ["", "?!", "...", "\n\n", "1 2 3", "the a of"])
def test_a_text_without_words_is_not_alike(text: str) -> None:
    assert like(text) is None


def test_the_sentences_that_are_alike_are_found_within_a_long_text() -> None:
    before = "I went shopping and bought bread. It rained all day. We had soup for lunch. "
    found = like(before + TOLD + ". The dog is well. My sister comes on Sunday.")
    assert found is not None
    assert found.begin <= len(before) < found.end


def test_only_the_first_characters_asked_for_are_looked_at() -> None:
    text = "I bought bread. " + TOLD
    found = findings.read((), text)
    heard = red_flags.hear(found, found.patient, text)
    assert likeness.likeness(heard, found.spans, len("I bought bread.")) is None


def test_every_kind_has_a_rule() -> None:
    assert set(likeness.weights().rules) <= {rule.name for rule in red_flag_knowledge().rules}


def test_an_answer_says_that_words_were_only_alike() -> None:
    alike = [each for each in understand(DiseaseRequest(text=UNKNOWN)).red_flags if each.alike]
    assert [each.rule.name for each in alike] == ["Possible stroke"]
    assert alike[0].words is not None
    assert alike[0].words in UNKNOWN


UNKNOWN = "Granddad's words come out as porridge and his left side won't obey him"


def test_where_a_rule_raises_an_emergency_nothing_is_only_alike() -> None:
    raised = understand(DiseaseRequest(text="crushing chest pain and sweating")).red_flags
    assert raised
    assert not any(each.alike for each in raised)


def test_a_damaged_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    likeness.weights.cache_clear()
    monkeypatch.setattr(likeness, "CHECKSUM", "0" * 64)
    with pytest.raises(OSError, match="damaged"):
        likeness.weights()
    likeness.weights.cache_clear()


def alike(text: str, sex: str | None = None) -> tuple[str | None, str | None]:
    """The rule whose words a text is alike to, and the words that are a little alike."""
    case = understand(DiseaseRequest(text=text, sex=sex))
    return next((each.rule.name for each in case.red_flags if each.alike), None), case.doubt


@pytest.mark.parametrize(
    ("mild", "near"),
    [
        (
            "7 weeks along. Queasy every morning, sick once a day at most. Crackers and ginger tea stay put.",
            "7 weeks along. Queasy every morning, ginger tea stays put, lost weight",
        ),
        (
            "Brings up a mouthful of milk after every bottle, then grins at me. 10 weeks old and piling on weight.",
            "Brings up a mouthful of milk after every bottle, white, then cries. 10 weeks old.",
        ),
    ],
)
def test_a_mild_course_takes_a_doubt_away(mild: str, near: str) -> None:
    assert alike(mild)[1] is None
    assert alike(near)[1] is not None


@pytest.mark.parametrize(
    ("harmless", "near"),
    [
        (
            "Calf went into a rock hard knot at 4 in the morning, hobbled, and it let go. No swelling.",
            "Calf went into a rock hard knot at 4 in the morning, and one leg is bigger",
        ),
        (
            "fainted for a few secs at the blood test, saw the needle went all hot and grey. walked home",
            "fainted for a few secs, saw the room went all hot and grey, my heart was racing",
        ),
    ],
)
def test_what_is_harmless_by_its_cause_is_alike_to_no_danger(harmless: str, near: str) -> None:
    assert alike(harmless) == (None, None)
    assert understand(DiseaseRequest(text=near)).red_flags or alike(near) != (None, None)


def test_a_pregnancy_is_not_taken_from_likeness() -> None:
    text = "home machine says 196 over 118, did it three times. feel perfectly ok, no headache"
    case = understand(DiseaseRequest(text=text))
    assert [each.rule.name for each in case.red_flags] == ["Very high blood pressure"]
    assert "pregnancy" not in case.findings.present
