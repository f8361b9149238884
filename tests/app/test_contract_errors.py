"""The error table of the HTTP contract, line by line: each test's name says what arrives and what status follows."""

import asyncio
import gzip
import json
import re
import struct
import threading
import zlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.common import Problem
from tests.conftest import ClientWith
from tests.pictures import encode, noise, plain
from tests.records import record_files
from tests.service import client_of, running, serving, until_ready, upload

pytestmark = pytest.mark.anyio

PICTURE_PATHS = ("/analyze/skin", "/analyze/heart", "/analyze/breast", "/analyze/xray")
JSON_PATHS = ("/predict-disease", "/predict-heart")
HEART_FORM = {
    "age": 55,
    "sex": 1,
    "blood_pressure": 145,
    "cholesterol": 250,
    "chest_pain": 2,
    "max_heart_rate": 140,
}
IMAGE_PART = b'Content-Disposition: form-data; name="image"; filename="a"'
KEY = "a-key-of-sixteen-characters"


def assert_problem(answer: httpx.Response, status: int, error: str) -> Problem:
    """The one shape of an error, with the original's two fields and the request id."""
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(answer.content)
    assert (problem.success, problem.status, problem.title) == (False, status, error)
    assert problem.instance == answer.headers["x-request-id"]
    assert re.fullmatch(r"/problems/[a-z-]+", problem.type)
    assert problem.detail.endswith((".", "?"))
    return problem


@pytest.mark.parametrize("path", PICTURE_PATHS)
@pytest.mark.parametrize(
    "request_body",
    [
        {},
        {"files": upload(b"data", part="picture")},
        {"data": {"image": "text, not a file"}},
        {"json": {"image": "base64"}},
        {"content": b"raw bytes", "headers": {"content-type": "image/jpeg"}},
    ],
    ids=["no body", "another part", "a text part", "json", "raw bytes"],
)
async def test_400_no_image_part(client: httpx.AsyncClient, path: str, request_body: dict[str, Any]) -> None:
    assert_problem(await client.post(path, **request_body), 400, "No image provided")


@pytest.mark.parametrize("path", PICTURE_PATHS)
@pytest.mark.parametrize("data", [b"GIF89a" + bytes(64), b"%PDF-1.7", b"<html>", b"just text"])
async def test_400_file_type_outside_the_allow_list_whatever_its_name(
    client: httpx.AsyncClient, path: str, data: bytes
) -> None:
    assert_problem(await client.post(path, files=upload(data, name="lesion.png")), 400, "Invalid file type")


@pytest.mark.parametrize("path", PICTURE_PATHS)
async def test_200_picture_with_a_misleading_name(client: httpx.AsyncClient, path: str, picture: bytes) -> None:
    assert (await client.post(path, files=upload(picture, name="notes.txt"))).status_code == 200


@pytest.mark.parametrize("path", PICTURE_PATHS)
async def test_400_empty_picture(client: httpx.AsyncClient, path: str) -> None:
    assert_problem(await client.post(path, files=upload(b"")), 400, "Cannot read image")


