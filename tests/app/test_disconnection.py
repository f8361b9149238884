"""A client that leaves after its upload costs no inference that has not started."""

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.types import ASGIApp, Message

from tests.service import URL, client_of, running, until, upload

pytestmark = pytest.mark.anyio

PATIENCE = 5.0


class CountingNetwork:
    """Counts its batches; each blocks its thread until it is released."""

    def __init__(self) -> None:
        self.batches = 0
        self.started = threading.Event()
        self.released = threading.Event()

    def run(self, batch: NDArray[np.uint8], *, cores: int = 1) -> Mapping[str, NDArray[np.float32]]:
        self.batches += 1
        self.started.set()
        assert self.released.wait(PATIENCE)
        n = len(batch)
        return {"probabilities": np.full((n, 7), 1 / 7, np.float32), "novelty": np.zeros(n, np.float32)}


async def test_who_leaves_the_queue_is_not_computed_and_the_others_are(bundles: Path, picture: bytes) -> None:
    network = CountingNetwork()
    async with running(bundles=bundles, make_network=lambda _: network, threads=1) as app, client_of(app) as client:

        async def under_way(count: int) -> bool:
            return f'under_way{{model="skin"}} {count}.0' in (await client.get("/metrics")).text

        async def is_ready() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        await until(is_ready)
        first = asyncio.create_task(client.post("/analyze/skin", files=upload(picture)))
        assert await asyncio.to_thread(network.started.wait, PATIENCE)
        leaves = asyncio.Event()
        second = asyncio.create_task(_ask_and_leave(app, picture, leaves))
        await until(lambda: under_way(2))
        third = asyncio.create_task(client.post("/analyze/skin", files=upload(picture)))
        await until(lambda: under_way(3))
        leaves.set()
        assert await asyncio.wait_for(second, PATIENCE) == []
        assert await under_way(2)
        network.released.set()
        answers = await asyncio.wait_for(asyncio.gather(first, third), PATIENCE)
        assert 'route="/analyze/skin",status="499"' in (await client.get("/metrics")).text
    assert [answer.status_code for answer in answers] == [200, 200]
    assert network.batches == 2


async def _ask_and_leave(app: ASGIApp, picture: bytes, leaves: asyncio.Event) -> list[Message]:
    """Upload a picture, go away when told to; what the application still sent."""
    request = httpx.Request("POST", f"{URL}/analyze/skin", files=upload(picture))
    messages = [{"type": "http.request", "body": request.read(), "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await leaves.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(name.lower(), value) for name, value in request.headers.raw]
    scope = {"type": "http", "method": "POST", "path": "/analyze/skin", "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    return sent
