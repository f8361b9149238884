"""The Open Inference Protocol at /v2: off unless asked for; the network's own numbers, and every fault a sentence."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.main import create_app
from app.settings import Settings
from app.tensors import LONGEST_JSON, MOST_ROWS, NOTE
from models.serving.engine import Engine, blank
from models.serving.loading import read_newest_bundle
from tests.service import serving

pytestmark = pytest.mark.anyio
BUNDLES: Path = Settings.model_fields["bundles"].get_default(call_default_factory=True)
KEY = "a-key-of-sixteen-letters"
LENGTH = "Inference-Header-Content-Length"
INFER = "/v2/models/{}/infer"


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(bundles=BUNDLES, tensors=True) as client:
        yield client


def _batch(name: str, rows: int = 2) -> Any:
    """What the network of a model reads: rows of numbers that differ."""
    zeros = blank(read_newest_bundle(BUNDLES / name, "int8").metadata)
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (rows, *zeros.shape)) if zeros.dtype == np.uint8 else rng.random((rows, *zeros.shape))
    return values.astype(zeros.dtype)


def _asked(name: str, batch: Any, **more: Any) -> dict[str, Any]:
    spec = read_newest_bundle(BUNDLES / name, "int8").metadata.input
    tensor = {
        "name": spec.name,
        "shape": list(batch.shape),
        "datatype": "UINT8" if batch.dtype == np.uint8 else "FP32",
        "data": batch.ravel().tolist(),
    }
    return {"inputs": [tensor], **more}


@pytest.mark.parametrize("name", ["skin", "heart_record", "disease", "heart_risk"])
@pytest.mark.parametrize("binary", [False, True])
async def test_a_network_answers_its_own_numbers(client: httpx.AsyncClient, name: str, binary: bool) -> None:
    batch = _batch(name)
    sent = _asked(name, batch, id="7", parameters={"binary_data_output": binary})
    content, headers = json.dumps(sent).encode(), {"Content-Type": "application/json"}
    if binary:
        del sent["inputs"][0]["data"]
        sent["inputs"][0]["parameters"] = {"binary_data_size": batch.nbytes}
        head = json.dumps(sent).encode()
        content, headers = head + batch.tobytes(), {"Content-Type": "application/octet-stream", LENGTH: str(len(head))}
    response = await client.post(INFER.format(name), content=content, headers=headers)
    assert response.status_code == 200, response.text
    length = int(response.headers[LENGTH]) if binary else len(response.content)
    answer, behind = json.loads(response.content[:length]), response.content[length:]
    assert (answer["model_name"], answer["id"], answer["parameters"]["note"]) == (name, "7", NOTE)
    expected = [Engine(read_newest_bundle(BUNDLES / name, "int8")).run(row[None]) for row in batch]
    for tensor in answer["outputs"]:
        size = tensor.get("parameters", {}).get("binary_data_size", 0)
        got = np.frombuffer(behind[:size], "<f4") if binary else np.array(tensor["data"], np.float32)
        behind = behind[size:]
        rows = np.concatenate([outputs[tensor["name"]] for outputs in expected])
        np.testing.assert_allclose(got.reshape(tensor["shape"]), rows, atol=1e-5)
    assert not behind


async def test_what_a_model_reads_and_gives_is_told(client: httpx.AsyncClient) -> None:
    told = (await client.get("/v2/models/skin")).json()
    assert told["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 224, 224, 3]}]
    assert {"name": "probabilities", "datatype": "FP32", "shape": [-1, 7]} in told["outputs"]
    assert told["parameters"]["note"] == NOTE
    version = told["versions"][0]
    for path in (f"/v2/models/skin/versions/{version}", "/v2/models/skin/ready", "/v2/health/live", "/v2/health/ready"):
        assert (await client.get(path)).status_code == 200
    assert (await client.get("/v2")).json()["extensions"] == ["binary_tensor_data"]


async def test_outputs_are_chosen(client: httpx.AsyncClient) -> None:
    asked = _asked("heart_risk", _batch("heart_risk"), outputs=[{"name": "probabilities"}])
    answer = (await client.post(INFER.format("heart_risk"), json=asked)).json()
    assert [tensor["name"] for tensor in answer["outputs"]] == ["probabilities"]


def _changed(**changes: Any) -> dict[str, Any]:
    asked = _asked("heart_risk", _batch("heart_risk", 1))
    asked["inputs"][0] |= changes
    return asked


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "missing"),
        ({"inputs": []}, "inputs"),
        (_changed(name="image"), "reads `row`"),
        (_changed(datatype="UINT8"), "FP32 of shape"),
        (_changed(shape=[1, 9]), "FP32 of shape"),
        (_changed(shape=[]), "FP32 of shape"),
        (_changed(shape=[0, 10], data=[]), "1 to 64"),
        (_changed(shape=[MOST_ROWS + 1, 10], data=[0] * 650), "1 to 64"),
        (_changed(data=[1, 2]), "10 numbers"),
        (_changed(data=[[1, 2], [3]]), "10 numbers"),
        (_changed(data=["a"] * 10), "10 numbers"),
        (_changed(data=[True] * 10), "10 numbers"),
        (_changed(data=None), "10 numbers"),
        (_changed(data=[1e9] * 10), "finite"),
        (_changed(parameters={"binary_data_size": 40}), "40 bytes"),
        ({**_changed(), "outputs": [{"name": "nothing"}]}, "no output `nothing`"),
    ],
)
async def test_what_is_no_tensor_of_the_model_is_refused(client: httpx.AsyncClient, asked: Any, says: str) -> None:
    response = await client.post(INFER.format("heart_risk"), json=asked)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert says in response.json()["detail"]


@pytest.mark.parametrize("data", [[256.0] * 3, [300] * 3, [-1] * 3])
async def test_a_picture_is_of_bytes(client: httpx.AsyncClient, data: list[float]) -> None:
    asked = _asked("skin", _batch("skin", 1))
    asked["inputs"][0]["data"][:3] = data
    assert "0 to 255" in (await client.post(INFER.format("skin"), json=asked)).json()["detail"]


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 422),
        (b"[NaN]", {}, 422),
        (b"{}", {LENGTH: "3"}, 422),
        (b" " * (LONGEST_JSON + 1), {}, 413),
        (b"{}", {"Content-Encoding": "gzip"}, 415),
    ],
)
async def test_what_is_no_request_is_refused(
    client: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    assert (await client.post(INFER.format("skin"), content=content, headers=headers)).status_code == status


@pytest.mark.parametrize(
    "path", ["/v2/models/nothing", "/v2/models/skin/versions/0.0.0", "/v2/models/skin/versions/0/ready"]
)
async def test_another_model_or_version_is_not_there(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_keys_and_rates_hold_as_elsewhere() -> None:
    async with serving(bundles=BUNDLES, tensors=True, api_keys=(KEY,), rate_limit="2/hour") as client:
        path, asked = INFER.format("heart_risk"), _asked("heart_risk", _batch("heart_risk"))
        assert (await client.post(path, json=asked)).status_code == 401
        found = [(await client.post(path, json=asked, headers={"X-API-Key": KEY})).status_code for _ in range(3)]
        assert found == [200, 200, 429]


async def test_without_the_setting_there_is_nothing(tmp_path: Path) -> None:
    async with serving(bundles=tmp_path, wait_until_ready=False) as client:
        assert (await client.get("/v2")).status_code == 404
        assert not [path for path in (await client.get("/openapi.json")).json()["paths"] if path.startswith("/v2")]
    assert "POST /v2/models/{name}/infer" in create_app(Settings(tensors=True)).state.endpoints
