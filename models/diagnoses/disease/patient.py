"""Age, sex and weeks of pregnancy as a free description gives them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from models.diagnoses.disease.measurements import measure, years
from models.diagnoses.disease.reading import Kind, Measurement
from models.diagnoses.disease.words import level

Sex = Literal["female", "male"]

_OLDEST = 120
_AFTER_AGE = r"|\b\d{{1,3}}\s?(?:y/?o?\s?)?{}\b(?![./'])"
_NAMED: tuple[tuple[Sex, re.Pattern[str]], ...] = (
    ("female", re.compile(r"\b(?:female|woman|girl|lady|mrs|ms)\b" + _AFTER_AGE.format("f"))),
    ("male", re.compile(r"\b(?:male|man|boy|gentleman|mr)\b" + _AFTER_AGE.format("m"))),
)
_REFERRED: tuple[tuple[Sex, re.Pattern[str]], ...] = (
    ("female", re.compile(r"\b(?:she|her|hers)\b")),
    ("male", re.compile(r"\b(?:he|his|him)\b")),
)


@dataclass(frozen=True, slots=True)
class Patient:
    """Age in years, 0-120, sex, and completed weeks of pregnancy, each None where unknown."""

    age: float | None = None
    sex: Sex | None = None
    pregnant_weeks: float | None = None


def describe(text: str) -> Patient:
    """The age and the sex that are said first; `she` and `he` count where no word names the sex."""
    return patient_of(text, measure(level(text))[1])


def patient_of(text: str, measured: Iterable[Measurement]) -> Patient:
    """The same where the text's measurements are known, with the weeks of pregnancy."""
    lower = text.lower()
    known = [found for found in measured if found.kind is Kind.PRESENT]
    ages = [years(found) for found in known if found.quantity == "age"]
    weeks = [found.value for found in known if found.quantity == "weeks of pregnancy"]
    return Patient(
        age=ages[0] if ages and ages[0] <= _OLDEST else None,
        sex=_first(lower, _NAMED) or _first(lower, _REFERRED),
        pregnant_weeks=weeks[0] if weeks else None,
    )


def _first(text: str, patterns: tuple[tuple[Sex, re.Pattern[str]], ...]) -> Sex | None:
    found = [(match.start(), sex) for sex, pattern in patterns if (match := pattern.search(text))]
    return min(found)[1] if found else None
