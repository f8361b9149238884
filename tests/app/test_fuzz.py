"""Whatever is uploaded or sent, the service answers, and never with a fault of its own."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from schemas.common import Problem
from schemas.heart_risk import HeartRiskRequest
from tests.contract import HEART_RISK_REQUEST
from tests.fake_bundle import make_bundle
from tests.pictures import encode, noise
from tests.records import record, record_files
from tests.service import serving, upload

EXPECTED = {200, 400, 413, 422}
FUZZ = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class Service:
    """A running service with a plain function in front, as Hypothesis asks for."""

    def __init__(self, runner: asyncio.Runner, client: httpx.AsyncClient) -> None:
        self._runner = runner
        self._client = client

    def post(self, path: str, **request: Any) -> httpx.Response:
        answer = self._runner.run(self._client.post(path, **request))
        assert answer.status_code in EXPECTED, answer.text
        if answer.status_code != 200:
            Problem.model_validate_json(answer.content)
        return answer


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    bundles = tmp_path_factory.mktemp("bundles")
    for name in ("skin", "xray", "heart_risk"):
        make_bundle(bundles, name)
    with asyncio.Runner() as runner:
        running = serving(bundles=bundles, max_pixels=1_000_000)
        client = runner.run(running.__aenter__())
        yield Service(runner, client)
        runner.run(running.__aexit__(None, None, None))


def _seeds() -> list[bytes]:
    picture, grey16 = noise(24, 16), Image.fromarray(np.arange(384, dtype=np.uint16).reshape(16, 24) * 100)
    turned = Image.Exif()
    turned[274] = 6
    return [
        *(encode(picture, picture_format) for picture_format in ("PNG", "JPEG", "WEBP", "BMP", "TIFF")),
        encode(picture.convert("P"), "PNG"),
        encode(picture.convert("RGBA"), "PNG"),
        encode(picture.convert("RGBA"), "WEBP"),
        encode(picture.convert("CMYK"), "JPEG"),
        encode(picture.convert("CMYK"), "TIFF"),
        encode(picture.convert("1"), "TIFF", compression="group4"),
        encode(picture, "TIFF", compression="tiff_lzw"),
        encode(picture, "TIFF", compression="jpeg"),
        encode(grey16, "PNG"),
        encode(grey16, "TIFF"),
        encode(Image.fromarray(np.linspace(-1, 1, 384, dtype=np.float32).reshape(16, 24)), "TIFF"),
        encode(picture.convert("P"), "BMP"),
        encode(picture, "JPEG", progressive=True),
        encode(picture.convert("L"), "TIFF", compression="tiff_adobe_deflate"),
        encode(picture, "TIFF", compression="packbits", exif=turned),
        encode(picture, "JPEG", exif=turned),
        encode(picture, "PNG", exif=turned),
        encode(picture, "WEBP", save_all=True, append_images=[picture.rotate(180)]),
    ]


@st.composite
def mutated_pictures(draw: st.DrawFn) -> bytes:
    """A picture file with some bytes overwritten, a piece cut out or doubled, or its end lost."""
    data = bytearray(draw(st.sampled_from(_SEEDS)))
    for _ in range(draw(st.integers(0, 8))):
        place = draw(st.integers(0, min(len(data) - 1, 400)) | st.integers(0, len(data) - 1))
        data[place] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFE, 0xFF]) | st.integers(0, 255))
    start, length = draw(st.integers(0, len(data))), draw(st.integers(0, 64))
    match draw(st.sampled_from(["whole", "cut", "doubled", "truncated"])):
        case "cut":
            del data[start : start + length]
        case "doubled":
            data[start:start] = data[start : start + length]
        case "truncated":
            del data[start:]
    return bytes(data)


_SEEDS = _seeds()


@FUZZ
@given(data=mutated_pictures(), path=st.sampled_from(["/analyze/skin", "/analyze/xray", "/analyze/breast"]))
def test_mutated_pictures(service: Service, data: bytes, path: str) -> None:
    service.post(path, files=upload(data))


@FUZZ
@given(
    head=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\x00", b"MM\x00*", b"RIFF0000WEBP"]),
    rest=st.binary(max_size=400),
)
def test_random_bytes_behind_any_signature(service: Service, head: bytes, rest: bytes) -> None:
    service.post("/analyze/skin", files=upload(head + rest))


_HEADER, _SIGNAL = record()


@FUZZ
@given(
    place=st.integers(0, len(_HEADER)),
    length=st.integers(0, 12),
    piece=st.binary(max_size=8)
    | st.sampled_from([b"0", b"-1", b"nan", b"9" * 10, b"/", b"\n", b"x9", b"(", b"mmHg", b"V1"]),
    end=st.sampled_from([len(_SIGNAL), len(_SIGNAL) - 1, 0]),
)
def test_mutated_records(service: Service, place: int, length: int, piece: bytes, end: int) -> None:
    header = _HEADER[:place] + piece + _HEADER[place + length :]
    service.post("/analyze/heart/record", files=record_files((header, _SIGNAL[:end])))


@FUZZ
@given(body=st.binary(max_size=300), boundary=st.sampled_from(["", "; boundary=x", "; boundary=", '; boundary="x y"']))
def test_random_forms(service: Service, body: bytes, boundary: str) -> None:
    headers = {"content-type": "multipart/form-data" + boundary}
    service.post("/analyze/heart/record", content=body, headers=headers)
    service.post("/analyze/skin", content=b"--x\r\n" + body, headers=headers)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
HEART_FORMS = st.fixed_dictionaries(dict.fromkeys(HEART_RISK_REQUEST, JSON | st.integers(0, 300)))
HEART_OPTIONS = st.dictionaries(
    st.sampled_from([name for name in HeartRiskRequest.model_fields if name not in HEART_RISK_REQUEST]),
    st.none() | st.booleans() | st.integers(0, 300) | st.floats() | st.text(max_size=5),
)


@FUZZ
@given(form=JSON | HEART_FORMS)
def test_any_json_as_a_heart_form(service: Service, form: Any) -> None:
    _post_json(service, "/predict-heart", form)


@FUZZ
@given(options=HEART_OPTIONS)
def test_any_value_besides_a_heart_form(service: Service, options: dict[str, Any]) -> None:
    _post_json(service, "/predict-heart", {**HEART_RISK_REQUEST, **options})


@FUZZ
@given(form=JSON | st.fixed_dictionaries({"symptoms": JSON | st.lists(st.text() | st.just("fever"), max_size=5)}))
def test_any_json_as_symptoms(service: Service, form: Any) -> None:
    _post_json(service, "/predict-disease", form)


def _post_json(service: Service, path: str, form: Any) -> None:
    service.post(path, content=json.dumps(form).encode(), headers={"content-type": "application/json"})
