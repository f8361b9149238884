"""POST /analyze/breast with a model: both outputs are read, and category 6 is the caller's."""

from collections.abc import AsyncIterator
from math import exp
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.serving.bundle import BundleError, Metadata
from tests.contract import BREAST, type_departures
from tests.fake_bundle import check_metadata, make_bundle, make_graph, make_metadata
from tests.pictures import encode, plain
from tests.service import serving, state_once_loaded, upload

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A service whose only model is a breast bundle that takes light for malignancy."""
    folder = tmp_path_factory.mktemp("bundles")
    make_bundle(folder, "breast", operating_points=(), novelty={"threshold": 0.9, "false_alarms": 0.01})
    async with serving(bundles=folder) as client:
        yield client


async def analyze(service: httpx.AsyncClient, light: int, **form: str) -> dict[str, Any]:
    picture = encode(plain((light, light, light)))
    answer = await service.post("/analyze/breast", files=upload(picture), data=form)
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


async def test_every_field_of_the_contract_is_answered(service: httpx.AsyncClient) -> None:
    body = await analyze(service, 128)
    assert type_departures(BREAST, body) == []
    assert [each["code"] for each in body["probabilities"]] == ["1", "2", "3", "4", "5"]
    assert sum(each["probability"] for each in body["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert body["model"] == {"name": "breast", "version": "1.0.0", "precision": "fp32"}
    assert (body["demo_mode"], body["reliability"]["accepted"]) == (False, True)


async def test_the_subcategory_follows_the_malignancy_of_the_network(service: httpx.AsyncClient) -> None:
    lights = (80, 110, 150, 255)
    bodies = [await analyze(service, light) for light in lights]
    chances = [body["malignancy_probability"] for body in bodies]
    assert chances == pytest.approx([1 / (1 + exp(-14 * (light / 255 - 0.5))) for light in lights], abs=1e-5)
    assert [body["prediction"]["subcategory"] for body in bodies[1:]] == ["4B", "4C", None]
    assert bodies[-1]["prediction"]["birads"] == "BI-RADS 5"


async def test_category_6_is_the_callers(service: httpx.AsyncClient) -> None:
    seen = await analyze(service, 10, biopsy_proven="false")
    told = await analyze(service, 10, biopsy_proven="true")
    assert seen["prediction"]["birads"] != "BI-RADS 6"
    assert told["prediction"]["birads"] == "BI-RADS 6"
    assert told["malignancy_probability"] == 1
    assert told["probabilities"] == seen["probabilities"]
    assert told["reliability"] == seen["reliability"]


async def test_the_setting_moves_the_probability_and_not_the_category(service: httpx.AsyncClient) -> None:
    seen, screened = await analyze(service, 110), await analyze(service, 110, setting="screening")
    assert (seen["setting"], screened["setting"]) == ("diagnostic", "screening")
    assert screened["malignancy_probability"] < seen["malignancy_probability"]
    assert {**screened["prediction"], "urgency": screened["urgency"]} == {
        **seen["prediction"],
        "urgency": seen["urgency"],
    }
    refused = await service.post("/analyze/breast", files=upload(encode(plain((9, 9, 9)))), data={"setting": "maybe"})
    assert (refused.status_code, "diagnostic or screening" in refused.json()["detail"]) == (422, True)


async def test_health_and_models_name_it(service: httpx.AsyncClient) -> None:
    assert (await service.get("/health")).json()["models"]["breast_cancer"] is True
    assert [model["name"] for model in (await service.get("/models")).json()["models"]] == ["breast"]


async def test_a_picture_unlike_the_training_data_is_flagged(tmp_path: Path) -> None:
    make_bundle(tmp_path, "breast")
    async with serving(bundles=tmp_path) as client:
        body = await analyze(client, 255)
        assert body["reliability"]["accepted"] is False
        assert body["reliability"]["reason"]


def test_a_bundle_is_checked_with_every_output() -> None:
    metadata = make_metadata("breast")
    check_metadata(Metadata.model_validate({**metadata, "sha256": "0" * 64}))
    without = {**metadata, "outputs": metadata["outputs"][:-1], "sha256": "0" * 64}
    with pytest.raises(BundleError, match=r"Bundle breast: its answers can't be interpreted: .*`malignancy`"):
        check_metadata(Metadata.model_validate(without))


async def test_a_bundle_without_malignancy_fails_at_load(tmp_path: Path, picture: bytes) -> None:
    outputs = make_metadata("breast")["outputs"][:-1]
    make_bundle(tmp_path, "breast", graph=make_graph(5), outputs=outputs)
    async with serving(bundles=tmp_path, wait_until_ready=False) as client:
        assert (await state_once_loaded(client, "breast"))["state"] == "failed"
        assert (await client.post("/analyze/breast", files=upload(picture))).status_code == 503
