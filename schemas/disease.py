"""POST /predict-disease: diseases ranked by how well they explain a list of symptoms."""

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from schemas.common import AnswerContext, Part, Percent, Probability, Reading, Urgency, answer_example

MAX_SYMPTOMS = 100
MAX_SYMPTOM_LENGTH = 100

_UNWRITABLE = ("Cc", "Cs")  # control characters, and lone surrogates, which no JSON answer can echo

REQUEST_EXAMPLE: dict[str, Any] = {"symptoms": ["fever", "cough", "headache", "fatigue"]}
READING_EXAMPLE: dict[str, Any] = {
    "success": True,
    "prediction": {"disease": "Common Cold", "confidence": 0.72, "confidence_percent": "72.0%"},
    "top_predictions": [
        {"disease": "Common Cold", "probability": 0.72},
        {"disease": "Influenza", "probability": 0.18},
        {"disease": "COVID-19", "probability": 0.06},
    ],
    "symptoms_analyzed": ["fever", "cough", "headache", "fatigue"],
    "symptoms_unrecognized": [],
    "suggestions": {},
    "red_flags": [],
    "recommendations": ["Consider scheduling a doctor visit", "Stay hydrated and rest", "Monitor symptoms"],
}


def _symptom(value: object) -> str:
    words = " ".join(value.split()) if isinstance(value, str) else ""
    if not words:
        raise PydanticCustomError("symptom", 'A symptom must be a word or a few words, such as "headache".')
    if any(unicodedata.category(character) in _UNWRITABLE for character in words):
        raise PydanticCustomError("symptom", "A symptom must not hold control characters or broken Unicode.")
    if len(words) > MAX_SYMPTOM_LENGTH:
        raise PydanticCustomError(
            "symptom", "A symptom must have at most {limit} characters.", {"limit": MAX_SYMPTOM_LENGTH}
        )
    return words


def _symptom_list(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise PydanticCustomError("symptoms", 'Send the symptoms as a list, such as ["fever", "cough"].')
    if not 1 <= len(value) <= MAX_SYMPTOMS:
        raise PydanticCustomError(
            "symptoms",
            "Send 1 to {limit} symptoms; {count} arrived.",
            {"limit": MAX_SYMPTOMS, "count": len(value)},
        )
    return value


def _without_repetitions(symptoms: tuple[str, ...]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for symptom in symptoms:
        first.setdefault(symptom.casefold(), symptom)
    return tuple(first.values())


Symptom = Annotated[str, BeforeValidator(_symptom), Field(min_length=1, max_length=MAX_SYMPTOM_LENGTH)]


class DiseaseRequest(BaseModel):
    """Symptoms that are present, in plain words or as GET /symptoms lists them."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [REQUEST_EXAMPLE]})

    symptoms: Annotated[
        tuple[Symptom, ...],
        Field(json_schema_extra={"minItems": 1, "maxItems": MAX_SYMPTOMS}),
        BeforeValidator(_symptom_list),
        AfterValidator(_without_repetitions),
    ] = Field(description="1 to 100 symptoms of at most 100 characters each.")


class DiseasePrediction(Part):
    """The most probable disease."""

    disease: str = Field(description="Name of the disease.")
    confidence: Probability = Field(description="Its calibrated probability, 0-1.")
    confidence_percent: Percent = Field(description="The same as text, one decimal.")


class RankedDisease(Part):
    """A disease and its probability."""

    disease: str = Field(description="Name of the disease.", examples=["Influenza"])
    probability: Probability = Field(description="Calibrated probability, 0-1.", examples=[0.18])


class RedFlag(Part):
    """A combination of symptoms that calls for urgent care, whatever the likeliest disease."""

    name: str = Field(description="What it may point to.", examples=["Possible meningitis"])
    symptoms: tuple[str, ...] = Field(description="The symptoms that raised it.")
    urgency: Urgency = Field(description="How soon to act, and what to do.")


class DiseaseReading(Reading):
    """What the symptoms point to."""

    prediction: DiseasePrediction = Field(description="The most probable disease.")
    top_predictions: tuple[RankedDisease, ...] = Field(min_length=1, description="The likeliest diseases, best first.")
    symptoms_analyzed: tuple[str, ...] = Field(description="The symptoms that were understood.")
    symptoms_unrecognized: tuple[str, ...] = Field(default=(), description="The entries that were not understood.")
    suggestions: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="For each entry not understood, the nearest known symptoms."
    )
    red_flags: tuple[RedFlag, ...] = Field(
        default=(), description="Where the symptoms together call for emergency care."
    )
    recommendations: tuple[str, ...] = Field(min_length=1, description="Advice, the most important first.")


class DiseaseAnswer(AnswerContext, DiseaseReading):
    """Answer of POST /predict-disease."""

    model_config = ConfigDict(json_schema_extra={"examples": [answer_example("disease", READING_EXAMPLE)]})
