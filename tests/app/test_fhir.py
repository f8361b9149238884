"""FHIR R4B answers: valid by the models of fhir.resources, and in substance the same as the JSON."""

from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.fhir.codes import FINDINGS, MEASUREMENTS, STUDIES
from app.fhir.middleware import prefers_fhir
from app.fhir.resources import outcome_of, resource_of
from models.diagnoses.catalogue import BY_NAME
from models.serving.registry import ModelRegistry
from schemas.breast import BreastAnswer
from schemas.disease import DiseaseAnswer
from schemas.heart import HeartAnswer
from schemas.heart_risk import HeartRiskAnswer
from schemas.skin import SkinAnswer
from schemas.xray import XrayAnswer
from tests.fake_bundle import make_bundle
from tests.pictures import encode, noise, plain
from tests.records import record_files
from tests.service import serving, upload

pytest.importorskip("fhir.resources", reason="fhir.resources, which validates, is not installed")
pytestmark = pytest.mark.anyio

FHIR = {"Accept": "application/fhir+json"}
RISK = {"age": 55, "sex": 1, "blood_pressure": 145, "cholesterol": 250, "chest_pain": 2, "max_heart_rate": 140}
SYMPTOMS = {"symptoms": ["fever", "cough"], "text": "No rash."}
ROUTES: dict[str, dict[str, Any]] = {
    "/analyze/skin": {"files": upload(encode(noise()))},
    "/analyze/xray": {"files": upload(encode(noise()))},
    "/analyze/breast": {"files": upload(encode(noise()))},
    "/analyze/heart": {"files": upload(encode(noise()))},
    "/analyze/heart/record": {"files": record_files()},
    "/predict-heart": {"json": RISK},
    "/predict-disease": {"json": SYMPTOMS},
}
EXAMPLES = {
    "skin": SkinAnswer,
    "xray": XrayAnswer,
    "breast": BreastAnswer,
    "heart_record": HeartAnswer,
    "heart_risk": HeartRiskAnswer,
    "disease": DiseaseAnswer,
}


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    folder = tmp_path_factory.mktemp("bundles")
    for name in BY_NAME:
        make_bundle(folder, name)
    async with serving(bundles=folder, demo_mode=False) as client:
        yield client


