"""POST /analyze/xray: whether a frontal chest X-ray shows signs of pneumonia."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from schemas.common import (
    AnswerContext,
    ClassProbability,
    Percent,
    Prediction,
    Probability,
    Reading,
    Severity,
    Urgency,
    answer_example,
    listed,
)

READING_EXAMPLE: dict[str, Any] = {
    "success": True,
    "alerts": [],
    "not_assessed": ["Nodules, masses and other signs of a tumour", "How severe a pneumonia is"],
    "prediction": {
        "class_id": 0,
        "code": "normal",
        "settled": True,
        "name": "Normal",
        "confidence": 0.94,
        "confidence_percent": "94.0%",
    },
    "severity": "healthy",
    "recommendations": ["No signs of pneumonia detected", "Continue regular health maintenance"],
    "urgency": {
        "timeline": "Routine - Discuss the picture at your next appointment",
        "action": "With fever, cough or breathlessness see a doctor: an early pneumonia may not show on an X-ray",
        "color": "green",
    },
    "probabilities": [
        {"class_id": 0, "code": "normal", "name": "Normal", "probability": 0.94},
        {"class_id": 1, "code": "pneumonia", "name": "Pneumonia", "probability": 0.06},
    ],
}


class XrayPrediction(Prediction):
    """Pneumonia where its probability reaches the model's operating point; Normal where pneumonia doesn't and Normal
    reaches its own; else not settled, with the code of pneumonia, which isn't excluded.

    Operating points were chosen on validation and need not be 0.5, so `confidence` can lie below 0.5.
    """

    code: Annotated[str, listed("normal", "pneumonia")] = Field(
        description="Short code of what is named, stable across versions."
    )
    class_id: int = Field(ge=0, le=1, description="Index of the class, 0 Normal, 1 Pneumonia.")
    name: Literal["Normal", "Pneumonia", "Not settled: Pneumonia not excluded"] = Field(description="What is named.")
    confidence: Probability = Field(description="Calibrated probability of the named class, 0-1.")
    confidence_percent: Percent = Field(description="The same as text, one decimal.")


class XrayReading(Reading):
    """What the chest X-ray shows."""

    prediction: XrayPrediction = Field(description="Normal or Pneumonia.")
    severity: Severity = Field(description="Severity of the prediction; `uncertain` where nothing is settled.")
    recommendations: tuple[str, ...] = Field(min_length=1, description="Advice, the most important first.")
    urgency: Urgency = Field(description="How soon to act, and what to do.")
    probabilities: tuple[ClassProbability, ...] = Field(
        min_length=2, max_length=2, description="`normal` and `pneumonia`; they sum to 1."
    )


class XrayAnswer(AnswerContext, XrayReading):
    """Answer of POST /analyze/xray."""

    model_config = ConfigDict(json_schema_extra={"examples": [answer_example("xray", READING_EXAMPLE)]})
