"""Free text, piece by piece: what each is taken for, whose it is and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.diagnoses.disease.findings import Findings, read


def kinds(text: str) -> dict[str, str]:
    return {text[span.start : span.end]: span.kind.value for span in read([], text).spans}


def of(text: str) -> Findings:
    return read([], text)


def test_each_piece_is_named_with_its_place_in_the_text_as_sent() -> None:
    text = "No  feverr,\tbut a stif neck\n\n since 3 days. Grumbly blorp."
    assert kinds(text) == {
        "feverr": "denied",
        "stif neck": "present",
        "since 3 days": "measurement",
        "Grumbly blorp": "not_understood",
    }
    assert of(text).present == ("neck stiffness",)


def test_what_is_not_understood_is_listed_with_suggestions() -> None:
    found = of("I have a cough and a splooge.")
    assert found.unrecognized == ("splooge",)
    assert of("my elbow does strange things").unrecognized == ("elbow",)


@pytest.mark.parametrize(
    ("text", "symptom"),
    [
        ("cheast pain", "chest pain"),
        ("chest pian", "chest pain"),
        ("I have a hedache, fevr and stif neck", "neck stiffness"),
        ("feverr and chils", "chills"),
        ("his fase has droped", "facial drooping"),
        ("bleding a lot", "unexplained bleeding"),
    ],
)
def test_typing_errors_in_a_text(text: str, symptom: str) -> None:
    assert symptom in of(text).present


@pytest.mark.parametrize("text", ["I never had it", "he had ginger tea", "measles going round", "we met at lunch"])
def test_real_words_are_not_corrected(text: str) -> None:
    assert of(text).present == ()


@pytest.mark.parametrize(
    ("text", "denied", "present"),
    [
        ("fever: no, cough: yes", {"fever"}, {"cough"}),
        ("Fever? No. Cough? Yes.", {"fever"}, {"cough"}),
        ("vomiting (no), diarrhea (yes)", {"vomiting"}, {"diarrhea"}),
        ("fever-free since Monday, still coughing", {"fever"}, {"cough"}),
        ("the headache is gone, the cough stays", {"headache"}, {"cough"}),
        ("I have no spleen and a fever", set(), {"fever"}),
        ("I dont have a fever but my throat hurts", {"fever"}, {"sore throat"}),
        ("I have never had a headache like this", set(), {"headache"}),
        ("My breathing has stopped", set(), set()),
        ("I can hardly breathe", set(), {"breathlessness at rest"}),
        ("Fever? Negative. Headache? Positive.", {"fever"}, {"headache"}),
        ("I don't think I have a fever, but a cough", {"fever"}, {"cough"}),
        ("haven't been able to stop coughing", set(), {"cough"}),
        ("the pain is not getting any better in my shoulder", set(), {"shoulder pain"}),
        ("the pain never went away in my knee", set(), {"knee pain"}),
        ("apart from a sore throat I'm fine", set(), {"sore throat"}),
        ("neg for fever, pos for cough", {"fever"}, {"cough"}),
        ("[ ] fever [x] cough", {"fever"}, {"cough"}),
        ("cough(-), fever(+)", {"cough"}, {"fever"}),
        ("not the usual headache: much worse", set(), {"headache"}),
        ("I wish I didn't have this cough", set(), {"cough"}),
    ],
)
def test_denials(text: str, denied: set[str], present: set[str]) -> None:
    found = of(text)
    assert denied <= set(found.absent)
    assert present <= set(found.present)
    assert not denied & set(found.present)


@pytest.mark.parametrize(
    ("text", "past", "present"),
    [
        ("I had a rash last week. Now I have a cough.", {"rash"}, {"cough"}),
        ("As a child I had seizures. I am dizzy today.", {"seizure"}, {"dizziness"}),
        ("I used to get headaches, today my knee hurts", {"headache"}, {"knee pain"}),
        ("PMH: depression. c/o cough", {"depressed mood"}, {"cough"}),
        ("My headache started two weeks ago", set(), {"headache"}),
        ("I hit my head two weeks ago", set(), {"head injury"}),
        ("Presents with a 3-day history of fever.", set(), {"fever"}),
        ("I vomited yesterday but not today", {"vomiting"}, set()),
        ("nausea earlier, none now", {"nausea"}, set()),
        ("before the antibiotics I had a fever, now I don't, still a cough", {"fever"}, {"cough"}),
        ("first I had a cough, it has gone, then an earache came", {"cough"}, {"ear pain"}),
        ("threw up twice on Monday, fine since", {"vomiting"}, set()),
        ("yesterday I was throwing up, today only a headache", {"vomiting"}, {"headache"}),
        ("I had a bad fall last winter, the hip hurts now", set(), {"hip pain"}),
        ("I broke my leg in 1999 and it aches in the rain", set(), {"leg pain"}),
        ("my muscles ache since they doubled my statin three weeks ago", set(), {"muscle pain"}),
        ("cannot sleep, this has gone on for a year", set(), {"sleeplessness"}),
        ("the vertigo of last winter never came back", {"vertigo"}, set()),
        ("last spring I had a rash and it came back", set(), {"rash"}),
        ("as a child I had seizures, they started at two", {"seizure"}, set()),
        ("had chicken pox at 6, a sore throat today", {"rash with blisters"}, {"sore throat"}),
    ],
)
def test_the_past_is_told_from_now(text: str, past: set[str], present: set[str]) -> None:
    found = of(text)
    assert past <= set(found.past)
    assert present <= set(found.present)
    assert not past & set(found.present)


@pytest.mark.parametrize(
    ("text", "symptom"),
    [
        ("I had chest pain this morning, fine now", "chest pain"),
        ("passed out yesterday, today only tired", "fainting"),
        ("my speech was slurred, it's better now", "slurred speech"),
    ],
)
def test_what_warns_also_where_it_has_passed_is_present(text: str, symptom: str) -> None:
    assert symptom in of(text).present


def test_a_heart_attack_of_long_ago_is_past_and_the_model_knows_it() -> None:
    from models.diagnoses.disease.features import values_of
    from models.diagnoses.disease.patient import Patient

    found = of("I had a heart attack five years ago. Now I have a runny nose.")
    assert found.past == ("heart disease known",)
    assert found.present == ("runny nose",)
    assert values_of(found, Patient()) == {"heart disease known": 1.0, "runny nose": 1.0}


@pytest.mark.parametrize(
    ("text", "others", "present"),
    [
        ("My father had a seizure. I have a cough.", {"seizure"}, {"cough"}),
        ("My father is having chest pain right now", set(), {"chest pain"}),
        ("My son has a fever", set(), {"fever"}),
        ("My dog has diarrhea, I have a cough", {"diarrhea"}, {"cough"}),
        ("my sister vomited after the same meal, I have only diarrhea", {"vomiting"}, {"diarrhea"}),
        ("My husband has a cough and now I have it too", set(), {"cough"}),
        ("My wife says I look pale", set(), {"pallor"}),
        ("Family history: mother had seizures. He has a rash.", {"seizure"}, {"rash"}),
        ("I am 35 weeks pregnant with a headache and the baby moves less", set(), {"headache"}),
        ("everyone at work is coughing. I have a runny nose.", {"cough"}, {"runny nose"}),
        ("nan has had an earache for a week", set(), {"ear pain"}),
        ("my dog vomits, I have a headache", {"vomiting"}, {"headache"}),
        ("the lads at work all have the runs; I've only a headache", {"diarrhea"}, {"headache"}),
        ("her kids have headaches and she has an earache", {"headache"}, {"ear pain"}),
    ],
)
def test_whose_it_is(text: str, others: set[str], present: set[str]) -> None:
    found = of(text)
    assert others <= set(found.other_person)
    assert present <= set(found.present)
    assert not others & set(found.present)


@pytest.mark.parametrize(
    ("text", "feared", "present"),
    [
        ("Should I worry about a headache?", {"headache"}, set()),
        ("What if I get a fever? My nose is running.", {"fever"}, {"runny nose"}),
        ("the leaflet says it may cause dizziness; I have a cough", {"dizziness"}, {"cough"}),
        ("I had a blood orange and my throat hurts", set(), {"sore throat"}),
        ("everyone here has football fever, I have a cough", set(), {"cough"}),
        ("would a rash appear if I was allergic?", {"rash"}, set()),
        ("how do you treat diarrhea", {"diarrhea"}, set()),
        ("is coughing contagious", {"cough"}, set()),
        ("suppose I fainted while driving?", {"fainting"}, set()),
        ("call back if you develop a headache, they said. I have a cough", {"headache"}, {"cough"}),
        ("my exam is about chest pain, I have a cough", {"chest pain"}, {"cough"}),
        ("I take this to stop me getting headaches", {"headache"}, set()),
        ("I bought a fever thermometer and cough sweets", set(), set()),
        ("do I need antibiotics for my cough?", set(), {"cough"}),
        ("is coughing blood, what do I do", set(), {"coughing up blood"}),
        ("does not eat, vomiting", set(), {"vomiting"}),
        ("when I cough my chest hurts", set(), {"chest pain"}),
    ],
)
def test_what_is_only_feared_or_asked(text: str, feared: set[str], present: set[str]) -> None:
    found = of(text)
    assert feared <= set(found.hypothetical)
    assert present <= set(found.present)
    assert not {"fever", "unexplained bleeding", *feared} & set(found.present)


_PIECES = (
    "no fever cough my mother had pain in the chest , . ? and 38.5 yesterday flurb knee he if I get temp years ago 5 "
    "120/80 \u0130 not"
)
_TEXTS = st.lists(st.sampled_from([*_PIECES.split(), "\n", "  "]), max_size=40).map(" ".join)


@given(st.one_of(_TEXTS, st.text(max_size=120)))
def test_pieces_are_apart_in_order_and_within_the_text(text: str) -> None:
    found = of(text)
    end = 0
    for span in found.spans:
        assert end <= span.start < span.end <= len(text)
        assert text[span.start : span.end].strip()
        end = span.end


@given(_TEXTS)
def test_every_word_that_matters_is_in_a_piece(text: str) -> None:
    found = of(text)
    covered = {place for span in found.spans for place in range(span.start, span.end)}
    for weighty in ("fever", "cough", "pain", "flurb", "knee"):
        at = text.find(weighty)
        while at >= 0:
            assert at in covered, (weighty, text)
            at = text.find(weighty, at + 1)


@pytest.mark.parametrize(
    ("text", "present", "absent"),
    [
        ("fever: n, rash: n, cough: y", {"cough"}, {"fever", "rash"}),
        ("fatigue ✓ night sweats ✗", {"fatigue"}, {"night sweats"}),
        ("Q: dizzy? A: yes. Q: fever? A: no", {"dizziness"}, {"fever"}),
        ("Palpitations? Not at all.", set(), {"palpitations"}),
        ("Symptoms: headache, vomiting. Negative: seizure, fever", {"headache", "vomiting"}, {"seizure", "fever"}),
        ("chest pain or fever: neither", set(), {"chest pain", "fever"}),
        ("Was asked about pain, fever and dizziness, I have neither. Cough", {"cough"}, {"fever", "dizziness"}),
        ("arthritis runs in our family, my knee hurts", {"knee pain"}, set()),
        ("tell me what to look for: fever, rash", set(), set()),
    ],
)
def test_answers_headings_and_ticks_deny_what_they_answer(text: str, present: set[str], absent: set[str]) -> None:
    found = read([], text)
    assert set(found.present) == present
    assert absent <= set(found.absent)


def test_marks_before_what_they_tick_deny_nothing_beside() -> None:
    assert "cough" in read([], "✓ cough ✗ fever").present


def test_a_complaint_without_a_name_that_is_denied_is_understood() -> None:
    assert read([], "runny nose, no pain, no swelling").unrecognized == ()
    assert "pain" in read([], "runny nose and some odd pain").unrecognized


@pytest.mark.parametrize(
    ("text", "denied", "present"),
    [
        ("I am never without a cough these days", set(), {"cough"}),
        ("it is not just the headache, my neck is stiff too", set(), {"headache", "neck stiffness"}),
        ("I can't say I've had any nausea, my throat hurts", {"nausea"}, {"sore throat"}),
        ("I wouldn't say I had a fever", {"fever"}, set()),
        ("I can't say I haven't been dizzy", set(), {"dizziness"}),
        ("Nil: cough, rash, vomiting.", {"cough", "rash", "vomiting"}, set()),
        ("Ear pain. Nil else: nausea, headache.", {"nausea", "headache"}, {"ear pain"}),
        ("rash: nil, cough", {"rash"}, {"cough"}),
        ("They said there is a rash, I have checked, none", {"rash"}, set()),
        ("I have a cough, I have looked everywhere", set(), {"cough"}),
        ("My throat is not sore so much as itchy, and cough I do not have", {"cough"}, set()),
        ("I have the fever that he does not have", set(), {"fever"}),
        ("not dizzy so much as numb in the foot", {"dizziness"}, {"numbness in feet"}),
        ("I have not had so much as a cough", {"cough"}, set()),
        ("She says she has no cough but that isn't true", set(), {"cough"}),
        ("I have no rash, that is not true of my boy", {"rash"}, set()),
        ("No pain, only in the knee", set(), {"knee pain"}),
        ("No pain except in my lower back", set(), {"low back pain"}),
        ("No pain in the knee or hip, only a cough", {"knee pain", "hip pain"}, {"cough"}),
        ("no chest pain, only a sore arm", {"chest pain"}, {"arm pain"}),
        ("my wrist doesn't hurt, my elbow does", {"wrist pain"}, {"elbow pain"}),
        ("my knee does not hurt and my hip does not", {"knee pain", "hip pain"}, set()),
    ],
)
def test_denials_that_turn(text: str, denied: set[str], present: set[str]) -> None:
    found = of(text)
    assert (denied <= set(found.absent), present <= set(found.present)) == (True, True)
    assert not denied & set(found.present)


@pytest.mark.parametrize(
    ("text", "absent", "present"),
    [
        ("In my first pregnancy I had terrible headaches, this time nothing", "headache", set()),
        ("Come in, should he become breathless, she told me", "breathlessness", set()),
        ("Should I notice a rash I will ring again", "rash", set()),
        ("Had I been dizzy I would not have driven", "dizziness", set()),
        ("bitten by a tick, keeping an eye out for a rash", "rash", {"tick bite"}),
        ("The lad upstairs was rushed in with chest pain, should I worry?", "chest pain", set()),
        ("Ha ha, my foot is swollen", "headache", {"leg swelling"}),
        ("She made me cough up a fiver for charity", "cough", set()),
        ("My tax return is a headache", "headache", set()),
    ],
)
def test_what_only_sounds_like_a_complaint(text: str, absent: str, present: set[str]) -> None:
    found = of(text)
    assert absent not in found.present
    assert present <= set(found.present)


@pytest.mark.parametrize(
    ("text", "symptom"),
    [
        ("I have been dead on my feet since March", "fatigue"),
        ("my heart raced all night", "palpitations"),
        ("sick as a dog since lunch", "nausea"),
        ("my legs turned to jelly", "muscle weakness"),
        ("he can't make water", "unable to urinate"),
        ("she won't take the breast", "poor feeding"),
        ("only one wet nappy since yesterday", "low urine output"),
        ("he brought up all his milk", "vomiting"),
        ("carnt breath", "breathlessness at rest"),
        ("GTC this morning", "seizure"),
        ("my left, sorry, right knee is swollen", "knee swelling"),
        ("cough up a cup of phlegm", "sputum"),
    ],
)
def test_plain_words_for_complaints(text: str, symptom: str) -> None:
    assert symptom in of(text).present


def test_a_side_named_by_mistake_is_taken_back() -> None:
    assert of("my left, no I mean right, arm hurts").present == ("arm pain",)
    assert "arm pain" not in of("my right, I mean left, arm hurts").present


def test_a_complaint_that_returned_is_no_travel() -> None:
    assert of("my headache returned yesterday").present == ("headache",)
    assert "recent travel" in of("just returned from Ghana").present
    assert "recent travel" in of("jet lag, back from Peru").present
    assert of("sore lower back from digging").present == ("low back pain",)


@pytest.mark.parametrize(
    ("text", "symptom"),
    [
        ("my lad had a fit", "seizure"),
        ("My dad rushed to the toilet with diarrhoea", "diarrhea"),
        ("I can't say I feel any better from the headache", "headache"),
        ("My wife was rushed in last night with vomiting", "vomiting"),
        ("should she start antibiotics for her cough", "cough"),
    ],
)
def test_near_words_keep_the_complaint(text: str, symptom: str) -> None:
    assert symptom in of(text).present


@pytest.mark.parametrize("text", ["My headache has gone no doubt", "the pain stopped not only today"])
def test_what_is_over_may_be_followed_by_words_that_only_look_like_a_denial(text: str) -> None:
    assert of(text).spans


@pytest.mark.parametrize(
    ("text", "present", "not_present"),
    [
        ("I can't find any lump in my neck", (), ("neck lump",)),
        ("I doubt I have a fever", (), ("fever",)),
        ("no doubt I have a fever", ("fever",), ()),
        ("hardly an hour goes by without a headache", ("headache",), ()),
        ("I cannot eat without getting heartburn", ("heartburn",), ()),
        ("without my glasses I get a headache", ("headache",), ()),
        ("the cough hasn't brought up any blood", ("cough",), ("coughing up blood",)),
        ("no cough/fever/SOB", (), ("cough", "fever", "breathlessness")),
        ("Fever [ ] Cough [x] Rash [ ]", ("cough",), ("fever", "rash")),
        ("[ ] Fever [x] Cough [ ] Rash", ("cough",), ("fever", "rash")),
        ("Fever: -. Cough: +.", ("cough",), ("fever",)),
        ("every cold symptom except a cough", (), ("cough",)),
        ("no symptoms beyond the cough", ("cough",), ()),
        ("a cough rather than a sore throat", ("cough",), ("sore throat",)),
        ("instead of getting better my cough is worse", ("cough",), ()),
        ("I stopped coughing on Friday", (), ("cough",)),
        ("I haven't stopped coughing", ("cough",), ()),
        ("the swelling in my knee has gone down completely", (), ("knee swelling",)),
        ("the chest pain has gone down my arm", ("chest pain spreading to arm or jaw",), ()),
        ("the rash is all over", ("rash",), ()),
        ("Dizziness: resolved. Nausea: ongoing.", ("nausea",), ("dizziness",)),
        ("I had a sore throat. It has gone now.", (), ("sore throat",)),
        ("Usually I don't cough, today I do.", ("cough",), ()),
        ("no cough, well, a little one", ("cough",), ()),
        ("I said no fever but now I have one", ("fever",), ()),
        ("Any diarrhoea? Not really.", (), ("diarrhea",)),
        ("Any cough? A bit.", ("cough",), ()),
        ("Is there a rash? There is.", ("rash",), ()),
        ("Grandma snored, mum snored, I don't.", (), ("snoring",)),
        ("Like my father, who had chest pain, I smoke.", ("smoking",), ("chest pain",)),
        ("My husband thinks his back pain is worse than my headache.", ("headache",), ("back pain",)),
        ("How can I get rid of this cough?", ("cough",), ()),
        ("Should I be worried about this rash?", ("rash",), ()),
        ("At what point does vomiting become dangerous?", (), ("vomiting",)),
        ("I work with people who have seizures", (), ("seizure",)),
        ("She bakes. But Mum asks the same thing five times an hour.", ("memory loss",), ()),
        ("I found a hard lump in my breast last week, not sore", ("breast lump",), ()),
        ("In 2015 I had chest pain and they found nothing", (), ("chest pain",)),
        ("26 weeks pregnant and bleeding", ("bleeding in pregnancy",), ()),
        ("26 weeks pregnant and my gums are bleeding", ("bleeding gums",), ("bleeding in pregnancy",)),
        ("26 weeks pregnant, no bleeding", (), ("bleeding in pregnancy",)),
    ],
)
def test_a_turn_of_a_sentence_is_followed(text: str, present: tuple[str, ...], not_present: tuple[str, ...]) -> None:
    found = set(of(text).present)
    assert set(present) <= found
    assert found.isdisjoint(not_present)


def test_a_strange_word_of_a_film_is_hypothetical_beside_what_the_patient_has() -> None:
    text = "I watched a film where a man gets the flurbs, now I have a cough"
    assert kinds(text)["flurbs"] == "hypothetical"
    assert of(text).present == ("cough",)
    assert "flurbs" in of("I watched a film where a man gets the flurbs").unrecognized
