"""POST /predict-heart: the chance of coronary heart disease from six values of a form."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas.common import AnswerContext, Part, Percent, Probability, Reading, answer_example

Sex = Literal[0, 1]
ChestPain = Literal[0, 1, 2, 3]
RiskLevel = Literal["Low", "Low-Moderate", "Moderate", "Moderate-High", "High"]
RiskGrade = Literal["low", "moderate", "high", "very high"]

SEXES: Mapping[str, Sex] = {"female": 0, "male": 1}
CHEST_PAINS: Mapping[str, ChestPain] = {
    "typical angina": 0,
    "atypical angina": 1,
    "non-anginal pain": 2,
    "asymptomatic": 3,
}

REQUEST_EXAMPLE: dict[str, Any] = {
    "age": 55,
    "sex": 1,
    "blood_pressure": 145,
    "cholesterol": 250,
    "chest_pain": 2,
    "max_heart_rate": 140,
}
READING_EXAMPLE: dict[str, Any] = {
    "success": True,
    "prediction": {
        "condition": "Moderate-High Risk",
        "risk_level": "Moderate-High",
        "probability": 0.52,
        "confidence_percent": "52.0%",
    },
    "risk_factors": {
        "age": {"value": 55, "risk": "moderate"},
        "blood_pressure": {"value": 145, "risk": "high"},
        "cholesterol": {"value": 250, "risk": "high"},
    },
    "recommendations": [
        "Schedule cardiologist appointment",
        "Monitor blood pressure regularly",
        "Follow heart-healthy diet",
    ],
    "meaning": "The chance of a narrowed coronary artery among people who were referred for angiography. "
    "It is not a forecast of a future heart attack.",
}


def _number(label: str, low: int, high: int, unit: str) -> Callable[[object], float]:
    """Validator of a JSON number in [low, high]; text, booleans and NaN are refused with one sentence."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise PydanticCustomError(
                "measurement",
                "{label} must be a number from {low} to {high} {unit}.",
                {"label": label, "low": low, "high": high, "unit": unit},
            )
        return value

    return check


def _whole(value: float) -> int:
    if value != int(value):
        raise PydanticCustomError("whole_number", "Age must be a whole number of years.")
    return int(value)


def _code(label: str, names: Mapping[str, int]) -> Callable[[object], int]:
    """Validator of a choice sent as its number or its name."""

    def check(value: object) -> int:
        if isinstance(value, str) and value.strip().casefold() in names:
            return names[value.strip().casefold()]
        if isinstance(value, int | float) and not isinstance(value, bool) and value in names.values():
            return int(value)
        raise PydanticCustomError(
            "choice",
            "{label} must be one of {choices}.",
            {"label": label, "choices": ", ".join(f'{number} or "{name}"' for name, number in names.items())},
        )

    return check


def _number_schema(low: int, high: int, kind: str = "number") -> WithJsonSchema:
    return WithJsonSchema({"type": kind, "minimum": low, "maximum": high})


def _code_schema(names: Mapping[str, int]) -> WithJsonSchema:
    return WithJsonSchema({"enum": [*names.values(), *names]})


class HeartRiskRequest(BaseModel):
    """The six values of the form. `sex` and `chest_pain` are kept as their numbers, however they were sent."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [REQUEST_EXAMPLE]})

    age: Annotated[
        int,
        BeforeValidator(_whole),
        BeforeValidator(_number("Age", 18, 120, "years")),
        _number_schema(18, 120, "integer"),
    ] = Field(description="Age in whole years, 18-120.")
    sex: Annotated[Sex, BeforeValidator(_code("Sex", SEXES)), _code_schema(SEXES)] = Field(
        description="1 or `male`, 0 or `female`."
    )
    blood_pressure: Annotated[
        int | float, BeforeValidator(_number("Blood pressure", 50, 300, "mm Hg")), _number_schema(50, 300)
    ] = Field(description="Resting systolic blood pressure, mm Hg, 50-300.")
    cholesterol: Annotated[
        int | float, BeforeValidator(_number("Cholesterol", 50, 700, "mg/dL")), _number_schema(50, 700)
    ] = Field(description="Total serum cholesterol, mg/dL, 50-700.")
    chest_pain: Annotated[ChestPain, BeforeValidator(_code("Chest pain", CHEST_PAINS)), _code_schema(CHEST_PAINS)] = (
        Field(description="0 typical angina, 1 atypical angina, 2 non-anginal pain, 3 asymptomatic; or the name.")
    )
    max_heart_rate: Annotated[
        int | float, BeforeValidator(_number("Maximum heart rate", 40, 250, "beats/min")), _number_schema(40, 250)
    ] = Field(description="Highest heart rate reached in exercise, beats/min, 40-250.")


class HeartRiskPrediction(Part):
    """The estimated chance and its band."""

    condition: str = Field(description="The band in words.", examples=["Moderate-High Risk"])
    risk_level: RiskLevel = Field(description="The band.")
    probability: Probability = Field(description="Calibrated probability, 0-1; see `meaning`.")
    confidence_percent: Percent = Field(description="The probability as text, one decimal.")


class RiskFactor(Part):
    """A value that was sent and its grade."""

    value: Annotated[int | float, WithJsonSchema({"type": "number"})] = Field(description="The value that was sent.")
    risk: RiskGrade = Field(description="Grade by the guideline named in the knowledge files.")


class RiskFactors(Part):
    """The graded values."""

    age: RiskFactor = Field(description="Years.")
    blood_pressure: RiskFactor = Field(description="Resting systolic, mm Hg.")
    cholesterol: RiskFactor = Field(description="Total, mg/dL.")


class HeartRiskReading(Reading):
    """What the six values say together."""

    prediction: HeartRiskPrediction = Field(description="The estimated chance and its band.")
    risk_factors: RiskFactors = Field(description="The values that were sent, graded one by one.")
    recommendations: tuple[str, ...] = Field(min_length=1, description="Advice, the most important first.")
    meaning: str = Field(description="What the probability is a probability of.")


class HeartRiskAnswer(AnswerContext, HeartRiskReading):
    """Answer of POST /predict-heart."""

    model_config = ConfigDict(json_schema_extra={"examples": [answer_example("heart_risk", READING_EXAMPLE)]})
