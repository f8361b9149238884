"""The OpenAPI document: what FastAPI can't see by itself."""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from app.access import Doors
from app.errors import (
    PROBLEM_JSON,
    BodyTooLargeError,
    DeadlineExceededError,
    HeadTooLargeError,
    HeadTooSlowError,
    ImageTooLargeError,
    InvalidApiKeyError,
    InvalidFileTypeError,
    InvalidRequestError,
    MalformedFormError,
    ModelUnavailableError,
    NoImageError,
    NoRecordError,
    OverloadedError,
    RateLimitedError,
    RecordTooLargeError,
    UnreadableImageError,
    UnreadableRecordError,
    UnreliableFormError,
    UnreliableImageError,
    UnreliableRecordError,
    UnsupportedMediaTypeError,
    UnusableImageError,
    UnusableRecordError,
    UriTooLongError,
    problems,
)
from app.fhir.middleware import FHIR_JSON
from app.fhir.resources import resource_of
from models.diagnoses.catalogue import Catalogue
from models.diagnoses.diagnosis import AnyDiagnosis
from schemas.common import HEALTH_NAME, MODEL_NAME, Precision, Problem, Severity, UrgencyColor
from schemas.heart_risk import RiskGrade, RiskLevel
from schemas.meta import ModelState

OPENAPI_PATH = "/openapi.json"
EXAMPLES_FILE = Path(__file__).with_name("examples.json")
"""Of each schema, what the service with the models that ship answers to its own samples; `tests.examples` writes it."""
TAGS = [
    {"name": "pictures", "description": "A picture or an ECG record to a reading."},
    {"name": "forms", "description": "Symptoms or the values of a form to an estimate."},
    {"name": "service", "description": "The service about itself: health, models, figures."},
]
DEMO_HEADER: Mapping[str, Any] = {
    "X-Demo-Mode": {
        "description": "`true` where the answer is a fixed sample, since no trained model is installed.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
_ENUMERATIONS: Mapping[str, tuple[str, ...]] = {
    "Severity": get_args(Severity),
    "UrgencyColor": get_args(UrgencyColor),
    "RiskLevel": (*get_args(RiskLevel), "Uncertain"),
    "RiskGrade": get_args(RiskGrade),
    "Precision": get_args(Precision),
    "ModelState": get_args(ModelState),
}
"""Those that get a schema of their own, so that a client has one type for each."""
_FHIR_RESOURCE: Mapping[str, Any] = {
    "type": "object",
    "title": "FhirResource",
    "description": "A DiagnosticReport, or of the heart-risk form a RiskAssessment, of FHIR R4B "
    "(https://hl7.org/fhir/R4B): ask for it with `Accept: application/fhir+json`. Errors are an OperationOutcome.",
    "required": ["resourceType", "status"],
    "properties": {
        "resourceType": {"type": "string", "enum": ["DiagnosticReport", "RiskAssessment"]},
        "status": {"type": "string", "enum": ["preliminary"]},
    },
    "additionalProperties": True,
}
_OF_HEADS = (HeadTooSlowError, UriTooLongError, HeadTooLargeError)
"""How a request is refused at its head, whatever it asks for."""
_SHOWN_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""The moment of the answers that are examples."""
_READING: Mapping[int | str, dict[str, Any]] = {
    200: {
        "description": "The reading.",
        "headers": DEMO_HEADER,
        "content": {FHIR_JSON: {"schema": {"$ref": "#/components/schemas/FhirResource"}}},
    }
}

FORM_RESPONSES = {
    **_READING,
    **problems(
        BodyTooLargeError,
        UnsupportedMediaTypeError,
        InvalidRequestError,
        UnreliableFormError,
        OverloadedError,
        ModelUnavailableError,
        DeadlineExceededError,
    ),
}
RECORD_RESPONSES = {
    **_READING,
    **problems(
        NoRecordError,
        MalformedFormError,
        UnreadableRecordError,
        BodyTooLargeError,
        RecordTooLargeError,
        UnsupportedMediaTypeError,
        InvalidRequestError,
        UnusableRecordError,
        UnreliableRecordError,
        OverloadedError,
        ModelUnavailableError,
        DeadlineExceededError,
    ),
}
PICTURE_RESPONSES = {
    **_READING,
    **problems(
        NoImageError,
        MalformedFormError,
        InvalidFileTypeError,
        UnreadableImageError,
        BodyTooLargeError,
        ImageTooLargeError,
        UnsupportedMediaTypeError,
        InvalidRequestError,
        UnusableImageError,
        UnreliableImageError,
        OverloadedError,
        ModelUnavailableError,
        DeadlineExceededError,
    ),
}


def document(app: FastAPI, doors: Doors, catalogue: Catalogue, *, unlimited_paths: Collection[str] | None) -> None:
    """Give the app its OpenAPI document and the path of it.

    It says at each operation whether its door asks for a key and whether it can be asked for too often: all can but
    `unlimited_paths`, or none with None. It is built when first asked for, in a thread, as that takes a while.
    """

    listed: tuple[AnyDiagnosis, ...] = ()

    def build() -> dict[str, Any]:
        nonlocal listed
        if app.openapi_schema is None or listed != catalogue.all:
            listed = catalogue.all
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=TAGS,
                servers=[{"url": "/", "description": "This service"}],
                license_info={"name": "MIT", "identifier": "MIT"},
            )
            _complete_schemas(schema, listed)
            _show_fhir(schema, listed)
            _describe_operations(schema)
            schema["security"] = []
            _ask_for_keys(schema, doors)
            if unlimited_paths is not None:
                _limit_rates(schema, unlimited_paths)
            app.openapi_schema = schema
        return app.openapi_schema

    @lru_cache(maxsize=4)
    def written(root_path: str, names: tuple[str, ...]) -> bytes:
        """`names` are those that the document lists."""
        servers = {"servers": [{"url": root_path}]} if root_path else {}
        return json.dumps({**build(), **servers}, ensure_ascii=False, separators=(",", ":")).encode()

    building = asyncio.Lock()

    async def openapi(request: Request) -> Response:
        async with building:
            root_path = request.scope.get("root_path", "").rstrip("/")
            content = await asyncio.to_thread(written, root_path, tuple(each.name for each in catalogue.all))
        return Response(content, media_type="application/json")

    app.openapi = build  # type: ignore[method-assign]
    app.add_route(OPENAPI_PATH, openapi, include_in_schema=False)


def _complete_schemas(schema: dict[str, Any], listed: Sequence[AnyDiagnosis]) -> None:
    """What the document says of these diagnoses, of errors and of enumerations, and its examples."""
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _problem_schema(schemas)
    _list_values(schema, MODEL_NAME, [diagnosis.name for diagnosis in listed])
    _list_values(schema, HEALTH_NAME, [diagnosis.health_name for diagnosis in listed])
    _share_enumerations(schema, {**_ENUMERATIONS, "ModelName": tuple(each.name for each in listed)})
    _put_nulls_of_examples_back(schemas)
    _put_real_examples(schemas)


def _put_nulls_of_examples_back(schemas: dict[str, Any]) -> None:
    """In the examples of each component."""
    for component in schemas.values():
        for example in component.get("examples", ()):
            _put_nulls_back(example, component, schemas)


def _put_real_examples(schemas: dict[str, Any]) -> None:
    """In place of those that the schemas have, which are the contract's and the demo mode's."""
    for name, examples in json.loads(EXAMPLES_FILE.read_text(encoding="utf-8")).items():
        if name in schemas:
            schemas[name]["examples"] = examples


def _share_enumerations(schema: dict[str, Any], enumerations: Mapping[str, tuple[str, ...]]) -> None:
    """Move each of the enumerations, wherever it stands, into a schema of its name."""
    names = {values: name for name, values in enumerations.items()}

    def share(node: Any) -> None:
        if isinstance(node, list):
            for child in node:
                share(child)
        elif isinstance(node, dict):
            values = node.get("enum")
            if isinstance(values, list) and (name := names.get(tuple(values))):
                for keyword in ("type", "enum", "title", "examples"):
                    node.pop(keyword, None)
                node["$ref"] = f"#/components/schemas/{name}"
            for child in node.values():
                share(child)

    share(schema)
    schema["components"]["schemas"] |= {
        name: {"type": "string", "enum": list(values), "title": name} for name, values in enumerations.items()
    }


def _list_values(node: Any, wanted: str, values: Sequence[str]) -> None:
    """Give every string of the `wanted` format its values."""
    if isinstance(node, dict):
        if node.get("format") == wanted:
            for constraint in ("format", "pattern"):
                node.pop(constraint, None)
            node["enum"] = list(values)
        for child in node.values():
            _list_values(child, wanted, values)
    elif isinstance(node, list):
        for child in node:
            _list_values(child, wanted, values)


def _put_nulls_back(example: Any, schema: Any, schemas: Mapping[str, Any]) -> None:
    """FastAPI drops what is null from examples; a field that is always sent is there all the same, with its default
    where it has one."""
    schema = schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
    if branches := [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]:
        return _put_nulls_back(example, branches[0], schemas)
    if isinstance(example, list):
        for each in example:
            _put_nulls_back(each, schema.get("items", {}), schemas)
    elif isinstance(example, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name in schema.get("required", ()):
            example.setdefault(name, deepcopy(properties.get(name, {}).get("default")))
        for name, value in example.items():
            _put_nulls_back(value, properties.get(name, others if isinstance(others, dict) else {}), schemas)
    return None


def _show_fhir(schema: dict[str, Any], listed: Sequence[AnyDiagnosis]) -> None:
    """Give each answer in FHIR its example, which is that in JSON turned into a resource."""
    schemas, titles = schema["components"]["schemas"], {each.name: each.title for each in listed}
    schemas["FhirResource"] = _FHIR_RESOURCE
    for operations in schema["paths"].values():
        for operation in operations.values():
            content = operation["responses"].get("200", {}).get("content", {})
            if FHIR_JSON in content:
                answer = schemas[content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]]["examples"][0]
                name = answer["model"]["name"]
                content[FHIR_JSON]["example"] = resource_of(answer, titles.get(name, name), _SHOWN_AT)


def _describe_operations(schema: dict[str, Any]) -> None:
    """Summaries in words, how the head of any request is refused, and the headers that every answer, and every refusal
    for want of room, carries."""
    of_heads = {str(status): refusal for status, refusal in problems(*_OF_HEADS).items()}
    retry = {"description": "Seconds until it is worth asking again.", "schema": {"type": "integer", "minimum": 1}}
    identity = {"description": "Identifies the request in the log.", "schema": {"type": "string"}}
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation["summary"] = operation["operationId"].replace("_", " ").capitalize()
            operation["responses"] |= deepcopy(of_heads)
            for status, response in operation["responses"].items():
                headers = {**response.get("headers", {}), "X-Request-ID": identity}
                if status == "503" and PROBLEM_JSON in response["content"]:
                    headers["Retry-After"] = retry
                response["headers"] = headers


def _problem_schema(schemas: dict[str, Any]) -> dict[str, Any]:
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas.update(problem.pop("$defs", {}))
    return problem


def _ask_for_keys(schema: dict[str, Any], doors: Doors) -> None:
    """Each kind of key has schemes of its own, so that a page which keeps one key a scheme can keep them all."""
    for path, operations in schema["paths"].items():
        if (keys := doors.keys_of(path)) is None:
            continue
        header, bearer = f"{keys.kind}Key", f"{keys.kind}Bearer"
        schema["components"].setdefault("securitySchemes", {}).update(
            {
                header: {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                bearer: {"type": "http", "scheme": "bearer", "description": "The same key in `Authorization`."},
            }
        )
        for operation in operations.values():
            operation["security"] = [{header: []}, {bearer: []}]
            operation["responses"]["401"] = problems(InvalidApiKeyError)[401]


def _limit_rates(schema: dict[str, Any], unlimited_paths: Collection[str]) -> None:
    header = {"description": "Seconds until the next request.", "schema": {"type": "integer", "minimum": 1}}
    for path, operations in schema["paths"].items():
        if path not in unlimited_paths:
            for operation in operations.values():
                operation["responses"]["429"] = {**problems(RateLimitedError)[429], "headers": {"Retry-After": header}}
