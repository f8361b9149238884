"""What happens to every request, as pure ASGI classes."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from secrets import token_hex

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.audit import ANSWERED, GONE, AuditLog
from app.errors import InternalError, to_response, to_service_error
from app.metrics import Metrics

_SAFE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.{0,200})?")
_ID_BYTES, _DRAWN_AT_ONCE = 16, 64
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_CLIENT_CLOSED_REQUEST = 499

access_log = logging.getLogger("medidiagnose.access")
fault_log = logging.getLogger("medidiagnose.fault")


class RequestIdMiddleware:
    """Takes over the client's X-Request-ID where it is harmless, else the trace id of its `traceparent` (W3C Trace
    Context), else makes an id; every answer carries it.

    `current_trace_id` tells the trace that the service itself records, where it does.
    """

    def __init__(self, app: ASGIApp, current_trace_id: Callable[[], str | None] | None = None) -> None:
        self._app = app
        self._current_trace_id = current_trace_id
        self._made = _ids_at_random()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        proposed, trace_id = _ids(scope["headers"])
        if self._current_trace_id is not None:
            trace_id = self._current_trace_id()
        request_id = proposed or trace_id or next(self._made)
        state = scope.setdefault("state", {})
        state["request_id"], state["trace_id"] = request_id, trace_id
        header = (b"x-request-id", request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        await self._app(scope, receive, send_with_id)


def _ids_at_random() -> Iterator[str]:
    """Ids of 16 random bytes in hexadecimal, drawn for many at once: each draw lets go of the interpreter, which a
    thread that computes then holds for longer than the draw takes."""
    while True:
        drawn = token_hex(_ID_BYTES * _DRAWN_AT_ONCE)
        yield from (drawn[start : start + 2 * _ID_BYTES] for start in range(0, len(drawn), 2 * _ID_BYTES))


def _ids(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str | None, str | None]:
    """The request id and the trace id that a client sent, each None where it sent none that is harmless."""
    request_id = trace_id = None
    for name, value in headers:
        if name == b"x-request-id" and _SAFE_REQUEST_ID.fullmatch(value):
            request_id = value.decode()
        elif name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
            trace_id = match[1].decode()
    return request_id, trace_id


class ObservationMiddleware:
    """Logs, counts and times each request by its route, never by what the client wrote in path or query; `audit` notes
    those that sent something."""

    def __init__(self, app: ASGIApp, metrics: Metrics, audit: AuditLog | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), _CLIENT_CLOSED_REQUEST

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.in_progress += 1
        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            self._metrics.in_progress -= 1
            seconds = time.perf_counter() - began
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "other")
            state = scope["state"]
            self._metrics.answered(method, route, status, seconds, problem=state.get("problem"))
            fields = {
                "method": method,
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 3),
                "request_id": state["request_id"],
                "trace_id": state["trace_id"],
                "problem": state.get("problem"),
                "key": state.get("key"),
            }
            if self._audit and method == "POST":
                gone = GONE if status == _CLIENT_CLOSED_REQUEST else ANSWERED
                self._audit.write(state["request_id"], route, state.get("audited"), state.get("problem") or gone)
            access_log.info("%(method)s %(route)s %(status)d %(ms).1f ms %(request_id)s", fields)


class HeadMiddleware:
    """Answers HEAD wherever GET is answered, and as GET is; the server leaves out the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, send)
        finally:
            scope["route"] = as_get.get("route")


class FaultMiddleware:
    """Answers whatever exception comes this far. An unforeseen one is logged; the client gets no internals."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_noting_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_noting_start)
        except ClientDisconnect:
            return
        except Exception as fault:
            request_id = scope["state"]["request_id"]
            error = to_service_error(fault)
            scope["state"]["problem"] = error.kind
            if isinstance(error, InternalError):
                fault_log.exception("Request %(request_id)s failed.", {"request_id": request_id})
            if started:
                raise
            response = to_response(error, request_id)
            del error  # whose traceback holds this frame: they would keep each other, and all that was received
            await response(scope, receive, send)
