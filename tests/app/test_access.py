"""Which door asks for which key, in which header, and that nothing passes or is shown beside it."""

import logging
from pathlib import Path

import httpx
import pytest

from app.keys import hashed, new_key
from tests.service import serving, upload

pytestmark = pytest.mark.anyio

KEY = new_key()
OTHER = new_key()


def _bearer(key: str, scheme: str = "Bearer") -> dict[str, str]:
    return {"Authorization": f"{scheme} {key}"}


@pytest.mark.parametrize("setting", [KEY, hashed(KEY), hashed(KEY, "ward3"), f"{OTHER},{hashed(KEY, 'ward3')}"])
@pytest.mark.parametrize("sent", [{"X-API-Key": KEY}, _bearer(KEY), _bearer(KEY, "bEARER"), _bearer(f"  {KEY}")])
async def test_either_header_opens_the_door(bundles: Path, setting: str, sent: dict[str, str]) -> None:
    async with serving(bundles=bundles, api_keys=setting) as client:
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
async def test_anything_else_does_not(bundles: Path, sent: list[tuple[str, str]], picture: bytes) -> None:
    async with serving(bundles=bundles, api_keys=hashed(KEY)) as client:
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
    bundles: Path, sent: list[tuple[str, str]]
) -> None:
    async with serving(bundles=bundles, api_keys=f"{hashed(KEY)},{OTHER}") as client:
        answer = await client.get("/models", headers=sent)
        assert answer.status_code == 401
        assert "differ" in answer.json()["detail"]


async def test_the_same_key_twice_is_one_key_and_a_proxys_own_scheme_is_left_alone(bundles: Path) -> None:
    async with serving(bundles=bundles, api_keys=hashed(KEY)) as client:
        for authorization in (f"Bearer {KEY}", "Basic d2FyZDozCg=="):
            answer = await client.get("/models", headers={"X-API-Key": KEY, "Authorization": authorization})
            assert answer.status_code == 200


async def test_a_preflight_needs_no_key(bundles: Path) -> None:
    async with serving(bundles=bundles, api_keys=hashed(KEY)) as client:
        asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
        assert (await client.options("/analyze/skin", headers=asked)).status_code == 200


async def test_a_key_opens_what_stands_under_a_root_path_and_no_more(bundles: Path) -> None:
    async with serving(bundles=bundles, api_keys=hashed(KEY)) as client:
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
