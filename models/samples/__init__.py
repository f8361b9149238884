"""Something to send to each diagnosis, made by our own code: no patient's and no data set's.

The pictures say that they are artificial. A model may refuse one for being unlike what it learned from, which is a
valid first answer.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from models.diagnoses.breast import BREAST
from models.diagnoses.disease import DISEASE
from models.diagnoses.heart import HEART_IMAGE, HEART_RECORD
from models.diagnoses.heart_risk import HEART_RISK
from models.diagnoses.skin import SKIN
from models.diagnoses.xray import XRAY
from models.samples import ecg, pictures

PNG, JPEG, JSON, TEXT, BYTES = "image/png", "image/jpeg", "application/json", "text/plain", "application/octet-stream"
SYMPTOMS: Mapping[str, Any] = {
    "text": "Since yesterday I have a high fever, a bad cough and chills. No chest pain. My son had a cold.",
    "symptoms": ["fatigue", "headache"],
    "age": 34,
    "sex": "female",
}
FORM: Mapping[str, Any] = {
    "age": 58,
    "sex": "male",
    "blood_pressure": 148,
    "cholesterol": 236,
    "chest_pain": "atypical angina",
    "max_heart_rate": 138,
    "hdl_cholesterol": 44,
    "diabetes": False,
    "smoker": True,
    "egfr": 84,
    "blood_pressure_treatment": True,
    "statin": False,
    "bmi": 28.1,
}


@dataclass(frozen=True, slots=True)
class SampleFile:
    """A file of a sample. `field` is its part of the multipart form; None where it is the whole JSON body."""

    name: str
    media_type: str
    field: str | None
    make: Callable[[], bytes]

    def content(self) -> bytes:
        """The file, drawn when it is first asked for."""
        return _made(self)


@dataclass(frozen=True, slots=True)
class Sample:
    """What may be sent to the diagnosis of that name, which is asked at `path`."""

    name: str
    diagnosis: str
    path: str
    description: str
    files: Sequence[SampleFile]


@cache
def _made(file: SampleFile) -> bytes:
    return file.make()


def _picture(name: str, make: Callable[[], bytes], media_type: str = JPEG) -> tuple[SampleFile, ...]:
    return (SampleFile(name, media_type, "image", make),)


def _body(name: str, content: Mapping[str, Any]) -> tuple[SampleFile, ...]:
    return (SampleFile(name, JSON, None, lambda: json.dumps(content, indent=2).encode() + b"\n"),)


SAMPLES: tuple[Sample, ...] = (
    Sample(
        "skin",
        SKIN.name,
        SKIN.path,
        "A drawn pigmented lesion, as under a dermatoscope.",
        _picture("skin-lesion.jpg", pictures.lesion),
    ),
    Sample(
        "ecg-sheet",
        HEART_IMAGE.name,
        HEART_IMAGE.path,
        "A drawn sheet of a computed 12-lead ECG: 3 x 4 leads and a rhythm strip, 25 mm/s, 10 mm/mV.",
        _picture("ecg-sheet.png", ecg.sheet, PNG),
    ),
    Sample(
        "ecg-record",
        HEART_RECORD.name,
        HEART_RECORD.path,
        "Ten seconds of a computed 12-lead ECG in WFDB format, 500 Hz.",
        (
            SampleFile("ecg-record.hea", TEXT, "header", ecg.header),
            SampleFile("ecg-record.dat", BYTES, "signal", ecg.signal),
        ),
    ),
    Sample(
        "breast",
        BREAST.name,
        BREAST.path,
        "A drawn breast ultrasound: layers of tissue and a dark oval.",
        _picture("breast-ultrasound.jpg", pictures.ultrasound),
    ),
    Sample(
        "xray",
        XRAY.name,
        XRAY.path,
        "A drawn frontal chest film.",
        _picture("chest-xray.jpg", pictures.film),
    ),
    Sample("symptoms", DISEASE.name, DISEASE.path, "A description and two symptoms.", _body("symptoms.json", SYMPTOMS)),
    Sample(
        "heart-risk",
        HEART_RISK.name,
        HEART_RISK.path,
        "The values of a form, with what the PREVENT equations need.",
        _body("heart-risk.json", FORM),
    ),
)

FILES: Mapping[str, SampleFile] = {file.name: file for sample in SAMPLES for file in sample.files}