@pytest.mark.parametrize("path", PICTURE_PATHS)
async def test_400_truncated_picture(client: httpx.AsyncClient, path: str, picture: bytes) -> None:
    assert_problem(await client.post(path, files=upload(picture[: len(picture) // 2])), 400, "Cannot read image")


@pytest.mark.parametrize("path", PICTURE_PATHS)
async def test_400_undecodable_picture(client: httpx.AsyncClient, path: str) -> None:
    damaged = b"\x89PNG\r\n\x1a\n" + bytes(200)
    assert_problem(await client.post(path, files=upload(damaged)), 400, "Cannot read image")


@pytest.mark.parametrize("files", [{}, upload(b"x", part="header"), upload(b"x", part="signal")])
async def test_400_record_without_both_its_files(client: httpx.AsyncClient, files: dict[str, Any]) -> None:
    assert_problem(await client.post("/analyze/heart/record", files=files), 400, "No record provided")


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"no boundary here"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\n" + IMAGE_PART + b"\r\n\r\nab",
        ),
        ("multipart/form-data; boundary=x", b"--x\r\n" + IMAGE_PART + b"\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nab\r\n--x--\r\n"),
        ("multipart/form-data; boundary=" + "x" * 300, b"--x--"),
        ("multipart/form-data; boundary=x; charset=undefined", b"--x\r\n" + IMAGE_PART + b"\r\n\r\nab\r\n--x--\r\n"),
    ],
    ids=[
        "no boundary named",
        "no boundary sent",
        "cut off in the data",
        "cut off in the head",
        "no name",
        "long",
        "no charset",
    ],
)
@pytest.mark.parametrize("path", [*PICTURE_PATHS, "/analyze/heart/record"])
async def test_400_malformed_form(client: httpx.AsyncClient, path: str, content_type: str, content: bytes) -> None:
    answer = await client.post(path, content=content, headers={"content-type": content_type})
    assert_problem(answer, 400, "Malformed form")


@pytest.mark.parametrize("path", [*PICTURE_PATHS, "/predict-disease", "/predict-heart", "/nowhere"])
async def test_413_body_over_the_limit_by_its_announced_length(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, content=b"x", headers={"content-length": str(16 * 1024**2 + 1)})
    problem = assert_problem(answer, 413, "Request too large")
    assert "16 MiB" in problem.detail


async def _endless() -> AsyncIterator[bytes]:
    yield b"--x\r\n" + IMAGE_PART + b"\r\n\r\n"
    for _ in range(17):
        yield bytes(1024**2)
    pytest.fail("read far beyond the limit")


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        *((path, "multipart/form-data; boundary=x") for path in PICTURE_PATHS),
        ("/predict-disease", "application/json"),
        ("/predict-heart", "application/json"),
    ],
)
async def test_413_body_over_the_limit_without_a_length_is_not_read_to_its_end(
    client: httpx.AsyncClient, path: str, content_type: str
) -> None:
    answer = await client.post(path, content=_endless(), headers={"content-type": content_type})
    assert_problem(answer, 413, "Request too large")


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("announced", [True, False])
async def test_413_json_over_its_own_limit(client: httpx.AsyncClient, path: str, announced: bool) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        yield b"[" + b" " * 60_000
        yield b" " * 40_000

    content = b" " * 100_001 if announced else in_pieces()
    answer = await client.post(path, content=content, headers={"content-type": "application/json"})
    assert "100 kB" in assert_problem(answer, 413, "Request too large").detail


async def test_200_json_just_under_its_limit(client: httpx.AsyncClient) -> None:
    form = json.dumps({"symptoms": ["fever"]}).encode().ljust(100_000)
    answer = await client.post("/predict-disease", content=form, headers={"content-type": "application/json"})
    assert answer.status_code == 200


async def test_200_body_just_under_the_limit(client: httpx.AsyncClient, picture: bytes) -> None:
    padded = picture + bytes(16 * 1024**2 - len(picture) - 1024)
    assert (await client.post("/analyze/skin", files=upload(padded))).status_code == 200


@pytest.mark.parametrize("path", PICTURE_PATHS)
async def test_413_picture_over_the_pixel_limit_is_not_decoded(client: httpx.AsyncClient, path: str) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 8000, 5001, 8, 2, 0, 0, 0)
    announced = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data = announced + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    problem = assert_problem(await client.post(path, files=upload(data)), 413, "Image too large")
    assert "8000 x 5001" in problem.detail


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/predict-heart", {**HEART_FORM, "age": "old"}, "age"),
        ("/predict-heart", {**HEART_FORM, "age": None}, "age"),
        ("/predict-heart", {key: value for key, value in HEART_FORM.items() if key != "sex"}, "sex"),
        ("/predict-heart", {**HEART_FORM, "sex": []}, "sex"),
        ("/predict-disease", {}, "symptoms"),
        ("/predict-disease", {"symptoms": "fever"}, "symptoms"),
        ("/predict-disease", {"symptoms": []}, "symptoms"),
        ("/predict-disease", {"symptoms": ["fever", 7]}, "symptoms.1"),
        ("/predict-disease", {"symptoms": ["fever"] * 10_000}, "symptoms"),
        ("/predict-disease", {"symptoms": ["fever"], "age": 400}, "age"),
        ("/predict-disease", {"symptoms": ["fever"], "sex": "none"}, "sex"),
        ("/predict-disease", {"symptoms": ["fever"], "text": 7}, "text"),
        ("/predict-disease", {"text": "  "}, "symptoms"),
    ],
)
async def test_422_json_with_a_field_of_the_wrong_type(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], field: str
) -> None:
    problem = assert_problem(await client.post(path, json=body), 422, "Invalid request")
    assert field in [error.field for error in problem.errors]
    assert all(error.message.endswith(".") for error in problem.errors)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("age", 5),
        ("age", 300),
        ("blood_pressure", 20),
        ("blood_pressure", 1e9),
        ("cholesterol", -1),
        ("chest_pain", 4),
        ("max_heart_rate", 1000),
        ("sex", 2),
    ],
)
async def test_422_json_out_of_physiological_range(client: httpx.AsyncClient, field: str, value: float) -> None:
    answer = await client.post("/predict-heart", json={**HEART_FORM, field: value})
    problem = assert_problem(answer, 422, "Invalid request")
    assert [error.field for error in problem.errors] == [field]


