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
