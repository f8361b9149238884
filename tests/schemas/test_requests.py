"""What the two JSON requests accept, and the sentence with which they refuse the rest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.disease import DiseaseRequest
from schemas.heart_risk import HeartRiskRequest
from tests import contract

AGE = "Age must be a number from 18 to 120 years."
PRESSURE = "Blood pressure must be a number from 50 to 300 mm Hg."
CHEST_PAIN = (
    'Chest pain must be one of 0 or "typical angina", 1 or "atypical angina", 2 or "non-anginal pain", '
    '3 or "asymptomatic".'
)
RESTING_ECG = 'Resting ECG must be one of 0 or "normal", 1 or "st-t abnormality", 2 or "left ventricular hypertrophy".'
SEX = 'Sex must be one of 0 or "female", 1 or "male".'


def heart_risk(**changes: object) -> HeartRiskRequest:
    return HeartRiskRequest.model_validate({**contract.HEART_RISK_REQUEST, **changes})


def refusals(model: type[DiseaseRequest | HeartRiskRequest], body: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return [error["msg"] for error in caught.value.errors()]


def test_the_contracts_heart_request_keeps_its_numbers() -> None:
    assert heart_risk().model_dump(exclude_none=True) == contract.HEART_RISK_REQUEST


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ("sex", "male", 1),
        ("sex", "Female ", 0),
        ("sex", 0, 0),
        ("chest_pain", "typical angina", 0),
        ("chest_pain", "Atypical Angina", 1),
        ("chest_pain", "non-anginal pain", 2),
        ("chest_pain", "asymptomatic", 3),
        ("chest_pain", 3, 3),
        ("age", 18, 18),
        ("age", 120, 120),
        ("age", 55.0, 55),
        ("cholesterol", 201.5, 201.5),
        ("blood_pressure", 50, 50),
        ("max_heart_rate", 250, 250),
        ("resting_ecg", "ST-T abnormality", 1),
        ("resting_ecg", 2, 2),
        ("resting_ecg", None, None),
        ("exercise_angina", 1, True),
        ("exercise_angina", "No", False),
        ("fasting_blood_sugar", False, False),
        ("st_depression", -2.6, -2.6),
        ("hdl_cholesterol", 45, 45),
        ("egfr", 89.5, 89.5),
        ("bmi", None, None),
    ],
)
def test_heart_values_are_accepted(field: str, sent: object, kept: object) -> None:
    value = getattr(heart_risk(**{field: sent}), field)
    assert value == kept
    assert type(value) is type(kept)


@pytest.mark.parametrize(
    ("field", "sent", "message"),
    [
        ("age", 400, AGE),
        ("age", 17, AGE),
        ("age", "55", AGE),
        ("age", True, AGE),
        ("age", None, AGE),
        ("age", float("nan"), AGE),
        ("age", 10**400, AGE),
        ("age", 55.5, "Age must be a whole number of years."),
        ("blood_pressure", "high", PRESSURE),
        ("blood_pressure", False, PRESSURE),
        ("blood_pressure", float("inf"), PRESSURE),
        ("blood_pressure", [145], PRESSURE),
        ("blood_pressure", 301, PRESSURE),
        ("cholesterol", 0, "Cholesterol must be a number from 50 to 700 mg/dL."),
        ("max_heart_rate", 39, "Maximum heart rate must be a number from 40 to 250 beats/min."),
        ("resting_ecg", 3, RESTING_ECG),
        ("exercise_angina", 2, "Exercise angina must be true or false."),
        ("exercise_angina", "perhaps", "Exercise angina must be true or false."),
        ("fasting_blood_sugar", 110, "Fasting blood sugar must be true or false."),
        ("smoker", [], "Smoker must be true or false."),
        ("st_depression", "deep", "ST depression must be a number from -5 to 10 mm."),
        ("hdl_cholesterol", 250, "HDL cholesterol must be a number from 5 to 200 mg/dL."),
        ("hdl_cholesterol", 180, "HDL cholesterol must be below the total cholesterol."),
        ("egfr", 0, "eGFR must be a number from 1 to 250 mL/min/1.73 m2."),
        ("bmi", 200, "BMI must be a number from 10 to 100 kg/m2."),
        ("sex", 2, SEX),
        ("sex", True, SEX),
        ("sex", "1", SEX),
        ("sex", {}, SEX),
        (
            "chest_pain",
            "heartache",
            CHEST_PAIN,
        ),
        (
            "chest_pain",
            4,
            CHEST_PAIN,
        ),
    ],
)
def test_heart_values_are_refused_with_a_sentence(field: str, sent: object, message: str) -> None:
    body = {**contract.HEART_RISK_REQUEST, "cholesterol": 150, field: sent}
    assert refusals(HeartRiskRequest, body) == [message]


@pytest.mark.parametrize("field", list(contract.HEART_RISK_REQUEST))
def test_every_heart_value_is_required(field: str) -> None:
    body = {name: value for name, value in contract.HEART_RISK_REQUEST.items() if name != field}
    assert refusals(HeartRiskRequest, body) == ["Field required"]


@given(
    st.fixed_dictionaries(
        {
            name: st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.lists(st.integers())
            for name in contract.HEART_RISK_REQUEST
        }
    )
)
def test_whatever_is_accepted_is_within_range(body: dict[str, Any]) -> None:
    try:
        request = HeartRiskRequest.model_validate(body)
    except ValidationError:
        return
    assert 18 <= request.age <= 120
    assert 50 <= request.blood_pressure <= 300
    assert 50 <= request.cholesterol <= 700
    assert 40 <= request.max_heart_rate <= 250
    assert request.sex in (0, 1)
    assert request.chest_pain in (0, 1, 2, 3)


def test_symptoms_are_trimmed_and_named_once() -> None:
    request = DiseaseRequest.model_validate({"symptoms": [" fever", "Fever", "sore \n throat", "cough"]})
    assert request.symptoms == ("fever", "sore throat", "cough")


def test_a_hundred_symptoms_of_a_hundred_characters_are_accepted() -> None:
    sent = [f"{number:0100}" for number in range(100)]
    assert DiseaseRequest.model_validate({"symptoms": sent}).symptoms == tuple(sent)


@pytest.mark.parametrize(
    ("symptoms", "message"),
    [
        ([], "Send 1 to 100 symptoms; 0 arrived."),
        (["a"] * 10_000, "Send 1 to 100 symptoms; 10000 arrived."),
        ("fever", 'Send the symptoms as a list, such as ["fever", "cough"].'),
        ({"fever": True}, 'Send the symptoms as a list, such as ["fever", "cough"].'),
        (None, 'Send the symptoms as a list, such as ["fever", "cough"].'),
        ([""], 'A symptom must be a word or a few words, such as "headache".'),
        ([" \t"], 'A symptom must be a word or a few words, such as "headache".'),
        ([7], 'A symptom must be a word or a few words, such as "headache".'),
        ([["fever"]], 'A symptom must be a word or a few words, such as "headache".'),
        (["a\x00b"], "A symptom must not hold control characters or broken Unicode."),
        (["\ud800"], "A symptom must not hold control characters or broken Unicode."),
        (["x" * 101], "A symptom must have at most 100 characters."),
        ([" " * 1001], "A symptom must have at most 100 characters."),
        (["\x00" * 1001], "A symptom must have at most 100 characters."),
    ],
)
def test_symptoms_are_refused_with_a_sentence(symptoms: object, message: str) -> None:
    assert refusals(DiseaseRequest, {"symptoms": symptoms}) == [message]


def test_a_description_may_stand_for_the_list() -> None:
    assert DiseaseRequest.model_validate({"text": "A bad cough."}).symptoms == ()
    assert DiseaseRequest.model_validate({"text": "A bad cough.", "symptoms": []}).symptoms == ()
    assert refusals(DiseaseRequest, {"text": " ", "symptoms": []}) == ["Send 1 to 100 symptoms; 0 arrived."]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("text", "x" * 5001, "`text` must have at most 5000 characters."),
        ("text", "a\x00b", "`text` must not hold control characters or broken Unicode."),
        ("text", 7, "`text` must be a description in plain words."),
        ("age", -1, "Age must be a number from 0 to 120 years."),
        ("age", True, "Age must be a number from 0 to 120 years."),
        ("age", float("nan"), "Age must be a number from 0 to 120 years."),
        ("age", "30", "Age must be a number from 0 to 120 years."),
        ("sex", "x", 'Sex must be 0 or "female", 1 or "male".'),
        ("sex", " " * 65 + "male", 'Sex must be 0 or "female", 1 or "male".'),
        ("sex", True, 'Sex must be 0 or "female", 1 or "male".'),
    ],
)
def test_what_goes_with_the_symptoms_is_refused_with_a_sentence(field: str, value: object, message: str) -> None:
    assert refusals(DiseaseRequest, {"symptoms": ["fever"], field: value}) == [message]


def test_the_text_is_kept_as_it_was_sent() -> None:
    text = " Fever\t since  Monday.\r\n \n\n  No rash.\u00a0\n"
    assert DiseaseRequest.model_validate({"text": text}).text == text


@pytest.mark.parametrize(
    ("sent", "sex"), [("Female", "female"), (0, "female"), (1, "male"), ("male", "male"), (None, None)]
)
def test_sex_is_sent_by_name_or_number(sent: object, sex: str | None) -> None:
    assert DiseaseRequest.model_validate({"symptoms": ["fever"], "sex": sent}).sex == sex


@given(st.lists(st.text(min_size=1, max_size=100), min_size=1, max_size=100))
def test_accepted_symptoms_keep_their_order_and_words(sent: list[str]) -> None:
    try:
        kept = DiseaseRequest.model_validate({"symptoms": sent}).symptoms
    except ValidationError:
        assert any(not text.split() or not "".join(text.split()).isprintable() for text in sent)
        return
    cleaned = [" ".join(text.split()) for text in sent]
    assert [cleaned.index(symptom) for symptom in kept] == sorted(cleaned.index(symptom) for symptom in kept)
    assert {symptom.casefold() for symptom in kept} == {symptom.casefold() for symptom in cleaned}


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("symptom", "symptoms"),
        ("Symptoms", "symptoms"),
        ("complaints", "symptoms"),
        ("description", "text"),
        ("txt", "text"),
        ("ages", "age"),
    ],
)
def test_a_name_under_which_symptoms_would_be_passed_over_is_refused(name: str, field: str) -> None:
    body = {"symptoms": ["fever"], name: "headache"}
    assert refusals(DiseaseRequest, body) == [
        f"`{name}` is no field of this form: `{field}` is, and was perhaps meant."
    ]


def test_other_names_are_kept_as_not_used() -> None:
    assert DiseaseRequest.model_validate({"symptoms": ["fever"], "patient_id": 7, "source": "x"}).not_used == (
        "patient_id",
        "source",
    )
    with pytest.raises(ValidationError, match="At most 100"):
        DiseaseRequest.model_validate({"symptoms": ["fever"], **{f"x{n}": n for n in range(101)}})
