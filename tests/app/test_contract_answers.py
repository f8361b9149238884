"""Every path answers with the contract's fields and types; the demo mode with its very examples."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract import (
    BREAST,
    DISEASE,
    DISEASE_REQUEST,
    HEART,
    HEART_RISK,
    HEART_RISK_REQUEST,
    SKIN,
    XRAY,
    departures,
    type_departures,
)
from tests.fake_bundle import make_bundle
from tests.records import record_files
from tests.service import serving, state_once_loaded, upload

pytestmark = pytest.mark.anyio

PICTURES: dict[str, dict[str, Any]] = {
    "/analyze/skin": SKIN,
    "/analyze/heart": HEART,
    "/analyze/breast": BREAST,
    "/analyze/xray": XRAY,
}
CODES = {
    "/analyze/skin": ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"],
    "/analyze/heart": ["NORM", "MI", "STTC", "CD", "HYP"],
    "/analyze/breast": ["1", "2", "3", "4", "5"],
    "/analyze/xray": ["normal", "pneumonia"],
}


def _assert_context(answer: httpx.Response, *, model: str, demo: bool) -> None:
    body = answer.json()
    assert body["model"]["name"] == model
    assert set(body["model"]) == {"name", "version", "precision"}
    assert body["demo_mode"] is demo
    assert answer.headers.get("X-Demo-Mode") == ("true" if demo else None)
    assert set(body["reliability"]) == {"accepted", "reason"}
    assert body["explanation"] is None
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert "Not a medical device" in body["disclaimer"]


def _assert_probabilities(body: dict[str, Any], codes: list[str]) -> None:
    probabilities = body["probabilities"]
    assert [each["code"] for each in probabilities] == codes
    assert [each["class_id"] for each in probabilities] == list(range(len(codes)))
    assert all(0 <= each["probability"] <= 1 and each["name"] for each in probabilities)


@pytest.fixture(scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A service without a single trained model."""
    async with serving(bundles=tmp_path_factory.mktemp("none")) as client:
        yield client


@pytest.mark.parametrize("path", PICTURES)
async def test_a_picture_route_answers_the_contracts_example_in_demo_mode(
    demo: httpx.AsyncClient, path: str, picture: bytes
) -> None:
    answer = await demo.post(path, files=upload(picture))
    assert answer.status_code == 200
    assert departures(PICTURES[path], answer.json()) == []
    names = {"/analyze/heart": "heart_image"}
    _assert_context(answer, model=names.get(path, path.removeprefix("/analyze/")), demo=True)
    _assert_probabilities(answer.json(), CODES[path])


async def test_an_ecg_record_is_answered_like_its_picture(demo: httpx.AsyncClient) -> None:
    answer = await demo.post("/analyze/heart/record", files=record_files())
    assert answer.status_code == 200
    assert departures(HEART, answer.json()) == []
    _assert_context(answer, model="heart_record", demo=True)
    assert {finding["code"] for finding in answer.json()["findings"]} == set(CODES["/analyze/heart"])


async def test_symptoms_to_diseases_in_demo_mode(demo: httpx.AsyncClient) -> None:
    answer = await demo.post("/predict-disease", json=DISEASE_REQUEST)
    assert answer.status_code == 200
    assert departures(DISEASE, answer.json()) == []
    _assert_context(answer, model="disease", demo=True)


async def test_symptoms_not_recognised_are_listed(demo: httpx.AsyncClient) -> None:
    body = (await demo.post("/predict-disease", json={"symptoms": ["fever", "heddakke"]})).json()
    assert body["symptoms_analyzed"] == ["fever"]
    assert body["symptoms_unrecognized"] == ["heddakke"]
    assert "headache" in body["suggestions"]["heddakke"]


async def test_heart_risk_in_demo_mode(demo: httpx.AsyncClient) -> None:
    answer = await demo.post("/predict-heart", json=HEART_RISK_REQUEST)
    assert answer.status_code == 200
    assert departures(HEART_RISK, answer.json()) == []
    _assert_context(answer, model="heart_risk", demo=True)


