"""Red flags: every rule by two phrasings, none by a denial, a stranger's symptom or another age."""

import pytest

from models.diagnoses.disease.findings import read
from models.diagnoses.disease.knowledge import RedFlagRule, red_flag_knowledge
from models.diagnoses.disease.patient import Patient, describe
from models.diagnoses.disease.red_flags import raised
from models.diagnoses.disease.vocabulary import vocabulary

RULES = {rule.name: rule for rule in red_flag_knowledge().rules}
PHRASINGS = {
    "Possible heart attack": ("crushing chest pain and sweating", "my chest hurts and I feel sick"),
    "Chest pain of possible cardiac origin": ("chest pain", "tightness in my chest"),
    "Possible aortic emergency": ("tearing chest pain", "chest pain between the shoulder blades"),
    "Possible stroke": ("one side of his face droops", "slurred speech since an hour"),
    "Sudden trouble speaking": ("suddenly cannot speak", "aphasia"),
    "Possible bleeding in the head": ("the worst headache of my life", "thunderclap headache"),
    "Possible meningitis": ("fever and a stiff neck", "headache, neck stiffness"),
    "Severe infection of the brain or its covering": (
        "fever, headache and confusion",
        "high temperature with headache, light hurts my eyes",
    ),
    "Possible sepsis": ("fever and she is confused", "shivering, low blood pressure"),
    "Severe breathlessness": ("short of breath even at rest", "his lips are blue"),
    "Possible severe asthma or worsening lung disease": ("wheezing and short of breath", "COPD, breathless"),
    "Possible severe allergic reaction": ("hives and wheezing", "swollen lips and trouble breathing"),
    "Swelling of the tongue or throat": ("swollen tongue after a bee sting", "throat is closing up, hives"),
    "Possible poisoning or overdose": ("I took an overdose", "she swallowed bleach"),
    "Heavy bleeding": ("a deep cut that is bleeding heavily", "heavy bleeding after an injury"),
    "Something in the airway": ("choking and cannot breathe", "choked on food, blue lips"),
    "Possible blood clot in the lung": (
        "short of breath with a swollen calf",
        "pain on breathing in after a long flight",
    ),
    "Possible blood clot in the leg": ("one leg is swollen", "swelling of the left calf"),
    "Thoughts of suicide or self-harm": ("I want to end my life", "he talks of killing himself"),
    "Bleeding in pregnancy": ("bleeding while 10 weeks pregnant", "pregnant with vaginal spotting"),
    "Possible ectopic pregnancy": ("missed period, pelvic pain", "pregnant, lower abdominal pain"),
    "Pain, leaking fluid or fewer movements in pregnancy": ("my waters broke", "the baby is moving less"),
    "Possible pre-eclampsia": ("pregnant with blurred vision", "pregnancy and a severe headache"),
    "Bleeding in the stomach or gut": ("vomiting blood", "black tarry stools"),
    "Blood coughed up": ("coughing up blood", "hemoptysis"),
    "Possible emergency in the abdomen": ("severe abdominal pain", "rigid abdomen"),
    "Possible appendicitis": ("pain in the right lower quadrant and nausea", "lower right abdominal pain, fever"),
    "Abdominal pain with fever and vomiting": (
        "tummy ache, fever, vomiting",
        "stomach pain, temperature, throwing up",
    ),
    "Possible bowel obstruction": ("unable to pass gas, vomiting", "green vomit and a swollen belly"),
    "Bloody diarrhea in a child": ("8 year old with bloody diarrhea", "4-year-old boy, diarrhoea with blood"),
    "Bloody diarrhea": ("bloody diarrhea", "diarrhoea with blood"),
    "Possible twisted testicle": ("testicle pain", "his balls hurt"),
    "Sudden loss of sight": ("sudden loss of vision", "suddenly went blind"),
    "Possible acute glaucoma or other eye emergency": ("eye pain and blurred vision", "eye hurts, vomiting"),
    "Possible pressure on the nerves of the lower back": (
        "back pain and loss of bladder control",
        "numb between the legs, cannot pee",
    ),
    "Back pain with a weak leg": ("back pain and foot drop", "back hurts and my legs give way"),
    "Seizure or loss of consciousness": ("had a seizure", "unresponsive"),
    "Fainting with a sign from heart or lungs": ("fainted with palpitations", "passed out, short of breath"),
    "Head injury with a warning sign": ("hit his head and vomited", "head injury, confused"),
    "Confusion that is new": ("confused", "disoriented since this morning"),
    "Fever in a young baby": ("6 week old baby with a fever", "2-month-old, temperature 38.4 C"),
    "A very ill baby or small child": ("floppy baby", "bulging fontanelle"),
    "A feverish child that is drowsy, breathes fast or has spots that do not fade": (
        "3 year old, fever, drowsy",
        "2-year-old with fever, breathing fast",
    ),
    "A feverish child that feeds or reacts poorly": (
        "1 year old with fever, feeding poorly",
        "18-month-old, fever, few wet diapers",
    ),
    "Rash that does not fade under a glass": ("purple spots and fever", "rash does not fade, vomiting"),
    "Possible tetanus": ("lockjaw after a cut", "jaw is locked, muscle spasms"),
    "Possible diabetic emergency": (
        "diabetic, vomiting and abdominal pain",
        "very thirsty, confused, breathing fast",
    ),
    "Throat swelling that may close the airway": (
        "drooling, sore throat, stridor",
        "muffled voice, fever, difficulty swallowing",
    ),
    "Possible giant cell arteritis": (
        "72 year old, headache and scalp tenderness",
        "aged 68, headache, jaw pain when chewing",
    ),
    "Unable to pass urine": ("unable to pass urine", "I cannot pee"),
    "Fever after travel": ("fever after recent travel", "fever, returned from Ghana"),
    "Fever with weakened immunity": ("fever during chemotherapy", "immunocompromised with a temperature"),
    "Possible infected joint": ("hot red joint and fever", "chills, red swollen joint"),
    "Weakness that spreads": ("weakness started in the legs and moves up", "ascending paralysis"),
    "Jaundice with fever or confusion": ("yellow eyes and fever", "jaundice, confused"),
    "Jaundice": ("yellow skin", "his eyes are yellow"),
    "Possible heat stroke": ("hot sun all day, confused, headache", "heat exposure, high fever"),
    "A limb without blood supply": ("leg pain, leg pale and numb", "arm pain, pallor, arm weakness"),
    "Dehydration": ("vomiting and no urine", "diarrhoea, sunken eyes"),
    "Hearing or seeing what is not there": ("hearing voices", "hallucinations"),
}


