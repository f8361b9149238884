"""Bands, grades and texts of POST /predict-heart, and the PREVENT equations."""

from functools import cache

from models.diagnoses.knowledge import Document, Sourced, load
from schemas.common import Part, Probability
from schemas.heart_risk import RiskGrade, RiskLevel


class RiskBand(Part):
    """A band of the probability, above the band before it and up to and including `up_to`."""

    level: RiskLevel
    condition: str
    up_to: Sourced[Probability]
    recommendations: Sourced[tuple[str, ...]]


class Grade(Part):
    """The grade of a value from `at_least` on."""

    at_least: float
    risk: RiskGrade
    source: str
    advice: str | None = None


class RiskGrades(Part):
    """Grades of each value, in ascending order: years, mm Hg, mg/dL."""

    age_male: tuple[Grade, ...]
    age_female: tuple[Grade, ...]
    blood_pressure: tuple[Grade, ...]
    cholesterol: tuple[Grade, ...]


class HeartRiskKnowledge(Document):
    """heart_risk.yaml, bands in ascending order; texts with braces are templates."""

    meaning: Sourced[str]
    prevent_meaning: Sourced[str]
    without_symptoms: Sourced[str]
    chest_pain: Sourced[str]
    not_settled: Sourced[str]
    not_settled_with_prevent: Sourced[str]
    outside: Sourced[str]
    ten_year: Sourced[str]
    discuss_ten_year: Sourced[str]
    discuss_from: Sourced[Probability]
    way_to_prevent: Sourced[str]
    unsettled_advice: Sourced[tuple[str, ...]]
    bands: tuple[RiskBand, ...]
    grades: RiskGrades


class Range(Part):
    """From `low` to `high`, both included."""

    low: float
    high: float


class PreventCoefficients(Part):
    """Coefficients of each outcome by the name of the term."""

    total_cvd: dict[str, float]
    ascvd: dict[str, float]
    heart_failure: dict[str, float]


class PreventKnowledge(Document):
    """prevent.yaml; `coefficients` by `female` and `male`, texts with braces are templates."""

    equation: Sourced[str]
    missing: Sourced[str]
    out_of_range: Sourced[str]
    no_bmi: Sourced[str]
    bmi_out_of_range: Sourced[str]
    no_statin: Sourced[str]
    ranges: Sourced[dict[str, Range]]
    coefficients: Sourced[dict[str, PreventCoefficients]]


@cache
def heart_risk_knowledge() -> HeartRiskKnowledge:
    """Bands, grades and texts of POST /predict-heart."""
    return load(__name__, "knowledge.yaml", HeartRiskKnowledge)


@cache
def prevent_knowledge() -> PreventKnowledge:
    """The PREVENT equations and the texts about them."""
    return load(__name__, "prevent.yaml", PreventKnowledge)
