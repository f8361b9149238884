"""Uploads that go past FastAPI are answered as those that don't."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.plain_uploads import PlainUploadMiddleware
from app.settings import Settings
from models.samples import SAMPLES, Sample
from tests.app.long_way import both_ways

pytestmark = pytest.mark.anyio
UPLOADS = [sample for sample in SAMPLES if sample.files[0].field]
PATHS = sorted({sample.path for sample in UPLOADS})


def _files(sample: Sample) -> dict[str, tuple[str, bytes]]:
    return {str(file.field): (file.name, file.content()) for file in sample.files}


@pytest.mark.parametrize("sample", UPLOADS, ids=lambda sample: sample.name)
async def test_an_upload_is_answered_as_fastapi_does(shipped: httpx.AsyncClient, sample: Sample) -> None:
    assert (await both_ways(shipped, sample.path, files=_files(sample))).status_code == 200


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
    assert (await both_ways(shipped, path, **sent)).status_code in (400, 415, 422)


@pytest.mark.parametrize("sample", UPLOADS, ids=lambda sample: sample.name)
async def test_the_demo_mode_is_marked(demo: httpx.AsyncClient, sample: Sample) -> None:
    response = await both_ways(demo, sample.path, files=_files(sample))
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