def validated(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource, once it has proven to be valid and whole: every reference leads to something contained, and
    everything contained is referred to (constraint dom-3)."""
    kind = resource["resourceType"]
    model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    model.model_validate(resource)
    names = [each["id"] for each in resource.get("contained", ())]
    assert len(set(names)) == len(names)
    assert set(names) == set(_references(resource))
    return resource


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["reference"].removeprefix("#")] if "reference" in node else []
        return own + [name for value in node.values() for name in _references(value)]
    return [name for value in node for name in _references(value)] if isinstance(node, list) else []


def _observations(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in report["contained"] if each["resourceType"] == "Observation"]


def _examples(model: Any) -> list[dict[str, Any]]:
    examples: list[dict[str, Any]] = model.model_config["json_schema_extra"]["examples"]
    return examples


def _example(model: Any) -> dict[str, Any]:
    return _examples(model)[0]


@pytest.mark.parametrize("path", ROUTES)
async def test_every_route_answers_a_valid_resource(client: httpx.AsyncClient, path: str) -> None:
    told = (await client.post(path, **ROUTES[path])).json()
    answer = await client.post(path, **ROUTES[path], headers={**FHIR, "X-Request-ID": "01JD8Z3W5K"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/fhir+json; fhirVersion=4.3")
    resource = validated(answer.json())
    assert resource["resourceType"] == ("RiskAssessment" if path == "/predict-heart" else "DiagnosticReport")
    assert resource["status"] == "preliminary"
    assert resource["identifier"] == [{"value": "01JD8Z3W5K"}]
    assert told["disclaimer"] in answer.text
    assert "Not a medical device" in resource["text"]["div"]
    assert resource["contained"][0]["version"] == [{"value": told["model"]["version"]}]


@pytest.mark.parametrize("path", ROUTES)
async def test_so_does_the_demo_mode_and_says_that_it_is_one(tmp_path: Path, path: str) -> None:
    async with serving(bundles=tmp_path) as client:
        answer = await client.post(path, **ROUTES[path], headers=FHIR)
    assert answer.headers["X-Demo-Mode"] == "true"
    resource = validated(answer.json())
    assert resource["meta"]["tag"][0]["code"] == "demo"
    assert "fixed sample" in resource["text"]["div"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_probabilities_and_the_finding_are_those_of_the_json(name: str) -> None:
    answer = _example(EXAMPLES[name])
    resource = validated(resource_of(answer, "Title"))
    if name == "heart_risk":
        assert resource["prediction"][0]["probabilityDecimal"] == 100 * answer["prediction"]["probability"]
        assert resource["prediction"][0]["qualitativeRisk"]["text"] == answer["prediction"]["risk_level"]
        return
    finding = _observations(resource)[0]
    likely = answer.get("probabilities") or answer["top_predictions"]
    assert [each["valueQuantity"]["value"] for each in finding["component"]] == [each["probability"] for each in likely]
    assert answer["urgency"]["action"] in resource["conclusion"]
    if name == "disease":
        assert {each["code"]["text"] for each in _observations(resource)} >= set(answer["symptoms_analyzed"])


def test_codes_stand_where_a_finding_holds_and_nowhere_else() -> None:
    answer = _example(XrayAnswer)
    pneumonia = {**answer, "prediction": {**answer["prediction"], "code": "pneumonia", "name": "Pneumonia"}}
    report = validated(resource_of(pneumonia, "Chest X-ray"))
    coding = {"system": "http://snomed.info/sct", "code": "233604007", "display": "Pneumonia"}
    assert report["conclusionCode"] == [{"coding": [coding], "text": "Pneumonia"}]
    assert _observations(report)[0]["valueCodeableConcept"]["coding"] == [coding]
    open_one = {**pneumonia, "prediction": {**pneumonia["prediction"], "settled": False, "name": "Not settled"}}
    for unsure in (answer, open_one, {**pneumonia, "reliability": {"accepted": False, "reason": "Unlike"}}):
        report = validated(resource_of(unsure, "Chest X-ray"))
        assert "conclusionCode" not in report
        assert "233604007" not in str(report)


def test_what_is_not_accepted_has_no_value() -> None:
    answer = _example(SkinAnswer) | {"reliability": {"accepted": False, "reason": "Unlike those it learned from."}}
    report = validated(resource_of(answer, "Skin lesion"))
    finding = _observations(report)[0]
    assert finding["dataAbsentReason"] == {"text": "Unlike those it learned from."}
    assert not {"component", "valueCodeableConcept"} & finding.keys()
    assert report["conclusion"].startswith("Unlike those it learned from.")
    assert "Melanocytic" not in str(report)
    risk = _example(HeartRiskAnswer) | {"reliability": {"accepted": False, "reason": "Outside."}}
    assert "Moderate-High" not in str(validated(resource_of(risk, "Heart risk"))["prediction"])


def test_danger_signs_and_measurements_are_observations() -> None:
    answer = next(each for each in _examples(HeartAnswer) if each["measurements"])
    urgency = {"timeline": "Now", "action": "Call an ambulance", "color": "red"}
    alert = {"name": "ST elevation", "evidence": "V2 <0.4 mV>", "urgency": urgency, "source": "a guideline"}
    report = validated(resource_of({**answer, "alerts": [alert]}, "ECG record"))
    assert report["conclusion"].startswith("Danger signs: ST elevation.")
    assert "Call an ambulance" in _observations(report)[1]["interpretation"][0]["text"]
    measured = {each["code"]["coding"][0]["code"]: each["valueQuantity"] for each in _observations(report)[2:]}
    assert measured["8867-4"] == {"value": 72.0, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"}
    assert measured["8633-0"]["value"] == 92.0
    assert measured.keys() == {code["coding"][0]["code"] for code, _ in MEASUREMENTS.values()}


def test_text_that_was_sent_is_escaped() -> None:
    answer = _example(DiseaseAnswer)
    urgency = answer["urgency"]
    flag = {"name": "<b>", "symptoms": [], "words": "<script>&", "urgency": urgency, "source": ""}
    report = validated(resource_of({**answer, "red_flags": [flag]}, "Symptoms"))
    assert "<b>" not in report["text"]["div"]
    assert "&lt;b&gt;" in report["text"]["div"]


def test_every_code_belongs_to_a_diagnosis() -> None:
    assert {name for name, _ in FINDINGS} | set(STUDIES) <= set(BY_NAME)


@pytest.mark.parametrize(
    ("path", "sent", "status", "code"),
    [
        ("/analyze/skin", {}, 400, "invalid"),
        ("/analyze/skin", {"files": upload(b"GIF89a")}, 400, "invalid"),
        ("/predict-heart", {"json": {**RISK, "age": 900, "sex": "x"}}, 422, "processing"),
        ("/predict-disease", {"json": {"symptoms": ["qwertyuiop"]}}, 422, "processing"),
        ("/predict-heart", {"content": b"x" * 900_000}, 413, "too-long"),
        ("/predict-heart", {"content": b"x", "headers": {**FHIR, "Content-Type": "text/plain"}}, 415, "not-supported"),
        ("/nowhere", {}, 404, "not-found"),
        ("/health", {}, 405, "not-supported"),
    ],
)
async def test_errors_are_operation_outcomes(
    client: httpx.AsyncClient, path: str, sent: dict[str, Any], status: int, code: str
) -> None:
    answer = await client.post(path, **{"headers": FHIR, **sent})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/fhir+json; fhirVersion=4.3")
    outcome = validated(answer.json())
    assert (outcome["resourceType"], outcome["issue"][0]["code"]) == ("OperationOutcome", code)
    problem = (await client.post(path, **{**sent, "headers": {**sent.get("headers", {}), "Accept": "*/*"}})).json()
    assert outcome["issue"][0]["diagnostics"] == problem["detail"]
    assert [each["details"]["text"] for each in outcome["issue"][1:]] == [each["field"] for each in problem["errors"]]


async def test_so_are_faults_of_ours_and_missing_keys(
    client: httpx.AsyncClient, bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(bundles=bundles, api_keys=["a" * 32]) as locked:
        answer = await locked.post("/analyze/skin", headers=FHIR)
    assert (answer.status_code, validated(answer.json())["issue"][0]["code"]) == (401, "login")

    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(ModelRegistry, "predict", fail)
    answer = await client.post("/analyze/skin", **ROUTES["/analyze/skin"], headers=FHIR)
    outcome = validated(answer.json())
    assert (answer.status_code, outcome["issue"][0]["severity"], outcome["issue"][0]["code"]) == (
        500,
        "fatal",
        "exception",
    )
    assert "secret" not in answer.text


@pytest.mark.parametrize("status", [400, 401, 404, 405, 408, 409, 413, 414, 415, 422, 429, 431, 500, 503, 504])
def test_every_status_has_a_code_of_the_standard(status: int) -> None:
    problem = {"status": status, "error": "E", "detail": "D.", "instance": "i", "errors": []}
    validated(outcome_of(problem))


@pytest.mark.parametrize(
    ("accept", "fhir"),
    [
        ("application/fhir+json", True),
        ("Application/FHIR+JSON;fhirVersion=4.3", True),
        ("application/fhir+json, application/json;q=0.9", True),
        ("application/json, application/fhir+json", True),
        ("application/json, application/fhir+json;q=0.5", False),
        ("application/fhir+json;q=0", False),
        ("application/fhir+json;q=many", False),
        ("application/fhir+xml", False),
        ("application/json", False),
        ("*/*", False),
        ("", False),
        ("application/fhir+json," * 1000, False),
    ],
)
def test_who_prefers_fhir_gets_it(accept: str, fhir: bool) -> None:
    assert prefers_fhir(accept) is fhir


async def test_everything_else_is_answered_as_ever(client: httpx.AsyncClient) -> None:
    for path in ("/health", "/models", "/symptoms", "/openapi.json"):
        answer = await client.get(path, headers=FHIR)
        assert answer.headers["content-type"] == "application/json"
    assert "metrics" not in (await client.get("/metrics", headers=FHIR)).headers["content-type"]
    for path, sent in ROUTES.items():
        assert (await client.post(path, **sent)).headers["content-type"] == "application/json"
    document = (await client.get("/openapi.json")).json()
    for path in ROUTES:
        kinds = list(document["paths"][path]["post"]["responses"]["200"]["content"])
        assert kinds == ["application/json", "application/fhir+json"]


async def test_the_examples_of_the_document_are_valid(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    shown = [document["paths"][path]["post"]["responses"]["200"]["content"]["application/fhir+json"] for path in ROUTES]
    assert [validated(each["example"])["resourceType"] for each in shown].count("RiskAssessment") == 1
    assert shown[0]["schema"] == {"$ref": "#/components/schemas/FhirResource"}
    assert "FhirResource" in document["components"]["schemas"]


async def test_a_dark_picture_is_no_finding_in_fhir_either(client: httpx.AsyncClient) -> None:
    answer = await client.post("/analyze/skin", files=upload(encode(plain((0, 0, 0)))), headers=FHIR)
    report = validated(answer.json())
    assert _observations(report)[0]["dataAbsentReason"]["text"].startswith("The picture is unlike")
