"""The OpenAPI document is valid, complete, and its examples are true to its schemas."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.openapi import utils
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from app import openapi
from app.main import create_app
from app.settings import Settings
from tests.service import running, serving

pytestmark = pytest.mark.anyio

PICTURE_PATHS = ("/analyze/skin", "/analyze/heart", "/analyze/breast", "/analyze/xray")
OF_HEADS = {"408", "414", "431"}
OPEN = ("health", "health/live", "health/ready", "problems", "problems/{kind}")
OPERATIONS = {
    "GET /": "describe_service",
    "GET /health": "health",
    "GET /health/live": "live",
    "GET /health/ready": "ready",
    "GET /problems": "list_problem_types",
    "GET /problems/{kind}": "describe_problem_type",
    "GET /models": "list_models",
    "GET /models/{name}/card": "model_card",
    "GET /metrics": "metrics",
    "GET /samples": "list_samples",
    "GET /samples/{name}": "sample_file",
    "GET /symptoms": "list_symptoms",
    "POST /analyze/skin": "analyze_skin",
    "POST /analyze/heart": "analyze_heart",
    "POST /analyze/heart/record": "analyze_heart_record",
    "POST /analyze/breast": "analyze_breast",
    "POST /analyze/xray": "analyze_xray",
    "POST /analyze/{name}": "analyze_own_picture",
    "POST /predict-disease": "predict_disease",
    "POST /predict-heart": "predict_heart",
}


@pytest.fixture(scope="module")
def document(bundles: Path) -> dict[str, Any]:
    return create_app(Settings(bundles=bundles)).openapi()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _validator(document: dict[str, Any], schema: dict[str, Any]) -> OAS31Validator:
    return OAS31Validator({**schema, "components": document["components"]})


def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document)


def test_operation_ids_are_stable_and_unique(document: dict[str, Any]) -> None:
    assert {name: operation["operationId"] for name, operation in _operations(document)} == OPERATIONS
    assert len(set(OPERATIONS.values())) == len(OPERATIONS)


def test_every_operation_has_a_tag_and_a_description(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for name, operation in _operations(document):
        assert len(operation["tags"]) == 1, name
        assert set(operation["tags"]) <= tags, name
        assert operation["description"].endswith("."), name


def test_every_json_body_and_answer_has_an_example_true_to_its_schema(document: dict[str, Any]) -> None:
    checked = 0
    for name, operation in _operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for schema in [body["content"]["application/json"]["schema"] for body in bodies if _is_json(body)]:
            examples = _component(document, schema).get("examples", [])
            assert examples, f"{name} has no example"
            for example in examples:
                _validator(document, schema).validate(example)
                checked += 1
    assert checked >= 12


@pytest.mark.parametrize("path", [*PICTURE_PATHS, "/analyze/heart/record"])
def test_every_form_has_an_example_true_to_its_schema(document: dict[str, Any], path: str) -> None:
    form = document["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert form["example"]
    _validator(document, form["schema"]).validate(form["example"])


def _is_json(body: dict[str, Any]) -> bool:
    return "$ref" in body.get("content", {}).get("application/json", {}).get("schema", {})


def _component(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    component: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return component


def test_every_error_is_a_problem_with_an_example_true_to_it(document: dict[str, Any]) -> None:
    for name, operation in _operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400 and "application/problem+json" in response["content"]:
                content = response["content"]["application/problem+json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                for example in content["examples"].values():
                    _validator(document, content["schema"]).validate(example["value"])
                    assert example["value"]["status"] == int(status), name


@pytest.mark.parametrize("path", PICTURE_PATHS)
def test_picture_routes_list_every_error_they_may_answer(document: dict[str, Any], path: str) -> None:
    operation = document["paths"][path]["post"]
    assert set(operation["responses"]) == {"200", "400", "413", "415", "422", "500", "503", "504"} | OF_HEADS
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["image"]
    assert form["properties"]["image"] == {"type": "string", "format": "binary"}
    assert [parameter["name"] for parameter in operation["parameters"]] == ["explain"]


@pytest.mark.parametrize("path", ["/predict-disease", "/predict-heart"])
def test_form_routes_list_every_error_they_may_answer(document: dict[str, Any], path: str) -> None:
    assert (
        set(document["paths"][path]["post"]["responses"])
        == {"200", "413", "415", "422", "500", "503", "504"} | OF_HEADS
    )


def test_the_head_of_any_request_may_be_refused(document: dict[str, Any]) -> None:
    for name, operation in _operations(document):
        assert set(operation["responses"]) >= OF_HEADS, name
        assert list(operation["responses"]["408"]["content"]) == ["application/problem+json"]


def test_a_reload_says_that_another_may_be_under_way(bundles: Path) -> None:
    paths = create_app(Settings(bundles=bundles, admin_key="a-key-of-sixteen-characters")).openapi()["paths"]
    assert "409" in paths["/admin/reload"]["post"]["responses"]


def test_the_frameworks_own_error_shape_appears_nowhere(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in str(document)


def test_without_keys_no_key_is_asked_for(document: dict[str, Any]) -> None:
    assert "securitySchemes" not in document["components"]


async def test_with_keys_the_closed_paths_ask_for_one(bundles: Path) -> None:
    async with serving(bundles=bundles, api_keys="a-key-of-sixteen-characters") as client:
        document = (await client.get("/openapi.json")).json()
    validate(document)
    for name, operation in _operations(document):
        is_open = name in ("GET /", *(f"GET /{path}" for path in OPEN))
        assert operation.get("security") == (None if is_open else [{"ApiKey": []}, {"ApiBearer": []}]), name
        assert ("401" in operation["responses"]) is not is_open, name


async def test_real_answers_are_true_to_the_document(
    client: httpx.AsyncClient, document: dict[str, Any], picture: bytes
) -> None:
    answers = {
        f"POST {path}": await client.post(path, files={"image": ("picture.jpg", picture)}) for path in PICTURE_PATHS
    }
    answers["POST /predict-disease"] = await client.post("/predict-disease", json={"symptoms": ["fever"]})
    answers |= {name: await client.get(name[4:]) for name in OPERATIONS if name.startswith("GET") and "{" not in name}
    for name, operation in _operations(document):
        if name in answers and _is_json(operation["responses"]["200"]):
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
            _validator(document, schema).validate(answers[name].json())


async def test_it_is_built_off_the_event_loop_and_once(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def get_openapi(**settings: Any) -> dict[str, Any]:
        threads.append(threading.current_thread())
        return built(**settings)

    built = utils.get_openapi
    monkeypatch.setattr(openapi, "get_openapi", get_openapi)
    async with serving(bundles=bundles) as client:
        assert (await client.get("/")).status_code == 200
        assert threads == []
        answers = await asyncio.gather(*(client.get("/openapi.json") for _ in range(3)))
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()
    assert answers[0].json() == answers[2].json()


async def test_it_names_the_root_path(bundles: Path) -> None:
    async with running(bundles=bundles) as app:
        transport = httpx.ASGITransport(app, root_path="/medical")
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            document = (await client.get("/medical/openapi.json")).json()
    assert document["servers"] == [{"url": "/medical"}]


async def test_the_service_lists_the_operations_of_the_document(client: httpx.AsyncClient) -> None:
    assert sorted((await client.get("/")).json()["endpoints"]) == sorted(OPERATIONS)


def test_no_enumeration_mixes_types_since_generators_of_clients_read_none(document: dict[str, Any]) -> None:
    def enumerations(node: Any) -> Iterator[list[Any]]:
        if isinstance(node, dict):
            if isinstance(node.get("enum"), list):
                yield node["enum"]
            for child in node.values():
                yield from enumerations(child)
        elif isinstance(node, list):
            for child in node:
                yield from enumerations(child)

    found = list(enumerations({key: value for key, value in document.items() if key != "examples"}))
    assert found
    assert [values for values in found if len({type(value) for value in values}) > 1 or type(values[0]) is float] == []


def test_every_field_of_an_answer_is_required_and_a_text_has_no_default(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in ("SkinAnswer", "HeartAnswer", "DiseaseAnswer", "HeartRiskAnswer", "Problem"):
        assert set(schemas[name]["required"]) == set(schemas[name]["properties"]), name
    assert "default" not in schemas["DiseaseRequest"]["properties"]["text"]


@pytest.mark.parametrize("name", ["Severity", "UrgencyColor", "RiskLevel", "RiskGrade", "Precision", "ModelName"])
def test_an_enumeration_is_one_schema_wherever_it_stands(document: dict[str, Any], name: str) -> None:
    values = document["components"]["schemas"][name]["enum"]
    assert str(document).count(str(values)) == 1
    assert str(document).count(f"#/components/schemas/{name}'") >= 1


def test_success_tells_an_answer_from_a_problem(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if name.endswith("Answer") or name == "Problem":
            assert schema["properties"]["success"]["const"] is (name != "Problem"), name
            assert "success" in schema["required"]


def test_every_answer_and_503_tells_its_headers(document: dict[str, Any]) -> None:
    for name, operation in _operations(document):
        assert "X-Request-ID" in operation["responses"]["200"]["headers"], name
        if name.startswith("POST"):
            assert {"X-Demo-Mode", "X-Request-ID"} == operation["responses"]["200"]["headers"].keys()
            assert "Retry-After" in operation["responses"]["503"]["headers"]


def test_who_serves_it_under_which_licence_and_with_which_keys_is_told(document: dict[str, Any]) -> None:
    assert document["servers"][0]["url"] == "/"
    assert document["info"]["license"]["identifier"] == "MIT"
    assert document["security"] == []
