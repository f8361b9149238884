"""POST /analyze/<name>: a diagnosis of one's own, made of a bundle alone."""

from typing import Any

from pydantic import ConfigDict, Field

from schemas.common import (
    AnswerContext,
    ClassProbability,
    Part,
    Percent,
    Precision,
    Prediction,
    Probability,
    Reading,
    Severity,
    Urgency,
    answer_example,
)

READING_EXAMPLE: dict[str, Any] = {
    "success": True,
    "alerts": [],
    "not_assessed": [],
    "prediction": {
        "class_id": 1,
        "code": "drusen",
        "settled": True,
        "name": "Drusen",
        "confidence": 0.81,
        "confidence_percent": "81.0%",
    },
    "severity": "uncertain",
    "urgency": {
        "timeline": "Not stated",
        "action": "Ask a clinician what this finding means",
        "color": "yellow",
    },
    "recommendations": ["Ask a clinician what this finding means"],
    "probabilities": [
        {"class_id": 0, "code": "normal", "name": "Normal", "probability": 0.19},
        {"class_id": 1, "code": "drusen", "name": "Drusen", "probability": 0.81},
    ],
}


class PicturePrediction(Prediction):
    """The most probable class."""

    class_id: int = Field(ge=0, description="Index of the class in the model's output, from 0.")
    name: str = Field(description="Name of the class, as the bundle's knowledge.yaml has it.")
    confidence: Probability = Field(description="Calibrated probability of this class, 0-1.")
    confidence_percent: Percent = Field(description="The same as text, one decimal.")


class PictureReading(Reading):
    """What the picture shows, by the classes of its bundle."""

    prediction: PicturePrediction = Field(description="The most probable class.")
    severity: Severity = Field(description="As the bundle states it; `uncertain` where it states none.")
    urgency: Urgency = Field(description="How soon to act, and what to do.")
    recommendations: tuple[str, ...] = Field(min_length=1, description="Advice, the most important first.")
    probabilities: tuple[ClassProbability, ...] = Field(description="Every class in index order; they sum to 1.")


class OwnModelInfo(Part):
    """The bundle that answered."""

    name: str = Field(description="Name of the bundle.", examples=["retina"])
    version: str = Field(description="Version of the bundle.", examples=["1.0.0"])
    precision: Precision = Field(description="Arithmetic of the network.", examples=["fp32"])


class PictureAnswer(AnswerContext, PictureReading):
    """Answer of a picture diagnosis that is made of a bundle alone."""

    model: OwnModelInfo = Field(description="The model that answered.")  # type: ignore[assignment]

    model_config = ConfigDict(json_schema_extra={"examples": [answer_example("retina", READING_EXAMPLE)]})
