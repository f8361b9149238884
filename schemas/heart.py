"""POST /analyze/heart and /analyze/heart/record: what a 12-lead electrocardiogram shows."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

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
    listed,
    plain_word,
)

SheetLayout = Literal["3x4", "6x2", "12x1"]
LeadOrder = Literal["standard", "cabrera"]
SPEEDS: Mapping[str, object] = {"25": 25.0, "50": 50.0}
GAINS: Mapping[str, object] = {"5": 5.0, "10": 10.0, "20": 20.0}
LAYOUTS: Mapping[str, object] = {name: name for name in ("3x4", "6x2", "12x1")}
ORDERS: Mapping[str, object] = {name: name for name in ("standard", "cabrera")}
"""What may be said of a sheet, by how it is written."""

Sex = Literal["male", "female"]
SEXES: dict[str, Sex] = {"male": "male", "female": "female", "1": "male", "0": "female", "m": "male", "f": "female"}
AGES = (0, 120)

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
    "urgency_from": "Normal",
    "measurements": None,
    "record": None,
    "sheet": None,
}


_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_ST = (0.02, 0.03, 0.01, -0.03, 0.0, 0.02, 0.05, 0.11, 0.09, 0.04, 0.02, 0.01)


def _by_lead(unit: str, scale: float) -> dict[str, Any]:
    return {
        "value": {lead: round(scale * level, 3) for lead, level in zip(_LEADS, _ST, strict=True)},
        "unit": unit,
        "reason": None,
    }


MEASUREMENTS_EXAMPLE: dict[str, Any] = {
    "rate": {"value": 72.0, "unit": "/min", "reason": None},
    "rr_variation": {"value": 3.1, "unit": "%", "reason": None},
    "longest_rr": {"value": 870.0, "unit": "ms", "reason": None},
    "pr": {"value": 158.0, "unit": "ms", "reason": None},
    "qrs": {"value": 92.0, "unit": "ms", "reason": None},
    "qt": {"value": 386.0, "unit": "ms", "reason": None},
    "qtc_bazett": {"value": 423.0, "unit": "ms", "reason": None},
    "qtc_fridericia": {"value": 410.0, "unit": "ms", "reason": None},
    "axis": {"value": 48.0, "unit": "degrees", "reason": None},
    "st_j": _by_lead("mV", 1),
    "st_j_mm": _by_lead("mm", 10),
    "st_60": _by_lead("mV", 1.5),
    "st_60_mm": _by_lead("mm", 15),
    "r": _by_lead("mV", 10),
    "s": _by_lead("mV", -5),
    "rhythm": {
        "value": None,
        "unit": None,
        "probability": None,
        "reason": "The model that answered does not assess the rhythm.",
    },
}

_MEASURED_EXAMPLE: dict[str, Any] = {**READING_EXAMPLE, "measurements": MEASUREMENTS_EXAMPLE}

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
    "speed_from": "pulse",
    "gain": 10.0,
    "gain_from": "pulse",
    "leads": ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"],
    "lead_order": "standard",
    "quality": dict.fromkeys(("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"), 0.97),
}


def _one_of(name: str, known: Mapping[str, object]) -> Callable[[object], object]:
    def check(value: object) -> object:
        word = str(value).strip().lower().removesuffix(".0")
        if word not in known:
            raise PydanticCustomError(name, f"`{name}` must be one of {', '.join(known)}.")
        return known[word]

    return check


def _age(value: object) -> object:
    try:
        age = float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        age = None
    if age is None or not AGES[0] <= age <= AGES[1]:
        raise PydanticCustomError("age", "Age must be a number of years, 0-120.")
    return age


def _sex(value: object) -> object:
    word = plain_word(str(value)) if isinstance(value, str | int) else None
    if word not in SEXES:
        raise PydanticCustomError("sex", 'Sex must be "male" or 1, "female" or 0.')
    return SEXES[word]


class Person(BaseModel):
    """Whose ECG it is, as far as that is known: the limits of ST elevation in V2 and V3 rest on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    age: Annotated[float, BeforeValidator(_age)] | None = Field(default=None, description="Years, 0-120.")
    sex: Annotated[Sex, BeforeValidator(_sex)] | None = Field(default=None, description="`male` or `female`.")


class HeartPrediction(Prediction):
    """The leading finding."""

    code: Annotated[str, listed("NORM", "MI", "STTC", "CD", "HYP")] = Field(
        description="Short code of what is named, stable across versions."
    )
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


class Measurement(Part):
    """A figure measured on the signal itself, whatever the model says."""

    value: float | None = Field(description="What was measured; null where it can't be.", examples=[92.0])
    unit: str = Field(description="Its unit.", examples=["ms"])
    reason: str | None = Field(default=None, description="Why it can't be measured, else null.", examples=[None])


class LeadMeasurement(Part):
    """A figure measured in each lead."""

    value: dict[str, float | None] | None = Field(
        description="By lead; null for a lead, or as a whole, where it can't be measured."
    )
    unit: str = Field(description="Its unit.", examples=["mV"])
    reason: str | None = Field(default=None, description="Why it can't be measured, else null.", examples=[None])


class Rhythm(Part):
    """The rhythm, outside the five classes."""

    value: str | None = Field(default=None, description="Name of the rhythm; null where it isn't told.")
    unit: None = Field(default=None, description="A rhythm has none.")
    probability: Probability | None = Field(default=None, description="Calibrated probability of that rhythm, 0-1.")
    reason: str | None = Field(default=None, description="Why the rhythm isn't told, else null.", examples=[None])


