"""How much of the memory bodies take together, and who gives way where it is full."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.bodies import BodyMiddleware, BodyRoom
from app.errors import BodiesTooLargeError, BodyTooLargeError, DeadlineExceededError, ServiceError
from tests.service import client_of, running, until, until_ready

pytestmark = pytest.mark.anyio

PATIENCE = 5.0


class Upload:
    """A request whose body a test sends piece by piece; its application reads it all, then answers when told to."""

    def __init__(self, bodies: BodyMiddleware, *, headers: dict[str, str] | None = None) -> None:
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._scope = {"type": "http", "headers": httpx.Headers(headers).raw, "upload": self}
        self.leave = asyncio.Event()
        self.received = 0
        self.complete = False
        self.task = asyncio.create_task(bodies(self._scope, self._messages.get, _never))

    async def send(self, size: int, *, more: bool = True) -> None:
        """Send so many bytes, and wait until they are received or the body is refused."""
        expected = self.received + size
        self._messages.put_nowait({"type": "http.request", "body": bytes(size), "more_body": more})

        async def settled() -> bool:
            return self.task.done() or (self.received == expected and (self.complete or more))

        await until(settled)

    async def refusal(self) -> ServiceError:
        """How it was refused."""
        with pytest.raises(ServiceError) as caught:
            await asyncio.wait_for(self.task, PATIENCE)
        return caught.value


async def _never(_: Message) -> None:
    raise AssertionError


async def _read(scope: Scope, receive: Receive, _: Send) -> None:
    upload = scope["upload"]
    while not upload.complete:
        message = await receive()
        upload.received += len(message["body"])
        upload.complete = not message["more_body"]
    await upload.leave.wait()


def make(*, limit: int = 100, limit_of_all: int = 250, seconds: float = 60, idle_seconds: float = 60) -> BodyMiddleware:
    room = BodyRoom(limit_of_all)
    return BodyMiddleware(_read, room=room, limit=limit, seconds=seconds, idle_seconds=idle_seconds)


async def test_a_body_counts_until_its_request_is_answered() -> None:
    bodies = make()
    upload = Upload(bodies)
    await upload.send(60)
    await upload.send(40, more=False)
    assert bodies.room.held == 100
    upload.leave.set()
    await upload.task
    assert bodies.room.held == 0


async def test_a_body_counts_no_longer_when_its_request_fails_or_is_cancelled() -> None:
    bodies = make()
    too_large, cancelled = Upload(bodies), Upload(bodies)
    await cancelled.send(100)
    await too_large.send(101)
    assert isinstance(await too_large.refusal(), BodyTooLargeError)
    assert bodies.room.held == 100
    cancelled.task.cancel()
    await asyncio.wait([cancelled.task])
    assert bodies.room.held == 0
    assert not bodies.room.arriving


async def test_a_length_that_is_too_large_is_refused_unread() -> None:
    upload = Upload(make(), headers={"content-length": "101"})
    assert isinstance(await upload.refusal(), BodyTooLargeError)


async def test_where_the_room_is_full_who_has_held_most_for_longest_gives_way() -> None:
    bodies = make()
    stalled, small, complete = Upload(bodies), Upload(bodies), Upload(bodies)
    await stalled.send(90)
    await small.send(10)
    await complete.send(100, more=False)
    await asyncio.sleep(0.02)
    late = Upload(bodies)
    await late.send(60, more=False)
    refusal = await stalled.refusal()
    assert isinstance(refusal, BodiesTooLargeError)
    assert refusal.headers == {"Retry-After": "1", "Connection": "close"}
    assert bodies.room.held == 10 + 100 + 60
    assert not any(upload.task.done() for upload in (small, complete, late))
    for upload in (small, complete, late):
        upload.task.cancel()


async def test_a_body_that_has_arrived_never_gives_way() -> None:
    bodies = make()
    complete = [Upload(bodies), Upload(bodies)]
    for upload in complete:
        await upload.send(100, more=False)
    late = Upload(bodies)
    await late.send(51)
    refusal = await late.refusal()
    assert isinstance(refusal, BodiesTooLargeError)
    assert refusal.headers == {"Retry-After": "1"}
    assert bodies.room.held == 200
    for upload in complete:
        upload.leave.set()
        await upload.task


async def test_a_crowd_of_stalled_uploads_leaves_room_for_one_that_arrives() -> None:
    bodies = make()
    crowd = [Upload(bodies) for _ in range(50)]
    for upload in crowd:
        await upload.send(90)
        assert bodies.room.held <= 250
    for _ in range(10):
        await asyncio.sleep(0.01)
        upload = Upload(bodies)
        await upload.send(40)
        await upload.send(40, more=False)
        upload.leave.set()
        await asyncio.wait_for(upload.task, PATIENCE)
    for upload in crowd:
        upload.task.cancel()


async def test_a_body_that_stalls_is_given_up_long_before_its_deadline() -> None:
    upload = Upload(make(idle_seconds=0.05))
    await upload.send(1)
    refusal = await upload.refusal()
    assert isinstance(refusal, DeadlineExceededError)
    assert refusal.detail == "Nothing of the request body arrived for 0.05 seconds."
    assert refusal.headers == {"Connection": "close"}


async def test_a_body_that_drips_is_given_up_at_its_deadline() -> None:
    upload = Upload(make(idle_seconds=60, seconds=0.1))
    async with asyncio.timeout(10):
        while not upload.task.done():
            await upload.send(0)
            await asyncio.sleep(0.01)
    refusal = await upload.refusal()
    assert refusal.detail == "The request body did not arrive in full within 0.1 seconds."


@asynccontextmanager
async def _refusing_to_read(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async def never_received() -> Message:
        raise AssertionError("the body was read")

    async def unread(scope: Scope, _: Receive, send: Send) -> None:
        await app(scope, never_received, send)

    async with client_of(unread) as client:
        yield client


@pytest.mark.parametrize("path", ["/analyze/breast", "/analyze/heart", "/analyze/heart/record"])
async def test_503_before_the_body_is_read_where_there_is_no_model(bundles: Path, path: str) -> None:
    async with running(bundles=bundles, demo_mode=False) as app, _refusing_to_read(app) as client:
        answer = await client.post(path, files={"image": b"x"})
        assert (answer.status_code, answer.json()["error"]) == (503, "Model not available")


async def test_503_before_the_body_is_read_where_the_model_failed(tmp_path: Path) -> None:
    (tmp_path / "skin" / "1.0.0").mkdir(parents=True)
    async with running(bundles=tmp_path) as app, _refusing_to_read(app) as client:
        answer = await client.post("/analyze/skin", files={"image": b"x"})
        assert (answer.status_code, answer.json()["error"]) == (503, "Model not available")


class StuckNetwork:
    """Computes nothing until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def run(self, batch: NDArray[np.uint8], *, cores: int = 1) -> Mapping[str, NDArray[np.float32]]:
        assert self.released.wait(PATIENCE)
        return {"probabilities": np.full((len(batch), 7), 1 / 7, np.float32), "novelty": np.zeros(1, np.float32)}


