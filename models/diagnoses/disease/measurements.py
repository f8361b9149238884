"""Measured values in a text, put into words: a temperature of 39.5 °C is a high fever, 210/120 mm Hg hypertension."""

import re
from collections.abc import Callable

_NAME = r"(?:\b(?:temperature|temp|fevers?)\s*(?:is|was|of|to|up to|as high as|at|around|about|:|=)*\s*)?"
_CELSIUS = re.compile(
    _NAME + r"\b(3[4-9]|4[0-3])(?:[.,](\d))?\s*(?:°|º|degrees?)?\s*(?:c\b|celsius|centigrade)", re.IGNORECASE
)
_FAHRENHEIT = re.compile(_NAME + r"\b(9[4-9]|10\d)(?:\.(\d))?\s*(?:°|º|degrees?)?\s*(?:f\b|fahrenheit)", re.IGNORECASE)
_BARE = re.compile(
    r"\b(?:temperature|temp|fevers?)\s*(?:is|was|of|to|up to|as high as|at|around|about|:|=)*\s*"
    r"(3[4-9]|4[0-3]|9[4-9]|10\d)(?:\.(\d))?\b(?!\s*(?:year|day|week|month|hour))",
    re.IGNORECASE,
)
_PRESSURE = re.compile(r"\b(\d{2,3})\s*/\s*(\d{2,3})(?:\s*mm\s*hg)?\b(?!\s*/)", re.IGNORECASE)
_PULSE = re.compile(r"\b(?:heart rate|pulse|hr)\s*(?:is|was|of|rate|:|=)*\s*(\d{2,3})\b", re.IGNORECASE)
_BREATHS = re.compile(
    r"\b(?:respiratory rate|respirations?|breaths?|rr)\s*(?:is|was|of|:|=)*\s*(\d{2})\b", re.IGNORECASE
)


def in_words(text: str) -> str:
    """The text with temperature, blood pressure, pulse and breaths a minute as findings of an adult in sentences.

    Fever from 38.0 °C (100.4 °F), high from 39.4 °C (103 °F); pressure high from 140/90 mm Hg, low below 90 systolic;
    pulse fast above 100, slow below 50; breathing fast from 25 a minute. A usual temperature becomes a denial, other
    usual values nothing.
    """
    if not any(character.isdigit() for character in text):
        return text
    readings: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
        (_CELSIUS, _temperature),
        (_FAHRENHEIT, _temperature),
        (_BARE, _temperature),
        (_PRESSURE, _pressure),
        (_PULSE, lambda match: _graded(int(match[1]), 50, 101, "slow heart rate", "rapid heart rate")),
        (_BREATHS, lambda match: _graded(int(match[1]), 0, 25, "", "fast breathing")),
    )
    for pattern, name in readings:
        text = pattern.sub(name, text)
    return text


def _temperature(match: re.Match[str]) -> str:
    value = float(f"{match[1]}.{match[2] or 0}")
    celsius = (value - 32) / 1.8 if value > 60 else value
    if celsius >= 39.4:
        return "; high fever; "
    return "; fever; " if celsius >= 37.95 else "; no fever; " if celsius < 37.5 else "; "


def _pressure(match: re.Match[str]) -> str:
    systolic, diastolic = int(match[1]), int(match[2])
    if not 40 <= diastolic < systolic <= 300:
        return match[0]
    return _graded(systolic, 90, 140 if diastolic < 90 else 0, "hypotension", "hypertension")


def _graded(value: int, low: int, high: int, below: str, above: str) -> str:
    return f"; {above}; " if value >= high else f"; {below}; " if value < low else "; "
