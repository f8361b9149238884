"""Which inputs are accepted as like the training data, and which bundles can be interpreted at all."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.readers import check_classes, judge
from models.bundle import BundleError, Metadata
from models.registry import Prediction
from tests.fake_bundle import CLASSES, make_bundle, make_metadata
from tests.service import serving, upload


def _metadata(name: str, **changes: Any) -> Metadata:
    return Metadata.model_validate({**make_metadata(name, **changes), "sha256": "0" * 64})


def _prediction(metadata: Metadata, novelty: float) -> Prediction:
    outputs = {"probabilities": np.full(7, 1 / 7, np.float32), "novelty": np.asarray(novelty, np.float32)}
    return Prediction(metadata, outputs, {})


@pytest.mark.parametrize(("novelty", "accepted"), [(0.0, True), (0.5, True), (0.5001, False), (9.0, False)])
def test_an_input_is_accepted_up_to_the_threshold(novelty: float, accepted: bool) -> None:
    metadata = _metadata("skin", novelty={"threshold": 0.5, "false_alarms": 0.01})
    reliability = judge(_prediction(metadata, novelty))
    assert reliability.accepted is accepted
    assert (reliability.reason is None) is accepted


def test_without_a_threshold_every_input_is_accepted() -> None:
    assert judge(_prediction(_metadata("skin", novelty=None), 99.0)).accepted


@pytest.mark.parametrize("name", ["skin", "xray"])
def test_the_contracts_classes_can_be_interpreted(name: str) -> None:
    check_classes(_metadata(name))


def test_other_classes_can_not() -> None:
    with pytest.raises(BundleError, match="Bundle skin: its answers can't be interpreted"):
        check_classes(_metadata("skin", classes=CLASSES["skin"][::-1]))


def test_nor_can_a_model_that_no_diagnosis_reads_yet() -> None:
    with pytest.raises(BundleError, match="Bundle disease: this version of the service can't interpret it"):
        check_classes(_metadata("skin").model_copy(update={"name": "disease"}))


@pytest.mark.anyio
async def test_a_bundle_with_other_classes_fails_at_load_and_not_at_the_first_request(
    tmp_path: Path, picture: bytes
) -> None:
    make_bundle(tmp_path, "skin", classes=CLASSES["skin"][::-1])
    make_bundle(tmp_path, "xray")
    async with serving(bundles=tmp_path, wait_until_ready=False) as client:
        models = await _loaded(client)
        assert models["skin"]["state"] == "failed"
        assert "can't be interpreted" in models["skin"]["detail"]
        assert models["xray"]["state"] == "ready"
        assert (await client.post("/analyze/skin", files=upload(picture))).status_code == 503
        assert (await client.post("/analyze/xray", files=upload(picture))).status_code == 200


async def _loaded(client: httpx.AsyncClient) -> dict[str, dict[str, str]]:
    for _ in range(1000):
        models: dict[str, dict[str, str]] = (await client.get("/health/ready")).json()["models"]
        if "loading" not in [model["state"] for model in models.values()]:
            return models
    raise AssertionError("still loading")