async def test_422_no_known_symptom(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict-disease", json={"symptoms": ["heddakke", "qwertyuiop"]})
    problem = Problem.model_validate_json(answer.content)
    assert (answer.status_code, problem.title) == (422, "Nothing understood")
    assert "headache" in problem.detail
    for told in (problem.error, problem.detail):
        assert "call your local emergency number now" in told


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "missing"),
        (b"{", "property name"),
        (b'{"age": "\xff"}', "UTF-8"),
        (b"[1]", "JSON object"),
        (b"null", "JSON object"),
        (b"[" * 100_000, "too deeply"),
        (b'{"a":' * 16_000, "too deeply"),
        (b'{"age": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"age": NaN}', "NaN is not a number"),
        (b'{"age": -Infinity}', "-Infinity is not a number"),
        (b'{"age": 1e999, "symptoms": []}', "must be a number"),
        (b'{"age": 5, "sex": 1, "age": 50}', "`age` is there more than once"),
        (b'{"symptoms": ["\\ud800"]}', ""),
        (b'{"age": 5}\x00', "line 1, column 11"),
    ],
)
@pytest.mark.parametrize("path", JSON_PATHS)
async def test_422_body_that_is_no_json_object_says_what_is_wrong(
    client: httpx.AsyncClient, path: str, content: bytes, said: str
) -> None:
    answer = await client.post(path, content=content, headers={"content-type": "application/json"})
    problem = assert_problem(answer, 422, "Invalid request")
    assert said in problem.detail
    assert said in " ".join(error.message for error in problem.errors)
    assert problem.errors


async def test_422_names_twenty_of_a_hundred_faults_and_says_how_many_more(client: httpx.AsyncClient) -> None:
    problem = assert_problem(
        await client.post("/predict-disease", json={"symptoms": [7] * 100}), 422, "Invalid request"
    )
    assert [error.field for error in problem.errors] == [f"symptoms.{place}" for place in range(20)]
    assert problem.detail == ('A symptom must be a word or a few words, such as "headache". 80 more values are wrong.')


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/xml", "json"])
async def test_415_a_form_that_is_said_to_be_no_json(client: httpx.AsyncClient, path: str, content_type: str) -> None:
    answer = await client.post(path, content=b'{"age": 5}', headers={"content-type": content_type})
    assert_problem(answer, 415, "Unsupported media type")


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json; charset=utf-8"}])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
async def test_200_json_with_any_usual_heading(client: httpx.AsyncClient, headers: dict[str, str], mark: bytes) -> None:
    answer = await client.post("/predict-heart", content=mark + json.dumps(HEART_FORM).encode(), headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "nonsense"])
@pytest.mark.parametrize("path", [*JSON_PATHS, *PICTURE_PATHS, "/analyze/heart/record"])
async def test_415_encoded_body(client: httpx.AsyncClient, path: str, encoding: str) -> None:
    kind = "application/json" if path in JSON_PATHS else "multipart/form-data; boundary=x"
    headers = {"content-encoding": encoding, "content-type": kind}
    answer = await client.post(path, content=gzip.compress(b"{}"), headers=headers)
    assert "Content-Encoding" in assert_problem(answer, 415, "Unsupported media type").detail
    assert answer.headers["Accept-Encoding"] == "identity"


