"""Uploads that go past FastAPI, and forms that go past the parser, are answered as those that don't."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from starlette.datastructures import Headers

from app.main import create_app
from app.plain_multipart import plain_parts
from app.plain_uploads import PlainUploadMiddleware
from app.settings import Settings
from app.uploads import MAX_PARTS, _InMemoryParser
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


BOUNDARY = "ab12"
WRITTEN = b"".join(
    [
        b'--ab12\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n',
        b"\xff\xd8\r\n--ab1\r\n\r\n--ab",
        b'\r\n--ab12\r\nContent-Disposition: form-data; name="age"\r\n\r\n50',
        b'\r\n--ab12\r\nContent-Disposition: form-data; name="signal"; filename=""\r\n\r\n\r\n--ab12--\r\n',
    ]
)
PARTS = [("image", b"\xff\xd8\r\n--ab1\r\n\r\n--ab"), ("age", "50"), ("signal", b"")]


async def _parsed(content_type: str, body: bytes) -> Sequence[tuple[str, bytes | str]] | None:
    """By the parser; None where it refuses."""
    stream = _pieces(body)
    try:
        form = await _InMemoryParser(Headers({"content-type": content_type}), stream).parse()
    except Exception:
        return None
    return [(name, part if isinstance(part, str) else await part.read()) for name, part in form.multi_items()]


async def _pieces(body: bytes) -> Any:
    yield body


async def test_a_plain_form_is_cut_up_as_the_parser_does() -> None:
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    assert plain_parts(content_type, WRITTEN, most=3) == PARTS == await _parsed(content_type, WRITTEN)
    assert plain_parts(content_type, WRITTEN, most=2) is None


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/form-data; boundary="ab12"',
        "multipart/form-data; charset=latin-1; boundary=ab12",
        "multipart/form-data; boundary=ab12; charset=latin-1",
        "multipart/mixed; boundary=ab12",
        "multipart/form-data; boundary=ab123",
        "multipart/form-data; boundary=",
    ],
)
def test_another_type_is_left_to_the_parser(content_type: str) -> None:
    assert plain_parts(content_type, WRITTEN, most=MAX_PARTS) is None


async def test_forms_damaged_at_random_are_read_as_the_parser_reads_them_or_left_to_it() -> None:
    content_type, rng = f"multipart/form-data; boundary={BOUNDARY}", np.random.default_rng(0)
    tokens = [
        b"\r\n",
        b"--",
        b"ab12",
        b"--ab12",
        b'"',
        b"\\",
        b"%22",
        b";",
        b"\n",
        b"\r",
        b"\xe9",
        b"",
        b": ",
        b'name="x"',
    ]
    plain = 0
    for _ in range(4000):
        body = bytearray(WRITTEN)
        for _ in range(rng.integers(1, 4)):
            start = rng.integers(len(body))
            body[start : start + rng.choice((0, 0, 1, 2, 6))] = tokens[rng.integers(len(tokens))]
        if (parts := plain_parts(content_type, bytes(body), most=MAX_PARTS)) is not None:
            plain += 1
            assert parts == await _parsed(content_type, bytes(body)), bytes(body)
    assert plain > 200


async def test_a_form_that_is_cut_anywhere_is_no_plain_one() -> None:
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    whole = len(WRITTEN) - 2  # the last line end may be missing
    assert plain_parts(content_type, WRITTEN[:whole], most=MAX_PARTS) == PARTS
    assert not [stop for stop in range(whole) if plain_parts(content_type, WRITTEN[:stop], most=MAX_PARTS)]
