"""The service on Ray Serve: the answers of the single process, over several nodes, of which one may go."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ray = pytest.importorskip("ray")
serve = pytest.importorskip("ray.serve")

from app.settings import Settings  # noqa: E402
from models.samples import SAMPLES, Sample  # noqa: E402
from tests.service import serving  # noqa: E402

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
CONNECTIONS = 8


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without processors for replicas, and two nodes with room for one each."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112, else whatever else runs here goes before
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ["RAY_health_check_period_ms"] = "500"  # noqa: SIM112
    memory = {"object_store_memory": 80 << 20}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "dashboard_port": 0, **memory}
    )
    nodes = [cluster.add_node(num_cpus=2, **memory) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    cluster.url = f"http://127.0.0.1:{port}"
    cluster.workers = nodes
    yield cluster
    serve.shutdown()
    ray.shutdown()
    cluster.shutdown()


def _run(arguments: dict[str, Any]) -> None:
    sys.path.insert(0, str(ROOT))
    from deploy.ray_serve import app

    serve.run(app(arguments), name="medidiagnose")


@pytest.fixture(scope="module")
async def single() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(bundles=Settings.model_fields["bundles"].get_default(call_default_factory=True)) as client:
        yield client


async def _post(client: httpx.AsyncClient, sample: Sample) -> httpx.Response:
    if sample.files[0].field is None:
        headers = {"Content-Type": "application/json"}
        return await client.post(sample.path, content=sample.files[0].content(), headers=headers)
    return await client.post(sample.path, files={str(file.field): (file.name, file.content()) for file in sample.files})


def _comparable(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in ("request_id", "instance")}


@pytest.mark.parametrize(
    "arguments",
    [
        {"models": {"skin": {"ray_actor_options": {"num_cpus": 1}}, "heart_record": {}}},
        {"http": {"num_replicas": 2, "max_replicas_per_node": 1, "health_check_period_s": 1}},
    ],
    ids=["models apart", "whole"],
)
async def test_it_answers_as_a_single_process_does(
    cluster: Any, single: httpx.AsyncClient, arguments: dict[str, Any]
) -> None:
    await asyncio.to_thread(_run, arguments)
    async with httpx.AsyncClient(base_url=cluster.url, timeout=60) as client:
        for sample in SAMPLES:
            told, alone = await _post(client, sample), await _post(single, sample)
            assert (told.status_code, _comparable(told.json())) == (200, _comparable(alone.json())), sample.name
        odd = {"image": ("a.jpg", b"nothing")}
        told, alone = await client.post("/analyze/skin", files=odd), await single.post("/analyze/skin", files=odd)
        assert told.status_code == alone.status_code == 400
        assert _comparable(told.json()) == _comparable(alone.json())
        assert told.headers["content-type"] == "application/problem+json"
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()) == (200, (await single.get("/health/ready")).json())


async def test_a_node_that_is_lost_takes_only_what_it_held(cluster: Any) -> None:
    """Follows the one above: a replica on each of the two nodes."""
    sample = next(each for each in SAMPLES if each.diagnosis == "skin")
    answered: list[tuple[float, int | str]] = []
    end = time.monotonic() + 600

    async def ask() -> None:
        async with httpx.AsyncClient(base_url=cluster.url, timeout=60) as client:
            while time.monotonic() < end:
                began = time.monotonic()
                try:
                    answered.append((began, (await _post(client, sample)).status_code))
                except httpx.HTTPError as error:
                    answered.append((began, type(error).__name__))

    asking = [asyncio.create_task(ask()) for _ in range(CONNECTIONS)]
    while len(answered) < 40:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    killed = time.monotonic()
    await asyncio.to_thread(cluster.remove_node, cluster.workers.pop(), allow_graceful=False)
    while sum(began > killed + 1 and status == 200 for began, status in answered) < 40:
        await asyncio.sleep(0.05)
        assert time.monotonic() < killed + 240
    end = 0.0
    await asyncio.gather(*asking)
    lost = [(began - killed, status) for began, status in answered if status != 200]
    assert len(lost) <= CONNECTIONS, lost
