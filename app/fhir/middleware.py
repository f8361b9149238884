"""The one place where FHIR is spoken: what a route answers in JSON is turned into a resource on its way out."""

import json
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import PROBLEM_JSON
from app.fhir.resources import outcome_of, resource_of

FHIR_JSON = "application/fhir+json"
_JSON = "application/json"
_VERSION = "4.3"
_LONGEST_ACCEPT = 1000


class FhirMiddleware:
    """Answers of diagnoses become a DiagnosticReport or a RiskAssessment, and any error an OperationOutcome, where
    the client prefers FHIR."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            accepted = next((value for name, value in scope["headers"] if name == b"accept"), b"")
            if prefers_fhir(accepted.decode("latin-1")):
                send = _Translation(scope, send).send
        await self._app(scope, receive, send)


class _Translation:
    """Holds a JSON answer back until it is there in full; lets others through."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Message | None = None
        self._body: list[bytes] = []

    async def send(self, message: Message) -> None:
        """Send a message on, or hold it back."""
        if message["type"] == "http.response.start" and self._is_ours(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._finish(self._start)

    def _is_ours(self, message: Message) -> bool:
        kind = Headers(raw=message["headers"]).get("content-type", "").partition(";")[0]
        answered = message["status"] == HTTPStatus.OK and self._scope["method"] == "POST"
        return kind == PROBLEM_JSON or (kind == _JSON and answered)

    async def _finish(self, start: Message) -> None:
        body = b"".join(self._body)
        told = json.loads(body)
        headers = MutableHeaders(raw=list(start["headers"]))
        if (resource := self._translated(told)) is not None:
            body = json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()
            headers["content-type"] = f"{FHIR_JSON}; fhirVersion={_VERSION}"
            headers["content-length"] = str(len(body))
        await self._send({**start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})

    def _translated(self, told: dict[str, Any]) -> dict[str, Any] | None:
        """The resource; None for JSON that is neither an answer nor a problem."""
        if told.get("success") is False and "instance" in told:
            return outcome_of(told)
        if "reliability" not in told or "prediction" not in told:
            return None
        name = told["model"]["name"]
        titles = {each.name: each.title for each in self._scope["state"]["catalogue"].all}
        return resource_of(told, titles.get(name, name))


def prefers_fhir(accept: str) -> bool:
    """Whether an `Accept` header names FHIR's JSON, and plain JSON no more than it (RFC 9110, 12.5.1)."""
    if "fhir" not in accept or len(accept) > _LONGEST_ACCEPT:
        return False
    qualities = {FHIR_JSON: 0.0, _JSON: 0.0}
    for each in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in each.split(";"))
        if kind in qualities:
            qualities[kind] = _quality(parameters)
    return qualities[FHIR_JSON] > 0 and qualities[FHIR_JSON] >= qualities[_JSON]


def _quality(parameters: list[str]) -> float:
    stated = next((value for name, _, value in (each.partition("=") for each in parameters) if name == "q"), "1")
    try:
        return float(stated)
    except ValueError:
        return 0.0
