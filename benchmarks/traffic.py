"""Requests of every kind, for the parts that need traffic on all routes."""

import json
from typing import Any

from benchmarks.pictures import made_up_jpeg, made_up_record, made_up_sheet
from benchmarks.wrk import Request, form, upload

FORMS: dict[str, dict[str, Any]] = {
    "/predict-heart": {
        "age": 55,
        "sex": 1,
        "blood_pressure": 145,
        "cholesterol": 250,
        "chest_pain": 2,
        "max_heart_rate": 140,
    },
    "/predict-disease": {"symptoms": ["fever", "cough", "headache", "fatigue"]},
}


def requests() -> list[Request]:
    """One request of each route."""
    header, signal = made_up_record()
    return [
        *(upload(made_up_jpeg(), f"/analyze/{name}") for name in ("skin", "xray", "breast")),
        upload(made_up_sheet(), "/analyze/heart"),
        form({"header": header, "signal": signal}, "/analyze/heart/record"),
        *(Request(route, json.dumps(values).encode()) for route, values in FORMS.items()),
    ]
