"""Request ids, CORS, and a log that says nothing of what was sent."""

import logging

import httpx
import pytest

from tests.service import upload

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("sent", ["abc", "A-1_b.2", "x" * 64])
async def test_a_harmless_request_id_is_kept(client: httpx.AsyncClient, sent: str) -> None:
    answer = await client.get("/health", headers={"X-Request-ID": sent})
    assert answer.headers["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "a\tb", "<script>", "a;b", "é", "../x"])
async def test_any_other_request_id_is_replaced(client: httpx.AsyncClient, sent: str) -> None:
    answer = await client.get("/health", headers=[(b"X-Request-ID", sent.encode())])
    assert len(answer.headers["X-Request-ID"]) == 32
    assert answer.headers["X-Request-ID"].isalnum()


async def test_request_ids_differ(client: httpx.AsyncClient) -> None:
    ids = {(await client.get("/health/live")).headers["X-Request-ID"] for _ in range(10)}
    assert len(ids) == 10


async def test_pages_of_other_origins_may_call(client: httpx.AsyncClient) -> None:
    preflight = await client.options(
        "/analyze/skin",
        headers={
            "Origin": "https://example.org",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "X-API-Key",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    answer = await client.get("/health", headers={"Origin": "https://example.org"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Demo-Mode" in answer.headers["Access-Control-Expose-Headers"]


async def test_the_log_has_route_status_and_id_but_no_name_and_no_query(
    client: httpx.AsyncClient, picture: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await client.post("/analyze/skin?explain=true", files=upload(picture, name="jane_doe.jpg"))
        await client.get("/jane_doe.jpg?born=1970")
        await client.post("/predict-disease", json={"symptoms": ["jane_doe", "fever"]})
    own = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("medidiagnose"))
    assert "POST /analyze/skin 200 " in own
    assert answer.headers["X-Request-ID"] in own
    assert "GET other 404" in own
    for private in ("jane", "doe", "explain", "1970", "fever"):
        assert private not in own
