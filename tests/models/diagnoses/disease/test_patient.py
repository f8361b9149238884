"""Age and sex as a description gives them."""

import pytest

from models.diagnoses.disease.features import AGE_BANDS, values_of
from models.diagnoses.disease.findings import Findings
from models.diagnoses.disease.patient import Patient, describe


@pytest.mark.parametrize(
    ("text", "age", "sex"),
    [
        ("A 61-year-old man", 61, "male"),
        ("34 year old Female", 34, "female"),
        ("An 18-month-old toddler; her parents are worried", 1.5, "female"),
        ("a 6-week-old boy", 6 * 7 / 365.25, "male"),
        ("aged 72, he lives alone", 72, "male"),
        ("Mrs. L is 50 years old", 50, "female"),
        ("a woman whose husband is ill", None, "female"),
        ("I have a headache for 3 days", None, None),
        ("a 400-year-old vampire", None, None),
    ],
)
def test_age_and_sex(text: str, age: float | None, sex: str | None) -> None:
    found = describe(text)
    assert found.age == (None if age is None else pytest.approx(age))
    assert found.sex == sex


@pytest.mark.parametrize(
    ("age", "band"),
    [(0, "age <1"), (0.99, "age <1"), (1, "age 1-4"), (14.9, "age 5-14"), (75, "age 75+"), (120, "age 75+")],
)
def test_each_age_is_in_one_band(age: float, band: str) -> None:
    values = values_of(Findings(present=()), Patient(age=age))
    assert values == {band: 1.0}
    assert band in AGE_BANDS


def test_a_wider_symptom_is_left_to_the_narrower_one() -> None:
    found = Findings(present=("severe headache", "headache"), absent=("fever",))
    assert values_of(found, Patient(sex="female")) == {"fever": -1.0, "severe headache": 1.0, "female": 1.0}
