"""For each diagnosis a request that its model reads, and one that is unlike what it learned from."""

from typing import Any

from models.diagnoses.diagnosis import AnyDiagnosis
from tests import contract
from tests.pictures import encode, noise, plain
from tests.records import counts_of, ecg, header_of, record_files, signal_of
from tests.service import upload
from tests.sheets import sheet

_FORMS: dict[str, dict[str, Any]] = {
    "/predict-disease": contract.DISEASE_REQUEST,
    "/predict-heart": contract.HEART_RISK_REQUEST,
}


def usual(diagnosis: AnyDiagnosis) -> dict[str, Any]:
    """The body of a request, as keywords of httpx."""
    match diagnosis.reads.name:
        case "image":
            return {"files": upload(encode(noise(), "JPEG"))}
        case "sheet":
            return {"files": upload(encode(sheet()))}
        case "signal":
            return {"files": record_files()}
        case _:
            return {"json": _FORMS[diagnosis.path]}


def strange(diagnosis: AnyDiagnosis) -> dict[str, Any] | None:
    """As `usual`, but to be told or refused; None where whatever passes validation is usual."""
    match diagnosis.reads.name:
        case "image":
            return {"files": upload(encode(plain((255, 255, 255))))}
        case "sheet":
            return {"files": upload(encode(noise()))}
        case "signal":
            counts = counts_of(40 * ecg())
            return {"files": record_files((header_of(counts), signal_of(counts)))}
        case _:
            return {"json": {**contract.HEART_RISK_REQUEST, "age": 95}} if diagnosis.path == "/predict-heart" else None
