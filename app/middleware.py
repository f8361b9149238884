"""What happens to every request, as pure ASGI classes."""

import asyncio
import logging
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import (
    BodyTooLargeError,
    DeadlineExceededError,
    InternalError,
    to_response,
    to_service_error,
)
from app.metrics import Metrics

_SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_CLIENT_CLOSED_REQUEST = 499
_LONGEST_LENGTH = 20

access_log = logging.getLogger("medidiagnose.access")
fault_log = logging.getLogger("medidiagnose.fault")


class RequestIdMiddleware:
    """Takes over the client's X-Request-ID where it is harmless, else makes one; every answer carries it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        proposed = Headers(scope=scope).get("x-request-id", "")
        request_id = proposed if _SAFE_REQUEST_ID.fullmatch(proposed) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


class ObservationMiddleware:
    """Logs, counts and times each request by its route, never by what the client wrote in path or query."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

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

        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            seconds = time.perf_counter() - began
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.answered(method=method, route=route, status=status, seconds=seconds)
            access_log.info("%s %s %d %.1f ms %s", method, route, status, seconds * 1000, scope["state"]["request_id"])


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
            if isinstance(error, InternalError):
                fault_log.exception("Request %s failed.", request_id)
            if started:
                raise
            await to_response(error, request_id)(scope, receive, send)


class BodyLimitMiddleware:
    """Refuses a body over `limit` bytes: by its Content-Length unread, else as soon as it has grown too long."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")[:_LONGEST_LENGTH]
        if announced.isdecimal() and int(announced) > self._limit:
            raise self._error()
        received = 0

        async def receive_counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise self._error()
            return message

        await self._app(scope, receive_counting, send)

    def _error(self) -> BodyTooLargeError:
        return BodyTooLargeError(f"A request may have at most {self._limit / 1024**2:g} MiB. Send a smaller file.")


class BodyDeadlineMiddleware:
    """Gives up a body that has not arrived in full after `seconds`, and asks the server to close its connection."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        deadline, complete = asyncio.get_running_loop().time() + self._seconds, False

        async def receive_in_time() -> Message:
            nonlocal complete
            if complete:
                return await receive()
            timeout = asyncio.timeout_at(deadline)
            try:
                async with timeout:
                    message = await receive()
            except TimeoutError:
                if not timeout.expired():
                    raise
                raise self._error() from None
            complete = not message.get("more_body", False)
            return message

        await self._app(scope, receive_in_time, send)

    def _error(self) -> DeadlineExceededError:
        error = DeadlineExceededError(f"The request body did not arrive in full within {self._seconds:g} seconds.")
        error.headers = {"Connection": "close"}
        return error
