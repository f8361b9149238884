"""Which inputs are accepted as like the training data, and which bundles can be interpreted at all."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from models.diagnoses.judging import coarse, judge_film, judge_picture
from models.preprocessing.picture import ReadPicture
from models.serving.bundle import BundleError, Metadata
from models.serving.registry import Prediction
from tests.contract import HEART_RISK, HEART_RISK_REQUEST, type_departures
from tests.fake_bundle import CLASSES, check_metadata, make_bundle, make_metadata
from tests.service import serving, upload


def _film() -> NDArray[np.uint8]:
    """Two dark lungs beside a bright middle, shoulders bright, corners dark."""
    rows, columns = np.mgrid[0:224, 0:224] / 224 - 0.5
    grey = 150.0 - 60 * (rows < -0.4) * (np.abs(columns) > 0.3)
    for side in (-1, 1):
        grey = np.where(((columns - side * 0.23) / 0.15) ** 2 + ((rows + 0.02) / 0.36) ** 2 < 1, 45, grey)
    grey = np.where((rows > 0.1) & (np.abs(columns - 0.08) < 0.13), 200, grey)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


FILM = _film()
WHOLE = ReadPicture(np.zeros((1, 8, 8, 3), np.uint8), None)


def _metadata(name: str, **changes: Any) -> Metadata:
    return Metadata.model_validate({**make_metadata(name, **changes), "sha256": "0" * 64})


def _prediction(metadata: Metadata, novelty: float) -> Prediction:
    outputs = {"probabilities": np.full(7, 1 / 7, np.float32), "novelty": np.asarray(novelty, np.float32)}
    return Prediction(metadata, outputs, {})


@pytest.mark.parametrize(("novelty", "accepted"), [(0.0, True), (0.5, True), (0.5001, False), (9.0, False)])
def test_an_input_is_accepted_up_to_the_threshold(novelty: float, accepted: bool) -> None:
    metadata = _metadata("skin", novelty={"threshold": 0.5, "false_alarms": 0.01})
    reliability = judge_picture(_prediction(metadata, novelty), WHOLE)
    assert reliability.accepted is accepted
    assert (reliability.reason is None) is accepted


def test_a_reason_is_in_words_and_says_what_to_send() -> None:
    reason = judge_picture(_prediction(_metadata("skin"), 9.0), WHOLE, "a dermoscopy").reason
    assert reason == "The picture is unlike those the model learned from. Send a dermoscopy; don't rely on the answer."


@pytest.mark.parametrize(
    ("film", "said"),
    [
        (FILM, None),
        (255 - FILM, "turned round"),
        (np.concatenate([FILM[:, ::2], FILM[:, ::2]], axis=1), "several pictures in one"),
        (np.rot90(FILM), "not composed like a frontal chest X-ray"),
        (np.full_like(FILM, 90), "not composed like a frontal chest X-ray"),
    ],
)
def test_a_film_is_held_against_the_composition_of_its_bundle(film: NDArray[np.uint8], said: str | None) -> None:
    spec = {
        "threshold": 0.5,
        "false_alarms": 0.01,
        "composition": {"greys": coarse(FILM).ravel().tolist(), "least": 0.3},
    }
    prediction = _prediction(_metadata("xray", novelty=spec), 0.1)
    reliability = judge_film(prediction, ReadPicture(np.ascontiguousarray(film)[np.newaxis], None))
    assert reliability.accepted == (said is None)
    assert (said or "") in (reliability.reason or "")
    without = _prediction(_metadata("xray", novelty={"threshold": 0.5, "false_alarms": 0.01}), 0.1)
    assert judge_film(without, ReadPicture(film[np.newaxis], None)).accepted


def test_without_a_threshold_every_input_is_accepted() -> None:
    assert judge_picture(_prediction(_metadata("skin", novelty=None), 99.0), WHOLE).accepted


@pytest.mark.parametrize("name", ["skin", "xray"])
def test_the_contracts_classes_can_be_interpreted(name: str) -> None:
    check_metadata(_metadata(name))


def test_other_classes_can_not() -> None:
    with pytest.raises(BundleError, match="Bundle skin: its answers can't be interpreted"):
        check_metadata(_metadata("skin", classes=CLASSES["skin"][::-1]))


def test_nor_can_a_model_of_no_diagnosis() -> None:
    with pytest.raises(BundleError, match="Bundle knee: there is no diagnosis of that name"):
        check_metadata(_metadata("skin").model_copy(update={"name": "knee"}))


def test_nor_can_a_model_that_reads_something_else() -> None:
    pictures = {"size": 224, "framing": "squash"}
    with pytest.raises(BundleError, match="does not read what its preprocessing makes"):
        check_metadata(_metadata("heart_risk", preprocessing=pictures))


@pytest.mark.anyio
async def test_a_form_is_read_by_its_model(tmp_path: Path) -> None:
    make_bundle(tmp_path, "heart_risk")
    async with serving(bundles=tmp_path) as client:
        answer = await client.post("/predict-heart", json=HEART_RISK_REQUEST)
        again = await client.post("/predict-heart", json={**HEART_RISK_REQUEST, "cholesterol": 300})
        metrics = (await client.get("/metrics")).text
    assert answer.status_code == 200
    assert type_departures(HEART_RISK, answer.json()) == []
    assert answer.json()["model"] == {"name": "heart_risk", "version": "1.0.0", "precision": "fp32"}
    assert answer.json()["demo_mode"] is False
    assert "X-Demo-Mode" not in answer.headers
    assert answer.json()["reliability"] == {"accepted": True, "reason": None}
    assert answer.json()["prediction"] != again.json()["prediction"]
    assert 'medidiagnose_readings_total{accepted="true",model="heart_risk"} 2.0' in metrics


@pytest.mark.anyio
async def test_without_chest_pain_a_form_is_answered_unsettled_whatever_the_setting(tmp_path: Path) -> None:
    make_bundle(tmp_path, "heart_risk")
    async with serving(bundles=tmp_path, reject_unreliable=True) as client:
        answer = await client.post("/predict-heart", json={**HEART_RISK_REQUEST, "chest_pain": 3, "age": 95})
    assert answer.status_code == 200
    assert answer.json()["prediction"]["settled"] is False
    assert answer.json()["reliability"]["accepted"] is False
    assert "referral" in answer.json()["reliability"]["reason"]


@pytest.mark.anyio
async def test_values_beyond_the_training_data_are_named_or_refused(tmp_path: Path) -> None:
    make_bundle(tmp_path, "heart_risk")
    form = {**HEART_RISK_REQUEST, "age": 95, "max_heart_rate": 59}
    async with serving(bundles=tmp_path) as client:
        reliability = (await client.post("/predict-heart", json=form)).json()["reliability"]
    assert reliability["accepted"] is False
    assert "age (30 to 80 years), max_heart_rate (60 to 200 beats/min)" in reliability["reason"]
    async with serving(bundles=tmp_path, reject_unreliable=True) as client:
        refused = await client.post("/predict-heart", json=form)
        assert (refused.status_code, refused.json()["error"]) == (422, "Unreliable form")
        assert (await client.post("/predict-heart", json=HEART_RISK_REQUEST)).status_code == 200


@pytest.mark.anyio
async def test_a_form_gets_503_and_no_sample_where_its_bundle_failed(tmp_path: Path) -> None:
    make_bundle(tmp_path, "heart_risk", classes=CLASSES["heart_risk"][::-1])
    async with serving(bundles=tmp_path, wait_until_ready=False) as client:
        assert "can't be interpreted" in (await _loaded(client))["heart_risk"]["detail"]
        answer = await client.post("/predict-heart", json=HEART_RISK_REQUEST)
        assert (answer.status_code, answer.json()["error"]) == (503, "Model not available")


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