async def test_heart_risk_takes_names_for_numbers(demo: httpx.AsyncClient) -> None:
    by_name = {**HEART_RISK_REQUEST, "sex": "male", "chest_pain": "non-anginal pain"}
    named = (await demo.post("/predict-heart", json=by_name)).json()
    numbered = (await demo.post("/predict-heart", json=HEART_RISK_REQUEST)).json()
    assert named["prediction"] == numbered["prediction"]


async def test_the_demo_mode_is_never_random(demo: httpx.AsyncClient, picture: bytes) -> None:
    first, second = [(await demo.post("/analyze/skin", files=upload(picture))).json() for _ in range(2)]
    assert {**first, "request_id": ""} == {**second, "request_id": ""}


async def test_birads_6_is_answered_only_on_the_callers_word(demo: httpx.AsyncClient, picture: bytes) -> None:
    for told, birads in (
        ({}, "BI-RADS 2"),
        ({"biopsy_proven": "false"}, "BI-RADS 2"),
        ({"biopsy_proven": "true"}, "BI-RADS 6"),
    ):
        answer = await demo.post("/analyze/breast", files=upload(picture), data=told)
        assert answer.json()["prediction"]["birads"] == birads
        assert 0 <= answer.json()["malignancy_probability"] <= 1


@pytest.mark.parametrize("path", ["/analyze/skin", "/analyze/xray"])
@pytest.mark.parametrize("query", ["", "?explain=true", "?explain=false"])
async def test_a_loaded_model_answers_with_every_field_of_the_contract(
    client: httpx.AsyncClient, path: str, query: str, picture: bytes
) -> None:
    answer = await client.post(path + query, files=upload(picture))
    assert answer.status_code == 200
    body = answer.json()
    assert type_departures(PICTURES[path], body) == []
    _assert_context(answer, model=path.removeprefix("/analyze/"), demo=False)
    _assert_probabilities(body, CODES[path])
    assert sum(each["probability"] for each in body["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert body["model"]["version"] == "1.0.0"
    assert body["reliability"] == {"accepted": True, "reason": None}


async def test_the_answer_depends_on_the_picture_and_on_nothing_else(client: httpx.AsyncClient, picture: bytes) -> None:
    first, again = [(await client.post("/analyze/skin", files=upload(picture))).json() for _ in range(2)]
    other = (await client.post("/analyze/skin", files=upload(picture[:-2] + b"\xff\xd9", name="other.png"))).json()
    assert first["probabilities"] == again["probabilities"] == other["probabilities"]


async def test_root_lists_every_endpoint(client: httpx.AsyncClient) -> None:
    body = (await client.get("/")).json()
    assert set(body) >= {"name", "version", "description", "endpoints", "disclaimer"}
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert sorted(body["endpoints"]) == sorted(f"{method.upper()} {path}" for path in paths for method in paths[path])
    assert {"POST /analyze/skin", "POST /predict-heart", "GET /symptoms"} <= set(body["endpoints"])


async def test_health_names_each_diagnosis(client: httpx.AsyncClient) -> None:
    body = (await client.get("/health")).json()
    assert body["status"] == "healthy"
    assert body["models"] == {
        "skin_cancer": True,
        "heart_image": False,
        "heart_record": False,
        "breast_cancer": False,
        "pneumonia": True,
        "disease": False,
        "heart_risk": False,
    }
    assert isinstance(body["tensorflow"], bool)


async def test_ready_names_the_state_of_each_model(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/ready")
    assert answer.status_code == 200
    states = {name: model["state"] for name, model in answer.json()["models"].items()}
    assert states == {
        "skin": "ready",
        "xray": "ready",
        "breast": "demo",
        "heart_image": "demo",
        "heart_record": "demo",
        "disease": "demo",
        "heart_risk": "demo",
    }


async def test_not_ready_where_a_bundle_failed_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "skin" / "1.0.0").mkdir(parents=True)
    async with serving(bundles=tmp_path, wait_until_ready=False) as client:
        detail = (await state_once_loaded(client, "skin"))["detail"]
        answer = await client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["status"] == "not ready"
        assert detail == "Bundle skin/1.0.0: model.onnx, metadata.json, card.md missing."
        assert (await client.get("/health/live")).status_code == 200


async def test_symptoms(client: httpx.AsyncClient) -> None:
    body = (await client.get("/symptoms")).json()
    assert body["success"] is True
    assert body["count"] == len(body["symptoms"]) > 0
    assert {"fever", "cough", "headache", "fatigue"} <= set(body["symptoms"])


async def test_symptoms_by_part_of_the_body(client: httpx.AsyncClient) -> None:
    body = (await client.get("/symptoms", params={"grouped": True})).json()
    assert [name for names in body["body_parts"].values() for name in names] == body["symptoms"]
    assert "cough" in body["body_parts"]["chest"]
    assert (await client.get("/symptoms")).json()["body_parts"] is None


async def test_a_description_alone_is_enough(demo: httpx.AsyncClient) -> None:
    answer = await demo.post("/predict-disease", json={"text": "A 40-year-old woman. Headache, no fever."})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["symptoms_analyzed"], body["symptoms_absent"]) == (["headache"], ["fever"])
    assert body["patient"] == {"age": 40, "sex": "female"}


async def test_models_lists_what_is_loaded(client: httpx.AsyncClient) -> None:
    body = (await client.get("/models")).json()
    assert [model["name"] for model in body["models"]] == ["skin", "xray"]
    skin = body["models"][0]
    assert (skin["version"], skin["licence"], len(skin["sha256"])) == ("1.0.0", "MIT", 64)
    assert skin["metrics"]["made up"]["accuracy"] == {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}
    assert skin["data"][0]["licence"] == "MIT"
    assert skin["as_served"] is None


async def test_models_tell_the_figures_of_what_is_served_without_its_diagrams(tmp_path: Path) -> None:
    bundle, figure = make_bundle(tmp_path, "skin"), {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}
    sets = {
        "a set": {"refused": figure},
        "Reliability: a set": {"said 0.5000": figure, "ECE": figure},
        "Reliability by group: a set": {"sex=female, ECE": figure},
        "Mistaken: a set": {"mel: not named": figure},
    }
    document = {"sha256": bundle.metadata.sha256, "measured": "2026-11-27", "note": "Made up.", "sets": sets}
    (bundle.folder / "measured.json").write_text(json.dumps(document))
    async with serving(bundles=tmp_path) as client:
        [skin] = (await client.get("/models")).json()["models"]
    told = {"a set": {"refused": figure}, "Reliability: a set": {"ECE": figure}}
    assert skin["as_served"] == {"measured": "2026-11-27", "note": "Made up.", "sets": told}


async def test_a_models_card_is_markdown(client: httpx.AsyncClient) -> None:
    answer = await client.get("/models/skin/card")
    assert answer.headers["content-type"].startswith("text/markdown")
    assert answer.text.startswith("# skin 1.0.0")


async def test_metrics_are_counted_for_each_app_by_itself(bundles: Path, picture: bytes) -> None:
    async with serving(bundles=bundles) as client, serving(bundles=bundles) as other:
        await client.post("/analyze/skin", files=upload(picture))
        await client.post("/analyze/heart", files=upload(picture))
        await client.get("/no/such/path")
        text = (await client.get("/metrics")).text
        assert 'medidiagnose_requests_total{method="POST",route="/analyze/skin",status="200"} 1.0' in text
        assert 'medidiagnose_requests_total{method="GET",route="other",status="404"} 1.0' in text
        assert "such" not in text
        assert 'medidiagnose_readings_total{accepted="true",model="skin"} 1.0' in text
        assert 'medidiagnose_demo_readings_total{model="heart_image"} 1.0' in text
        assert 'medidiagnose_stage_seconds_count{model="skin",stage="compute"} 1.0' in text
        assert 'medidiagnose_model_ready{model="skin"} 1.0' in text
        assert 'medidiagnose_model_ready{model="breast"} 0.0' in text
        assert 'medidiagnose_under_way{model="skin"} 0.0' in text
        assert "/analyze/skin" not in (await other.get("/metrics")).text
