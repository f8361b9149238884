"""HTTP connections that take no more than their share, whoever is at their other end and before any key is asked.

uvicorn's parser and protocol without its gaps: it waits for ever for a request that doesn't come, and keeps a head or
a trailer of any length. Each connection carries one deadline; the server looks over all of them once a second, which
costs a request less than a timer of its own.
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.browsers import KEEP_NOTHING, SNIFF_NOTHING
from app.errors import (
    HeadTooLargeError,
    HeadTooSlowError,
    MalformedRequestError,
    ServiceError,
    StoppingError,
    TooManyConnectionsError,
    UriTooLongError,
    to_response,
)

MAX_HEADERS = 100
MAX_PIPELINED = 16
"""Requests that one connection may send ahead of their answers."""
LINGER = 2.0
"""Seconds that a refused client has to read its answer: to close a socket with unread bytes would take it back."""

access_log = logging.getLogger("medidiagnose.access")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may take. `header_seconds` for the whole head of a request, `idle_seconds` without one or
    without reading its answers; `header_bytes` of head, `connections` open at once."""

    connections: int
    header_seconds: float
    idle_seconds: float
    header_bytes: int


class Connections(ServerState):
    """Every open connection, and which of them wait for a request, the longest waiting first."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.connections: set[Connection] = set()  # type: ignore[assignment]
        self.limits = limits
        self.stopping = False
        """Each answer from now on is the last of its connection."""
        self.waiting: dict[Connection, None] = {}
        self.displaced = 0
        """How many connections were closed to make room."""
        self._addresses: Counter[str] = Counter()

    def arrived(self, connection: "Connection") -> None:
        """Count a connection in. Where it is one too many, another that has no request under way is closed: of the
        address with the most, the one that has waited longest; where all have, one whose body is still arriving."""
        self._addresses[connection.address] += 1
        while len(self.connections) > self.limits.connections:
            displaced = self._least_needed()
            if displaced is None:
                connection.refuse(TooManyConnectionsError())
                break
            self.displaced += 1
            self.waiting.pop(displaced, None)
            self.connections.discard(displaced)
            displaced.transport.abort()
        self.waiting[connection] = None

    def left(self, connection: "Connection") -> None:
        """Count a connection out."""
        self.waiting.pop(connection, None)
        self._addresses[connection.address] -= 1
        if not self._addresses[connection.address]:
            del self._addresses[connection.address]

    def look_over(self, now: float) -> None:
        """Close the connections whose deadline has passed."""
        for connection in [each for each in self.connections if each.deadline <= now]:
            connection.expire()

    def _least_needed(self) -> "Connection | None":
        candidates: Iterable[Connection] = self.waiting or sorted(
            (each for each in self.connections if each.uploading), key=lambda each: each.since
        )
        most = max(self._addresses.values())
        crowded = (each for each in candidates if self._addresses[each.address] == most)
        return next(crowded, next(iter(candidates), None))


class Joined:
    """A transport that sends the head of an answer together with the beginning of its body.

    uvicorn writes one after the other; each would be a packet of its own, and wake the client twice. What is held goes
    out with the next write, or when the event loop comes round.
    """

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send what is held and this; hold it where nothing is."""
        if self._held:
            self._transport.write(self._held + data)
            self._held = b""
        elif data:
            self._held = data
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            self._transport.write(self._held)
            self._held = b""

    def close(self) -> None:
        """Send what is held, then close."""
        self.flush()
        self._transport.close()

    def write_eof(self) -> None:
        """Send what is held, then say that nothing more comes."""
        self.flush()
        self._transport.write_eof()


