"""A request of every diagnosis, for the parts that need traffic on all routes."""

import json
from typing import Any

from benchmarks.pictures import made_up_jpeg, made_up_record, made_up_sheet
from benchmarks.wrk import Request, form
from models.diagnoses.catalogue import DIAGNOSES
from models.diagnoses.diagnosis import AnyDiagnosis
from schemas import disease, heart_risk

FORMS: dict[str, dict[str, Any]] = {
    "/predict-heart": heart_risk.REQUEST_EXAMPLE,
    "/predict-disease": disease.REQUEST_EXAMPLE,
}


def requests() -> list[Request]:
    """One request of each diagnosis."""
    return [request_of(diagnosis) for diagnosis in DIAGNOSES]


def request_of(diagnosis: AnyDiagnosis) -> Request:
    """A request that its model reads."""
    if diagnosis.path in FORMS:
        return Request(diagnosis.path, json.dumps(FORMS[diagnosis.path]).encode())
    return form(files_of(diagnosis), diagnosis.path)


def files_of(diagnosis: AnyDiagnosis) -> dict[str, bytes]:
    """The files of such a request, by the names of their parts."""
    match diagnosis.reads.name:
        case "signal":
            header, signal = made_up_record()
            return {"header": header, "signal": signal}
        case "sheet":
            return {"image": made_up_sheet()}
        case _:
            return {"image": made_up_jpeg()}
