"""The event loop turns while models load and compute, and shutting down loses no request."""

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from models.diagnoses.disease import interpretation as disease
from models.serving.bundle import Bundle
from schemas.disease import DiseaseRequest
from tests.service import serving, until, upload

pytestmark = pytest.mark.anyio

PATIENCE = 5.0


class BlockingNetwork:
    """Blocks its thread until it is released."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.released = threading.Event()

    def run(self, batch: NDArray[np.uint8], *, cores: int = 1) -> Mapping[str, NDArray[np.float32]]:
        self.started.set()
        assert self.released.wait(PATIENCE)
        n = len(batch)
        return {"probabilities": np.full((n, 7), 1 / 7, np.float32), "novelty": np.zeros(n, np.float32)}


async def test_live_answers_while_a_network_computes(bundles: Path, picture: bytes) -> None:
    network = BlockingNetwork()
    async with serving(bundles=bundles, make_network=lambda _: network) as client:
        reading = asyncio.create_task(client.post("/analyze/skin", files=upload(picture)))
        assert await asyncio.to_thread(network.started.wait, PATIENCE)
        for _ in range(5):
            assert (await client.get("/health/live")).status_code == 200
        assert not reading.done()
        network.released.set()
        assert (await asyncio.wait_for(reading, PATIENCE)).status_code == 200


async def test_live_answers_and_ready_does_not_while_a_model_loads(bundles: Path, picture: bytes) -> None:
    loaded = threading.Event()

    def load(_: Bundle) -> BlockingNetwork:
        assert loaded.wait(PATIENCE)
        network = BlockingNetwork()
        network.released.set()
        return network

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
    network = BlockingNetwork()
    async with serving(bundles=bundles, make_network=lambda _: network) as client:

        async def are_three_under_way() -> bool:
            return 'under_way{model="skin"} 3.0' in (await client.get("/metrics")).text

        requests = [asyncio.create_task(client.post("/analyze/skin", files=upload(picture))) for _ in range(3)]
        await until(are_three_under_way)
        asyncio.get_running_loop().call_later(0.05, network.released.set)
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


@pytest.mark.parametrize(
    ("form", "on_the_loop"),
    [
        ({"symptoms": ["fever", "cough"], "text": "No rash. " * 100}, True),
        ({"symptoms": ["fever"], "text": "No rash. " * 500}, False),
        ({"symptoms": [f"fever {number:090}" for number in range(100)]}, False),
    ],
)
async def test_a_long_list_or_description_is_read_off_the_event_loop(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, form: dict[str, Any], on_the_loop: bool
) -> None:
    threads: list[threading.Thread] = []

    def understand(request: DiseaseRequest) -> disease.Case:
        threads.append(threading.current_thread())
        return understood(request)

    understood = disease.understand
    monkeypatch.setattr(disease, "understand", understand)
    assert (await client.post("/predict-disease", json=form)).status_code == 200
    assert [thread is threading.current_thread() for thread in threads] == [on_the_loop]