def flags(text: str, patient: Patient | None = None) -> set[str]:
    return {rule.name for rule, _ in raised(read([], text).present, patient or describe(text))}


def test_every_rule_has_its_phrasings() -> None:
    assert PHRASINGS.keys() == RULES.keys()
    assert {len(set(phrasings)) for phrasings in PHRASINGS.values()} == {2}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_rule_names_known_symptoms(rule: RedFlagRule) -> None:
    assert {name for group in (*rule.all_of, rule.unless) for name in group} <= set(vocabulary().names)


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, phrasings in PHRASINGS.items() for text in phrasings]
)
def test_every_rule_is_raised_by_two_phrasings(name: str, text: str) -> None:
    assert name in flags(text)


@pytest.mark.parametrize(
    "text",
    [
        "No chest pain, sweating or breathlessness.",
        "She denies slurred speech, facial drooping, weakness on one side.",
        "No neck stiffness. Fever since yesterday.",
        "His father had chest pain and sweating.",
        "no suicidal thoughts",
        "runny nose, sneezing and a sore throat",
    ],
)
def test_denied_or_harmless_words_raise_no_emergency(text: str) -> None:
    emergencies = {rule.name for rule in RULES.values() if rule.urgency == "emergency"}
    assert not flags(text) & emergencies


def test_difficulty_speaking_for_want_of_breath_is_no_stroke() -> None:
    assert not flags("difficulty speaking because of breathlessness at rest") & {
        "Possible stroke",
        "Sudden trouble speaking",
    }


def test_age_and_sex_bound_a_rule() -> None:
    assert "Fever in a young baby" not in flags("fever", Patient(age=30))
    assert "Fever in a young baby" not in flags("fever", Patient())
    assert "Bloody diarrhea in a child" not in flags("bloody diarrhea", Patient(age=40))
    assert "Bloody diarrhea in a child" in flags("bloody diarrhea", Patient())
    assert "Possible ectopic pregnancy" not in flags("missed periods, pelvic pain", Patient(sex="male"))


def test_the_symptoms_that_raised_a_rule_are_named() -> None:
    found = raised(("fever", "neck stiffness", "cough"), Patient())
    assert {rule.name: symptoms for rule, symptoms in found}["Possible meningitis"] == ("fever", "neck stiffness")
