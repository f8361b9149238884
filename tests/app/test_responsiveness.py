"""The event loop turns while models load and compute, and shutting down loses no request."""

import asyncio
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import anyio
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from models.bundle import Bundle
from tests.service import serving, until, upload

pytestmark = pytest.mark.anyio

PATIENCE = 5.0


class SlowNetwork:
    """Blocks its thread for a while, as a large network would."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def run(self, batch: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        time.sleep(self.seconds)
        n = len(batch)
        return {"probabilities": np.full((n, 7), 1 / 7, np.float32), "novelty": np.zeros(n, np.float32)}


async def test_live_answers_while_a_network_computes(bundles: Path, picture: bytes) -> None:
    async with (
        serving(bundles=bundles, make_network=lambda _: SlowNetwork(0.3)) as client,
        anyio.create_task_group() as group,
    ):
        answered: list[float] = []

        async def ask() -> None:
            answer = await client.post("/analyze/skin", files=upload(picture))
            assert answer.status_code == 200
            answered.append(time.perf_counter())

        began = time.perf_counter()
        group.start_soon(ask)
        alive = 0
        longest = 0.0
        while not answered:
            asked = time.perf_counter()
            assert (await client.get("/health/live")).status_code == 200
            longest = max(longest, time.perf_counter() - asked)
            alive += 1
            await anyio.sleep(0.005)
        assert answered[0] - began >= 0.3
        assert alive >= 5
        assert longest < 0.2


async def test_live_answers_and_ready_does_not_while_a_model_loads(bundles: Path, picture: bytes) -> None:
    loaded = threading.Event()

    def load(_: Bundle) -> SlowNetwork:
        assert loaded.wait(PATIENCE)
        return SlowNetwork(0)

    async with serving(bundles=bundles, make_network=load, wait_until_ready=False) as client:
        assert (await client.get("/health/live")).status_code == 200
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["models"]["skin"]["state"] == "loading"
        early = await client.post("/analyze/skin", files=upload(picture))
        assert early.status_code == 503
        assert early.headers["Retry-After"]
        loaded.set()

        async def is_ready() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        await until(is_ready)
        assert (await client.post("/analyze/skin", files=upload(picture))).status_code == 200


async def test_shutting_down_answers_those_under_way(bundles: Path, picture: bytes) -> None:
    async with serving(bundles=bundles, make_network=lambda _: SlowNetwork(0.1)) as client:

        async def are_three_under_way() -> bool:
            return 'under_way{model="skin"} 3.0' in (await client.get("/metrics")).text

        requests = [asyncio.create_task(client.post("/analyze/skin", files=upload(picture))) for _ in range(3)]
        await until(are_three_under_way)
    answers = await asyncio.wait_for(asyncio.gather(*requests), PATIENCE)
    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_many_at_once_each_get_their_own_answer(client: httpx.AsyncClient, picture: bytes) -> None:
    answers: dict[str, httpx.Response] = {}

    async def ask(number: int) -> None:
        data = picture if number % 2 else b"not a picture"
        request_id = f"request-{number}"
        answers[request_id] = await client.post(
            "/analyze/skin", files=upload(data), headers={"X-Request-ID": request_id}
        )

    async with anyio.create_task_group() as group:
        for number in range(24):
            group.start_soon(ask, number)
    assert [answers[f"request-{number}"].status_code for number in range(24)] == [400, 200] * 12
    assert all(answer.headers["X-Request-ID"] == request_id for request_id, answer in answers.items())
