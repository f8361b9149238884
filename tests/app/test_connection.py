"""What a connection may take: real sockets against the server."""

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.connection import MAX_PIPELINED, Connection, Joined
from app.server import Server
from app.settings import Settings
from tests.net import Client, free_port

GET = b"GET /echo HTTP/1.1\r\nHost: service\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: service\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers what was sent: the body, or with /wait once released, or with /deaf without reading it."""
    if scope["type"] == "lifespan":
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})
        return
    body, more = b"", scope["path"] != "/deaf"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/wait":
        await asyncio.to_thread(released.wait, 10)
    names = sorted(name.decode() for name, _ in scope["headers"])
    content = json.dumps({"method": scope["method"], "body": body.decode(), "headers": names}).encode()
    if scope["path"] == "/large":
        content = b"x" * 4_000_000
    headers = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


released = threading.Event()


@contextmanager
def serving(**settings: Any) -> Iterator[tuple[int, Server]]:
    """The port of a server in a thread of its own, and the server."""
    released.clear()
    chosen = Settings(port=free_port(), **settings)
    config = uvicorn.Config(echo, port=chosen.port, http=Connection, ws="none", log_config=None, access_log=False)
    server = Server(config, chosen)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        yield chosen.port, server
    finally:
        released.set()
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server with a deadline that no test here waits for."""
    with serving(drain_seconds=0, header_seconds=60, idle_seconds=60) as (port, _):
        yield port


def until(condition: Any) -> None:
    """Wait for a condition, at most ten seconds."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come true"
        time.sleep(0.01)


def drip(client: Client, data: bytes, pause: float) -> None:
    """Send the same again and again until there is an answer, ten seconds at most."""
    end = time.monotonic() + 10
    while not client.has_answer():
        assert time.monotonic() < end, "the drip was never answered"
        client.send(data)
        time.sleep(pause)


def assert_refused(client: Client, status: int, title: str) -> None:
    """The one shape of an error, and the end of the connection."""
    answer = client.answer()
    assert (answer.status, answer.json()["error"]) == (status, title)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.json()["instance"] == answer.headers["x-request-id"]
    assert client.is_closed()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"BREW / HTTP/1.1\r\nHost: service\r\n\r\n", id="method"),
        pytest.param(b"CONNECT service:80 HTTP/1.1\r\nHost: service\r\n\r\n", id="proxy"),
        pytest.param(b"GET http:// HTTP/1.1\r\nHost: service\r\n\r\n", id="address"),
        pytest.param(b"GET / HTTP/1.1\nHost: service\n\n", id="line ends"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n", id="null byte"),
        pytest.param(POST + b"Content-Length: -1\r\n\r\n", id="negative length"),
        pytest.param(POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", id="two lengths"),
        pytest.param(
            POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="length and chunks"
        ),
        pytest.param(POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="unknown coding"),
        pytest.param(CHUNKED + b"no number\r\n", id="chunk without length"),
    ],
)
def test_400_what_is_no_request(port: int, sent: bytes) -> None:
    with Client(port) as client:
        client.send(sent)
        assert_refused(client, 400, "Malformed request")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"x" * 17_000 + b"\r\n\r\n", id="one long header"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"x" * 1_000_000, id="one without an end"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 101 + b"\r\n", id="many"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 100_000, id="many without an end"),
        pytest.param(CHUNKED + b"1\r\nx\r\n0\r\n" + b"X: x\r\n" * 100_000, id="trailers without an end"),
        pytest.param(CHUNKED + b"1;" + b"x" * 1_000_000, id="chunk extension without an end"),
    ],
)
def test_431_headers_without_measure(port: int, sent: bytes) -> None:
    with Client(port) as client:
        client.send(sent)
        assert_refused(client, 431, "Headers too large")


def test_414_an_address_without_measure(port: int) -> None:
    with Client(port) as client:
        client.send(b"GET /" + b"x" * 17_000)
        assert_refused(client, 414, "Address too long")


def test_a_head_in_pieces_and_a_large_body_are_no_large_head(port: int) -> None:
    head = b"POST /echo HTTP/1.1\r\nX: " + b"x" * 15_000 + b"\r\nContent-Length: 100000\r\n\r\n"
    with Client(port) as client:
        for _ in range(2):
            for start in range(0, len(head), 5_000):
                client.send(head[start : start + 5_000])
                time.sleep(0.01)
            client.send(b"y" * 100_000)
            assert client.answer().json()["body"] == "y" * 100_000


