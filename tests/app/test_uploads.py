"""Uploads stay in memory, and no part of a form is passed over in silence."""

import tempfile
from typing import Any

import httpx
import pytest
from fastapi import Request

from app.uploads import BREAST_FORM
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


async def test_an_image_that_is_sent_twice_is_refused(client: httpx.AsyncClient, picture: bytes) -> None:
    files = [("image", ("a.jpg", picture)), ("image", ("b.txt", b"not a picture"))]
    assert (await refusal(client, "/analyze/skin", files=files)) == {"image": "`image` was sent 2 times. Send it once."}
    told = await refusal(client, "/analyze/skin", files=upload(picture), data={"image": "text"})
    assert "2 times" in told["image"]


@pytest.mark.parametrize("name", ["biopsy_prooven", "Biopsy_proven", "biopsy-proven"])
async def test_a_misspelt_part_is_named_with_what_was_meant(
    client: httpx.AsyncClient, picture: bytes, name: str
) -> None:
    told = await refusal(client, "/analyze/breast", files=upload(picture), data={name: "true"})
    assert told == {name: f"This form has no part `{name}`. Did you mean `biopsy_proven`?"}


async def test_an_unknown_part_is_named_with_what_there_is(client: httpx.AsyncClient, picture: bytes) -> None:
    told = await refusal(client, "/analyze/breast", files=upload(picture), data={"note": "x"})
    assert told == {"note": "This form has no part `note`. It takes image, biopsy_proven, setting."}
    told = await refusal(client, "/analyze/skin", files=upload(picture), data={"biopsy_proven": "true"})
    assert told == {"biopsy_proven": "This form has no part `biopsy_proven`. It takes image."}
    told = await refusal(client, "/analyze/skin", files=upload(picture) | upload(b"", part="mask"))
    assert list(told) == ["mask"]


async def test_a_text_part_that_is_sent_as_a_file_or_twice_is_refused(
    client: httpx.AsyncClient, picture: bytes
) -> None:
    files = upload(picture) | upload(b"true", part="biopsy_proven")
    told = await refusal(client, "/analyze/breast", files=files)
    assert told == {"biopsy_proven": "`biopsy_proven` was sent as a file. Send it as text, without a file name."}
    twice = {"biopsy_proven": ["true", "false"]}
    told = await refusal(client, "/analyze/breast", files=upload(picture), data=twice)
    assert told == {"biopsy_proven": "`biopsy_proven` was sent 2 times. Send it once."}


async def test_a_strange_name_is_shown_harmless_and_short(client: httpx.AsyncClient, picture: bytes) -> None:
    form = (
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + picture + b"\r\n"
        b'--x\r\nContent-Disposition: form-data; name="\x1b[2J\xe2\x80\xae' + b"n" * 500 + b'"\r\n\r\n\r\n--x--\r\n'
    )
    told = await refusal(
        client, "/analyze/skin", content=form, headers={"content-type": "multipart/form-data; boundary=x"}
    )
    (name,) = told
    assert name == "\ufffd[2J\ufffd" + "n" * 35 + "..."


async def test_a_missing_image_says_what_arrived(client: httpx.AsyncClient, picture: bytes) -> None:
    answer = await client.post("/analyze/skin", files=upload(picture, part="picture"))
    assert answer.json()["error"] == "No image provided"
    assert answer.json()["detail"].endswith("Missing: image. Not known: picture.")
    answer = await client.post("/analyze/skin", files=upload(picture, part="picture"), data={"image": "text"})
    assert "Sent as text, without a file name: image." in answer.json()["detail"]


async def test_a_form_without_a_boundary_says_whose_work_that_is(client: httpx.AsyncClient) -> None:
    answer = await client.post("/analyze/skin", content=b"--x", headers={"content-type": "multipart/form-data"})
    assert "Leave Content-Type to the HTTP client" in answer.json()["detail"]


async def test_a_form_has_few_parts(client: httpx.AsyncClient, picture: bytes) -> None:
    notes = {f"note{number}": "x" for number in range(100)}
    answer = await client.post("/analyze/skin", files=upload(picture), data=notes)
    assert (answer.status_code, answer.json()["error"]) == (400, "Malformed form")


async def refusal(client: httpx.AsyncClient, path: str, **form: Any) -> dict[str, str]:
    """The messages of a 422 by field."""
    answer = await client.post(path, **form)
    assert (answer.status_code, answer.json()["error"]) == (422, "Invalid request"), answer.text
    return {error["field"]: error["message"] for error in answer.json()["errors"]}


async def test_a_form_comes_apart_into_files_and_fields() -> None:
    request = httpx.Request("POST", "http://x/", files=upload(encode(noise(8, 8))), data={"biopsy_proven": "true"})
    body = request.read()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(name.lower(), value) for name, value in request.headers.raw]
    form = await BREAST_FORM(Request({"type": "http", "headers": headers}, receive))
    assert dict(form.files) == {"image": encode(noise(8, 8))}
    assert dict(form.fields) == {"biopsy_proven": "true"}