class HeartMeasurements(Part):
    """What was measured on the signal. Levels and amplitudes are relative to the onset of QRS."""

    rate: Measurement = Field(description="Mean ventricular rate.")
    rr_variation: Measurement = Field(
        description="How irregular the beats are: the usual change from one interval to the next, in per cent of the "
        "mean interval."
    )
    longest_rr: Measurement = Field(description="The longest interval between two beats.")
    pr: Measurement = Field(description="From the onset of P to that of QRS.")
    qrs: Measurement = Field(description="Duration of QRS, earliest onset to latest end in any lead.")
    qt: Measurement = Field(description="From the onset of QRS to the end of T.")
    qtc_bazett: Measurement = Field(description="QT divided by the square root of the mean RR interval in seconds.")
    qtc_fridericia: Measurement = Field(description="QT divided by the cube root of the mean RR interval in seconds.")
    axis: Measurement = Field(description="Axis of QRS in the frontal plane, -180 to 180.")
    st_j: LeadMeasurement = Field(description="Level at the J point.")
    st_j_mm: LeadMeasurement = Field(description="The same at 10 mm/mV.")
    st_60: LeadMeasurement = Field(description="Level 60 ms after the J point.")
    st_60_mm: LeadMeasurement = Field(description="The same at 10 mm/mV.")
    r: LeadMeasurement = Field(description="Amplitude of the highest positive wave of QRS, 0 where there is none.")
    s: LeadMeasurement = Field(description="Amplitude of the deepest negative wave of QRS, 0 where there is none.")
    rhythm: Rhythm = Field(description="The rhythm with its probability.")


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


class PrintedScales(BaseModel):
    """What a caller says is printed on a sheet; a sheet that shows otherwise is refused, since a wrong gain erases an
    ST elevation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    speed: Annotated[float, BeforeValidator(_one_of("speed", SPEEDS))] | None = Field(
        default=None, description="Paper speed, mm/s."
    )
    gain: Annotated[float, BeforeValidator(_one_of("gain", GAINS))] | None = Field(
        default=None, description="Gain, mm/mV."
    )
    layout: Annotated[SheetLayout, BeforeValidator(_one_of("layout", LAYOUTS))] | None = Field(
        default=None, description="Rows x columns of leads, without rhythm strips."
    )
    lead_order: Annotated[LeadOrder, BeforeValidator(_one_of("lead_order", ORDERS))] | None = Field(
        default=None, description="Order of the limb leads."
    )


class SheetSummary(Part):
    """What of an ECG sheet was read, and on which scale."""

    layout: str = Field(description="Rows x columns of leads: `3x4`, `6x2` or `12x1`.", examples=["3x4"])
    rhythm_strips: int = Field(ge=0, description="Rows below them that show one lead all along.", examples=[1])
    speed: float = Field(
        gt=0,
        description="Speed of the paper, mm/s: by the pulse, the print, the caller or the shape of the beats.",
        examples=[25],
    )
    speed_from: Literal["pulse", "print", "caller", "beats"] = Field(
        default="beats",
        description="What told the speed. Where only the shape of the beats did, heart rate and intervals are unsure: "
        "send `speed`.",
        examples=["pulse"],
    )
    gain: float = Field(
        gt=0, description="mm/mV; 10 is assumed where neither a pulse, the print nor the caller tells.", examples=[10]
    )
    gain_from: Literal["pulse", "print", "caller", "assumed"] = Field(
        default="assumed",
        description="What told the gain. Where it is assumed, voltages and ST levels are unsure: send `gain`.",
        examples=["pulse"],
    )
    leads: tuple[str, ...] = Field(
        description="Leads read for a second and a half or more; with fewer than twelve the reading is not accepted.",
        examples=[SHEET_EXAMPLE["leads"]],
    )
    lead_order: LeadOrder = Field(
        default="standard", description="Order of the limb leads on the sheet; answers name each lead as what it is."
    )
    quality: dict[str, Probability] = Field(
        description="How much of each lead's trace lies on ink and agrees with the other leads, 0-1. Look at the "
        "overlay of `?explain=true` where it is low.",
        examples=[SHEET_EXAMPLE["quality"]],
    )


class HeartReading(Reading):
    """What the electrocardiogram shows. The classes are not exclusive."""

    prediction: HeartPrediction = Field(
        description="The leading finding; Normal only where Normal reaches its threshold, no other finding does, no "
        "alert stands and the input is accepted. Where nothing is settled, the gravest class that isn't excluded."
    )
    severity: Severity = Field(
        description="The gravest severity among the findings present; `uncertain` where nothing is settled."
    )
    staging: Staging = Field(description="What an ECG can say.")
    treatment_options: tuple[str, ...] = Field(
        description="Options to discuss with a clinician, of the leading finding; those of another one that is more "
        "urgent stand first, under its name."
    )
    urgency: Urgency = Field(description="How soon to act, and what to do.")
    probabilities: tuple[ClassProbability, ...] = Field(
        min_length=5, max_length=5, description="Every class in index order, each 0-1 by itself."
    )
    findings: tuple[Finding, ...] = Field(
        min_length=5, max_length=5, description="Every class with its threshold and whether it is reached."
    )
    urgency_from: str = Field(
        description="Name of the finding or of the alert that sets the urgency; it may be another than the one that "
        "leads.",
        examples=["Myocardial Infarction"],
    )
    measurements: HeartMeasurements | None = Field(
        default=None, description="What was measured on the signal; null in demo mode and where nothing was read."
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
                answer_example(
                    "heart_image", {**READING_EXAMPLE, "measurements": MEASUREMENTS_EXAMPLE, "sheet": SHEET_EXAMPLE}
                ),
                answer_example(
                    "heart_record", {**READING_EXAMPLE, "measurements": MEASUREMENTS_EXAMPLE, "record": RECORD_EXAMPLE}
                ),
            ]
        }
    )
