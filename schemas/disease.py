"""POST /predict-disease: diseases ranked by how well they explain symptoms, listed or described."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from schemas.common import (
    AnswerContext,
    Part,
    Percent,
    Prediction,
    Probability,
    Reading,
    Urgency,
    answer_example,
    one_of,
    plain_word,
)
from schemas.named_fields import NamedFields

MAX_SYMPTOMS = 100
MAX_SYMPTOM_LENGTH = 100
MAX_TEXT_LENGTH = 5000
MAX_AGE = 120
_LONGEST_AS_SENT = 10 * MAX_SYMPTOM_LENGTH
"""Characters of a symptom with the blanks around and between its words; a longer one is not looked at."""

Sex = Literal["female", "male"]

_OTHER_NAMES = {
    "symptoms": "symptomlist complaints signs",
    "text": "description freetext complaint",
}
"""Names under which symptoms would be passed over."""

_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but tabs and line ends, and lone surrogates, which no JSON answer can echo."""

REQUEST_EXAMPLE: dict[str, Any] = {"symptoms": ["fever", "cough", "headache", "fatigue"]}
COMPLETE_REQUEST_EXAMPLE: dict[str, Any] = {
    "text": "It began two days ago. No rash.",
    **REQUEST_EXAMPLE,
    "age": 34,
    "sex": "female",
}
READING_EXAMPLE: dict[str, Any] = {
    "success": True,
    "alerts": [],
    "not_assessed": [],
    "prediction": {
        "code": "Common Cold",
        "settled": True,
        "disease": "Common Cold",
        "confidence": 0.72,
        "confidence_percent": "72.0%",
    },
    "top_predictions": [
        {"disease": "Common Cold", "probability": 0.72},
        {"disease": "Influenza", "probability": 0.18},
        {"disease": "COVID-19", "probability": 0.06},
    ],
    "symptoms_analyzed": ["fever", "cough", "headache", "fatigue"],
    "symptoms_unrecognized": [],
    "suggestions": {},
    "understood": [],
    "symptoms_absent": [],
    "red_flags": [],
    "cannot_miss": [],
    "contradictions": [],
    "urgency": {
        "timeline": "Soon - Within a few days",
        "action": "Arrange to see a doctor in the next few days",
        "color": "yellow",
    },
    "recommendations": ["Consider scheduling a doctor visit", "Stay hydrated and rest", "Monitor symptoms"],
    "patient": {"age": None, "sex": None},
    "not_used": [],
}


def _symptom(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("symptom", 'A symptom must be a word or a few words, such as "headache".')
    words = " ".join(value.split()) if len(value) <= _LONGEST_AS_SENT else value
    if len(words) > MAX_SYMPTOM_LENGTH:
        raise PydanticCustomError(
            "symptom", "A symptom must have at most {limit} characters.", {"limit": MAX_SYMPTOM_LENGTH}
        )
    if not words:
        raise PydanticCustomError("symptom", 'A symptom must be a word or a few words, such as "headache".')
    if _UNWRITABLE.search(words):
        raise PydanticCustomError("symptom", "A symptom must not hold control characters or broken Unicode.")
    return words


def _symptom_list(value: object, info: ValidationInfo) -> object:
    if value in ((), []) and str(info.data.get("text", "")).strip():
        return value
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


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("text", "`text` must be a description in plain words.")
    if len(value) > MAX_TEXT_LENGTH:
        raise PydanticCustomError("text", "`text` must have at most {limit} characters.", {"limit": MAX_TEXT_LENGTH})
    if _UNWRITABLE.search(value):
        raise PydanticCustomError("text", "`text` must not hold control characters or broken Unicode.")
    return value


def _age(value: object) -> object:
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_AGE
    ):
        raise PydanticCustomError("age", "Age must be a number from 0 to {limit} years.", {"limit": MAX_AGE})
    return value


def _sex(value: object) -> object:
    named = plain_word(value) if isinstance(value, str) else value
    if value is None or named in ("female", "male"):
        return named
    if isinstance(named, int) and not isinstance(named, bool) and named in (0, 1):
        return ("female", "male")[named]
    raise PydanticCustomError("sex", 'Sex must be 0 or "female", 1 or "male".')


Symptom = Annotated[str, BeforeValidator(_symptom), Field(min_length=1, max_length=MAX_SYMPTOM_LENGTH)]


def _describe_text(schema: dict[str, Any]) -> None:
    """No default is named, since generators of TypeScript take a field that has one for required."""
    schema.pop("default", None)
    schema["maxLength"] = MAX_TEXT_LENGTH


