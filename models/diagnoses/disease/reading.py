"""What a description says, piece by piece: the values that the reader hands to rules, model and answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Kind(StrEnum):
    """What a piece of a text was taken for."""

    PRESENT = "present"
    DENIED = "denied"
    PAST = "past"
    OTHER_PERSON = "other_person"
    HYPOTHETICAL = "hypothetical"
    MEASUREMENT = "measurement"
    NOT_UNDERSTOOD = "not_understood"


Quantity = Literal[
    "temperature", "blood pressure", "oxygen saturation", "pulse", "breathing rate", "glucose", "ketones",
    "weeks of pregnancy", "age", "duration", "tablets", "weight",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` to `end` of the text as it was sent, what they were taken for, and the symptom that they
    name, None where there is none."""

    start: int
    end: int
    kind: Kind
    symptom: str | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number with its unit at `start` to `end` of the text: temperature in C or F, blood pressure in mmHg (`value`
    systolic, `second` diastolic, None where untold), oxygen saturation in %, pulse and breathing rate in /min, glucose
    in mmol/L or mg/dL, ketones in mmol/L, weeks of pregnancy (completed), age and duration in minutes to years, tablets
    without a unit (counts of a medicine taken or held), a weight that changed in kg, lb or stone (`value`
    before, `second` now). `kind` says whose and when, as for symptoms: `PRESENT` is the patient's now."""

    quantity: Quantity
    value: float
    unit: str | None
    start: int
    end: int
    second: float | None = None
    kind: Kind = Kind.PRESENT

    @property
    def celsius(self) -> float:
        """A temperature in degrees Celsius."""
        return (self.value - 32) / 1.8 if self.unit == "F" else self.value

    @property
    def mmol(self) -> float:
        """A glucose in mmol/L, by 18.016 mg/dL each."""
        return self.value / 18.016 if self.unit == "mg/dL" else self.value
