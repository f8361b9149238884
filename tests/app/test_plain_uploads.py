"""Uploads that go past FastAPI are answered as those that don't."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.plain_uploads import PlainUploadMiddleware
from app.settings import Settings
from models.samples import SAMPLES, Sample
from tests.service import serving

pytestmark = pytest.mark.anyio
THE_LONG_WAY = "?explain=false"
"""A query, which only FastAPI reads, that changes nothing."""
UPLOADS = [sample for sample in SAMPLES if sample.files[0].field]
PATHS = sorted({sample.path for sample in UPLOADS})


@pytest.fixture(scope="module")
async def shipped() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(bundles=Settings.model_fields["bundles"].get_default(call_default_factory=True)) as client:
        yield client


@pytest.fixture(scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(bundles=tmp_path_factory.mktemp("none"), wait_until_ready=False) as client:
        yield client


def _told(response: httpx.Response) -> tuple[int, dict[str, str], Any]:
    """Of an answer what does not differ from one to the next."""
    headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
    answer = response.json()
    answer.pop("request_id" if "request_id" in answer else "instance")
    return response.status_code, headers, answer


async def _both(client: httpx.AsyncClient, path: str, **sent: Any) -> httpx.Response:
    """The answer, which must be that of the long way."""
    short, long = [await client.post(path + way, **sent) for way in ("", THE_LONG_WAY)]
    assert _told(short) == _told(long)
    return short


def _files(sample: Sample) -> dict[str, tuple[str, bytes]]:
    return {str(file.field): (file.name, file.content()) for file in sample.files}


@pytest.mark.parametrize("sample", UPLOADS, ids=lambda sample: sample.name)
async def test_an_upload_is_answered_as_fastapi_does(shipped: httpx.AsyncClient, sample: Sample) -> None:
    assert (await _both(shipped, sample.path, files=_files(sample))).status_code == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "sent",
    [
        {"content": b""},
        {"json": {"image": "x"}},
        {"files": {"image": ("a.jpg", b"nothing")}},
        {"files": {"header": ("a.hea", b"nothing"), "signal": ("a.dat", b"")}},
        {"files": {"picture": ("a.jpg", b"nothing")}},
        {"files": {"image": ("a.jpg", b"")}, "data": {"age": "old"}},
        {"data": {"image": "text"}, "files": {"other": ("", b"")}},
        {"files": [("image", ("a", b"1")), ("image", ("b", b"2"))]},
        {"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"--x--\r\n", "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"", "headers": {"Content-Type": "multipart/form-data; boundary=x", "Content-Encoding": "gzip"}},
    ],
)
async def test_what_is_wrong_is_refused_as_fastapi_does(
    shipped: httpx.AsyncClient, path: str, sent: Mapping[str, Any]
) -> None:
    assert (await _both(shipped, path, **sent)).status_code in (400, 415, 422)


@pytest.mark.parametrize("sample", UPLOADS, ids=lambda sample: sample.name)
async def test_the_demo_mode_is_marked(demo: httpx.AsyncClient, sample: Sample) -> None:
    response = await _both(demo, sample.path, files=_files(sample))
    assert (response.status_code, response.headers["x-demo-mode"]) == (200, "true")


def test_every_route_of_uploads_goes_the_short_way_but_those_of_own_pictures() -> None:
    short = PlainUploadMiddleware(FastAPI(), routes=_routes(create_app(Settings())))
    assert sorted(short._uploads) == PATHS


def _routes(app: Any) -> Sequence[Any]:
    """Those that the middleware was given."""
    found: Sequence[Any] = next(
        each.kwargs["routes"] for each in app.user_middleware if each.cls is PlainUploadMiddleware
    )
    return found
