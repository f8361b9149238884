"""POST /predict-heart: the chance of coronary heart disease from the values of a form."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from schemas.common import (
    AnswerContext,
    Part,
    Percent,
    Prediction,
    Probability,
    Reading,
    answer_example,
    listed,
    one_of,
    plain_word,
)
from schemas.named_fields import NamedFields

Sex = Literal[0, 1]
ChestPain = Literal[0, 1, 2, 3]
RestingEcg = Literal[0, 1, 2]
RiskLevel = Literal["Low", "Low-Moderate", "Moderate", "Moderate-High", "High"]
RiskGrade = Literal["low", "moderate", "high", "very high"]

SEXES: Mapping[str, Sex] = {"female": 0, "male": 1}
RESTING_ECGS: Mapping[str, RestingEcg] = {
    "normal": 0,
    "st-t abnormality": 1,
    "left ventricular hypertrophy": 2,
}
CHEST_PAINS: Mapping[str, ChestPain] = {
    "typical angina": 0,
    "atypical angina": 1,
    "non-anginal pain": 2,
    "asymptomatic": 3,
}

UNITS: Mapping[str, str] = {
    "age": "years",
    "blood_pressure": "mm Hg",
    "cholesterol": "mg/dL",
    "max_heart_rate": "beats/min",
    "st_depression": "mm",
    "hdl_cholesterol": "mg/dL",
    "egfr": "mL/min/1.73 m2",
    "bmi": "kg/m2",
}
"""Of each field that is a measurement."""
_OTHER_NAMES: Mapping[str, str] = {
    "blood_pressure": "bp sbp systolic systolicbp systolicbloodpressure restingbp trestbps",
    "cholesterol": "chol totalcholesterol tc serumcholesterol",
    "chest_pain": "cp chestpaintype paintype",
    "max_heart_rate": "thalach maxhr heartrate hr maxheartrateachieved",
    "sex": "gender",
    "resting_ecg": "restecg ecg",
    "exercise_angina": "exang exerciseinducedangina",
    "st_depression": "oldpeak stdep",
    "fasting_blood_sugar": "fbs fastingbs fastingglucose",
    "hdl_cholesterol": "hdl hdlc",
    "smoker": "smoking smokes currentsmoker",
    "diabetes": "diabetic dm",
    "egfr": "gfr",
    "blood_pressure_treatment": "bptreatment antihypertensives",
    "statin": "statins",
    "referred": "referral",
}
_LEGITIMATE = frozenset({"ldl", "ldlcholesterol", "nonhdlcholesterol", "vldlcholesterol", "diastolicbloodpressure"})

REQUEST_EXAMPLE: dict[str, Any] = {
    "age": 55,
    "sex": 1,
    "blood_pressure": 145,
    "cholesterol": 250,
    "chest_pain": 2,
    "max_heart_rate": 140,
}
COMPLETE_REQUEST_EXAMPLE: dict[str, Any] = {
    **REQUEST_EXAMPLE,
    "referred": True,
    "resting_ecg": 0,
    "exercise_angina": False,
    "st_depression": 1.2,
    "fasting_blood_sugar": False,
    "hdl_cholesterol": 45,
    "diabetes": False,
    "smoker": True,
    "egfr": 90,
    "blood_pressure_treatment": True,
    "statin": False,
    "bmi": 28.5,
}
READING_EXAMPLE: dict[str, Any] = {
    "success": True,
    "alerts": [],
    "not_assessed": [],
    "prediction": {
        "code": "moderate_high",
        "settled": True,
        "condition": "Moderate-High Risk",
        "risk_level": "Moderate-High",
        "probability": 0.52,
        "confidence_percent": "52.0%",
    },
    "risk_factors": {
        "age": {"value": 55, "unit": "years", "risk": "moderate", "guideline": "NCEP Adult Treatment Panel III"},
        "blood_pressure": {"value": 145, "unit": "mm Hg", "risk": "high", "guideline": "2017 ACC/AHA guideline"},
        "cholesterol": {"value": 250, "unit": "mg/dL", "risk": "high", "guideline": "NCEP Adult Treatment Panel III"},
    },
    "recommendations": [
        "Schedule cardiologist appointment",
        "Monitor blood pressure regularly",
        "Follow heart-healthy diet",
    ],
    "meaning": "The chance of a narrowed coronary artery among people who were referred for angiography. "
    "It is not a forecast of a future heart attack.",
    "baseline_probability": 0.507249,
    "contributions": [
        {"factor": "chest_pain", "value": 2, "unit": None, "log_odds": -0.41, "probability": -0.102422},
        {"factor": "sex", "value": 1, "unit": None, "log_odds": 0.299317, "probability": 0.074772},
        {
            "factor": "blood_pressure",
            "value": 145,
            "unit": "mm Hg",
            "log_odds": 0.132615,
            "probability": 0.033129,
        },
        {"factor": "age", "value": 55, "unit": "years", "log_odds": 0.056747, "probability": 0.014176},
        {
            "factor": "max_heart_rate",
            "value": 140,
            "unit": "beats/min",
            "log_odds": -0.038948,
            "probability": -0.00973,
        },
        {
            "factor": "cholesterol",
            "value": 250,
            "unit": "mg/dL",
            "log_odds": 0.011312,
            "probability": 0.002826,
        },
    ],
    "ten_year_risk": {
        "equation": "PREVENT 2023, base model, 10 years, for people without known cardiovascular disease",
        "total_cvd": 0.128854,
        "ascvd": 0.088526,
        "heart_failure": 0.049989,
        "note": None,
    },
    "not_used": [],
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


def _answer(label: str) -> Callable[[object], bool]:
    """Validator of a yes or no, sent as a JSON boolean, as 1 or 0, or in words."""

    def check(value: object) -> bool:
        if (word := plain_word(value)) in ("yes", "no"):
            return word == "yes"
        if isinstance(value, int | float) and value in (0, 1):
            return bool(value)
        raise PydanticCustomError("yes_or_no", "{label} must be true or false.", {"label": label})

    return check


def _code(label: str, names: Mapping[str, int]) -> Callable[[object], int]:
    """Validator of a choice sent as its number or its name."""

    def check(value: object) -> int:
        if (word := plain_word(value)) is not None and word in names:
            return names[word]
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
    return one_of(tuple(names.values()), tuple(names))


_ANSWER_SCHEMA = one_of((True, False), (1, 0), ("yes", "no"))


class HeartRiskRequest(NamedFields):
    """The six values of the form, and what else is known. Codes are kept as their numbers, however they were sent.

    A field whose name nearly is one of these is refused; others are not used, and listed in the answer.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [COMPLETE_REQUEST_EXAMPLE]})
    other_names = _OTHER_NAMES
    legitimate = _LEGITIMATE

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
    resting_ecg: (
        Annotated[RestingEcg, BeforeValidator(_code("Resting ECG", RESTING_ECGS)), _code_schema(RESTING_ECGS)] | None
    ) = Field(default=None, description="0 normal, 1 ST-T abnormality, 2 left ventricular hypertrophy; or the name.")
    exercise_angina: Annotated[bool, BeforeValidator(_answer("Exercise angina")), _ANSWER_SCHEMA] | None = Field(
        default=None, description="Whether exercise brought on angina."
    )
    st_depression: (
        Annotated[int | float, BeforeValidator(_number("ST depression", -5, 10, "mm")), _number_schema(-5, 10)] | None
    ) = Field(default=None, description="ST depression in exercise relative to rest, mm, -5 to 10; below 0 elevated.")
    fasting_blood_sugar: Annotated[bool, BeforeValidator(_answer("Fasting blood sugar")), _ANSWER_SCHEMA] | None = (
        Field(default=None, description="Whether the fasting blood sugar is above 120 mg/dL.")
    )
    hdl_cholesterol: (
        Annotated[int | float, BeforeValidator(_number("HDL cholesterol", 5, 200, "mg/dL")), _number_schema(5, 200)]
        | None
    ) = Field(default=None, description="HDL cholesterol, mg/dL, 5-200, for the ten-year risk.")
    diabetes: Annotated[bool, BeforeValidator(_answer("Diabetes")), _ANSWER_SCHEMA] | None = Field(
        default=None, description="Whether diabetes is known, for the ten-year risk."
    )
    smoker: Annotated[bool, BeforeValidator(_answer("Smoker")), _ANSWER_SCHEMA] | None = Field(
        default=None, description="Whether a current smoker, for the ten-year risk."
    )
    egfr: (
        Annotated[int | float, BeforeValidator(_number("eGFR", 1, 250, "mL/min/1.73 m2")), _number_schema(1, 250)]
        | None
    ) = Field(
        default=None, description="Estimated glomerular filtration rate, mL/min/1.73 m2, 1-250, for the ten-year risk."
    )
    blood_pressure_treatment: (
        Annotated[bool, BeforeValidator(_answer("Blood pressure treatment")), _ANSWER_SCHEMA] | None
    ) = Field(default=None, description="Whether blood pressure is treated, for the ten-year risk.")
    statin: Annotated[bool, BeforeValidator(_answer("Statin")), _ANSWER_SCHEMA] | None = Field(
        default=None, description="Whether a statin is taken, for the ten-year risk; no where not sent."
    )
    bmi: Annotated[int | float, BeforeValidator(_number("BMI", 10, 100, "kg/m2")), _number_schema(10, 100)] | None = (
        Field(default=None, description="Body mass index, kg/m2, 10-100, for the ten-year risk of heart failure.")
    )

    referred: Annotated[bool, BeforeValidator(_answer("Referred")), _ANSWER_SCHEMA] | None = Field(
        default=None,
        description="Whether a doctor referred the patient for tests of the heart. Without chest pain and without a "
        "referral the chance of a narrowed artery is not assessed.",
    )

    @property
    def knows_symptoms(self) -> bool:
        """Whether the patient is like those the network learned from: with chest pain, or referred."""
        return self.chest_pain != CHEST_PAINS["asymptomatic"] or bool(self.referred)

    @field_validator("hdl_cholesterol")
    @classmethod
    def _part_of_total(cls, value: float | None, info: ValidationInfo) -> float | None:
        total = info.data.get("cholesterol")
        if value is not None and total is not None and value >= total:
            raise PydanticCustomError("hdl_above_total", "HDL cholesterol must be below the total cholesterol.")
        return value


