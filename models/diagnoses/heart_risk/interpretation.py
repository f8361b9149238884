"""The chance of coronary heart disease from a form: the band it lies in, and the grade of each value."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.diagnoses.heart_risk.knowledge import Grade, RiskBand, heart_risk_knowledge
from models.diagnoses.heart_risk.prevent import ten_year_risk
from models.diagnoses.knowledge import common_knowledge
from models.diagnoses.probabilities import DECIMALS, percent
from models.preprocessing.inputs import PreparedForm
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from models.serving.registry import Prediction
from schemas.common import Explanation, Reliability, WeightOfEvidence
from schemas.heart_risk import (
    CHEST_PAINS,
    UNITS,
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
METHOD = "parts of the linear model, against the average patient"
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


def judge(prediction: Prediction, form: PreparedForm) -> Reliability:
    """Accept values within what the network learned from; the reason names each other one with its unit."""
    outside = prediction.metadata.tabular_preprocessing.outside(form.values)
    if not outside:
        return Reliability(accepted=True)
    named = ", ".join(f"{each.name} ({each.low:g} to {each.high:g}{_unit(each.name)})" for each in outside)
    return Reliability(
        accepted=False, reason=f"Outside what the model learned from: {named}. Don't rely on the answer."
    )


def unknown(request: HeartRiskRequest) -> str | None:
    """Why the network knows nothing of such a patient, None where it does."""
    return None if request.knows_symptoms else _KNOWLEDGE.without_symptoms.value


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
    reading = assess(
        round(float(outputs[PROBABILITIES][1]), DECIMALS),
        request,
        baseline=round(_chance(baseline), DECIMALS),
        contributions=_contributions(baseline, outputs[CONTRIBUTIONS].tolist(), request),
    )
    return reading if request.knows_symptoms else _unsettled(reading, _KNOWLEDGE.without_symptoms.value)


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
            code=code_of(band),
            condition=band.condition,
            risk_level=band.level,
            probability=probability,
            confidence_percent=percent(probability),
        ),
        risk_factors=RiskFactors(
            age=_factor("age", request.age, age),
            blood_pressure=_factor("blood_pressure", request.blood_pressure, pressure),
            cholesterol=_factor("cholesterol", request.cholesterol, cholesterol),
        ),
        recommendations=_warning(request) + advice + band.recommendations.value,
        meaning=_KNOWLEDGE.meaning.value,
        baseline_probability=baseline,
        contributions=contributions,
        ten_year_risk=ten_year_risk(request),
        not_used=request.not_used,
    )


def settle(reading: HeartRiskReading, _: Metadata, reliability: Reliability) -> HeartRiskReading:
    """A reading of values that the network did not learn from settles nothing."""
    if reliability.accepted or not reading.prediction.settled:
        return reading
    return _unsettled(reading, _KNOWLEDGE.outside.value)


def _unsettled(reading: HeartRiskReading, reason: str) -> HeartRiskReading:
    """The reading without the network's chance: the PREVENT equations lead it where they can be computed."""
    risk = reading.ten_year_risk.total_cvd
    warning = [text for text in reading.recommendations if text == _KNOWLEDGE.chest_pain.value]
    bands = {text for band in _KNOWLEDGE.bands for text in band.recommendations.value}
    graded = [text for text in reading.recommendations if text not in bands and text not in warning]
    if risk is None:
        condition, probability = _KNOWLEDGE.not_settled.value, reading.prediction.probability
        forecast = [_KNOWLEDGE.way_to_prevent.value.format(note=reading.ten_year_risk.note)]
        meaning = f"{reason} {_KNOWLEDGE.meaning.value}"
    else:
        condition, probability = _KNOWLEDGE.not_settled_with_prevent.value.format(percent=_said(risk)), risk
        forecast = [_KNOWLEDGE.ten_year.value.format(percent=_said(risk))]
        forecast += [_KNOWLEDGE.discuss_ten_year.value] if risk >= _KNOWLEDGE.discuss_from.value else []
        meaning = f"{_KNOWLEDGE.prevent_meaning.value} {reason}"
    prediction = reading.prediction.model_copy(
        update={
            "code": "uncertain",
            "settled": False,
            "condition": condition,
            "risk_level": "Uncertain",
            "probability": probability,
            "confidence_percent": percent(probability),
        }
    )
    return reading.model_copy(
        update={
            "prediction": prediction,
            "recommendations": (*warning, *forecast, *graded, *_KNOWLEDGE.unsettled_advice.value),
            "meaning": meaning,
            "baseline_probability": None,
            "contributions": (),
            "not_assessed": (reason,),
        }
    )


def _unit(name: str) -> str:
    return f" {UNITS[name]}" if name in UNITS else ""


def _said(probability: float) -> str:
    return f"{100 * probability:.1f} %"


def band_of(probability: float) -> RiskBand:
    """The band of a probability, 0-1: the first whose upper end is not below it."""
    return next(band for band in _KNOWLEDGE.bands if probability <= band.up_to.value)


def code_of(band: RiskBand) -> str:
    """The code of a band, as answers have it."""
    return band.level.lower().replace("-", "_")


def grade_of(value: float, grades: Sequence[Grade]) -> Grade:
    """The highest grade whose `at_least` the value reaches; `grades` ascend and begin at 0."""
    return next(grade for grade in reversed(grades) if value >= grade.at_least)


def sample(request: HeartRiskRequest) -> HeartRiskReading:
    """The answer of the demo mode: a fixed probability with the contract's advice, and the request's values graded."""
    reading = assess(SAMPLE_PROBABILITY, request)
    if not request.knows_symptoms:
        return _unsettled(reading, _KNOWLEDGE.without_symptoms.value)
    warning = _warning(request)
    fixed = tuple(text for text in reading.recommendations if text not in warning)
    return reading.model_copy(update={"recommendations": fixed, "meaning": " ".join((reading.meaning, *warning))})


def explain(reading: HeartRiskReading) -> Explanation | None:
    """The contributions of a reading as weights of evidence; None where it has none."""
    weights = tuple(
        WeightOfEvidence(name=each.factor, about=CLASSES[1], log_odds=each.log_odds) for each in reading.contributions
    )
    if not weights:
        return None
    limits = common_knowledge().explanation.weights_limits.value
    return Explanation(kind="weights", method=METHOD, weights=weights, limits=limits)


def _factor(name: str, value: float, grade: Grade) -> RiskFactor:
    return RiskFactor(value=value, unit=UNITS[name], risk=grade.risk, guideline=_KNOWLEDGE.sources[grade.source])


def _warning(request: HeartRiskRequest) -> tuple[str, ...]:
    """What everyone with chest pain is told, at every band."""
    return () if request.chest_pain == CHEST_PAINS["asymptomatic"] else (_KNOWLEDGE.chest_pain.value,)


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
            unit=UNITS.get(name),
            log_odds=round(part, DECIMALS),
            probability=round(part * steepness, DECIMALS),
        )
        for name, part in zip(FEATURES, log_odds, strict=True)
        if (value := getattr(request, name)) is not None
    ]
    return tuple(sorted(parts, key=lambda part: abs(part.log_odds), reverse=True))


def _chance(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
