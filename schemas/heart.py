"""POST /analyze/heart and /analyze/heart/record: what a 12-lead electrocardiogram shows."""

from typing import Any

from pydantic import ConfigDict, Field

from schemas.common import (
    AnswerContext,
    ClassProbability,
    Part,
    Percent,
    Prediction,
    Probability,
    Reading,
    Severity,
    Staging,
    Urgency,
    answer_example,
)

READING_EXAMPLE: dict[str, Any] = {
    "success": True,
    "alerts": [],
    "not_assessed": [],
    "prediction": {
        "code": "NORM",
        "settled": True,
        "class_id": 0,
        "name": "Normal",
        "confidence": 0.92,
        "confidence_percent": "92.0%",
    },
    "severity": "healthy",
    "staging": {"stage": "Normal", "description": "No significant abnormality."},
    "treatment_options": ["Heart-healthy diet", "Regular exercise", "Annual checkups"],
    "urgency": {
        "timeline": "Routine - At your next check-up",
        "action": "With chest pain, fainting or breathlessness call an ambulance, however normal the ECG looks",
        "color": "green",
    },
    "probabilities": [
        {"class_id": 0, "code": "NORM", "name": "Normal", "probability": 0.92},
        {"class_id": 1, "code": "MI", "name": "Myocardial Infarction", "probability": 0.03},
        {"class_id": 2, "code": "STTC", "name": "ST/T Changes", "probability": 0.05},
        {"class_id": 3, "code": "CD", "name": "Conduction Disturbance", "probability": 0.04},
        {"class_id": 4, "code": "HYP", "name": "Hypertrophy", "probability": 0.02},
    ],
    "findings": [
        {"code": "NORM", "name": "Normal", "probability": 0.92, "threshold": 0.5, "present": True},
        {"code": "MI", "name": "Myocardial Infarction", "probability": 0.03, "threshold": 0.5, "present": False},
        {"code": "STTC", "name": "ST/T Changes", "probability": 0.05, "threshold": 0.5, "present": False},
        {"code": "CD", "name": "Conduction Disturbance", "probability": 0.04, "threshold": 0.5, "present": False},
        {"code": "HYP", "name": "Hypertrophy", "probability": 0.02, "threshold": 0.5, "present": False},
    ],
    "record": None,
    "sheet": None,
}


RECORD_EXAMPLE: dict[str, Any] = {
    "rate": 500.0,
    "seconds": 10.0,
    "windows": 1,
    "derived_leads": ["aVR", "aVL", "aVF"],
    "flat_leads": [],
    "calibrated": True,
}


SHEET_EXAMPLE: dict[str, Any] = {
    "layout": "3x4",
    "rhythm_strips": 1,
    "speed": 25.0,
    "gain": 10.0,
    "leads": ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"],
}


class HeartPrediction(Prediction):
    """The leading finding."""

    class_id: int = Field(ge=0, le=4, description="Index of the class, 0 Normal to 4 Hypertrophy.")
    name: str = Field(description="Name of the class.")
    confidence: Probability = Field(description="Calibrated probability of this class, 0-1.")
    confidence_percent: Percent = Field(description="The same as text, one decimal.")


class Finding(Part):
    """One class that may be present together with others."""

    code: str = Field(description="Code of the class.", examples=["STTC"])
    name: str = Field(description="Name of the class.", examples=["ST/T Changes"])
    probability: Probability = Field(description="Calibrated probability by itself, 0-1.")
    threshold: Probability = Field(description="Present from this probability on, 0-1; chosen on validation.")
    present: bool = Field(description="Whether the probability reaches the threshold.")


class RecordSummary(Part):
    """What of an ECG record was read, and on which assumptions."""

    rate: float = Field(gt=0, description="Samples a second as recorded, Hz.", examples=[500])
    seconds: float = Field(gt=0, description="Duration of the record.", examples=[10])
    windows: int = Field(ge=1, description="How many windows the reading is the mean of.", examples=[1])
    derived_leads: tuple[str, ...] = Field(
        description="Limb leads the record lacks, computed from the others.", examples=[["aVR", "aVL", "aVF"]]
    )
    flat_leads: tuple[str, ...] = Field(
        description="Leads without signal, as when an electrode is off; with any the reading is not accepted.",
        examples=[[]],
    )
    calibrated: bool = Field(
        description="False where the header gives no gain and 200 units per millivolt were assumed: voltages, and "
        "hypertrophy which rests on them, are then unsure."
    )


class SheetSummary(Part):
    """What of an ECG sheet was read, and on which scale."""

    layout: str = Field(description="Rows x columns of leads: `3x4`, `6x2` or `12x1`.", examples=["3x4"])
    rhythm_strips: int = Field(ge=0, description="Rows below them that show one lead all along.", examples=[1])
    speed: float = Field(gt=0, description="Speed of the paper, mm/s, told by the shape of the beats.", examples=[25])
    gain: float = Field(
        gt=0, description="mm/mV, of the calibration pulse; 10 is assumed where there is none.", examples=[10]
    )
    leads: tuple[str, ...] = Field(
        description="Leads read for two seconds or more; with fewer than twelve the reading is not accepted.",
        examples=[SHEET_EXAMPLE["leads"]],
    )


class HeartReading(Reading):
    """What the electrocardiogram shows. The classes are not exclusive."""

    prediction: HeartPrediction = Field(
        description="The leading finding; Normal only where no abnormal finding reaches its threshold."
    )
    severity: Severity = Field(description="The gravest severity among the findings present.")
    staging: Staging = Field(description="What an ECG can say.")
    treatment_options: tuple[str, ...] = Field(description="Options to discuss with a clinician.")
    urgency: Urgency = Field(description="How soon to act, and what to do.")
    probabilities: tuple[ClassProbability, ...] = Field(
        min_length=5, max_length=5, description="Every class in index order, each 0-1 by itself."
    )
    findings: tuple[Finding, ...] = Field(
        min_length=5, max_length=5, description="Every class with its threshold and whether it is reached."
    )
    record: RecordSummary | None = Field(
        default=None, description="What of a record was read; null for a picture and in demo mode."
    )
    sheet: SheetSummary | None = Field(
        default=None, description="What of a sheet was read; null for a record, in demo mode and where nothing was."
    )


class HeartAnswer(AnswerContext, HeartReading):
    """Answer of POST /analyze/heart and POST /analyze/heart/record."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                answer_example("heart_image", {**READING_EXAMPLE, "sheet": SHEET_EXAMPLE}),
                answer_example("heart_record", {**READING_EXAMPLE, "record": RECORD_EXAMPLE}),
            ]
        }
    )
