"""POST /analyze/skin: what a dermoscopy picture of a skin lesion shows, out of seven classes."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from schemas.common import (
    AnswerContext,
    ClassProbability,
    Part,
    Percent,
    Prediction,
    Probability,
    Reading,
    Recommendations,
    Severity,
    StagingWithPrognosis,
    Urgency,
    answer_example,
    listed,
)

LesionType = Literal["benign", "pre-cancerous", "malignant"]

READING_EXAMPLE: dict[str, Any] = {
    "success": True,
    "alerts": [],
    "not_assessed": ["How deep a lesion reaches, and its stage", "Change over time, and your other moles"],
    "prediction": {
        "code": "nv",
        "settled": True,
        "class_id": 5,
        "name": "Melanocytic Nevi",
        "type": "benign",
        "confidence": 0.89,
        "confidence_percent": "89.0%",
    },
    "staging": {
        "stage": "Benign",
        "description": "Non-cancerous skin lesion.",
        "prognosis": "No cancer treatment needed.",
    },
    "severity": "low",
    "urgency": {
        "timeline": "Routine - Within 1-3 months",
        "action": "Follow-up at next appointment",
        "color": "green",
    },
    "treatment_options": ["Usually no treatment needed", "Surgical removal if desired", "Regular monitoring"],
    "recommendations": {
        "level": "low",
        "title": "Benign Lesion - Low Risk",
        "message": "Non-cancerous skin lesion.",
        "actions": ["Continue regular skin self-exams", "Annual skin cancer screenings"],
    },
    "probabilities": [
        {"class_id": 0, "code": "akiec", "name": "Actinic Keratoses", "probability": 0.01},
        {"class_id": 1, "code": "bcc", "name": "Basal Cell Carcinoma", "probability": 0.01},
        {"class_id": 2, "code": "bkl", "name": "Benign Keratosis", "probability": 0.05},
        {"class_id": 3, "code": "df", "name": "Dermatofibroma", "probability": 0.01},
        {"class_id": 4, "code": "mel", "name": "Melanoma", "probability": 0.02},
        {"class_id": 5, "code": "nv", "name": "Melanocytic Nevi", "probability": 0.89},
        {"class_id": 6, "code": "vasc", "name": "Vascular Lesions", "probability": 0.01},
    ],
    "escalation": None,
}


class SkinPrediction(Prediction):
    """The most probable class; where nothing is settled, the suspicious one that isn't excluded."""

    code: Annotated[str, listed("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")] = Field(
        description="Short code of what is named, stable across versions."
    )
    class_id: int = Field(ge=0, le=6, description="Index of the class, 0 `akiec` to 6 `vasc`.")
    name: str = Field(description="Name of the class.")
    type: LesionType = Field(description="Nature of lesions of this class.")
    confidence: Probability = Field(description="Calibrated probability of this class, 0-1.")
    confidence_percent: Percent = Field(description="The same as text, one decimal.")


class SkinEscalation(Part):
    """Why the answer is more cautious than its leading class alone would be."""

    code: str = Field(description="Code of the suspicious class.", examples=["mel"])
    name: str = Field(description="Name of the suspicious class.", examples=["Melanoma"])
    probability: Probability = Field(description="Its calibrated probability, 0-1.", examples=[0.31])
    reason: str = Field(description="The rule that applied, in a sentence.")


class SkinReading(Reading):
    """What the picture of a lesion shows."""

    prediction: SkinPrediction = Field(description="The class that is named.")
    staging: StagingWithPrognosis = Field(description="What a picture can say; never a tumour stage.")
    severity: Severity = Field(
        description="Severity of the prediction, raised where `escalation` is set; `uncertain` where not settled."
    )
    urgency: Urgency = Field(description="How soon to act, and what to do.")
    treatment_options: tuple[str, ...] = Field(description="Options to discuss with a clinician.")
    recommendations: Recommendations = Field(description="Advice.")
    probabilities: tuple[ClassProbability, ...] = Field(
        min_length=7, max_length=7, description="Every class in index order; they sum to 1."
    )
    escalation: SkinEscalation | None = Field(
        default=None,
        description="Set where a malignant or pre-cancerous class is too probable to be passed over though another "
        "class leads: staging, severity, urgency, treatment options and recommendations are then those of suspicion.",
    )


class SkinAnswer(AnswerContext, SkinReading):
    """Answer of POST /analyze/skin."""

    model_config = ConfigDict(json_schema_extra={"examples": [answer_example("skin", READING_EXAMPLE)]})
