"""Measured values as words."""

import pytest

from models.diagnoses.disease.findings import read
from models.diagnoses.disease.measurements import measure
from models.diagnoses.disease.words import level


@pytest.mark.parametrize(
    ("text", "present", "absent"),
    [
        ("temperature 38.0 C", {"fever"}, set()),
        ("Temp: 37.9°C", set(), set()),
        ("temperature of 36.8 C", set(), {"fever"}),
        ("39.4 °C", {"high fever"}, set()),
        ("104°F (40°C)", {"high fever"}, set()),
        ("fever to 102.2", {"fever"}, set()),
        ("fevers as high as 101", {"fever"}, set()),
        ("98.6 F", set(), {"fever"}),
        ("BP 140/85", {"high blood pressure"}, set()),
        ("BP 130/92", {"high blood pressure"}, set()),
        ("120/80 mmHg", set(), set()),
        ("85/50", {"low blood pressure"}, set()),
        ("heart rate 105 bpm", {"rapid heart rate"}, set()),
        ("pulse 100", set(), set()),
        ("pulse of 45", {"slow heart rate"}, set()),
        ("respiratory rate 28", {"fast breathing"}, set()),
    ],
)
def test_values_are_findings(text: str, present: set[str], absent: set[str]) -> None:
    found = read([], text)
    assert (set(found.present), set(found.absent)) == (present, absent)


@pytest.mark.parametrize("text", ["since 2019", "10/12 days", "a 38 year old man", "took 2 tablets 3 times"])
def test_other_numbers_are_left_alone(text: str) -> None:
    assert measure(level(text))[0] == text


@pytest.mark.parametrize(
    ("text", "quantity", "value", "second", "unit"),
    [
        ("temp 38,6", "temperature", 38.6, None, "C"),
        ("Fever 103.5F", "temperature", 103.5, None, "F"),
        ("190 over 110 and a headache", "blood pressure", 190, 110, "mmHg"),
        ("sats 91% on air", "oxygen saturation", 91, None, "%"),
        ("89% on his finger", "oxygen saturation", 89, None, "%"),
        ("BP of 210 and blurred sight", "blood pressure", 210, None, "mmHg"),
        ("ketones 3.2 and vomiting", "ketones", 3.2, None, "mmol/L"),
        ("ice cold, 33.5 degrees", "temperature", 33.5, None, "C"),
        ("I keep leaking fluid, 33 weeks", "weeks of pregnancy", 33, None, "weeks"),
        ("130 bpm", "pulse", 130, None, "/min"),
        ("breathing 16 a minute", "breathing rate", 16, None, "/min"),
        ("sugar was 3.1 mmol", "glucose", 3.1, None, "mmol/L"),
        ("meter says 480 mg/dL", "glucose", 480, None, "mg/dL"),
        ("nine weeks gone", "weeks of pregnancy", 9, None, "weeks"),
        ("my heart beats 160 times a minute", "pulse", 160, None, "/min"),
        ("no fever (36.9)", "temperature", 36.9, None, "C"),
        ("temperature has come down from 39.4 to 36.9", "temperature", 36.9, None, "C"),
        ("ketones 3.5 mmol/L", "ketones", 3.5, None, "mmol/L"),
        ("systolic 205, diastolic 120", "blood pressure", 205, 120, "mmHg"),
        ("100.4 in a 4 week old", "temperature", 100.4, None, "F"),
        ("running 38 and a half", "temperature", 38.5, None, "C"),
        ("cough 2 days", "duration", 2, None, "days"),
        ("G2P1 32/40", "weeks of pregnancy", 32, None, "weeks"),
        ("38+2, contractions", "weeks of pregnancy", 38, None, "weeks"),
        ("a 10 day old boy", "age", 10, None, "days"),
        ("pain for two weeks", "duration", 2, None, "weeks"),
        ("cough 5/7", "duration", 5, None, "days"),
        ("I took about 30 paracetamol tablets", "tablets", 30, None, None),
        ("temperature of thirty-eight point six", "temperature", 38.6, None, "C"),
        ("temp thirty eight seven", "temperature", 38.7, None, "C"),
        ("pulse a hundred and twenty five", "pulse", 125, None, "/min"),
        ("blood pressure is one sixty over ninety-five", "blood pressure", 160, 95, "mmHg"),
        ("sugar two point nine", "glucose", 2.9, None, "mmol/L"),
        ("sats eighty eight", "oxygen saturation", 88, None, "%"),
        ("fever two days, cough", "duration", 2, None, "days"),
        ("went down from 14 stone to 12", "weight", 14, 12, "stone"),
        ("T38.5 and shaking", "temperature", 38.5, None, "C"),
        ("HR110 RR28", "pulse", 110, None, "/min"),
        ("HR110 RR28", "breathing rate", 28, None, "/min"),
        ("BP95/50", "blood pressure", 95, 50, "mmHg"),
        ("160/95mmHg", "blood pressure", 160, 95, "mmHg"),
        ("sats88", "oxygen saturation", 88, None, "%"),
        ("BM2.4", "glucose", 2.4, None, "mmol/L"),
        ("bp 95/50, p 120", "pulse", 120, None, "/min"),
        ("heart rate in the 140s", "pulse", 140, None, "/min"),
        ("thirty-nine point two on the ear thermometer", "temperature", 39.2, None, "C"),
        ("the thermometer says 39.4", "temperature", 39.4, None, "C"),
        ("aged sixty-seven", "age", 67, None, "years"),
        ("tired for about a month", "duration", 1, None, "months"),
        ("a fortnight of coughing", "duration", 2, None, "weeks"),
        ("headache x3 days", "duration", 3, None, "days"),
        ("cough 2-3 weeks", "duration", 3, None, "weeks"),
        ("weight up from 61,5 to 68 kg", "weight", 61.5, 68, "kg"),
    ],
)
def test_measurements_keep_value_and_unit(
    text: str, quantity: str, value: float, second: float | None, unit: str | None
) -> None:
    found = [(each.quantity, each.value, each.second, each.unit) for each in read([], text).measurements]
    assert (quantity, value, second, unit) in found


@pytest.mark.parametrize(
    "text",
    [
        "it was 40 degrees outside",
        "bus 38 was late",
        "weight 39.5 kg",
        "pain 8/10",
        "cholesterol 240",
        "20/20 vision",
        "the pain went from 3 to 8",
        "dose down from 10 mg to 5 mg",
        "fever at two at night",
        "sixty people had it",
    ],
)
def test_what_is_no_measurement(text: str) -> None:
    assert read([], text).measurements == ()


def test_too_low_a_temperature_is_not_no_fever() -> None:
    found = read([], "my temperature is 34.1")
    assert (found.present, found.absent) == (("low body temperature",), ())


def test_a_fast_pulse_is_one_for_the_age() -> None:
    assert read([], "6 month old, pulse 140").present == ()
    assert read([], "A 40 year old, pulse 140").present == ("rapid heart rate",)


def test_a_value_in_words_has_its_place_in_the_text_as_sent() -> None:
    text = "Cough, pulse one hundred and ten, temp thirty nine point four, rash."
    found = read([], text)
    places = [text[each.start : each.end] for each in found.measurements]
    assert places == ["pulse one hundred and ten", "temp thirty nine point four"]
    assert {"cough", "rash", "rapid heart rate", "high fever"} == set(found.present)


def test_a_weight_that_fell_or_rose() -> None:
    assert read([], "I dropped from 90 kg to 78 since May").present == ("weight loss",)
    assert read([], "gone from 150 to 175 lbs").present == ("weight gain",)
