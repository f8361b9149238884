"""The parts that answers share: class probabilities, urgency, the context of an answer, and the shape of an error."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

REQUEST_ID_EXAMPLE = "01JD8Z3W5K"
MODEL_NAME, HEALTH_NAME = "model-name", "health-name"
"""Formats of strings that the OpenAPI document gives the values of, since only the list of diagnoses has them."""

ModelName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$", json_schema_extra={"format": MODEL_NAME})]
"""Name of a diagnosis's bundle; the OpenAPI document lists those there are."""
Severity = Literal["healthy", "low", "moderate", "high", "critical", "uncertain"]
UrgencyColor = Literal["green", "yellow", "orange", "red"]
Precision = Literal["fp32", "int8", "none"]

Probability = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[str, Field(pattern=r"^\d{1,3}\.\d%$", examples=["89.0%"])]


_LONGEST_WORD = 64


def one_of(*branches: Sequence[str] | Sequence[int] | None) -> WithJsonSchema:
    """The schema of a choice that may be sent in several types, a branch each, since generators of clients read no
    enumeration of several types. None stands for null."""
    types = {str: "string", int: "integer", bool: "boolean"}
    return WithJsonSchema(
        {
            "anyOf": [
                {"type": types[type(values[0])], "enum": list(values)} if values else {"type": "null"}
                for values in branches
            ]
        }
    )


def listed(*codes: str) -> WithJsonSchema:
    """The schema of a code that is one of these: those of the sourced texts, which a test compares."""
    return WithJsonSchema({"type": "string", "enum": list(codes)})


def plain_word(value: object) -> str | None:
    """A word that was sent as a choice, without blanks around it and in lower case; None for anything else or longer
    than any choice."""
    return value.strip().casefold() if isinstance(value, str) and len(value) <= _LONGEST_WORD else None


class Part(BaseModel):
    """Base of everything that is answered: immutable, closed to fields that the contract doesn't know, and with every
    field sent, also one that has a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


class ClassProbability(Part):
    """One class of a model and its calibrated probability."""

    class_id: int = Field(ge=0, description="Index of the class in the model's output, from 0.", examples=[5])
    code: str = Field(description="Short code of the class, stable across versions.", examples=["nv"])
    name: str = Field(description="Name of the class.", examples=["Melanocytic Nevi"])
    probability: Probability = Field(description="Calibrated probability, 0-1.", examples=[0.89])


class Staging(Part):
    """What a picture can say about the stage of the condition. A tumour stage is never among it."""

    stage: str = Field(description="Kind of the condition, or why it has no stage here.", examples=["Benign"])
    description: str = Field(description="What the class means.", examples=["Non-cancerous skin lesion."])


class StagingWithPrognosis(Staging):
    """Staging that also says what usually follows, once the finding is confirmed."""

    prognosis: str = Field(description="What usually follows.", examples=["No cancer treatment needed."])


class Urgency(Part):
    """How soon to act, and what to do."""

    timeline: str = Field(description="How soon to act.", examples=["Routine - Within 1-3 months"])
    action: str = Field(description="What to do by then.", examples=["Follow-up at next appointment"])
    color: UrgencyColor = Field(description="The same as a traffic light, for display.", examples=["green"])


class Recommendations(Part):
    """Advice, graded and with a title for display."""

    level: Severity = Field(description="Severity the advice answers to.", examples=["low"])
    title: str = Field(description="Short heading.", examples=["Benign Lesion - Low Risk"])
    message: str = Field(description="The finding in a sentence or two.", examples=["Non-cancerous skin lesion."])
    actions: tuple[str, ...] = Field(
        min_length=1, description="Steps to consider, the most important first.", examples=[["Annual check-up"]]
    )


class ModelInfo(Part):
    """The model that answered."""

    name: ModelName = Field(description="Name of the bundle.", examples=["skin"])
    version: str = Field(description="Version of the bundle; `demo` in demo mode.", examples=["1.0.0"])
    precision: Precision = Field(description="Arithmetic of the network; `none` in demo mode.", examples=["fp32"])


class Reliability(Part):
    """Whether the input resembles what the model was trained on."""

    accepted: bool = Field(description="False where the input is unlike the training data: don't rely on the answer.")
    reason: str | None = Field(default=None, description="Why it was not accepted, else null.", examples=[None])


class WeightOfEvidence(Part):
    """What one thing that was sent or read says for or against something that is answered."""

    name: str = Field(description="The symptom, value, lead or stretch of time.", examples=["fever"])
    about: str = Field(description="Code of what it speaks for or against.", examples=["Influenza"])
    log_odds: float = Field(
        description="What the natural logarithm of the odds loses without it, of a risk form against the average "
        "patient's value: positive speaks for, negative against.",
        examples=[1.25],
    )


class Explanation(Part):
    """What the answer rests on. What the model can't say of itself is null or empty."""

    kind: str = Field(
        description="What is explained: `map`, where in a picture a model found what speaks for something; `overlay`, "
        "what was read; `weights`, what each thing that was sent or read adds; `leads`, which leads and seconds of an "
        "ECG speak for what is named."
    )
    method: str = Field(description="How it was made.", examples=["learned occlusion"])
    code: str | None = Field(
        default=None,
        description="What a map speaks for: the code of a class, or a name such as `lesion`; `not lesion` where it "
        "speaks against one.",
        examples=["nv"],
    )
    values: tuple[tuple[float, ...], ...] = Field(
        default=(),
        description="The map in numbers, row by row from the top: what each part adds to the log odds of `code`, up to "
        "a constant of the model; only differences between parts mean anything. Of an ECG a row for each lead, in a "
        "record a column for each second.",
    )
    rows: tuple[str, ...] = Field(default=(), description="Of an ECG: the lead of each row of `values`.")
    seconds: tuple[float, ...] = Field(
        default=(),
        description="Of an ECG: where each column of `values` begins, in seconds; of a sheet the one is all.",
    )
    box: tuple[float, ...] | None = Field(
        default=None,
        description="The part of the upright picture that the map covers: left, top, right and bottom as shares of its "
        "width and height; below 0 and above 1 where margins were added.",
        examples=[[0.0, 0.0, 1.0, 1.0]],
    )
    map: str | None = Field(
        default=None,
        description="PNG as a data URI, see-through, to be laid over the picture's `box`: red where the picture spoke "
        "most for `code`.",
    )
    overlay: str | None = Field(
        default=None, description="PNG as a data URI: the map, or what was read, drawn over what the model saw."
    )
    weights: tuple[WeightOfEvidence, ...] = Field(
        default=(), description="What each thing that was sent or read says for or against what is answered."
    )
    parts: tuple[str, ...] = Field(default=(), description="What the answer rests on, in words or codes.")
    limits: str = Field(default="", description="What it does not show.")


