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


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "sent",
    [f"00-{TRACE}-00f067aa0ba902b7-01", f"00-{TRACE}-00f067aa0ba902b7-00", f"01-{TRACE}-00f067aa0ba902b7-01-later"],
)
async def test_without_a_request_id_that_of_the_trace_is_taken(client: httpx.AsyncClient, sent: str) -> None:
    answer = await client.get("/health", headers={"traceparent": sent})
    assert answer.headers["X-Request-ID"] == TRACE
    answer = await client.get("/health", headers={"traceparent": sent, "X-Request-ID": "mine"})
    assert answer.headers["X-Request-ID"] == "mine"


@pytest.mark.parametrize(
    "sent",
    [
        TRACE,
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7-01-" + "x" * 1000,
    ],
)
async def test_a_malformed_traceparent_is_as_none(client: httpx.AsyncClient, sent: str) -> None:
    answer = await client.get("/health", headers={"traceparent": sent})
    assert answer.headers["X-Request-ID"] != TRACE
    assert len(answer.headers["X-Request-ID"]) == 32


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


async def test_the_log_line_has_fields(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "medidiagnose.access"):
        answer = await client.post("/analyze/skin", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    (record,) = caplog.records
    assert isinstance(record.args, dict)
    fields = dict(record.args)
    assert fields.pop("ms") > 0
    assert fields == {
        "method": "POST",
        "route": "/analyze/skin",
        "status": 400,
        "request_id": answer.headers["X-Request-ID"],
        "trace_id": TRACE,
        "problem": "no-image",
    }
