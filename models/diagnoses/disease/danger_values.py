"""Measured values of a text that are dangers by themselves or with a symptom."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from models.diagnoses.disease.reading import Kind, Measurement, Quantity

_WEEKS = {"days": 1 / 7, "weeks": 1.0, "months": 52.18 / 12, "years": 52.18}
_DIGIT = re.compile(r"\d")
_PEAK_FLOW = re.compile(
    r"peak ?flow\D{0,20}(\d{2,3})\b[^.;\n]{0,30}?\b(?:best|usual|usually|normal|normally)\D{0,12}(\d{2,3})\b"
)
_LEAST_PEAK_FLOW = 0.33
"""Of the best, below which an attack of asthma threatens life (SIGN 244)."""
_BOUNDS: Mapping[Quantity, Mapping[str, Callable[[Measurement], bool]]] = {
    "temperature": {
        "measured_fever": lambda found: found.celsius >= 37.95,
        "measured_39": lambda found: found.celsius >= 38.95,
        "measured_heat": lambda found: found.celsius >= 40.3,
        "measured_cold": lambda found: found.celsius < 35,
        "measured_normal": lambda found: 35 <= found.celsius < 37.5,
    },
    "blood pressure": {
        "pressure_severe": lambda found: found.value >= 180 or (found.second or 0) >= 120,
        "pressure_160": lambda found: found.value >= 160 or (found.second or 0) >= 110,
        "pressure_low": lambda found: found.value < 90,
    },
    "oxygen saturation": {"saturation_low": lambda found: found.value <= 92},
    "glucose": {
        "glucose_low": lambda found: found.mmol < 3.9,
        "glucose_very_low": lambda found: found.mmol < 3,
        "glucose_high": lambda found: found.mmol >= 14,
    },
    "ketones": {"ketones_high": lambda found: found.value >= 1.6, "ketones_normal": lambda found: found.value < 0.6},
    "pulse": {"pulse_fast": lambda found: found.value >= 140, "pulse_slow": lambda found: found.value <= 40},
    "breathing rate": {"breaths_fast": lambda found: found.value >= 25},
    "age": {
        "young_baby": lambda found: _weeks_old(found) < 13,
        "still_baby": lambda found: _weeks_old(found) < 27,
        "baby": lambda found: _weeks_old(found) < 105,
    },
    "duration": {"days_five": lambda found: (days_of(found) or 0) >= 5},
    "weeks of pregnancy": {
        "pregnant": lambda _: True,
        "weeks_early": lambda found: found.value < 37,
        "weeks_late": lambda found: found.value >= 20,
    },
    "tablets": {"many_tablets": lambda found: found.value >= 9},
}


def values_of(measured: Iterable[Measurement], text: str) -> Iterator[tuple[str, int]]:
    """The classes of danger_words.yaml that the patient's measured values belong to, and where their numbers stand."""
    for found in measured:
        if found.kind is Kind.PRESENT:
            digit = _DIGIT.search(text, found.start, found.end)
            for name, holds in _BOUNDS.get(found.quantity, {}).items():
                if holds(found):
                    yield name, digit.start() if digit else found.start
    if "peak" in text and (told := _PEAK_FLOW.search(text)) and int(told[1]) < _LEAST_PEAK_FLOW * int(told[2]):
        yield "peak_third", told.start(1)


def days_of(found: Measurement) -> float | None:
    """Days of a duration of at least one; None for hours and minutes."""
    return found.value * 7 * _WEEKS[found.unit] if found.unit in _WEEKS else None


def _weeks_old(found: Measurement) -> float:
    return found.value * _WEEKS[found.unit or "years"]
