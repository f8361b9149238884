"""Golden answers: what fixed, made-up inputs are answered with by the models that ship.

`python -m tests.golden` writes the answers anew; `tests/test_golden.py` compares. A change that only moves code leaves
them as they are; one that means to change an answer writes them anew and says why in its commit.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.pictures import made_up_jpeg, made_up_record, made_up_sheet

FOLDER = Path(__file__).parent
VOLATILE = ("request_id", "instance")
"""Fields that differ between two answers to the same request."""


@dataclass(frozen=True, slots=True)
class GoldenRequest:
    """A request; `name` is that of the file its answer is kept in."""

    name: str
    path: str
    method: str = "POST"
    files: Mapping[str, tuple[str, bytes]] | None = None
    data: Mapping[str, str] | None = None
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """Where its answer is kept."""
        return FOLDER / f"{self.name}.json"


def requests() -> list[GoldenRequest]:
    """Through every route: what is read, what is refused, and what is wrong."""
    lesion, grey = made_up_jpeg(), _encoded(_radial(512, 512), "PNG")
    header, signal = made_up_record()
    record = {"header": ("made_up.hea", header), "signal": ("made_up.dat", signal)}
    return [
        *_picture_requests(lesion, grey),
        GoldenRequest("heart", "/analyze/heart", files=_image(made_up_sheet())),
        GoldenRequest("heart_of_a_lesion", "/analyze/heart", files=_image(lesion)),
        GoldenRequest("heart_record", "/analyze/heart/record", files=record),
        GoldenRequest("heart_record_without_signal", "/analyze/heart/record", files={"header": record["header"]}),
        GoldenRequest("breast_proven", "/analyze/breast", files=_image(grey), data={"biopsy_proven": "true"}),
        *(GoldenRequest(f"disease_{name}", "/predict-disease", json=body) for name, body in _SYMPTOMS.items()),
        *(GoldenRequest(f"heart_risk_{name}", "/predict-heart", json=body) for name, body in _FORMS.items()),
        GoldenRequest("symptoms", "/symptoms?grouped=true", method="GET"),
        GoldenRequest("health", "/health", method="GET"),
        GoldenRequest("no_such_path", "/no-such-path", method="GET"),
    ]


def _picture_requests(lesion: bytes, grey: bytes) -> list[GoldenRequest]:
    dark = _encoded(Image.new("RGB", (300, 200), (8, 8, 8)), "JPEG")
    found = []
    for name in ("skin", "xray", "breast"):
        path = f"/analyze/{name}"
        found += [
            GoldenRequest(f"{name}_of_a_lesion", path, files=_image(lesion)),
            GoldenRequest(f"{name}_of_a_grey_disc", path, files=_image(grey)),
            GoldenRequest(f"{name}_of_the_dark", path, files=_image(dark)),
            GoldenRequest(f"{name}_of_no_picture", path, files=_image(b"no picture")),
            GoldenRequest(f"{name}_of_half_a_picture", path, files=_image(grey[: len(grey) // 2])),
            GoldenRequest(f"{name}_of_nothing", path),
        ]
    return found


def _image(content: bytes) -> dict[str, tuple[str, bytes]]:
    return {"image": ("picture", content)}


def _radial(width: int, height: int) -> Image.Image:
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return Image.fromarray((255 * np.exp(-3 * (rows**2 + columns**2))).astype(np.uint8))


def _encoded(picture: Image.Image, picture_format: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, picture_format)
    return file.getvalue()


_SYMPTOMS: Mapping[str, Any] = {
    "of_a_cold": {"symptoms": ["fever", "cough", "headache", "fatigue"]},
    "of_a_text": {
        "text": "Since two days I have a sore throat and a runny nose. No fever.",
        "age": 34,
        "sex": "female",
    },
    "of_an_emergency": {"symptoms": ["chest pain", "sweating", "shortness of breath"], "age": 61, "sex": 1},
    "misspelt": {"symptoms": ["feverr", "hedache", "glorp"]},
    "unknown": {"symptoms": ["glorp"]},
    "empty": {},
}
_FORM = {"age": 55, "sex": 1, "blood_pressure": 145, "cholesterol": 250, "chest_pain": 2, "max_heart_rate": 140}
_FORMS: Mapping[str, Any] = {
    "of_a_man": _FORM,
    "complete": {
        **_FORM,
        "sex": "female",
        "chest_pain": "typical angina",
        "hdl_cholesterol": 45,
        "diabetes": False,
        "smoker": True,
        "egfr": 88,
        "blood_pressure_treatment": False,
        "bmi": 27,
    },
    "out_of_range": {**_FORM, "age": 130},
    "without_age": {name: value for name, value in _FORM.items() if name != "age"},
}
