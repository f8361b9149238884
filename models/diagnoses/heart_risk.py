"""The chance of coronary heart disease from a form: the band it lies in, and the grade of each value."""

from collections.abc import Mapping, Sequence

from models import knowledge
from models.bundle import Metadata
from models.diagnoses.probabilities import DECIMALS, percent
from models.engine import PROBABILITIES, Outputs
from models.knowledge import Grade, RiskBand
from schemas.heart_risk import (
    REQUEST_EXAMPLE,
    HeartRiskPrediction,
    HeartRiskReading,
    HeartRiskRequest,
    RiskFactor,
    RiskFactors,
)

CLASSES = ("not_narrowed", "narrowed")
SAMPLE_PROBABILITY = 0.52

_KNOWLEDGE = knowledge.heart_risk()


def values_of(request: HeartRiskRequest) -> Mapping[str, float | None]:
    """The values of a form by the names of the model's features, None where one was not sent."""
    return request.model_dump()


def interpret(outputs: Outputs, metadata: Metadata, request: HeartRiskRequest) -> HeartRiskReading:
    """Read `probabilities`, (2,), of `not_narrowed` and `narrowed`, 0-1, for the form they were computed from.

    Raises `ValueError` where the bundle's classes are others.
    """
    if metadata.classes != CLASSES:
        raise ValueError(f"Bundle {metadata.name} {metadata.version} has the classes {', '.join(metadata.classes)}.")
    return assess(round(float(outputs[PROBABILITIES][1]), DECIMALS), request)


def interpret_example(outputs: Outputs, metadata: Metadata) -> HeartRiskReading:
    """Read `outputs` as those of the OpenAPI document's example. Raises as `interpret` does."""
    return interpret(outputs, metadata, HeartRiskRequest.model_validate(REQUEST_EXAMPLE))


def assess(probability: float, request: HeartRiskRequest) -> HeartRiskReading:
    """The reading of a probability, 0-1, and of the values it was estimated from."""
    band = band_of(probability)
    grades = _KNOWLEDGE.grades
    age = grade_of(request.age, grades.age_male if request.sex == 1 else grades.age_female)
    pressure = grade_of(request.blood_pressure, grades.blood_pressure)
    cholesterol = grade_of(request.cholesterol, grades.cholesterol)
    advice = tuple(grade.advice for grade in (pressure, cholesterol, age) if grade.advice is not None)
    return HeartRiskReading(
        prediction=HeartRiskPrediction(
            condition=band.condition,
            risk_level=band.level,
            probability=probability,
            confidence_percent=percent(probability),
        ),
        risk_factors=RiskFactors(
            age=RiskFactor(value=request.age, risk=age.risk),
            blood_pressure=RiskFactor(value=request.blood_pressure, risk=pressure.risk),
            cholesterol=RiskFactor(value=request.cholesterol, risk=cholesterol.risk),
        ),
        recommendations=advice + band.recommendations.text,
        meaning=_KNOWLEDGE.meaning.text,
    )


def band_of(probability: float) -> RiskBand:
    """The band of a probability, 0-1: the first whose upper end is not below it."""
    return next(band for band in _KNOWLEDGE.bands if probability <= band.up_to.text)


def grade_of(value: float, grades: Sequence[Grade]) -> Grade:
    """The highest grade whose `at_least` the value reaches; `grades` ascend and begin at 0."""
    return next(grade for grade in reversed(grades) if value >= grade.at_least)


def sample(request: HeartRiskRequest) -> HeartRiskReading:
    """The answer of the demo mode: a fixed probability, and the request's own values graded."""
    return assess(SAMPLE_PROBABILITY, request)