async def test_503_before_the_body_is_read_where_the_queue_is_full(bundles: Path, picture: bytes) -> None:
    network = StuckNetwork()
    async with (
        running(bundles=bundles, queue_size=1, make_network=lambda _: network) as app,
        _refusing_to_read(app) as unread,
        client_of(app) as client,
    ):
        await until_ready(app)
        under_way = asyncio.create_task(client.post("/analyze/skin", files={"image": picture}))

        async def is_under_way() -> bool:
            return 'under_way{model="skin"} 1.0' in (await client.get("/metrics")).text

        await until(is_under_way)
        answer = await unread.post("/analyze/skin", files={"image": b"x"})
        assert (answer.status_code, answer.json()["error"]) == (503, "Too many requests under way")
        assert answer.headers["Retry-After"]
        network.released.set()
        assert (await under_way).status_code == 200


@pytest.mark.parametrize(("size", "status"), [(1_000, 504), (20 << 20, 413)], ids=["stalled", "too large"])
async def test_what_was_read_of_a_refused_body_does_not_wait_for_the_garbage_collector(
    tmp_path: Path, size: int, status: int
) -> None:
    """An error that is kept by a frame of its own traceback keeps all that was received until then."""
    statuses: list[int] = []

    async def receive() -> Message:
        if size > 1_000 or not statuses:
            statuses.append(0)
            return {"type": "http.request", "body": Piece(size), "more_body": True}
        await asyncio.sleep(PATIENCE)
        raise AssertionError

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    async with running(bundles=tmp_path, idle_seconds=0.05) as app:
        await until_ready(app)
        gc.collect()
        gc.disable()
        try:
            await app(_scope_of_an_upload(), receive, send)
            assert status in statuses
            assert _pieces_held() == 0
        finally:
            gc.enable()


async def test_nor_does_what_was_read_of_a_body_that_gave_way(tmp_path: Path) -> None:
    answers: list[int] = []

    async def upload(app: ASGIApp, *sizes: int, more: bool) -> None:
        pieces = iter(sizes)

        async def receive() -> Message:
            for size in pieces:
                return {"type": "http.request", "body": Piece(size), "more_body": more}
            await asyncio.sleep(PATIENCE)
            raise AssertionError

        async def send(message: Message) -> None:
            answers.append(message.get("status", 0))

        await app(_scope_of_an_upload(), receive, send)

    async with running(bundles=tmp_path, max_body_bytes=1 << 20, max_bodies_bytes=1 << 20) as app:
        await until_ready(app)
        gc.collect()
        gc.disable()
        try:
            stalled = asyncio.create_task(upload(app, 900_000, more=True))
            await asyncio.sleep(0.05)
            await upload(app, 500_000, more=False)
            await stalled
            del stalled
            assert 503 in answers
            assert _pieces_held() == 0
        finally:
            gc.enable()


class Piece(bytes):
    """Bytes of a body that can be found again."""


def _pieces_held() -> int:
    return sum(isinstance(each, Piece) for each in gc.get_objects())


def _scope_of_an_upload() -> Scope:
    headers = {"content-type": "multipart/form-data; boundary=b", "transfer-encoding": "chunked"}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/analyze/skin",
        "raw_path": b"/analyze/skin",
        "query_string": b"",
        "root_path": "",
        "headers": httpx.Headers(headers).raw,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 5000),
    }