class DiseaseRequest(NamedFields):
    """Symptoms by name or in plain words, a description, or both. A denied one ("no fever") counts as absent.

    A field whose name nearly is one of these is refused; others are not used, and listed in the answer.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [COMPLETE_REQUEST_EXAMPLE]})
    other_names = _OTHER_NAMES

    text: Annotated[str, BeforeValidator(_text)] = Field(
        default="",
        json_schema_extra=_describe_text,
        description="A description in English, of at most 5,000 characters.",
    )
    symptoms: Annotated[
        tuple[Symptom, ...],
        Field(json_schema_extra={"maxItems": MAX_SYMPTOMS}),
        BeforeValidator(_symptom_list),
        AfterValidator(_without_repetitions),
    ] = Field(
        default_factory=tuple,
        validate_default=True,
        description="1 to 100 symptoms of at most 100 characters each; may be empty or left out where there is a text.",
    )
    age: Annotated[
        float | None,
        BeforeValidator(_age),
        WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": MAX_AGE}, {"type": "null"}]}),
    ] = Field(default=None, description="Age in years, 0-120; a fraction for a baby. Else as `text` says.")
    sex: Annotated[Sex | None, BeforeValidator(_sex), one_of(("female", "male"), (0, 1), None)] = Field(
        default=None, description="`female` or 0, `male` or 1. Else as `text` says."
    )

    @property
    def length(self) -> int:
        """Characters of the text and the symptoms together, 0 to 15,000."""
        return len(self.text) + sum(map(len, self.symptoms))


class DiseasePrediction(Prediction):
    """The most probable disease."""

    disease: str = Field(description="Name of the disease.")
    confidence: Probability = Field(
        description="Its calibrated probability, 0-1; where a red flag is raised, mixed with its diseases."
    )
    confidence_percent: Percent = Field(description="The same as text, one decimal.")


class RankedDisease(Part):
    """A disease and its probability."""

    disease: str = Field(description="Name of the disease.", examples=["Influenza"])
    probability: Probability = Field(description="Calibrated probability, 0-1.", examples=[0.18])


class RedFlag(Part):
    """A combination of symptoms that calls for urgent care, whatever the likeliest disease."""

    name: str = Field(description="What it may point to.", examples=["Possible meningitis"])
    symptoms: tuple[str, ...] = Field(description="The symptoms that raised it; empty where words of the text did.")
    words: str | None = Field(default=None, description="The words of the text that raised it, else null.")
    alike: bool = Field(
        default=False, description="Whether the words are only alike to such as raise it, and no rule has them."
    )
    urgency: Urgency = Field(description="How soon to act, and what to do.")
    source: str = Field(default="", description="What names it a danger.")


class CannotMiss(RankedDisease):
    """A dangerous disease worth ruling out."""

    tell: str = Field(description="What would tell, and should be asked for or looked at.")


class PatientDetails(Part):
    """What was known of the patient."""

    age: float | None = Field(default=None, description="Years, as sent or as `text` says; null where not known.")
    sex: Sex | None = Field(default=None, description="As sent or as `text` says; null where not known.")


class UnderstoodSpan(Part):
    """A piece of `text` that matters, and what it was taken for."""

    text: str = Field(description="As it was sent.", examples=["stif neck"])
    start: int = Field(ge=0, description="Its first character in `text`, counted in code points from 0.")
    end: int = Field(ge=1, description="The character after its last.")
    kind: Literal["present", "denied", "past", "other_person", "hypothetical", "measurement", "not_understood"] = Field(
        description="Present in the patient now; denied; over; somebody else's; feared, asked about or read of; a "
        "measured value; or not understood."
    )
    symptom: str | None = Field(description="The symptom that it names; null where there is none.")


class DiseaseReading(Reading):
    """What the symptoms point to."""

    prediction: DiseasePrediction = Field(description="The most probable disease.")
    top_predictions: tuple[RankedDisease, ...] = Field(min_length=1, description="The likeliest diseases, best first.")
    symptoms_analyzed: tuple[str, ...] = Field(description="The symptoms understood to be present, by name.")
    symptoms_absent: tuple[str, ...] = Field(default=(), description="The symptoms understood to be absent, by name.")
    symptoms_unrecognized: tuple[str, ...] = Field(
        default=(), description="The entries, and the words of `text`, that were not understood."
    )
    suggestions: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="For the first of them, the nearest known symptoms."
    )
    understood: tuple[UnderstoodSpan, ...] = Field(
        default=(), description="Each piece of `text` that matters, in order, and what it was taken for."
    )
    red_flags: tuple[RedFlag, ...] = Field(default=(), description="Where the symptoms together call for urgent care.")
    cannot_miss: tuple[CannotMiss, ...] = Field(
        default=(), description="Emergencies that are not excluded, the likeliest first, with what would tell."
    )
    contradictions: tuple[str, ...] = Field(
        default=(), description="What was told that cannot be true together; it never lowers the urgency."
    )
    urgency: Urgency = Field(
        description="The gravest of the red flags, of the diseases that are likely, and of what all diseases that are "
        "so urgent have together."
    )
    recommendations: tuple[str, ...] = Field(min_length=1, description="Advice, the most important first.")
    patient: PatientDetails = Field(
        default_factory=PatientDetails, description="Age and sex that the answer took into account."
    )
    not_used: tuple[str, ...] = Field(default=(), description="Fields that were sent and that this form doesn't know.")


class DiseaseAnswer(AnswerContext, DiseaseReading):
    """Answer of POST /predict-disease."""

    model_config = ConfigDict(json_schema_extra={"examples": [answer_example("disease", READING_EXAMPLE)]})
