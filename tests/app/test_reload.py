"""Versions change while the service runs: by POST with the admin key, and by SIGHUP. No request is lost."""

import asyncio
import logging
import os
import signal
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.fake_bundle import make_bundle
from tests.service import serving, until, upload

pytestmark = pytest.mark.anyio

KEY = "an-admin-key-of-many-letters"
CLIENT_KEY = "a-key-of-a-client"
ADMIN = {"X-API-Key": KEY}


async def test_without_an_admin_key_there_is_no_such_path(client: httpx.AsyncClient) -> None:
    assert (await client.post("/admin/reload", headers=ADMIN)).status_code == 404
    assert "/admin/reload" not in (await client.get("/openapi.json")).json()["paths"]


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "another-key-of-sixteen"}, {"X-API-Key": CLIENT_KEY}])
async def test_only_the_admin_key_reloads(bundles: Path, headers: dict[str, str]) -> None:
    async with serving(bundles=bundles, admin_key=KEY, api_keys=CLIENT_KEY) as client:
        assert (await client.post("/admin/reload", headers=headers)).status_code == 401


async def test_the_admin_key_puts_what_is_new_in_service(tmp_path: Path, picture: bytes) -> None:
    make_bundle(tmp_path, "skin")
    async with serving(bundles=tmp_path, admin_key=KEY) as client:
        make_bundle(tmp_path, "skin", "1.1.0")
        make_bundle(tmp_path, "xray")
        report = (await client.post("/admin/reload", headers=ADMIN)).json()
        assert report["success"] is True
        assert report["models"]["skin"] == {
            "outcome": "loaded",
            "old_version": "1.0.0",
            "version": "1.1.0",
            "reason": None,
        }
        assert (report["models"]["xray"]["old_version"], report["models"]["xray"]["version"]) == (None, "1.0.0")
        assert report["models"]["breast"]["outcome"] == "absent"
        answer = (await client.post("/analyze/skin", files=upload(picture))).json()
        assert answer["model"]["version"] == "1.1.0"
        assert (await client.post("/analyze/xray", files=upload(picture))).json()["demo_mode"] is False
        assert "# skin 1.1.0" in (await client.get("/models/skin/card")).text
        document = (await client.get("/openapi.json")).json()
        assert "409" in document["paths"]["/admin/reload"]["post"]["responses"]


async def test_a_bad_bundle_is_reported_and_the_old_one_answers(tmp_path: Path, picture: bytes) -> None:
    make_bundle(tmp_path, "skin")
    async with serving(bundles=tmp_path, admin_key=KEY) as client:
        make_bundle(tmp_path, "skin", "1.1.0").model_path.unlink()
        report = (await client.post("/admin/reload", headers=ADMIN)).json()
        assert report["success"] is False
        assert report["models"]["skin"] == {
            "outcome": "refused",
            "old_version": "1.0.0",
            "version": "1.0.0",
            "reason": "Bundle skin/1.1.0: model.onnx missing.",
        }
        answer = await client.post("/analyze/skin", files=upload(picture))
        assert answer.json()["model"]["version"] == "1.0.0"
        assert (await client.get("/health/ready")).status_code == 200


async def test_two_at_once_are_refused(tmp_path: Path) -> None:
    make_bundle(tmp_path, "skin")
    async with serving(bundles=tmp_path, admin_key=KEY) as client:
        answers = await asyncio.gather(*(client.post("/admin/reload", headers=ADMIN) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]


async def test_sixteen_clients_notice_nothing_but_the_version(tmp_path: Path, picture: bytes) -> None:
    make_bundle(tmp_path, "skin")
    async with serving(bundles=tmp_path, admin_key=KEY) as client:
        seen, done = Counter[tuple[int, str]](), asyncio.Event()

        async def ask() -> None:
            while not done.is_set():
                answer = await client.post("/analyze/skin", files=upload(picture))
                seen[answer.status_code, answer.json()["model"]["version"]] += 1

        async def has_switched() -> bool:
            return seen[200, version] > 0

        clients = [asyncio.create_task(ask()) for _ in range(16)]
        for version in ("1.1.0", "1.2.0", "1.3.0"):
            make_bundle(tmp_path, "skin", version)
            report = (await client.post("/admin/reload", headers=ADMIN)).json()
            assert report["models"]["skin"]["version"] == version
            await until(has_switched)
        done.set()
        await asyncio.gather(*clients)
    assert {status for status, _ in seen} == {200}


async def _version(client: httpx.AsyncClient) -> str | None:
    version: str | None = (await client.get("/health/ready")).json()["models"]["skin"]["version"]
    return version


async def test_a_hangup_reloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda _: False)
    before = signal.getsignal(signal.SIGHUP)
    make_bundle(tmp_path, "skin")

    async def is_new() -> bool:
        return await _version(client) == "1.1.0"

    async with serving(bundles=tmp_path) as client:
        make_bundle(tmp_path, "skin", "1.1.0")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(is_new)
    assert signal.getsignal(signal.SIGHUP) == before


async def test_a_hangup_of_a_terminal_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "isatty", lambda _: True)
    make_bundle(tmp_path, "skin")

    async def is_said() -> bool:
        return "SIGHUP is ignored, since a terminal is attached." in caplog.messages

    with caplog.at_level(logging.INFO, "medidiagnose.models"):
        async with serving(bundles=tmp_path) as client:
            make_bundle(tmp_path, "skin", "1.1.0")
            os.kill(os.getpid(), signal.SIGHUP)
            await until(is_said)
            assert await _version(client) == "1.0.0"
