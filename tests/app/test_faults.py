"""What goes wrong inside: one clear problem for whom it happens to, nothing for others, and readiness says so."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from models.preprocessing.picture import UnreadablePictureError
from models.serving.bundle import Bundle
from models.serving.engine import Engine, EngineError, Network
from tests.service import serving, until, upload

pytestmark = pytest.mark.anyio

PATIENCE = 5.0


class Hanging:
    """Hangs while its gate is closed."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.gate = threading.Event()

    def run(self, batch: NDArray[Any], *, cores: int = 1) -> Mapping[str, NDArray[np.float32]]:
        assert self.gate.wait(PATIENCE)
        return self.network.run(batch, cores=cores)


class Raising:
    """Raises while it is told to."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.error: BaseException | None = None

    def run(self, batch: NDArray[Any], *, cores: int = 1) -> Mapping[str, NDArray[np.float32]]:
        if self.error:
            raise self.error
        return self.network.run(batch, cores=cores)


async def _readiness(client: httpx.AsyncClient) -> tuple[int, dict[str, Any]]:
    answer = await client.get("/health/ready")
    return answer.status_code, answer.json()


async def test_a_network_that_hangs_is_named_and_others_go_on(bundles: Path, picture: bytes) -> None:
    hanging: list[Hanging] = []

    def make(bundle: Bundle) -> Network:
        if bundle.metadata.name != "skin":
            return Engine(bundle)
        hanging.append(Hanging(Engine(bundle)))
        return hanging[0]

    async with serving(bundles=bundles, make_network=make, deadline_seconds=0.3) as client:

        async def send(path: str) -> httpx.Response:
            return await client.post(path, files=upload(picture))

        async def is_unready() -> bool:
            return (await _readiness(client))[0] == 503

        async def is_ready() -> bool:
            return not await is_unready()

        assert (await send("/analyze/skin")).status_code == 504
        await until(is_unready)
        _, body = await _readiness(client)
        assert (body["status"], body["models"]["skin"]["state"]) == ("not ready", "stuck")
        assert "run past the deadline of 0.3 s" in body["models"]["skin"]["detail"]
        refused = await send("/analyze/skin")
        assert (refused.status_code, refused.json()["error"]) == (503, "Model not available")
        assert "has run past the deadline" in refused.json()["detail"]
        assert refused.headers["Retry-After"]
        assert (await send("/analyze/xray")).status_code == 200
        assert 'medidiagnose_stuck_work{model="skin"} 1.0' in (await client.get("/metrics")).text
        hanging[0].gate.set()
        await until(is_ready)
        assert (await send("/analyze/skin")).status_code == 200


@pytest.mark.parametrize("error", [EngineError("no"), MemoryError(), SystemExit(3), StopIteration()])
async def test_a_network_that_raises_is_a_fault_of_ours_and_nobody_elses(
    bundles: Path, picture: bytes, error: BaseException
) -> None:
    raising: list[Raising] = []

    def make(bundle: Bundle) -> Network:
        if bundle.metadata.name != "skin":
            return Engine(bundle)
        raising.append(Raising(Engine(bundle)))
        return raising[0]

    async with serving(bundles=bundles, make_network=make) as client:
        raising[0].error = error
        paths = ["/analyze/skin", "/analyze/xray"] * 3
        answers = await asyncio.gather(*(client.post(path, files=upload(picture)) for path in paths))
        assert [answer.status_code for answer in answers] == [500, 200] * 3
        assert answers[0].json()["error"] == "Internal error"
        raising[0].error = None
        assert (await client.post("/analyze/skin", files=upload(picture))).status_code == 200


async def test_a_picture_that_fails_leaves_nothing_behind(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pixels(bytearray):
        pass

    kept: list[weakref.ref[Any]] = []

    def fail(image: bytes, *_: Any, **__: Any) -> None:
        pixels, error = Pixels(8), UnreadablePictureError("damaged")
        kept.extend([weakref.ref(pixels), weakref.ref(error)])
        raise error

    async def is_gone() -> bool:
        return all(each() is None for each in kept)

    monkeypatch.setattr("models.diagnoses.skin.field.decode_and_judge", fail)
    async with serving(bundles=bundles) as client:
        gc.collect()
        gc.disable()
        try:
            answer = await client.post("/analyze/skin", files=upload(b"a picture"))
            assert (answer.status_code, len(kept)) == (400, 2)
            await until(is_gone)
        finally:
            gc.enable()
