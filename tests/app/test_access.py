"""Which door asks for which key, in which header, and that nothing passes or is shown beside it."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.access import KeyMiddleware, RateLimitMiddleware, client_address
from app.keys import hashed, new_key
from app.main import create_app
from app.settings import Settings
from tests.conftest import ClientWith
from tests.service import serving, upload

pytestmark = pytest.mark.anyio

KEY = new_key()
OTHER = new_key()


def _bearer(key: str, scheme: str = "Bearer") -> dict[str, str]:
    return {"Authorization": f"{scheme} {key}"}


@pytest.mark.parametrize(
    "setting",
    [KEY, hashed(KEY), hashed(KEY, "ward3"), f"{OTHER},{hashed(KEY, 'ward3')}"],
    ids=["plain", "hashed", "named", "second"],
)
@pytest.mark.parametrize("sent", [{"X-API-Key": KEY}, _bearer(KEY), _bearer(KEY, "bEARER"), _bearer(f"  {KEY}")])
async def test_either_header_opens_the_door(client_with: ClientWith, setting: str, sent: dict[str, str]) -> None:
    client = await client_with(api_keys=setting)
    assert (await client.get("/models", headers=sent)).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", KEY)],
        [("Authorization", f"Basic {KEY}")],
        [("Authorization", f"Bearer{KEY}")],
        [("Authorization", f"Bearer {hashed(KEY)}")],
        [("X-API-Key", hashed(KEY))],
        [("X-API-Key", f"Bearer {KEY}")],
    ],
)
async def test_anything_else_does_not(client_with: ClientWith, sent: list[tuple[str, str]], picture: bytes) -> None:
    client = await client_with(api_keys=hashed(KEY))
    answer = await client.post("/analyze/skin", files=upload(picture), headers=sent)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="medidiagnose", ApiKey realm="medidiagnose"'
    assert "Authorization: Bearer" in answer.json()["detail"]


@pytest.mark.parametrize(
    "sent",
    [
        [("X-API-Key", KEY), ("Authorization", f"Bearer {OTHER}")],
        [("X-API-Key", "wrong"), ("Authorization", f"Bearer {KEY}")],
        [("X-API-Key", KEY), ("X-API-Key", "wrong")],
        [("X-API-Key", KEY), ("Authorization", "Bearer wrong"), ("Authorization", f"Bearer {KEY}")],
    ],
)
async def test_keys_that_differ_are_refused_even_where_both_are_valid(
    client_with: ClientWith, sent: list[tuple[str, str]]
) -> None:
    client = await client_with(api_keys=f"{hashed(KEY)},{OTHER}")
    answer = await client.get("/models", headers=sent)
    assert answer.status_code == 401
    assert "differ" in answer.json()["detail"]


async def test_the_same_key_twice_is_one_key_and_a_proxys_own_scheme_is_left_alone(client_with: ClientWith) -> None:
    client = await client_with(api_keys=hashed(KEY))
    for authorization in (f"Bearer {KEY}", "Basic d2FyZDozCg=="):
        answer = await client.get("/models", headers={"X-API-Key": KEY, "Authorization": authorization})
        assert answer.status_code == 200


async def test_a_preflight_needs_no_key(client_with: ClientWith) -> None:
    client = await client_with(api_keys=hashed(KEY))
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    assert (await client.options("/analyze/skin", headers=asked)).status_code == 200


async def test_a_key_opens_what_stands_under_a_root_path_and_no_more(client_with: ClientWith) -> None:
    client = await client_with(api_keys=hashed(KEY))
    below = httpx.AsyncClient(
        transport=httpx.ASGITransport(client._transport.app, root_path="/diagnose"),  # type: ignore[attr-defined]
        base_url="http://service",
    )
    for path in ("/health", "/diagnose/health", "/docs"):
        assert (await below.get(path)).status_code == 200, path
    for path in ("/models", "/diagnose/models", "/diagnosehealth", "/diagnose", "/diagnose/diagnose/health"):
        assert (await below.get(path)).status_code == 401, path
    assert (await below.get("/diagnose/models", headers=_bearer(KEY))).status_code == 200


async def test_the_admin_path_has_a_door_of_its_own(bundles: Path) -> None:
    async with serving(bundles=bundles, api_keys=hashed(KEY), admin_key=hashed(OTHER)) as client:
        assert (await client.post("/admin/reload", headers={"X-API-Key": KEY})).status_code == 401
        assert (await client.post("/admin/reload")).status_code == 401
        assert (await client.get("/models", headers={"X-API-Key": OTHER})).status_code == 401


async def test_an_admin_key_alone_leaves_the_rest_open(bundles: Path) -> None:
    async with serving(bundles=bundles, admin_key=hashed(OTHER)) as client:
        assert (await client.post("/admin/reload")).status_code == 401
        assert (await client.get("/models")).status_code == 200


@pytest.mark.parametrize(
    ("settings", "opened_by"),
    [
        ({}, {None, "client", "metrics"}),
        ({"api_keys": hashed(KEY)}, {"client"}),
        ({"api_keys": hashed(KEY), "metrics_key": hashed(OTHER)}, {"metrics"}),
        ({"metrics_key": OTHER}, {"metrics"}),
        ({"api_keys": hashed(KEY), "metrics_open": True}, {None, "client", "metrics"}),
    ],
)
async def test_metrics_are_behind_the_clients_keys_or_their_own_or_open(
    bundles: Path, settings: dict[str, Any], opened_by: set[str | None]
) -> None:
    async with serving(bundles=bundles, **settings) as client:
        for who, key in ((None, ""), ("client", KEY), ("metrics", OTHER)):
            status = (await client.get("/metrics", headers={"X-API-Key": key} if key else {})).status_code
            assert status == (200 if who in opened_by else 401), who
        others = await client.get("/models", headers={"X-API-Key": OTHER})
        assert others.status_code == (401 if "api_keys" in settings else 200)
        document = (await client.get("/openapi.json")).json()
    security = document["paths"]["/metrics"]["get"].get("security", [])
    kind = {"client": "Api", "metrics": "Metrics"}.get(next(iter(opened_by)) or "", "") if None not in opened_by else ""
    assert security == ([{f"{kind}Key": []}, {f"{kind}Bearer": []}] if kind else [])
    assert {scheme for entry in security for scheme in entry} <= set(document["components"].get("securitySchemes", {}))


async def test_without_keys_and_limits_nothing_is_in_the_way(bundles: Path) -> None:
    assert not {KeyMiddleware, RateLimitMiddleware} & {
        middleware.cls for middleware in create_app(Settings(bundles=bundles)).user_middleware
    }


async def test_too_many_requests_are_told_when_to_come_back(bundles: Path, picture: bytes) -> None:
    async with serving(bundles=bundles, rate_limit="2/hour") as client:
        for _ in range(2):
            assert (await client.post("/analyze/skin", files=upload(picture))).status_code == 200
        answer = await client.post("/analyze/skin", files=upload(picture))
        assert answer.status_code == 429
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["title"] == "Too many requests"
        assert 1700 < int(answer.headers["Retry-After"]) <= 1800
        for path in ("/health", "/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs"):
            assert (await client.get(path)).status_code == 200, path
        document = (await client.get("/openapi.json")).json()
    limited = {
        path for path, operations in document["paths"].items() for o in operations.values() if "429" in o["responses"]
    }
    unlimited = ("/health", "/metrics", "/problems")
    assert limited == {path for path in document["paths"] if not path.startswith(unlimited)}


async def test_a_request_over_the_limit_is_refused_before_its_body_is_read(bundles: Path) -> None:
    asked = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal asked
        asked = True
        yield b"x"

    async with serving(bundles=bundles, rate_limit="1/hour") as client:
        assert (await client.get("/symptoms")).status_code == 200
        assert (await client.post("/analyze/skin", content=body())).status_code == 429
    assert not asked


async def test_each_key_has_a_bucket_of_its_own_and_a_wrong_one_has_none(bundles: Path) -> None:
    async with serving(bundles=bundles, api_keys=f"{KEY},{hashed(OTHER)}", rate_limit="1/hour") as client:
        assert (await client.get("/models", headers={"X-API-Key": "wrong"})).status_code == 401
        for key in (KEY, OTHER):
            assert (await client.get("/models", headers={"X-API-Key": key})).status_code == 200
            assert (await client.get("/models", headers=_bearer(key))).status_code == 429
        assert (await client.get("/models", headers={"X-API-Key": "wrong"})).status_code == 401


@pytest.mark.parametrize(
    ("address", "counts_for"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002/64"),
        ("2001:db8:1:2::1", "20010db800010002/64"),
        ("fe80::1%eth0", "fe80000000000000/64"),
        ("no:address", "no:address"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_an_address_counts_for_its_subscriber(address: str, counts_for: str) -> None:
    assert client_address({"client": (address, 1)}) == counts_for


def test_requests_without_an_address_count_together() -> None:
    assert client_address({"client": None}) == client_address({}) == ""


async def test_the_log_names_the_key_that_was_used(bundles: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(bundles=bundles, api_keys=f"{KEY},{hashed(OTHER, 'ward3')}") as client:
        for key in (KEY, OTHER, "wrong"):
            caplog.clear()
            with caplog.at_level(logging.INFO, "medidiagnose.access"):
                await client.get("/models", headers=_bearer(key))
            (record,) = [record for record in caplog.records if record.name == "medidiagnose.access"]
            assert isinstance(record.args, dict)
            assert record.args["key"] == {KEY: "Api/key-1", OTHER: "Api/ward3"}.get(key)


async def test_no_log_line_and_no_answer_shows_a_key(bundles: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with serving(bundles=bundles, api_keys=f"{KEY},{hashed(OTHER)}") as client:
            answers = [
                await client.get("/models", headers=sent)
                for sent in (_bearer(KEY), {"X-API-Key": OTHER}, {"X-API-Key": "wrong-key"}, _bearer(KEY[:-1]))
            ]
    shown = caplog.text + "".join(f"{answer.text} {answer.headers}" for answer in answers)
    for secret in (KEY[3:], OTHER[3:], hashed(OTHER)[7:], hashed(KEY)[7:], "wrong-key"):
        assert secret not in shown
