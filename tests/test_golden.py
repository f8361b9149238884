"""The shipped models answer fixed inputs as they did, and every bundle opens as the service opens it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import httpx
import numpy as np
import pytest

from app.settings import Settings
from models.serving.bundle import Precision
from models.serving.engine import PROBABILITIES, Engine
from models.serving.loading import model_folders, read_newest_bundle
from tests.golden import FOLDER, GoldenRequest, requests
from tests.golden.asking import ask, differences
from tests.service import serving

BUNDLES = Settings().bundles


@pytest.fixture(scope="module")
async def shipped() -> AsyncIterator[httpx.AsyncClient]:
    """A service with the models that ship."""
    async with serving(bundles=BUNDLES) as client:
        yield client


@pytest.mark.anyio
@pytest.mark.parametrize("request_", requests(), ids=lambda request: request.name)
async def test_the_answer_is_the_golden_one(shipped: httpx.AsyncClient, request_: GoldenRequest) -> None:
    expected = json.loads(request_.file.read_text(encoding="utf-8"))
    assert differences(expected, await ask(shipped, request_)) == []


def test_every_golden_answer_has_its_request() -> None:
    assert {file.name for file in FOLDER.glob("*.json")} == {request.file.name for request in requests()}


@pytest.mark.parametrize("folder", model_folders(BUNDLES), ids=lambda folder: folder.name)
@pytest.mark.parametrize("precision", get_args(Precision))
def test_a_shipped_bundle_opens_and_answers_as_in_service(folder: Path, precision: Precision) -> None:
    bundle = read_newest_bundle(folder, precision)
    spec = bundle.metadata.input
    batch = np.full(
        [2 if edge is None else edge for edge in spec.shape], 100, "uint8" if spec.dtype == "uint8" else "f4"
    )
    probabilities = Engine(bundle).run(batch)[PROBABILITIES]
    assert probabilities.shape == (2, len(bundle.metadata.classes))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_a_difference_is_told() -> None:
    kept = {"status": 200, "body": {"name": "Normal", "p": 0.5, "percent": "50.0%", "list": [1, 2]}}
    assert differences(kept, kept) == []
    for change in ({"name": "Other"}, {"p": 0.51}, {"percent": "51.0%"}, {"list": [1]}, {"list": [1, 3]}, {"more": 1}):
        assert differences(kept, {"status": 200, "body": {**kept["body"], **change}})  # type: ignore[dict-item]
