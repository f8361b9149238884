"""Findings and patient as the named values that the disease model reads: 1 present, -1 absent, 0 not mentioned."""

from models.diagnoses.disease.findings import Findings
from models.diagnoses.disease.patient import Patient
from models.diagnoses.disease.vocabulary import vocabulary

_AGE_LIMITS = (1, 5, 15, 30, 45, 60, 75)
AGE_BANDS = ("age <1", "age 1-4", "age 5-14", "age 15-29", "age 30-44", "age 45-59", "age 60-74", "age 75+")
SEXES = ("female", "male")


def feature_names() -> tuple[str, ...]:
    """The vocabulary, then age bands (years) and sexes."""
    return (*vocabulary().names, *AGE_BANDS, *SEXES)


def values_of(findings: Findings, patient: Patient) -> dict[str, float | None]:
    """The features that are known. A finding that a narrower one includes is left to that one; a disease of the past
    that the vocabulary knows as such is one."""
    words = vocabulary()
    included = {name for symptom in findings.present for name in words.wider[symptom]}
    known = (*findings.present, *(symptom for symptom in findings.past if symptom in words.of_the_past))
    values: dict[str, float | None] = {name: -1.0 for name in findings.absent if name in words.modelled}
    values |= {name: 1.0 for name in known if name in words.modelled and name not in included}
    if patient.age is not None:
        values[AGE_BANDS[sum(patient.age >= limit for limit in _AGE_LIMITS)]] = 1.0
    if patient.sex is not None:
        values[patient.sex] = 1.0
    return values