class HeartRiskPrediction(Prediction):
    """The estimated chance and its band."""

    code: Annotated[str, listed("low", "low_moderate", "moderate", "moderate_high", "high", "uncertain")] = Field(
        description="Short code of what is named, stable across versions."
    )
    condition: str = Field(description="The band in words, or that it isn't settled.", examples=["Moderate-High Risk"])
    risk_level: Literal[RiskLevel, "Uncertain"] = Field(description="The band; `Uncertain` where it isn't settled.")
    probability: Probability = Field(
        description="Calibrated probability, 0-1; see `meaning`. Where the network does not know such patients and the "
        "PREVENT equations can be computed, the ten-year risk."
    )
    confidence_percent: Percent = Field(description="The probability as text, one decimal.")


class Contribution(Part):
    """What one value that was sent adds to the chance, against the average patient's."""

    factor: str = Field(description="Field of the request.", examples=["max_heart_rate"])
    value: Annotated[int | float, WithJsonSchema({"type": "number"})] = Field(description="The value that was sent.")
    unit: str | None = Field(default=None, description="Its unit; null for a code or a yes or no.")
    log_odds: float = Field(description="Exact part of the linear model, in log odds; positive raises the chance.")
    probability: float = Field(
        description="The same as a part of the probability: `baseline_probability` and the parts of all factors add up "
        "to it. The way from the one to the other is shared in proportion to the log odds (Aumann-Shapley value).",
        ge=-1,
        le=1,
    )