async def test_422_query_and_form_fields_of_the_wrong_type(client: httpx.AsyncClient, picture: bytes) -> None:
    answer = await client.post("/analyze/skin?explain=perhaps", files=upload(picture))
    assert assert_problem(answer, 422, "Invalid request").errors[0].field == "explain"
    answer = await client.post("/analyze/breast", files=upload(picture), data={"biopsy_proven": "perhaps"})
    assert assert_problem(answer, 422, "Invalid request").errors[0].field == "biopsy_proven"


async def test_200_picture_of_another_kind_is_not_accepted_and_says_why(client: httpx.AsyncClient) -> None:
    answer = await client.post("/analyze/skin", files=upload(encode(plain((255, 255, 255)))))
    assert answer.status_code == 200
    reliability = answer.json()["reliability"]
    assert reliability["accepted"] is False
    assert "unlike those the model learned from" in reliability["reason"]


async def test_422_picture_of_another_kind_where_unreliable_ones_are_rejected(bundles: Path, picture: bytes) -> None:
    async with serving(bundles=bundles, reject_unreliable=True) as client:
        answer = await client.post("/analyze/skin", files=upload(encode(plain((255, 255, 255)))))
        problem = assert_problem(answer, 422, "Unreliable image")
        assert "unlike those the model learned from" in problem.detail
        assert (await client.post("/analyze/skin", files=upload(picture))).status_code == 200


@pytest.mark.parametrize("sent", [{}, {"X-API-Key": "wrong"}, {"X-API-Key": ""}, {"X-API-Key": KEY + "x"}])
async def test_401_no_or_wrong_api_key(client_with: ClientWith, sent: dict[str, str], picture: bytes) -> None:
    client = await client_with(api_keys=f"another-long-key-here,{KEY}")
    for path in (*PICTURE_PATHS, "/analyze/heart/record", "/predict-disease", "/predict-heart"):
        answer = await client.post(path, headers=sent, content=b"x" * 100)
        assert_problem(answer, 401, "Invalid API key")
        assert "WWW-Authenticate" in answer.headers
    for path in ("/models", "/models/skin/card", "/metrics", "/symptoms", "/nowhere"):
        assert_problem(await client.get(path, headers=sent), 401, "Invalid API key")
    for path in ("/", "/health", "/health/live", "/health/ready", "/docs", "/openapi.json"):
        assert (await client.get(path, headers=sent)).status_code == 200
    answer = await client.post("/analyze/skin", files=upload(picture), headers={"X-API-Key": KEY})
    assert answer.status_code == 200


