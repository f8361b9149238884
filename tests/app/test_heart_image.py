"""POST /analyze/heart with a model: sheets are read and told of; what is no sheet is not relied upon."""

from base64 import b64decode
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from models.preprocessing.ecg_record import LEADS
from models.serving.bundle import BundleError, Metadata
from schemas.heart import HeartAnswer
from tests.contract import HEART, type_departures
from tests.fake_bundle import check_metadata, make_bundle, make_metadata
from tests.pictures import encode, noise, plain
from tests.service import serving, upload
from tests.sheets import sheet

pytestmark = pytest.mark.anyio

PATH = "/analyze/heart"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose only bundle is a made-up model of sheets."""
    folder = tmp_path_factory.mktemp("bundles")
    make_bundle(folder, "heart_image")
    return folder


@pytest.fixture(scope="module")
async def service(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(bundles=folder) as client:
        yield client


async def test_every_field_of_the_contract_is_answered(service: httpx.AsyncClient) -> None:
    answer = await service.post(PATH, files=upload(encode(sheet())))
    assert answer.status_code == 200
    HeartAnswer.model_validate_json(answer.content)
    body = answer.json()
    assert type_departures(HEART, body) == []
    assert body["model"] == {"name": "heart_image", "version": "1.0.0", "precision": "fp32"}
    assert (body["demo_mode"], body["reliability"]) == (False, {"accepted": True, "reason": None})
    assert body["record"] is None
    assert body["sheet"] == {
        "layout": "3x4",
        "rhythm_strips": 1,
        "speed": 25,
        "speed_from": "beats",
        "gain": 10,
        "gain_from": "assumed",
        "leads": list(LEADS),
        "lead_order": "standard",
        "quality": body["sheet"]["quality"],
    }
    assert tuple(body["sheet"]["quality"]) == LEADS
    assert body["explanation"] is None


async def test_the_traces_that_were_read_are_shown_where_asked_for(service: httpx.AsyncClient) -> None:
    answer = await service.post(PATH, params={"explain": "true"}, files=upload(encode(sheet())))
    explanation = answer.json()["explanation"]
    assert (explanation["kind"], explanation["method"], explanation["map"]) == ("overlay", "traces read", None)
    kind, data = explanation["overlay"].split(",")
    assert kind == "data:image/png;base64"
    overlay = Image.open(BytesIO(b64decode(data))).convert("HSV")
    assert overlay.width > 1000
    assert np.asarray(overlay)[..., 1].max() > 150


async def test_nothing_is_shown_of_what_is_no_sheet(service: httpx.AsyncClient) -> None:
    answer = await service.post(PATH, params={"explain": "true"}, files=upload(encode(plain((200, 200, 200)))))
    assert answer.json()["explanation"] is None


async def test_what_is_printed_on_a_sheet_may_be_said(service: httpx.AsyncClient) -> None:
    said = {"speed": "25", "gain": "5.0", "layout": "3x4", "lead_order": "standard"}
    answer = await service.post(PATH, data=said, files=upload(encode(sheet(gain=5))))
    assert (answer.json()["sheet"]["gain"], answer.json()["sheet"]["layout"]) == (5, "3x4")
    assert answer.json()["reliability"] == {"accepted": True, "reason": None}


@pytest.mark.parametrize(
    ("scale", "usual", "said", "guessed", "unsure"),
    [
        ("speed", 25, "25", "beats", "heart rate and the intervals"),
        ("gain", 10, "10", "assumed", "ST levels and other voltages"),
    ],
)
@pytest.mark.parametrize("told_by", ["nothing", "caller", "pulse", "pulse and caller"])
async def test_an_answer_says_what_told_the_scale_and_what_is_unsure_without(
    service: httpx.AsyncClient, scale: str, usual: float, said: str, guessed: str, unsure: str, told_by: str
) -> None:
    picture = sheet(pulse=5 if "pulse" in told_by else None)
    sent = {scale: said} if "caller" in told_by else {}
    body = (await service.post(PATH, data=sent, files=upload(encode(picture)))).json()
    source = guessed if told_by == "nothing" else told_by.split()[0]
    assert (body["sheet"][scale], body["sheet"][f"{scale}_from"]) == (usual, source)
    assert sum(unsure in each for each in body["not_assessed"]) == (told_by == "nothing")


@pytest.mark.parametrize(
    ("field", "text"), [("speed", "30"), ("gain", "ten"), ("layout", "4x3"), ("lead_order", "any")]
)
async def test_what_no_sheet_has_is_refused_by_name(service: httpx.AsyncClient, field: str, text: str) -> None:
    answer = await service.post(PATH, data={field: text}, files=upload(encode(sheet())))
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert "must be one of" in answer.json()["detail"]


async def test_a_sheet_that_contradicts_its_sender_is_not_relied_upon(service: httpx.AsyncClient) -> None:
    answer = await service.post(PATH, data={"gain": "20"}, files=upload(encode(sheet(pulse=5))))
    assert not answer.json()["reliability"]["accepted"]
    assert "20 mm/mV" in answer.json()["reliability"]["reason"]


async def test_a_picture_that_is_no_sheet_is_not_relied_upon(service: httpx.AsyncClient) -> None:
    answer = await service.post(PATH, files=upload(encode(noise(600, 400))))
    assert answer.status_code == 200
    reliability = answer.json()["reliability"]
    assert not reliability["accepted"]
    assert reliability["reason"].endswith("Don't rely on the answer.")


async def test_a_blank_picture_has_no_sheet_in_its_answer(service: httpx.AsyncClient) -> None:
    body = (await service.post(PATH, files=upload(encode(plain((200, 200, 200)))))).json()
    assert body["sheet"] is None
    assert not body["reliability"]["accepted"]


async def test_an_unreadable_sheet_is_refused_where_asked_for(folder: Path) -> None:
    async with serving(bundles=folder, reject_unreliable=True) as client:
        refused = await client.post(PATH, files=upload(encode(noise(600, 400))))
        assert refused.status_code == 422
        assert (await client.post(PATH, files=upload(encode(sheet())))).status_code == 200


async def test_what_is_no_picture_is_a_bad_request(service: httpx.AsyncClient) -> None:
    answer = await service.post(PATH, files=upload(b"no picture"))
    assert (answer.status_code, answer.json()["error"]) == (400, "Invalid file type")


def test_a_bundle_that_reads_pictures_as_they_are_is_not_served() -> None:
    spec = make_metadata("heart_image", preprocessing={"size": 224, "framing": "squash"})
    with pytest.raises(BundleError, match="does not read what its preprocessing makes"):
        check_metadata(Metadata.model_validate({**spec, "sha256": "0" * 64}))
