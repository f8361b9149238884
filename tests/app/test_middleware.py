"""Request ids, CORS, and a log that says nothing of what was sent."""

import logging
import re
from itertools import islice
from pathlib import Path

import httpx
import pytest
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from app.browsers import BrowserMiddleware
from app.main import create_app
from app.middleware import _ids_at_random
from app.settings import Settings
from tests.service import client_of, serving, upload

pytestmark = pytest.mark.anyio

GET_PATHS = [
    operation.removeprefix("GET ").format(name="symptoms.json" if "samples" in operation else "skin", kind="no-image")
    for operation in create_app(Settings()).state.endpoints
    if operation.startswith("GET ")
]


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


def test_ids_are_random_also_beyond_those_drawn_at_once() -> None:
    one, other = (list(islice(_ids_at_random(), 200)) for _ in range(2))
    assert len({*one, *other}) == 400
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in one)


async def test_request_ids_differ(client: httpx.AsyncClient) -> None:
    ids = {(await client.get("/health/live")).headers["X-Request-ID"] for _ in range(10)}
    assert len(ids) == 10


@pytest.mark.parametrize(
    "path", [*GET_PATHS, "/docs", "/docs/start.js", "/docs/assets/swagger-ui.css", "/openapi.json"]
)
async def test_head_is_answered_as_get_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    got, headed = await client.get(path), await client.head(path)
    assert (headed.status_code, headed.content) == (200, b"")
    varying = {"x-request-id"} | ({"content-length"} if path == "/metrics" else set())
    assert [pair for pair in headed.headers.items() if pair[0] not in varying] == [
        pair for pair in got.headers.items() if pair[0] not in varying
    ]


async def test_head_is_logged_as_such_and_refused_where_get_is(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await client.head("/analyze/skin")).status_code == 405
    assert (await client.head("/nowhere")).status_code == 404
    with caplog.at_level(logging.INFO):
        await client.head("/health")
    assert "HEAD /health 200 " in caplog.text
    wrong = await client.post("/health")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET, HEAD")
    assert (await client.options("/analyze/skin")).headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "path", ["/health", "/nowhere", "/docs", "/docs/start.js", "/openapi.json", "/problems/no-image"]
)
async def test_every_answer_tells_browsers_to_guess_and_keep_nothing(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"Accept": "text/html"})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    is_page = answer.headers["Content-Type"].startswith("text/html")
    assert is_page is (path in ("/docs", "/problems/no-image"))
    for name in ("Content-Security-Policy", "Referrer-Policy", "Permissions-Policy"):
        assert (name in answer.headers) is is_page
    assert answer.headers.get("Permissions-Policy", "camera=()").startswith("camera=()")


async def test_an_answer_sets_its_own_policy_and_keeps_the_others() -> None:
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"Content-Security-Policy": "script-src 'self'", "Cache-Control": "no-cache"}
        await HTMLResponse("", headers=headers)(scope, receive, send)

    async with client_of(BrowserMiddleware(page, origins=["*"])) as client:
        answer = await client.get("/")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers.get_list("Content-Security-Policy") == ["script-src 'self'"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"


PREFLIGHT = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}


async def test_pages_of_other_origins_may_call(client: httpx.AsyncClient) -> None:
    preflight = await client.options("/analyze/skin", headers=PREFLIGHT)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert preflight.headers["X-Content-Type-Options"] == "nosniff"
    answer = await client.get("/health", headers={"Origin": "https://example.org"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Demo-Mode" in answer.headers["Access-Control-Expose-Headers"]
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "asked",
    ["X-API-Key", "authorization", "content-type,x-request-id", "baggage, sentry-trace", "traceparent,tracestate"],
)
async def test_they_may_send_keys_and_traces(client: httpx.AsyncClient, asked: str) -> None:
    preflight = await client.options("/analyze/skin", headers={**PREFLIGHT, "Access-Control-Request-Headers": asked})
    assert preflight.status_code == 200


async def test_a_refused_preflight_is_a_problem_that_says_why(bundles: Path) -> None:
    asked = {**PREFLIGHT, "Access-Control-Request-Headers": "x-other", "Access-Control-Request-Method": "PUT"}
    async with serving(bundles=bundles, cors_origins="https://example.com", wait_until_ready=False) as client:
        refused = await client.options("/analyze/skin", headers=asked)
        assert refused.status_code == 400
        assert refused.json()["error"] == "Preflight refused"
        assert "origin, method, headers" in refused.json()["detail"]
        assert "Access-Control-Allow-Origin" not in refused.headers
        answer = await client.get("/health", headers={"Origin": "https://example.org"})
        assert "Access-Control-Allow-Origin" not in answer.headers
        answer = await client.get("/health", headers={"Origin": "https://example.com"})
        assert answer.headers["Access-Control-Allow-Origin"] == "https://example.com"


async def test_which_headers_and_networks_is_a_setting(bundles: Path) -> None:
    asked = {
        **PREFLIGHT,
        "Access-Control-Request-Headers": "x-other, x-api-key",
        "Access-Control-Request-Private-Network": "true",
    }
    async with serving(bundles=bundles, wait_until_ready=False) as client:
        refused = await client.options("/analyze/skin", headers=asked)
        assert "headers, private-network" in refused.json()["detail"]
    async with serving(bundles=bundles, cors_headers="X-Other", cors_private_network=True) as client:
        allowed = await client.options("/analyze/skin", headers=asked)
        assert allowed.status_code == 200
        assert allowed.headers["Access-Control-Allow-Private-Network"] == "true"


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
        "key": None,
    }