class Alert(Part):
    """A danger sign that was measured, whatever the model says."""

    name: str = Field(description="The sign.", examples=["ST elevation"])
    evidence: str = Field(description="What was measured.", examples=["V2 0.4 mV, V3 0.3 mV"])
    urgency: Urgency = Field(description="How soon to act, and what to do.")
    source: str = Field(description="The guideline or paper that names it a danger sign.")


class Prediction(Part):
    """Base of what an answer names first."""

    code: str = Field(description="Short code of what is named, stable across versions.", examples=["nv"])
    settled: bool = Field(
        default=True,
        description="False where the evidence settles nothing: the gravest that isn't excluded is named, and nothing "
        "reassuring is said.",
    )


class Reading(Part):
    """Base of the clinical half of an answer; `AnswerContext` is the other half."""

    success: Literal[True] = Field(default=True, description="Always true in an answer; errors carry false.")
    alerts: tuple[Alert, ...] = Field(default=(), description="Danger signs that were measured; empty where none was.")
    not_assessed: tuple[str, ...] = Field(default=(), description="What this answer can't say anything about.")


class AnswerContext(Part):
    """Who answered, how far to rely on it, and under which disclaimer."""

    model: ModelInfo = Field(description="The model that answered.")
    demo_mode: bool = Field(description="True where no trained model is installed and the answer is a fixed sample.")
    reliability: Reliability = Field(description="Whether the input resembles the training data.")
    explanation: Explanation | None = Field(
        default=None, description="Where asked for with `?explain=true` and the model can explain itself, else null."
    )
    prediction_set: tuple[str, ...] | None = Field(
        default=None,
        description="Codes chosen to hold the truth in 90 % of the cases of each class that are like those they "
        "were calibrated on, and whatever is named; elsewhere it can be fewer, see the card. Null where the model "
        "states none; of an input that is not accepted every class, as nothing is ruled out.",
        examples=[["nv", "bkl"]],
    )
    prediction_set_says: str | None = Field(
        default=None, description="The same in words, also where nothing or everything fits; null as that is."
    )
    request_id: str = Field(
        description="Identifies the request in logs and error reports.", examples=[REQUEST_ID_EXAMPLE]
    )
    disclaimer: str = Field(description="What the answer is not.")

    @classmethod
    def compose(cls, reading: Reading, context: "AnswerContext") -> Self:
        """Join two parts that were validated when they were made; nothing is validated twice."""
        return cast(Self, cls.model_construct(**reading.__dict__, **context.__dict__))


class FieldProblem(Part):
    """What is wrong with one field of a request."""

    field: str = Field(description="Path of the field.", examples=["blood_pressure"])
    message: str = Field(description="What was expected, in a sentence.")


class Problem(Part):
    """An error, `application/problem+json` (RFC 9457), with the `success` and `error` of the original design."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "success": False,
                    "error": "No image provided",
                    "type": "/problems/no-image",
                    "title": "No image provided",
                    "status": 400,
                    "detail": "Send the picture as a multipart form field named `image`.",
                    "instance": REQUEST_ID_EXAMPLE,
                    "errors": [],
                }
            ]
        }
    )

    success: Literal[False] = Field(default=False, description="Always false in an error.")
    error: str = Field(description="The error in a few words.", examples=["No image provided"])
    type: str = Field(default="about:blank", description="URI reference that identifies the kind of error.")
    title: str = Field(description="Short summary of the kind of error.")
    status: int = Field(ge=400, le=599, description="The HTTP status.", examples=[400])
    detail: str = Field(description="What happened this time, and what to do about it.")
    instance: str = Field(description="The request id, as in `X-Request-ID`.")
    errors: tuple[FieldProblem, ...] = Field(
        default=(), description="For a body that fails validation: what is wrong with each field."
    )


DISCLAIMER_EXAMPLE = (
    "Not a medical device and not a diagnosis. This is a statistical estimate to discuss with a qualified clinician, "
    "who can examine you. A normal or benign answer does not rule out disease. If you feel very unwell or get worse, "
    "seek medical care at once, whatever this answer says."
)


def answer_example(name: str, reading: dict[str, Any]) -> dict[str, Any]:
    """A whole answer as the OpenAPI document shows it: `reading` and the context fields."""
    return {
        **reading,
        "model": {"name": name, "version": "1.0.0", "precision": "fp32"},
        "demo_mode": False,
        "reliability": {"accepted": True, "reason": None},
        "explanation": None,
        "prediction_set": None,
        "prediction_set_says": None,
        "request_id": REQUEST_ID_EXAMPLE,
        "disclaimer": DISCLAIMER_EXAMPLE,
    }
