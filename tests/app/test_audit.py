"""The audit log: a line for each request that sent something, without what was sent."""

import asyncio
import json
import logging
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from app.audit import Audited, AuditLog
from tests.pictures import encode, plain
from tests.service import serving, upload

pytestmark = pytest.mark.anyio

FIELDS = ["time", "request_id", "route", "model", "version", "outcome"]


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


async def test_each_request_that_sends_something_has_a_line(bundles: Path, picture: bytes, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    async with serving(bundles=bundles, audit_log=file) as client:
        headers = {"X-Request-ID": "first"}
        answer = await client.post("/analyze/skin", files=upload(picture), headers=headers)
        await client.post("/analyze/breast", files=upload(picture))
        await client.post("/analyze/skin", files=upload(b"GIF89a"))
        await client.get("/health")
    lines = lines_of(file)
    assert [list(line) for line in lines] == [FIELDS] * 3
    settled = "settled" if answer.json()["prediction"]["settled"] else "not-settled"
    assert lines[0] | {"time": ""} == {
        "time": "",
        "request_id": "first",
        "route": "/analyze/skin",
        "model": "skin",
        "version": "1.0.0",
        "outcome": settled,
    }
    assert [(line["model"], line["version"], line["outcome"]) for line in lines[1:]] == [
        ("breast", "demo", "sample"),
        (None, None, "invalid-file-type"),
    ]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_nothing_that_was_sent_or_found_is_in_it(bundles: Path, picture: bytes, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    async with serving(bundles=bundles, audit_log=file, api_keys=("secret-of-ward-three-0123456789",)) as client:
        sent = {"image": ("jane_doe.png", picture)}
        headers = {"X-API-Key": "secret-of-ward-three-0123456789"}
        answer = await client.post("/analyze/skin?patient=jane", files=sent, headers=headers)
        await client.post("/predict-disease", json={"text": "jane has a fever"}, headers=headers)
        await client.post("/nowhere/jane", headers=headers)
    text = file.read_text(encoding="utf-8")
    assert len(lines_of(file)) == 3
    for hidden in ("jane", "fever", "secret", "127.0.0.1", answer.json()["prediction"]["name"]):
        assert hidden not in text


async def test_what_is_not_accepted_is_said(bundles: Path, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    async with serving(bundles=bundles, audit_log=file) as client:
        answer = await client.post("/analyze/skin", files=upload(encode(plain((255, 255, 255)))))
    assert not answer.json()["reliability"]["accepted"]
    assert [line["outcome"] for line in lines_of(file)] == ["not-accepted"]


def test_a_file_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    file, old = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    log = AuditLog(file)
    log.write("one", "/a", Audited("skin", "1.0.0", "settled"), "answered")
    while not log.written:
        pass
    file.rename(old)
    log.write("two", "/a", None, "no-image")
    log.close()
    assert [[line["request_id"] for line in lines_of(each)] for each in (old, file)] == [["one"], ["two"]]


async def test_answers_go_on_where_it_cannot_be_written_and_that_is_told(
    bundles: Path, picture: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "gone" / "audit.jsonl"
    async with serving(bundles=bundles, audit_log=file) as client:
        for _ in range(3):
            assert (await client.post("/analyze/skin", files=upload(picture))).status_code == 200
        for _ in range(100):
            if "medidiagnose_audit_lines_lost 3.0" in (await client.get("/metrics")).text:
                break
            await asyncio.sleep(0.02)
        else:
            pytest.fail("lost lines are not counted")
        file.parent.mkdir()
        assert (await client.post("/analyze/skin", files=upload(picture))).status_code == 200
    assert len(lines_of(file)) == 1
    told = [record for record in caplog.records if record.name == "medidiagnose.audit"]
    assert [record.levelno for record in told] == [logging.ERROR, logging.WARNING]
    assert "No such file" in told[0].getMessage()


def test_lines_that_find_no_room_are_lost_and_nobody_waits(tmp_path: Path) -> None:
    pipe = tmp_path / "audit"
    os.mkfifo(pipe)  # whoever opens it to write waits for a reader
    log = AuditLog(pipe, room=2)
    for number in range(5):
        log.write(str(number), "/a", None, "answered")
    assert log.lost >= 2
    reader = os.open(pipe, os.O_RDONLY)
    log.close()
    os.close(reader)
