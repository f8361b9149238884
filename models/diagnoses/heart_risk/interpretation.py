"""The chance of coronary heart disease from a form: the band it lies in, and the grade of each value."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.diagnoses.heart_risk.knowledge import Grade, RiskBand, heart_risk_knowledge
from models.diagnoses.heart_risk.prevent import ten_year_risk
from models.diagnoses.probabilities import DECIMALS, percent
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from schemas.heart_risk import (
    CHEST_PAINS,
    Contribution,
    HeartRiskPrediction,
    HeartRiskReading,
    HeartRiskRequest,
    RiskFactor,
    RiskFactors,
)

CLASSES = ("not_narrowed", "narrowed")
FEATURES = (
    "age",
    "sex",
    "blood_pressure",
    "cholesterol",
    "chest_pain",
    "max_heart_rate",
    "resting_ecg",
    "exercise_angina",
    "st_depression",
    "fasting_blood_sugar",
)
BASELINE, CONTRIBUTIONS = "baseline", "contributions"
SAMPLE_PROBABILITY = 0.52

_KNOWLEDGE = heart_risk_knowledge()
_LEVEL = 1e-6
"""Log odds below which the curve of the probability counts as straight."""


@dataclass(frozen=True, slots=True)
class RiskForm:
    """A form as the model reads it."""

    request: HeartRiskRequest

    @property
    def values(self) -> Mapping[str, float | None]:
        """The values by the names of the model's features, None where one was not sent."""
        return {name: getattr(self.request, name) for name in FEATURES}


def interpret(outputs: Outputs, metadata: Metadata, request: HeartRiskRequest) -> HeartRiskReading:
    """Read `probabilities`, (2,), of `not_narrowed` and `narrowed`, 0-1, for the form they were computed from; in log
    odds `baseline`, (), that of the average patient, and `contributions`, (10,), what each feature adds to it.

    Raises `ValueError` where the bundle's classes or features are others.
    """
    names = metadata.tabular_preprocessing.names
    if metadata.classes != CLASSES or names != FEATURES:
        raise ValueError(
            f"Bundle {metadata.name} {metadata.version} tells {', '.join(metadata.classes)} from {', '.join(names)}."
        )
    baseline = float(outputs[BASELINE])
    return assess(
        round(float(outputs[PROBABILITIES][1]), DECIMALS),
        request,
        baseline=round(_chance(baseline), DECIMALS),
        contributions=_contributions(baseline, outputs[CONTRIBUTIONS].tolist(), request),
    )


def assess(
    probability: float,
    request: HeartRiskRequest,
    *,
    baseline: float | None = None,
    contributions: tuple[Contribution, ...] = (),
) -> HeartRiskReading:
    """The reading of a probability, 0-1, and of the values it was estimated from.

    `contributions` say how it comes from the `baseline`, the probability of the average patient.
    """
    band = band_of(probability)
    grades = _KNOWLEDGE.grades
    age = grade_of(request.age, grades.age_male if request.sex == 1 else grades.age_female)
    pressure = grade_of(request.blood_pressure, grades.blood_pressure)
    cholesterol = grade_of(request.cholesterol, grades.cholesterol)
    advice = tuple(grade.advice for grade in (pressure, cholesterol, age) if grade.advice is not None)
    return HeartRiskReading(
        prediction=HeartRiskPrediction(
            code=band.level.lower().replace("-", "_"),
            condition=band.condition,
            risk_level=band.level,
            probability=probability,
            confidence_percent=percent(probability),
        ),
        risk_factors=RiskFactors(
            age=_factor(request.age, age),
            blood_pressure=_factor(request.blood_pressure, pressure),
            cholesterol=_factor(request.cholesterol, cholesterol),
        ),
        recommendations=advice + band.recommendations.value,
        meaning=_meaning(request),
        baseline_probability=baseline,
        contributions=contributions,
        ten_year_risk=ten_year_risk(request),
    )


def band_of(probability: float) -> RiskBand:
    """The band of a probability, 0-1: the first whose upper end is not below it."""
    return next(band for band in _KNOWLEDGE.bands if probability <= band.up_to.value)


def grade_of(value: float, grades: Sequence[Grade]) -> Grade:
    """The highest grade whose `at_least` the value reaches; `grades` ascend and begin at 0."""
    return next(grade for grade in reversed(grades) if value >= grade.at_least)


def sample(request: HeartRiskRequest) -> HeartRiskReading:
    """The answer of the demo mode: a fixed probability, and the request's own values graded."""
    return assess(SAMPLE_PROBABILITY, request)


def _factor(value: float, grade: Grade) -> RiskFactor:
    return RiskFactor(value=value, risk=grade.risk, guideline=_KNOWLEDGE.sources[grade.source])


def _meaning(request: HeartRiskRequest) -> str:
    if request.chest_pain != CHEST_PAINS["asymptomatic"]:
        return _KNOWLEDGE.meaning.value
    return f"{_KNOWLEDGE.meaning.value} {_KNOWLEDGE.without_symptoms.value}"


def _contributions(baseline: float, log_odds: Sequence[float], request: HeartRiskRequest) -> tuple[Contribution, ...]:
    """What each value that was sent adds to the baseline, the largest first.

    On the straight way from the average patient to this one every factor's part of the probability grows with its log
    odds, so its Aumann-Shapley value (Sundararajan et al. 2017, arXiv:1703.01365) is its share of them.
    """
    total = sum(log_odds)
    start = _chance(baseline)
    steepness = (_chance(baseline + total) - start) / total if abs(total) > _LEVEL else start * (1 - start)
    parts = [
        Contribution(
            factor=name,
            value=value + 0,
            log_odds=round(part, DECIMALS),
            probability=round(part * steepness, DECIMALS),
        )
        for name, part in zip(FEATURES, log_odds, strict=True)
        if (value := getattr(request, name)) is not None
    ]
    return tuple(sorted(parts, key=lambda part: abs(part.log_odds), reverse=True))


def _chance(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
