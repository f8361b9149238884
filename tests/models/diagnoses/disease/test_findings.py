"""Symptoms in entries and in free text: present, absent, misspelt, somebody else's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.diagnoses.disease.findings import Findings, read
from models.diagnoses.disease.vocabulary import vocabulary


def present(text: str) -> set[str]:
    return set(read([], text).present)


def absent(text: str) -> set[str]:
    return set(read([], text).absent)


@pytest.mark.parametrize(
    ("entry", "symptom"),
    [
        ("fever", "fever"),
        ("FEVER", "fever"),
        ("high_fever", "high fever"),
        ("High Fever", "high fever"),
        ("tummy ache", "abdominal pain"),
        ("short of breath", "breathlessness"),
        ("Runny-Nose", "runny nose"),
        ("hedache", "headache"),
        ("diarhoea", "diarrhea"),
        ("shortnes of breth", "breathlessness"),
        ("my throat hurts", "sore throat"),
        ("I can't sleep", "sleeplessness"),
        ("pain in my left knee", "knee pain"),
        ("throwing up", "vomiting"),
        ("oedema of the legs", "leg swelling"),
        ("pins and needles", "numbness"),
        ("burning when I pee", "pain on urination"),
        ("blood in my poo", "blood in stool"),
        ("cold all the time", "cold intolerance"),
        ("I cannot breathe", "breathlessness at rest"),
    ],
)
def test_an_entry_is_understood(entry: str, symptom: str) -> None:
    assert read([entry]) == Findings(present=(symptom,))


@pytest.mark.parametrize("name", vocabulary().names)
def test_every_name_means_itself(name: str) -> None:
    assert read([name]).present == (name,)
    assert read([name.replace(" ", "_").upper()]).present == (name,)


def test_a_denied_entry_is_absent() -> None:
    assert read(["no fever"]) == Findings(present=(), absent=("fever",))
    assert read(["no cough or fever", "headache"]) == Findings(present=("headache",), absent=("cough", "fever"))


def test_an_entry_that_is_not_understood_is_echoed_with_near_names() -> None:
    found = read(["fever", "heddakke", "qqq"])
    assert found.unrecognized == ("heddakke", "qqq")
    assert "headache" in found.suggestions["heddakke"]
    assert "qqq" not in found.suggestions


@given(st.lists(st.text(min_size=1, max_size=100), max_size=20), st.text(max_size=300))
def test_whatever_is_sent_only_known_symptoms_come_out(entries: list[str], text: str) -> None:
    found = read(entries, text)
    known = {name for names in vocabulary().parts.values() for name in names}
    assert set(found.present) | set(found.absent) <= known
    assert all(piece in entries or piece in text.lower() for piece in found.unrecognized)
    assert not set(found.present) & set(found.absent)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Pain in the knees and hips since May.", {"knee pain", "hip pain"}),
        ("She has been vomiting and her stools are watery.", {"vomiting", "diarrhea"}),
        ("He passed out in the kitchen.", {"fainting"}),
        ("Temperature of 39.6 C, pulse 120.", {"high fever", "rapid heart rate"}),
        ("BP 185/100 mmHg", {"high blood pressure"}),
        ("I have a headache that got worse, but no fever.", {"headache"}),
        ("He cannot smell his coffee any more.", {"loss of smell"}),
        ("My daughter has a fever.", {"fever"}),
        ("The left calf is swollen, red and painful.", {"one-sided leg swelling", "calf pain"}),
        ("Pain in the big toe, red, swollen and hot.", {"big toe pain", "hot red joint"}),
        ("Swollen glands in my neck.", {"swollen lymph nodes"}),
        ("The baby won't feed.", {"poor feeding"}),
    ],
)
def test_a_description_is_understood(text: str, found: set[str]) -> None:
    assert found <= present(text)


@pytest.mark.parametrize(
    ("text", "denied", "affirmed"),
    [
        ("No fever, cough, or chest pain.", {"fever", "cough", "chest pain"}, set()),
        ("She denies fever, chills, night sweats.", {"fever", "chills", "night sweats"}, set()),
        ("No fever but a bad cough.", {"fever"}, {"cough"}),
        ("There is no rash. He has a headache.", {"rash"}, {"headache"}),
        ("Without nausea or vomiting; diarrhoea for two days.", {"nausea", "vomiting"}, {"diarrhea"}),
        ("He does not have a sore throat.", {"sore throat"}, set()),
        ("Fever is absent.", {"fever"}, set()),
        ("Headache that is not relieved by painkillers.", set(), {"headache"}),
        ("Temperature 36.8 C and a cough.", {"fever"}, {"cough"}),
        ("no fever, has a cough", {"fever"}, {"cough"}),
    ],
)
def test_denials_reach_as_far_as_they_are_meant(text: str, denied: set[str], affirmed: set[str]) -> None:
    assert denied <= absent(text)
    assert affirmed <= present(text)
    assert not denied & present(text)


@pytest.mark.parametrize(
    "text", ["His father had chest pain.", "Her sister has a fever and a cough.", "His mother died of a seizure."]
)
def test_what_relatives_have_is_not_the_patients(text: str) -> None:
    assert read([], text).present == ()


def test_what_a_parent_reports_is_the_patients() -> None:
    assert "fever" in present("Her mother reports a fever since yesterday.")


def test_a_narrower_symptom_keeps_the_wider_one_from_being_denied() -> None:
    found = read(["severe headache", "no headache"])
    assert found == Findings(present=("severe headache",))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("He wakes up at the end of the night.", "suicidal thoughts"),
        ("He works later and would fail.", "cut or wound"),
        ("Calming down took a while; her upper lip is swollen.", "one-sided leg swelling"),
        ("A fit, healthy man.", "seizure"),
        ("It hurts.", "aching all over"),
        ("There is some swelling.", "swelling all over"),
        ("I hurt myself at football.", "suicidal thoughts"),
        ("She cannot breathe through her nose.", "breathlessness at rest"),
        ("She climbs two flights of stairs.", "long immobility"),
        ("She has irritable bowel syndrome.", "irritability"),
        ("Intermittent contractions of his jaw muscles.", "labor contractions"),
    ],
)
def test_common_words_are_not_taken_for_symptoms(text: str, wrong: str) -> None:
    assert wrong not in present(text)


@pytest.mark.parametrize(
    ("text", "present", "absent"),
    [
        ("Dying for a wee every twenty minutes", ("frequent urination",), ()),
        ("sick of waiting, ear's throbbing", ("ear pain",), ()),
        ("free of pain, full of wind", ("flatulence",), ()),
        ("I strained my shoulder shifting the freezer", ("shoulder pain",), ()),
        ("Six loose stools, peeing ok", ("diarrhea",), ("unable to urinate",)),
        ("both thighs sore, pee is normal pale colour", ("leg pain",), ("dark urine",)),
        ("something bulges down below by evening", ("vaginal bulge",), ()),
        ("found a hard bump on my right ball", ("testicle lump",), ()),
        ("one of her eyes drifts inwards", ("squint",), ()),
        ("He gave me the shivers with that film", (), ()),
        ("a lump on the ball of my foot", (), ()),
        ("Gutted about the match", (), ()),
    ],
)
def test_what_people_say_of_a_complaint_of_its_absence_and_of_neither(
    text: str, present: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    found = read([], text)
    assert set(present) <= set(found.present)
    assert set(absent) <= set(found.absent)
    assert present or not found.present