class Connection(HttpToolsProtocol):
    """One connection. `deadline`, on the loop's clock, is when its silence has lasted too long."""

    def __init__(
        self,
        config: Config,
        server_state: Connections,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.access_log = False
        self.address = ""
        self.since = self.loop.time()
        """When its request began to arrive."""
        self.deadline = math.inf
        self._all = server_state
        self._limits = server_state.limits
        self._active: RequestResponseCycle = None  # type: ignore[assignment]  # as `cycle`, which is the newest
        self._in_message = False
        self._in_body = False
        self._unread = 0
        """Bytes since the last of a body: those of a head, of a trailer, or of what frames the chunks of a body."""
        self._upgrade = False
        self._refusal: ServiceError | None = None
        self._deaf = False

    @property
    def answering(self) -> bool:
        """Whether a request is under way."""
        return bool(self.cycle) and not self.cycle.response_complete

    @property
    def uploading(self) -> bool:
        """Whether the body of its request is still arriving."""
        return self._in_body and self.answering

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a request."""
        super().connection_made(transport)
        self.transport = Joined(transport, self.loop)  # type: ignore[assignment]
        self.address = self.client[0] if self.client else ""
        self.deadline = self.loop.time() + self._limits.header_seconds
        self._all.arrived(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request under way that its client has gone."""
        super().connection_lost(exc)  # tells the newest
        self.pipeline.clear()
        if self.answering and self._active is not self.cycle:
            self._active.disconnected = True
            self._active.message_event.set()
        self._all.left(self)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, unless the connection is refused already."""
        while data and not self._deaf:
            self._unread += len(data)
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade(data[upgrade.args[0] :])
                continue
            except httptools.HttpParserError:
                self.refuse(self._refusal or MalformedRequestError())
            else:
                if self._unread > self._limits.header_bytes:
                    self.refuse(self._too_large())
            return

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_message = True
        if not self.answering:
            self.since = self.loop.time()
            self.deadline = self.since + self._limits.header_seconds

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, unless it trails a body: nobody has asked for one there, nor checked it."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request, or queue it behind the one under way."""
        if self._unread > self._limits.header_bytes or len(self.headers) > MAX_HEADERS:
            self._check_size()
        if len(self.pipeline) >= MAX_PIPELINED:
            raise self._refused(TooManyConnectionsError("Wait for the answers to earlier requests."))
        if self.parser.should_upgrade():
            self._upgrade = True
            return
        super().on_headers_complete()
        self._unread = 0
        self._in_body = True
        self.deadline = math.inf
        self._all.waiting.pop(self, None)
        if self._all.stopping:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        if self._upgrade:
            return
        self._unread = 0
        self._in_message = self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the next request, or wait for one."""
        self._all.total_requests += 1
        self.deadline = self.loop.time() + self._limits.idle_seconds
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            if not self.flow.write_paused:
                self.deadline = math.inf
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._all.waiting[self] = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._active = cycle
        super()._start_asgi_task(cycle, app)

    def pause_writing(self) -> None:
        """The client doesn't read what it asked for."""
        super().pause_writing()
        self.deadline = self.loop.time() + self._limits.idle_seconds

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self.answering:
            self.deadline = math.inf

    def expire(self) -> None:
        """Close a connection whose deadline has passed; one in the middle of a head is told."""
        if self._deaf or self.transport.is_closing() or self.answering:
            self.transport.abort()
        elif self._in_message and not self._in_body:
            self.refuse(HeadTooSlowError(f"The request had {self._limits.header_seconds:g} seconds to arrive."))
        else:
            self.hang_up()

    def hang_up(self) -> None:
        """Close the connection, once what was answered is sent; whoever does not read it has `idle_seconds`."""
        self._deaf = True
        self.deadline = self.loop.time() + self._limits.idle_seconds
        self.transport.close()

    def finish(self) -> None:
        """Close the connection after the answer under way."""
        if self.answering:
            self.cycle.keep_alive = False

    def give_up(self) -> None:
        """Leave the requests under way unanswered but for a word, since the service goes."""
        self.pipeline.clear()
        if self.answering:
            self._abandon(self._active, StoppingError())
        else:
            self.hang_up()

    def refuse(self, error: ServiceError) -> None:
        """Read no more; answer what was asked properly before, then this error, then close."""
        self._deaf = True
        if not self.answering:
            # A request that has its answer gets no second one for the rest of its body.
            self.hang_up() if self._in_body else self._answer(error)
        elif not self._in_body:
            self.cycle.keep_alive = False
        elif self.pipeline:
            self.pipeline.popleft()
            last = self.pipeline[0][0] if self.pipeline else self._active
            last.keep_alive = False
        else:
            self._abandon(self.cycle, error)

    def _abandon(self, cycle: RequestResponseCycle, error: ServiceError) -> None:
        """Answer an error in place of the application, which takes it as if the client had gone."""
        cycle.disconnected = True
        cycle.message_event.set()
        if cycle.response_started:
            self.transport.abort()
        else:
            self._answer(error)

    def _answer(self, error: ServiceError) -> None:
        request_id = uuid4().hex
        response = to_response(error, request_id)
        headers = [
            *self._all.default_headers,
            *response.raw_headers,
            SNIFF_NOTHING,
            KEEP_NOTHING,
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[error.status], *lines, b"\r\n", bytes(response.body)]))
        if metrics := self.app_state.get("metrics"):
            metrics.answered("other", "other", error.status, 0.0, problem=error.kind)
        fields = {"status": int(error.status), "request_id": request_id, "problem": error.kind}
        access_log.info("other other %(status)d 0.0 ms %(request_id)s", fields)
        self._deaf = True
        self._all.waiting[self] = None
        self.flow.resume_reading()
        self.deadline = self.loop.time() + LINGER
        self.transport.write_eof()

    def _check_size(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._limits.header_bytes or len(self.headers) > MAX_HEADERS:
            raise self._refused(self._too_large())

    def _too_large(self) -> ServiceError:
        if len(self.url) > self._limits.header_bytes // 2:
            return UriTooLongError()
        return HeadTooLargeError(
            f"The headers of a request may have {self._limits.header_bytes} bytes in {MAX_HEADERS} lines. Send fewer."
        )

    def _refused(self, error: ServiceError) -> ServiceError:
        """What a callback of the parser raises; the parser hides it behind an error of its own."""
        self._refusal = error
        return error

    def _without_upgrade(self, rest: bytes) -> bytes:
        """The request that asked for another protocol, as one that doesn't, followed by what came after its head.

        A server may ignore the wish (RFC 9110, 7.8), but the parser takes everything behind such a head for the other
        protocol. Java's client wishes for HTTP/2 with every first request, also with those that have a body.
        """
        self._upgrade = False
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        if method == b"CONNECT":
            self.refuse(MalformedRequestError("This is no proxy."))
            return b""
        closes = any(name == b"connection" and b"close" in value.lower() for name, value in self.headers)
        kept = [pair for pair in self.headers if pair[0] not in (b"connection", b"upgrade", b"http2-settings")]
        if closes:
            kept.append((b"connection", b"close"))
        lines = [name + b": " + value + b"\r\n" for name, value in kept]
        return b"".join([method, b" ", self.url, b" HTTP/", version, b"\r\n", *lines, b"\r\n", rest])
