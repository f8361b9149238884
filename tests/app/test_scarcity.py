"""Where room, a byte of a bundle or a disk to write to is missing: whom it happens to is told, and others go on."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from models.serving.bundle import Bundle
from models.serving.engine import Engine, Network
from tests.contract import HEART_RISK_REQUEST
from tests.fake_bundle import make_bundle
from tests.net import free_port
from tests.pictures import encode, noise
from tests.records import record_files
from tests.service import serving, until, upload

pytestmark = pytest.mark.anyio

PATIENCE = 5.0
START_PATIENCE = 60.0
NO_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
from app.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""A service to which every disk is full: not one byte can be written to any file."""


class Gated:
    """Waits for its gate before it computes."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.gate = threading.Event()

    def run(self, batch: NDArray[Any], *, cores: int = 1) -> Mapping[str, NDArray[np.float32]]:
        assert self.gate.wait(PATIENCE)
        return self.network.run(batch, cores=cores)


async def test_a_full_queue_is_said_at_once_and_only_of_its_model(bundles: Path, picture: bytes) -> None:
    gated: list[Gated] = []

    def make(bundle: Bundle) -> Network:
        if bundle.metadata.name != "skin":
            return Engine(bundle)
        gated.append(Gated(Engine(bundle)))
        return gated[0]

    async with serving(bundles=bundles, make_network=make, queue_size=2, threads=2) as client:

        async def send(path: str) -> httpx.Response:
            return await client.post(path, files=upload(picture))

        sent = [asyncio.create_task(send("/analyze/skin")) for _ in range(3)]
        done, waiting = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
        refused = done.pop().result()
        assert (refused.status_code, refused.json()["error"]) == (503, "Too many requests under way")
        assert refused.headers["Retry-After"]
        assert (await send("/analyze/xray")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 200
        gated[0].gate.set()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200, 200]
        assert (await send("/analyze/skin")).status_code == 200


@pytest.mark.parametrize(
    ("name", "damage"),
    [(name, damage) for name in ("model.onnx", "metadata.json") for damage in ("emptied", "flipped", "gone")]
    + [("card.md", "flipped"), ("card.md", "gone")],
)
async def test_a_bundle_damaged_on_disk_fails_alone(tmp_path: Path, picture: bytes, name: str, damage: str) -> None:
    for model in ("skin", "xray"):
        make_bundle(tmp_path, model)
    path = tmp_path / "skin" / "1.0.0" / name
    content = bytearray(path.read_bytes())
    match damage:
        case "emptied":
            path.write_bytes(b"")
        case "flipped":
            content[len(content) // 2] ^= 0x80
            path.write_bytes(content)
        case "gone":
            path.unlink()

    async with serving(bundles=tmp_path, wait_until_ready=False) as client:

        async def is_loaded() -> bool:
            models = (await client.get("/health/ready")).json()["models"]
            return "loading" not in (models["skin"]["state"], models["xray"]["state"])

        await until(is_loaded)
        ready = await client.get("/health/ready")
        assert (await client.post("/analyze/xray", files=upload(picture))).status_code == 200
        skin = await client.post("/analyze/skin", files=upload(picture))
        assert (await client.get("/models")).status_code == 200
        card = await client.get("/models/skin/card")
        assert ready.status_code == 503
        assert ready.json()["models"]["skin"]["state"] == "failed"
        assert ready.json()["models"]["skin"]["detail"]
        assert str(tmp_path) not in ready.text
        assert (skin.status_code, skin.json()["error"]) == (503, "Model not available")
        assert card.status_code == 404


@contextmanager
def _without_a_disk(bundles: Path) -> Iterator[str]:
    """The address of a service that can write no file."""
    port = free_port()
    command = [sys.executable, "-c", NO_DISK, "serve", "--port", str(port), "--bundles", str(bundles)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def test_a_full_disk_is_nothing_to_it(tmp_path: Path) -> None:
    for model in ("skin", "xray", "breast", "heart_record", "heart_risk"):
        make_bundle(tmp_path, model)
    large = encode(noise(1600, 1200), "PNG")
    assert len(large) > 2**20  # from there on Starlette would spool to a file
    with _without_a_disk(tmp_path) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            end = time.monotonic() + START_PATIENCE
            while not await _answers(client):
                assert time.monotonic() < end
                await asyncio.sleep(0.1)
            for route in ("skin", "xray", "breast"):
                assert (await client.post(f"/analyze/{route}", files=upload(large))).status_code == 200
            assert (await client.post("/analyze/heart/record", files=record_files())).status_code == 200
            assert (await client.post("/predict-heart", json=HEART_RISK_REQUEST)).status_code == 200
            assert (await client.get("/metrics")).status_code == 200
