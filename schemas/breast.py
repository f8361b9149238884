"""POST /analyze/breast: the BI-RADS category of a breast ultrasound picture."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from schemas.common import (
    AnswerContext,
    ClassProbability,
    Percent,
    Prediction,
    Probability,
    Reading,
    Recommendations,
    Severity,
    Urgency,
    answer_example,
    listed,
)

Birads = Literal["BI-RADS 1", "BI-RADS 2", "BI-RADS 3", "BI-RADS 4", "BI-RADS 5", "BI-RADS 6"]
Subcategory = Literal["4A", "4B", "4C"]
Setting = Literal["diagnostic", "screening"]

READING_EXAMPLE: dict[str, Any] = {
    "success": True,
    "alerts": [],
    "not_assessed": ["The rest of the breast, the other breast and the armpits", "Change since earlier pictures"],
    "prediction": {
        "code": "2",
        "settled": True,
        "class_id": 1,
        "name": "Benign Finding",
        "birads": "BI-RADS 2",
        "subcategory": None,
        "confidence": 0.85,
        "confidence_percent": "85.0%",
    },
    "severity": "low",
    "recommendations": {
        "level": "low",
        "title": "Benign Finding",
        "message": "The picture resembles findings that radiologists call benign.",
        "actions": ["Continue regular screening", "Monthly self-exams"],
    },
    "urgency": {
        "timeline": "Routine - At your next screening",
        "action": "Have any new lump or change examined, whatever this picture shows",
        "color": "green",
    },
    "probabilities": [
        {"class_id": 0, "code": "1", "name": "Normal", "probability": 0.05},
        {"class_id": 1, "code": "2", "name": "Benign Finding", "probability": 0.85},
        {"class_id": 2, "code": "3", "name": "Probably Benign", "probability": 0.07},
        {"class_id": 3, "code": "4", "name": "Suspicious", "probability": 0.02},
        {"class_id": 4, "code": "5", "name": "Highly Suggestive", "probability": 0.01},
    ],
    "malignancy_probability": 0.01,
    "setting": "diagnostic",
    "prevalence": 0.32,
    "adjustment": None,
}


class BreastPrediction(Prediction):
    """The BI-RADS assessment category; where nothing is settled, the gravest that isn't excluded."""

    code: Annotated[str, listed("1", "2", "3", "4", "5", "6")] = Field(
        description="Short code of what is named, stable across versions."
    )
    class_id: int = Field(ge=0, le=5, description="Index of the category: BI-RADS number less one.")
    name: str = Field(description="Name of the category.")
    birads: Birads = Field(description="Category; 6 only where the caller sent `biopsy_proven=true`.")
    subcategory: Subcategory | None = Field(
        default=None, description="4A, 4B or 4C in category 4, else null, as where nothing is settled."
    )
    confidence: Probability = Field(
        description="Probability of this category in `probabilities`, 0-1; 1 where it was told by the caller. Small "
        "where `adjustment` says why another category is answered than the appearance alone would be."
    )
    confidence_percent: Percent = Field(description="The same as text, one decimal.")


class BreastReading(Reading):
    """What the breast ultrasound shows."""

    prediction: BreastPrediction = Field(description="The BI-RADS assessment category.")
    severity: Severity = Field(description="Severity of the category; `uncertain` where nothing is settled.")
    recommendations: Recommendations = Field(description="Advice.")
    urgency: Urgency = Field(description="How soon to act, and what to do.")
    probabilities: tuple[ClassProbability, ...] = Field(
        min_length=5, max_length=5, description="Categories 1 to 5 in order; they sum to 1. No picture shows a 6."
    )
    malignancy_probability: Probability = Field(
        description="Calibrated probability that a biopsy would show cancer, among people of the `setting`."
    )
    setting: Setting = Field(
        default="diagnostic",
        description="Whom the probability holds for, as was asked: people sent to a specialist, or people screened. "
        "Category and urgency don't depend on it.",
    )
    prevalence: Probability = Field(description="The share with cancer among the lesions of people of that setting.")
    adjustment: str | None = Field(
        default=None,
        description="Why the category is not the one of the appearance alone, where the probability of malignancy "
        "calls for another; else null.",
    )


class BreastAnswer(AnswerContext, BreastReading):
    """Answer of POST /analyze/breast."""

    model_config = ConfigDict(json_schema_extra={"examples": [answer_example("breast", READING_EXAMPLE)]})
