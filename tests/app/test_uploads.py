"""Uploads stay in memory, and the first of several parts of one name counts."""

import tempfile
from typing import Any

import httpx
import pytest
from fastapi import Request

from app.uploads import read_form
from tests.pictures import encode, noise
from tests.service import upload

pytestmark = pytest.mark.anyio


async def test_a_large_upload_never_reaches_a_disk(
    client: httpx.AsyncClient, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("a temporary file was made")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", refuse)
    padded = picture + bytes(12 * 1024**2)
    assert (await client.post("/analyze/skin", files=upload(padded))).status_code == 200


async def test_the_first_of_several_images_counts(client: httpx.AsyncClient, picture: bytes) -> None:
    files = [("image", ("a.jpg", picture)), ("image", ("b.txt", b"not a picture"))]
    assert (await client.post("/analyze/skin", files=files)).status_code == 200
    assert (await client.post("/analyze/skin", files=files[::-1])).status_code == 400


async def test_other_parts_are_ignored_but_not_without_end(client: httpx.AsyncClient, picture: bytes) -> None:
    notes = {f"note{number}": "x" for number in range(10)}
    assert (await client.post("/analyze/skin", files=upload(picture), data=notes)).status_code == 200
    notes = {f"note{number}": "x" for number in range(100)}
    answer = await client.post("/analyze/skin", files=upload(picture), data=notes)
    assert (answer.status_code, answer.json()["error"]) == (400, "Malformed form")


async def test_a_form_comes_apart_into_files_and_fields() -> None:
    request = httpx.Request("POST", "http://x/", files=upload(encode(noise(8, 8))), data={"biopsy_proven": "true"})
    body = request.read()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(name.lower(), value) for name, value in request.headers.raw]
    form = await read_form(Request({"type": "http", "headers": headers}, receive))
    assert dict(form.files) == {"image": encode(noise(8, 8))}
    assert dict(form.fields) == {"biopsy_proven": "true"}
