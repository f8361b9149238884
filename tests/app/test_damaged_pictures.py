"""Pictures that decode though they are damaged, and files that would cost more than a picture may, through HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.fake_bundle import make_bundle
from tests.pictures import encode, noise
from tests.service import serving, upload
from tests.sheets import sheet

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    for name in ("skin", "xray", "breast", "heart_image"):
        make_bundle(folder, name)
    return folder


@pytest.fixture(scope="module")
async def client(bundles: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(bundles=bundles) as client:
        yield client


def _damaged(picture: Image.Image) -> bytes:
    """A JPEG of which 400 bytes were lost on the way."""
    file = encode(picture, "JPEG", quality=90)
    middle = len(file) // 2
    return file[:middle] + file[middle + 400 :]


def _usual() -> Image.Image:
    return noise(24, 18).resize((600, 450), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("path", ["/analyze/skin", "/analyze/xray", "/analyze/breast"])
async def test_a_damaged_picture_is_read_and_not_relied_upon(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, files=upload(_damaged(_usual())))
    assert answer.status_code == 200
    assert answer.json()["reliability"]["accepted"] is False
    assert "The JPEG is damaged" in answer.json()["reliability"]["reason"]
    whole = await client.post(path, files=upload(encode(_usual(), "JPEG", quality=90)))
    assert whole.json()["reliability"] == {"accepted": True, "reason": None}


async def test_a_damaged_sheet_is_read_and_not_relied_upon(client: httpx.AsyncClient) -> None:
    answer = await client.post("/analyze/heart", files=upload(_damaged(sheet())))
    assert answer.json()["reliability"]["accepted"] is False
    assert "The JPEG is damaged" in answer.json()["reliability"]["reason"]


async def test_a_damaged_picture_is_refused_where_asked_for(bundles: Path) -> None:
    async with serving(bundles=bundles, reject_unreliable=True) as client:
        answer = await client.post("/analyze/skin", files=upload(_damaged(_usual())))
    assert (answer.status_code, answer.json()["error"]) == (422, "Unreliable image")
    assert "The JPEG is damaged" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/analyze/skin", "/analyze/heart", "/analyze/xray", "/analyze/breast"])
@pytest.mark.parametrize(
    ("data", "name"),
    [(b"GIF89a" + bytes(32), "a GIF"), (b"%PDF-1.7", "a PDF document")],
)
async def test_what_arrived_instead_of_a_picture_is_named(
    client: httpx.AsyncClient, path: str, data: bytes, name: str
) -> None:
    answer = await client.post(path, files=upload(data))
    assert (answer.status_code, answer.json()["error"]) == (400, "Invalid file type")
    assert answer.json()["detail"].startswith(f"The content is {name}, not a JPEG")