class StuckNetwork:
    """Computes nothing until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.started = threading.Event()

    def run(self, batch: NDArray[np.uint8], *, cores: int = 1) -> Mapping[str, NDArray[np.float32]]:
        self.started.set()
        assert self.released.wait(5)
        n = len(batch)
        return {"probabilities": np.full((n, 7), 1 / 7, np.float32), "novelty": np.zeros(n, np.float32)}


async def test_503_with_retry_after_when_the_queue_is_full(bundles: Path, picture: bytes) -> None:
    network = StuckNetwork()
    async with (
        serving(bundles=bundles, make_network=lambda _: network, queue_size=2) as client,
        anyio.create_task_group() as group,
    ):
        answers: list[httpx.Response] = []

        async def ask() -> None:
            answers.append(await client.post("/analyze/skin", files=upload(picture)))

        group.start_soon(ask)
        group.start_soon(ask)
        with anyio.fail_after(5):
            await anyio.to_thread.run_sync(network.started.wait)
            refused = await client.post("/analyze/skin", files=upload(picture))
        assert_problem(refused, 503, "Too many requests under way")
        assert int(refused.headers["Retry-After"]) > 0
        network.released.set()
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_504_when_the_deadline_passes(bundles: Path, picture: bytes) -> None:
    network = StuckNetwork()
    async with serving(bundles=bundles, make_network=lambda _: network, deadline_seconds=0.05) as client:
        answer = await client.post("/analyze/skin", files=upload(picture))
        assert_problem(answer, 504, "Deadline exceeded")
        network.released.set()


@pytest.fixture(scope="module")
async def impatient(bundles: Path) -> AsyncIterator[ASGIApp]:
    """A service that waits for a body for a tenth of a second."""
    async with running(bundles=bundles, deadline_seconds=0.1) as app:
        await until_ready(app)
        yield app


@pytest.mark.parametrize("path", [*PICTURE_PATHS, "/analyze/heart/record", "/predict-disease", "/predict-heart"])
@pytest.mark.parametrize("pause", [0.01, 60])
async def test_504_when_the_body_drips_or_stalls(impatient: ASGIApp, path: str, pause: float) -> None:
    async def drip() -> Message:
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": b"\r\n", "more_body": True}

    async def with_slow_body(scope: Scope, _: Receive, send: Send) -> None:
        await impatient(scope, drip, send)

    kind = "application/json" if path.startswith("/predict") else "multipart/form-data; boundary=x"
    async with client_of(with_slow_body) as client:
        with anyio.fail_after(5):
            answer = await client.post(path, headers={"Content-Type": kind})
    problem = assert_problem(answer, 504, "Deadline exceeded")
    assert problem.detail == "The request body did not arrive in full within 0.1 seconds."
    assert answer.headers["Connection"] == "close"


async def test_503_instead_of_demo_where_demo_mode_is_off(bundles: Path, picture: bytes) -> None:
    async with serving(bundles=bundles, demo_mode=False) as client:
        answers = [
            await client.post("/analyze/heart", files=upload(picture)),
            await client.post("/analyze/breast", files=upload(picture)),
            await client.post("/analyze/heart/record", files=record_files()),
            await client.post("/predict-disease", json={"symptoms": ["fever"]}),
            await client.post("/predict-heart", json=HEART_FORM),
        ]
        for answer in answers:
            assert_problem(answer, 503, "Model not available")
            assert "X-Demo-Mode" not in answer.headers
        assert (await client.post("/analyze/skin", files=upload(picture))).status_code == 200


async def test_503_and_no_sample_where_a_bundle_failed(tmp_path: Path, picture: bytes) -> None:
    for folder in ("skin", "breast", "disease"):
        (tmp_path / folder / "1.0.0").mkdir(parents=True)
    async with serving(bundles=tmp_path, wait_until_ready=False) as client:
        for path in ("/analyze/skin", "/analyze/breast"):
            assert_problem(await client.post(path, files=upload(picture)), 503, "Model not available")
        answer = await client.post("/predict-disease", json={"symptoms": ["fever"]})
        assert_problem(answer, 503, "Model not available")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/nowhere", "/analyze", "/analyze/skin/", "/%2e%2e/etc/passwd", "/redoc"])
async def test_404_unknown_path(client: httpx.AsyncClient, method: str, path: str) -> None:
    assert_problem(await client.request(method, path), 404, "Not found")


async def test_404_card_of_a_model_that_is_not_loaded(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/models/breast/card"), 404, "Model not found")
    assert_problem(await client.get("/models/knee/card"), 404, "Model not found")
    assert_problem(await client.get("/models/a-b/card"), 422, "Invalid request")


@pytest.mark.parametrize("path", [*PICTURE_PATHS, "/analyze/heart/record", "/predict-disease", "/predict-heart"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_405_wrong_method(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path)
    assert_problem(answer, 405, "Method not allowed")
    assert answer.headers["Allow"] == "POST"


async def test_500_shows_no_internals_but_logs_them(
    bundles: Path, picture: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    class BrokenNetwork:
        def run(self, batch: NDArray[np.uint8], *, cores: int = 1) -> Mapping[str, NDArray[np.float32]]:
            raise RuntimeError("secret path /srv/models")

    async with serving(bundles=bundles, make_network=lambda _: BrokenNetwork()) as client:
        answer = await client.post("/analyze/skin", files=upload(picture), headers={"Origin": "https://example.org"})
        problem = assert_problem(answer, 500, "Internal error")
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "secret path" in caplog.text
    assert problem.instance in caplog.text


async def test_an_error_shows_nothing_of_what_was_sent(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict-heart", json={**HEART_FORM, "age": "Jane Doe"})
    assert "Jane" not in answer.text
    answer = await client.post("/analyze/skin", files=upload(encode(noise())[:50], name="jane_doe.png"))
    assert "jane" not in answer.text
