"""Dangers: every rule by its own texts, none by a denial, a stranger's symptom, the past or a question."""

import pytest

from models.diagnoses.disease.findings import Findings, read
from models.diagnoses.disease.knowledge import RedFlagRule, danger_words, red_flag_knowledge
from models.diagnoses.disease.patient import Patient, describe
from models.diagnoses.disease.phrases import compile_line, phrases
from models.diagnoses.disease.red_flags import Raised, citation, raised
from models.diagnoses.disease.vocabulary import vocabulary

RULES = {rule.name: rule for rule in red_flag_knowledge().rules}


def found(text: str, patient: Patient | None = None) -> list[Raised]:
    return raised(read([], text), patient or describe(text), text)


def flags(text: str, patient: Patient | None = None) -> set[str]:
    return {each.rule.name for each in found(text, patient)}


def emergencies(text: str, patient: Patient | None = None) -> set[str]:
    return {each.rule.name for each in found(text, patient) if each.rule.urgency == "emergency"}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_rule_names_known_symptoms_and_classes(rule: RedFlagRule) -> None:
    named = {name for group in (*rule.all_of, rule.unless, rule.means) for name in group}
    assert named <= set(vocabulary().names)
    classes = {*rule.unless_said, *rule.silenced_by}
    for line in map(compile_line, rule.said):
        classes |= {*line.classes, *line.barred, *(name for stretch in line.stretches for name in stretch.barred)}
    assert classes <= phrases().names
    assert citation(rule)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, rule in RULES.items() for text in rule.fires])
def test_every_rule_is_raised_by_its_texts(name: str, text: str) -> None:
    assert name in flags(text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, rule in RULES.items() for text in rule.silent])
def test_no_rule_is_raised_by_texts_that_are_near(name: str, text: str) -> None:
    assert name not in flags(text)
    assert emergencies(text) == set()


def test_the_texts_of_a_rule_are_told_apart() -> None:
    for rule in RULES.values():
        assert len({*rule.fires, *rule.silent}) == len(rule.fires) + len(rule.silent), rule.name


def test_a_composed_class_is_made_of_classes() -> None:
    for name, lines in danger_words().composed.value.items():
        for line in map(compile_line, lines):
            assert line.classes <= phrases().names, name


@pytest.mark.parametrize(
    "text",
    [
        "No chest pain, sweating or breathlessness.",
        "She denies slurred speech, facial drooping, weakness on one side.",
        "No neck stiffness. Fever since yesterday.",
        "His father had chest pain and sweating.",
        "no suicidal thoughts",
        "runny nose, sneezing and a sore throat",
        "I had a heart attack five years ago. Now I have a cold.",
        "My grandmother died of a stroke, I have a sore toe",
        "Should I worry about a stroke when I get a headache?",
        "crushing chest pain: no, sweating: no, cough: yes",
        "what are the signs of meningitis",
    ],
)
def test_denied_past_asked_or_harmless_words_raise_no_emergency(text: str) -> None:
    assert not emergencies(text)


@pytest.mark.parametrize(
    "text",
    [
        "I can't breathe and my chest hurts",
        "not sure whether I took 30 paracetamol tablets or 20",
        "my father is having crushing chest pain right now",
        "no relief from the crushing chest pain, sweating",
        "I had a heart attack five years ago and now the crushing chest pain is back, sweating",
        "fever, no rash, stiff neck, headache",
        "cheast pian going down my left amr and im swetting",
        "he isnt breathing",
        "I don't want to live any more",
    ],
)
def test_a_danger_is_not_dropped_for_a_doubt_or_a_slip(text: str) -> None:
    assert emergencies(text)


