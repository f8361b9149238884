"""Age and sex as a free description gives them."""

import re
from dataclasses import dataclass
from typing import Literal

Sex = Literal["female", "male"]

_AGE = re.compile(
    r"\b(\d{1,3})\s*[- ]?\s*(years?|yrs?|y|months?|mo|weeks?|wks?|days?)\s*[- ]?\s*(?:old|of age|/?o\b)", re.IGNORECASE
)
_AGED = re.compile(r"\b(?:aged?|age is)\s*:?\s*(\d{1,3})\b", re.IGNORECASE)
_YEARS = {"y": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}
_NAMED: tuple[tuple[Sex, re.Pattern[str]], ...] = (
    ("female", re.compile(r"\b(?:female|woman|girl|lady|mrs|ms)\b", re.IGNORECASE)),
    ("male", re.compile(r"\b(?:male|man|boy|gentleman|mr)\b", re.IGNORECASE)),
)
_REFERRED: tuple[tuple[Sex, re.Pattern[str]], ...] = (
    ("female", re.compile(r"\b(?:she|her|hers)\b", re.IGNORECASE)),
    ("male", re.compile(r"\b(?:he|his|him)\b", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Patient:
    """Age in years, 0-120, sex, and completed weeks of pregnancy, each None where unknown."""

    age: float | None = None
    sex: Sex | None = None
    pregnant_weeks: float | None = None


def describe(text: str) -> Patient:
    """The age and the sex that are said first; `she` and `he` count where no word names the sex."""
    return Patient(_age(text), _first(text, _NAMED) or _first(text, _REFERRED))


def _age(text: str) -> float | None:
    years: float | None = None
    if match := _AGE.search(text):
        years = int(match[1]) * _YEARS[match[2][0].lower()]
    elif match := _AGED.search(text):
        years = float(match[1])
    return years if years is not None and years <= 120 else None


def _first(text: str, patterns: tuple[tuple[Sex, re.Pattern[str]], ...]) -> Sex | None:
    found = [(match.start(), sex) for sex, pattern in patterns if (match := pattern.search(text))]
    return min(found)[1] if found else None
