"""The OpenAPI document: what FastAPI can't see by itself."""

from collections.abc import Collection, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.errors import (
    BodyTooLargeError,
    DeadlineExceededError,
    ImageTooLargeError,
    InvalidApiKeyError,
    InvalidFileTypeError,
    InvalidRequestError,
    MalformedFormError,
    ModelUnavailableError,
    NoImageError,
    NoRecordError,
    OverloadedError,
    RecordTooLargeError,
    UnreadableImageError,
    UnreadableRecordError,
    UnreliableFormError,
    UnreliableImageError,
    UnreliableRecordError,
    UnusableRecordError,
    problems,
)
from schemas.common import Problem

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
_READING: Mapping[int | str, dict[str, Any]] = {200: {"description": "The reading.", "headers": DEMO_HEADER}}

FORM_RESPONSES = {
    **_READING,
    **problems(
        BodyTooLargeError,
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
        InvalidRequestError,
        UnreliableImageError,
        OverloadedError,
        ModelUnavailableError,
        DeadlineExceededError,
    ),
}


def document(app: FastAPI, *, open_paths: Collection[str] | None) -> None:
    """Give the app its OpenAPI document. All but `open_paths` ask for a key; with None no path does."""

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes, tags=TAGS
            )
            components = schema.setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = _problem_schema(components["schemas"])
            if open_paths is not None:
                _ask_for_key(schema, open_paths)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign]


def _problem_schema(schemas: dict[str, Any]) -> dict[str, Any]:
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas.update(problem.pop("$defs", {}))
    return problem


def _ask_for_key(schema: dict[str, Any], open_paths: Collection[str]) -> None:
    schema["components"]["securitySchemes"] = {"ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
    for path, operations in schema["paths"].items():
        if path not in open_paths:
            for operation in operations.values():
                operation["security"] = [{"ApiKey": []}]
                operation["responses"]["401"] = problems(InvalidApiKeyError)[401]