@pytest.mark.parametrize(
    "text",
    [
        "someone's parked a car on my chest, left arm tingling",
        "my angina comes more often this week, just walking to the loo brings it on",
        "did a line of coke and now bad chest pain",
        "60 units of novorapid instead of lantus by mistake",
        "double dosed my methadone and feel drowsy",
        "i dont wanna be alive anymore",
        "everyone would be happier if i was gone",
        "keep thinking of driving my car into a wall",
        "cant cope no more want it to be over",
        "knocked a saucepan of soup down my front, my thighs are raw and the skin is coming off",
        "barbecue flared up in my face, blisters on my cheeks",
        "leg in plaster, pain getting unbearable, toes tingling",
        "gran fell, her leg is turned out and shorter",
        "my nuts really hurt since football, came on all of a sudden",
        "baby rolled off the changing table, big soft swelling on the side of her head",
        "insulin pump came off, sugars off the scale, breathing heavy and fast",
        "half of my face won't move and I can't shut the eye",
    ],
)
def test_a_danger_is_known_by_part_event_and_how_bad_it_is(text: str) -> None:
    assert emergencies(text)


@pytest.mark.parametrize(
    "text",
    [
        "tight chest when I walk uphill, goes off in two minutes when I stop, same for months",
        "day two of my period, a bit heavier than usual with a couple of small clots",
        "a bit of bright red on the paper when I wipe, itchy bum, constipated",
        "my fingers go white in the cold and tingle when they warm up, for years",
        "my 20 month old isn't talking yet",
    ],
)
def test_what_is_stable_or_usual_is_no_emergency(text: str) -> None:
    assert not emergencies(text)


@pytest.mark.parametrize(
    "text",
    [
        "I swallowed three boxes of ibuprofen last night",
        "my girlfriend has taken 2 packets of co-codamol",
        "there are empty packets of sertraline next to her and she won't talk",
        "had a whole box of nurofen after the row, not feeling anything",
        "swallowed forty co-codamol an hour ago",
        "my left eye has just gone dark, nothing there",
        "sight in one eye vanished while I was washing up",
        "everything went black in my right eye an hour ago and I can't see out of it",
        "dizzy all of a sudden, seeing double and keep veering to the right",
        "mum is giddy since this morning and chokes on water",
        "sees two of me and keeps falling to the left",
        "GTN under my tongue twice and the tightness hasn't gone",
        "angina is coming on when I get dressed now, it never did before",
        "my angina wakes me at night since last week",
        "as if someone is hugging me too hard and I'm sweating and feel sick",
        "like a tight corset round me and a dragging feeling down both arms",
        "squeezing that goes up into my jaw, I'm drenched in sweat",
        "squirted nail glue in my eye by mistake",
        "hair dye ran into her eyes and it burns",
        "went over the handlebars, next thing I knew I was in the ambulance bay, no memory of the fall",
        "fell at football, can't recall the rest of the match",
        "tackled in rugby this afternoon and has no memory of the game",
        "got zapped by the toaster, my arm tingles and heart is racing",
        "shock off the washing machine plug, thrown back against the wall",
        "sudden sharp pain on the left side of my chest, can't get a full breath",
        "on empagliflozin and throwing up all day, sugars are normal",
        "my right hand keeps dropping the cup since this morning",
        "he sounds drunk but he hasn't touched a drop",
        "wife can't do buttons with her left hand since breakfast",
        "please kill me, I can't take this any more",
        "I want someone to kill me",
        "was watching a film when my chest went tight and my arm is numb",
        "reading a book and suddenly can't speak",
        "bitten by a mosquito, my tongue started to swell",
        "burnt my hands on the oven, big blisters",
        "scalded his chest with tea, skin peeling",
        "ache in my jaw, gone grey and sweaty",
        "numb between my legs since yesterday, bladder and bowels normal so far",
        "sciatica and my bum is numb",
        "hit my head two days ago, scan normal but now vomiting and drowsy",
        "my finger snapped back and is pointing the wrong way",
        "I think I am having a heart attack",
    ],
)
def test_a_danger_in_other_words_is_an_emergency(text: str) -> None:
    assert emergencies(text)


