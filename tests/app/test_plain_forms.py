"""Valid forms that go past FastAPI are answered as FastAPI answers them, and nothing else goes past it."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from benchmarks.traffic import FORMS
from tests.app.long_way import both_ways

pytestmark = pytest.mark.anyio
JSON = {"Content-Type": "application/json"}


async def _both(
    client: httpx.AsyncClient, path: str, body: bytes, headers: Mapping[str, str] = JSON, **more: Any
) -> httpx.Response:
    return await both_ways(client, path, content=body, headers=dict(headers), **more)


@pytest.mark.parametrize("path", FORMS)
async def test_a_valid_form_is_answered_as_fastapi_does(shipped: httpx.AsyncClient, path: str) -> None:
    assert (await _both(shipped, path, json.dumps(FORMS[path]).encode())).status_code == 200


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_is_explained_as_fastapi_does(shipped: httpx.AsyncClient, path: str) -> None:
    body = json.dumps(FORMS[path]).encode()
    answer = await _both(shipped, path, body, ways=("?explain=true", "?explain=1"))
    assert answer.json()["explanation"]["kind"] == "weights"
    assert answer.json()["explanation"]["weights"]


@pytest.mark.parametrize("path", FORMS)
async def test_the_demo_mode_is_marked(demo: httpx.AsyncClient, path: str) -> None:
    response = await _both(demo, path, json.dumps(FORMS[path]).encode())
    assert response.headers["x-demo-mode"] == "true"
    assert response.json()["demo_mode"] is True


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b"{", b'"fever"', b'{"symptoms": 3}', b'{"age": "x"}'])
@pytest.mark.parametrize("path", FORMS)
async def test_what_is_not_valid_is_refused_as_fastapi_does(shipped: httpx.AsyncClient, path: str, body: bytes) -> None:
    assert (await _both(shipped, path, body)).status_code == 422


async def test_a_form_of_which_nothing_is_understood(shipped: httpx.AsyncClient) -> None:
    assert (await _both(shipped, "/predict-disease", b'{"symptoms": ["xyzzy"]}')).status_code == 422


async def test_a_body_of_another_type(shipped: httpx.AsyncClient) -> None:
    response = await _both(shipped, "/predict-heart", b"age=50", {"Content-Type": "application/x-www-form-urlencoded"})
    assert response.status_code == 415