class TenYearRisk(Part):
    """Risk of a first event within ten years, a forecast, unlike `prediction`; null where it can't be computed."""

    equation: str = Field(description="The equation, and for whom it was made.")
    total_cvd: Probability | None = Field(default=None, description="Any cardiovascular disease, 0-1.")
    ascvd: Probability | None = Field(
        default=None, description="Atherosclerotic cardiovascular disease: coronary heart disease or stroke, 0-1."
    )
    heart_failure: Probability | None = Field(default=None, description="Heart failure, 0-1.")
    note: str | None = Field(default=None, description="Why a figure is null, or what was assumed.")


class RiskFactor(Part):
    """A value that was sent and its grade."""

    value: Annotated[int | float, WithJsonSchema({"type": "number"})] = Field(description="The value that was sent.")
    unit: str = Field(description="Its unit.", examples=["mm Hg"])
    risk: RiskGrade = Field(description="Grade by the guideline.")
    guideline: str = Field(description="Where the grade comes from.")


class RiskFactors(Part):
    """The graded values."""

    age: RiskFactor = Field(description="Years.")
    blood_pressure: RiskFactor = Field(description="Resting systolic, mm Hg.")
    cholesterol: RiskFactor = Field(description="Total, mg/dL.")


class HeartRiskReading(Reading):
    """What the values say together."""

    prediction: HeartRiskPrediction = Field(description="The estimated chance and its band.")
    risk_factors: RiskFactors = Field(description="The values that were sent, graded one by one.")
    recommendations: tuple[str, ...] = Field(min_length=1, description="Advice, the most important first.")
    meaning: str = Field(description="What the probability is a probability of.")
    baseline_probability: Probability | None = Field(
        default=None, description="The chance at the average of the patients the model learned from; null in demo mode."
    )
    contributions: tuple[Contribution, ...] = Field(
        default=(), description="What each value adds to it, the largest first; empty in demo mode."
    )
    ten_year_risk: TenYearRisk = Field(description="By the PREVENT equations, where the caller sends what they need.")
    not_used: tuple[str, ...] = Field(default=(), description="Fields that were sent and that this form doesn't know.")


class HeartRiskAnswer(AnswerContext, HeartRiskReading):
    """Answer of POST /predict-heart."""

    model_config = ConfigDict(json_schema_extra={"examples": [answer_example("heart_risk", READING_EXAMPLE)]})