@pytest.mark.parametrize(
    "text",
    [
        "finished a course of antibiotics, two boxes, now a sore throat gone",
        "took two packets of throat sweets, throat still scratchy",
        "vision goes a bit blurry when I am tired, need new glasses",
        "got a black eye from a punch at the weekend, vision is fine",
        "I have stable angina, well controlled. Sore knee after gardening",
        "tripped on the step, can't remember when I had my last tetanus jab, grazed knee",
        "got a shock from the bill, and I have a blocked nose",
        "little static shock from the car door, finger tingled for a second",
        "small hernia, goes back when I lie down, no pain",
        "hands drop things sometimes for years, carpal tunnel",
        "sounded drunk at the party, now hungover with a headache",
        "dry toast hangs up on the way down, it's been two months",
        "my bowels have changed, going four times a day since spring",
        "my stools are pencil thin lately",
        "losing weight for no reason",
        "food got stuck in my teeth and gum is sore",
        "my dad asks the same question again and again, getting worse over two years",
        "grandad keeps forgetting names and gets lost on the way to the shop, it crept up over months",
        "the nurse asked if I had chest pain, a racing heart or fainting and I have none of those. Itchy ankle",
        "in my novel the villain takes an overdose. I have a stuffy nose myself",
        "burning in both feet at night for months",
        "burning when I wee since yesterday, waterworks like razor blades",
        "sore throat and sweating with a temperature of 38.5",
        "sciatica for three weeks from my buttock down to my toes with pins and needles, waterworks fine",
        "opening the gas bill nearly gave me a heart attack lol. runny nose",
        "my son gave me a heart attack jumping out at me, I have a cold sore",
        "If my throat closed up I would call an ambulance, but it is only a scratchy throat",
        "my tongue swelled up once when I was a child. Now a cold",
        "a black eye from walking into a door, bruise is yellow",
        "dizzy heights of success, I have a runny nose",
    ],
)
def test_what_only_sounds_like_a_danger_is_no_emergency(text: str) -> None:
    assert not emergencies(text)


def test_angina_that_is_no_longer_stable_is_not_silenced() -> None:
    assert emergencies("tight chest when I walk uphill, goes off when I stop, but since this morning also at rest")


def test_a_rule_of_one_sex_knows_the_patient_as_told() -> None:
    text = "awful pain down there, came on suddenly"
    assert "Possible twisted testicle" in flags(text, Patient(sex="male"))
    assert "Possible twisted testicle" not in flags(text, Patient(sex="female"))


def test_difficulty_speaking_for_want_of_breath_is_no_stroke() -> None:
    assert not flags("difficulty speaking because of breathlessness at rest") & {
        "Possible stroke",
        "Sudden trouble speaking",
    }


def test_age_bounds_a_rule_and_sex_none() -> None:
    assert "Fever in a young baby" not in flags("fever", Patient(age=30))
    assert "Fever in a young baby" not in flags("fever", Patient())
    assert "Fever in a young baby" in flags("my 6 week old has a fever", Patient(age=30))
    assert "Bloody diarrhea in a child" not in flags("bloody diarrhea", Patient(age=40))
    assert "Bloody diarrhea in a child" in flags("bloody diarrhea", Patient())
    assert "Possible ectopic pregnancy" in flags("missed periods, pelvic pain", Patient(sex="male"))


def test_the_symptoms_or_the_words_that_raised_a_rule_are_named() -> None:
    symptoms = {each.rule.name: each.symptoms for each in raised(read(["fever", "neck stiffness", "cough"]), Patient())}
    assert symptoms["Possible meningitis"] == ("fever", "neck stiffness")
    told = {
        each.rule.name: each.words
        for each in raised(Findings(()), Patient(), "It's awful: I've burnt my face with hot oil!")
    }
    assert told["Severe burn"] is not None
    assert "burnt my face" in told["Severe burn"]


def test_a_number_is_a_danger_only_beyond_its_bound() -> None:
    assert "Very high blood pressure" in flags("BP 184/95")
    assert "Very high blood pressure" not in flags("BP 150/95")
    assert "Severe breathlessness" in flags("sats 88%")
    assert "Severe breathlessness" not in flags("sats 97%")
    assert "Possible hypothermia" not in flags("34 weeks old sofa, 34 years old")


@pytest.mark.parametrize("number", ["0" * 5000, "9" * 5000, "²", "①", "٣"])
def test_a_number_that_python_does_not_read_is_no_fault(number: str) -> None:
    assert flags(f"I took {number} and feel fine") == set()
    assert flags(f"I took 30 tablets at once, not {number}") == flags("I took 30 tablets at once")