def test_a_body_of_many_small_chunks_is_no_large_head(port: int) -> None:
    with Client(port) as client:
        client.send(CHUNKED + b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n")
        assert client.answer().json()["body"] == "x" * 10_000


def test_what_trails_a_body_is_no_header(port: int) -> None:
    with Client(port) as client:
        client.send(CHUNKED + b"1\r\nx\r\n0\r\nX-API-Key: key\r\n\r\n" + GET)
        assert client.answer().json()["body"] == "x"
        assert client.answer().json()["headers"] == ["host"]


def test_pipelined_requests_are_answered_in_their_order(port: int) -> None:
    with Client(port) as client:
        client.send(b"".join(POST + b"Content-Length: 1\r\n\r\n%d" % number for number in range(9)))
        assert [client.answer().json()["body"] for _ in range(9)] == [str(number) for number in range(9)]


def test_too_many_pipelined_requests_close_the_connection_after_the_first_ones(port: int) -> None:
    with Client(port) as client:
        client.send(GET * 1000)
        answers = [client.answer() for _ in range(MAX_PIPELINED + 1)]
        assert {answer.status for answer in answers} == {200}
        assert "connection" not in answers[-2].headers
        assert answers[-1].headers["connection"] == "close"
        assert client.is_closed()


@pytest.mark.parametrize("bad", [b"bad\r\n\r\n", CHUNKED + b"no number\r\n"])
def test_what_was_asked_properly_is_answered_before_what_was_not(port: int, bad: bytes) -> None:
    with Client(port) as client:
        client.send(GET * 2 + bad)
        assert [client.answer().status for _ in range(2)] == [200, 200]
        assert client.is_closed()


def test_100_continue_is_said_to_who_waits_for_it(port: int) -> None:
    with Client(port) as client:
        client.send(POST + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        assert client.answer().status == 100
        client.send(b"x")
        assert client.answer().json()["body"] == "x"


def test_http_1_0_is_answered_and_closed(port: int) -> None:
    with Client(port) as client:
        client.send(b"GET /echo HTTP/1.0\r\n\r\n")
        assert client.answer().status == 200
        assert client.is_closed()


@pytest.mark.parametrize(
    "wish",
    [
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: c2VjcmV0\r\nSec-WebSocket-Version: 13\r\n",
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n",
    ],
)
def test_a_wish_for_another_protocol_is_ignored_and_not_logged(
    port: int, wish: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), Client(port) as client:
        client.send(b"GET /echo?key=secret HTTP/1.1\r\n" + wish + b"\r\n")
        assert client.answer().status == 200
        client.send(POST + wish + b"Content-Length: 3\r\n\r\nabc" + GET)
        answer = client.answer()
        assert answer.json()["body"] == "abc"
        assert "upgrade" not in answer.json()["headers"]
        assert client.answer().json()["method"] == "GET"
    assert not caplog.records


class Wire(asyncio.Transport):
    """Notes what is done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[bytes | str] = []

    def write(self, data: Any) -> None:
        self.done.append(bytes(data))

    def write_eof(self) -> None:
        self.done.append("eof")

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")


@pytest.mark.anyio
async def test_the_head_of_an_answer_goes_out_with_its_body() -> None:
    wire = Wire()
    joined = Joined(wire, asyncio.get_running_loop())
    joined.write(b"head ")
    joined.write(b"body")
    joined.write(b"more")  # of a body in pieces
    assert wire.done == [b"head body"]
    await asyncio.sleep(0)
    assert wire.done == [b"head body", b"more"]
    await asyncio.sleep(0)
    assert wire.done == [b"head body", b"more"]


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["close", "write_eof"])
async def test_nothing_is_held_back_at_the_end(end: str) -> None:
    wire = Wire()
    joined = Joined(wire, asyncio.get_running_loop())
    joined.write(b"head")
    getattr(joined, end)()
    await asyncio.sleep(0)
    assert wire.done == [b"head", end.removeprefix("write_")]


def test_a_silent_connection_is_closed() -> None:
    with serving(header_seconds=0.2, drain_seconds=0) as (port, _), Client(port) as client:
        assert client.is_closed()


def test_408_a_head_that_drips() -> None:
    with serving(header_seconds=0.2, drain_seconds=0) as (port, _), Client(port) as client:
        client.send(b"GET / HTTP/1.1\r\n")
        drip(client, b"X: x\r\n", 0.05)
        assert_refused(client, 408, "Request too slow")


def test_a_connection_is_closed_that_is_idle_after_its_answer() -> None:
    with serving(idle_seconds=0.2, header_seconds=60, drain_seconds=0) as (port, _), Client(port) as client:
        client.send(GET)
        assert client.answer().status == 200
        assert client.is_closed()


def test_a_request_under_way_is_not_idle() -> None:
    with serving(idle_seconds=0.1, header_seconds=0.1, drain_seconds=0) as (port, server), Client(port) as client:
        client.send(GET.replace(b"echo", b"wait") + b"GET /part")
        until(lambda: server.server_state.tasks)
        time.sleep(1.5)
        released.set()
        assert client.answer().status == 200


def test_a_body_that_nobody_reads_does_not_keep_its_connection() -> None:
    with serving(idle_seconds=0.2, header_seconds=60, drain_seconds=0) as (port, _), Client(port) as client:
        client.send(b"POST /deaf HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
        assert client.answer().status == 200
        drip(client, b"x", 0.01)
        assert client.is_closed()


def test_who_does_not_read_its_answers_is_closed() -> None:
    with serving(idle_seconds=0.2, drain_seconds=0) as (port, server), Client(port) as client:
        client.send(GET.replace(b"echo", b"large") * 8)
        until(lambda: server.server_state.total_requests)
        until(lambda: not server.server_state.connections)


def test_silent_connections_make_room_for_others() -> None:
    with serving(max_connections=8, header_seconds=60, drain_seconds=0) as (port, server), ExitStack() as stack:
        silent = [stack.enter_context(Client(port)) for _ in range(8)]
        until(lambda: len(server.server_state.connections) == 8)
        under_way = silent.pop(0)
        under_way.send(GET.replace(b"echo", b"wait"))
        until(lambda: server.server_state.tasks)
        for _ in range(40):
            with Client(port) as client:
                client.send(GET)
                assert client.answer().status == 200
            assert len(server.server_state.connections) <= 8
        assert silent[0].is_closed()
        released.set()
        assert under_way.answer().status == 200


def test_503_where_every_connection_has_a_request_under_way() -> None:
    with serving(max_connections=8, drain_seconds=0) as (port, server), ExitStack() as stack:
        busy = [stack.enter_context(Client(port)) for _ in range(8)]
        for client in busy:
            client.send(GET.replace(b"echo", b"wait"))
        until(lambda: len(server.server_state.tasks) == 8)
        for _ in range(3):
            with Client(port) as client:
                assert_refused(client, 503, "Too many connections")
        released.set()
        assert {client.answer().status for client in busy} == {200}


def test_uploads_make_room_where_no_connection_is_silent() -> None:
    with serving(max_connections=8, drain_seconds=0) as (port, server), ExitStack() as stack:
        uploads = [stack.enter_context(Client(port)) for _ in range(8)]
        for client in uploads:
            client.send(POST + b"Content-Length: 2\r\n\r\nx")
        until(lambda: len(server.server_state.tasks) == 8)
        with Client(port) as client:
            client.send(GET)
            assert client.answer().status == 200
        assert sum(client.is_closed(patience=0.1) for client in uploads) == 1


def test_an_address_with_few_connections_keeps_them() -> None:
    with serving(max_connections=8, header_seconds=60, drain_seconds=0) as (port, server), ExitStack() as stack:
        other = stack.enter_context(Client(port, address="127.0.0.2"))
        crowd = [stack.enter_context(Client(port)) for _ in range(20)]
        until(lambda: server.server_state.displaced == 13)
        assert crowd[0].is_closed()
        other.send(GET)
        assert other.answer().status == 200
        assert not crowd[-1].is_closed(patience=0.1)


def test_connections_never_outnumber_the_files_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    from app.server import BACKLOG, OTHER_FILES, affordable

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert affordable(100) == 100
    assert affordable(1000) == 1024 - OTHER_FILES - BACKLOG


def test_the_test_client_tells_open_from_closed(port: int) -> None:
    with Client(port) as client:
        assert not client.is_closed(patience=0.1)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.is_closed()
