"""A bundle that describes a picture diagnosis of one's own is served without a line of code."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.cli import main
from models.serving.bundle import KNOWLEDGE_FILE
from tests.fake_bundle import make_bundle
from tests.pictures import encode, noise, plain
from tests.service import serving, until, upload

pytestmark = pytest.mark.anyio

CODES = ("normal", "drusen")
ADMIN_KEY = "an-admin-key-of-some-length"


def knowledge(**changes: Any) -> dict[str, Any]:
    urgency = {"timeline": "Not stated", "action": "Ask a clinician", "color": "yellow"}
    return {
        "sources": {"own": "Whoever made this bundle"},
        "title": "Retina",
        "not_assessed": ["Anything but drusen"],
        "classes": [
            {
                "code": code,
                "name": code.title(),
                "severity": "uncertain",
                "urgency": {"source": "own", "value": urgency},
                "recommendations": {"source": "own", "value": ["Ask a clinician"]},
            }
            for code in CODES
        ],
        **changes,
    }


def make_own_bundle(
    bundles: Path, name: str = "retina", version: str = "1.0.0", texts: dict[str, Any] | None = None, **changes: Any
) -> None:
    points = [{"code": "normal", "threshold": 0.0, "rule": "none", "sensitivity": 1, "specificity": 0}]
    bundle = make_bundle(bundles, name, version, **{"classes": CODES, "operating_points": points, **changes})
    (bundle.folder / KNOWLEDGE_FILE).write_text(yaml.safe_dump(texts or knowledge()), encoding="utf-8")


async def test_it_is_answered_and_listed_like_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_own_bundle(tmp_path)
    async with serving(bundles=tmp_path) as client:
        answer = await client.post("/analyze/retina", files=upload(encode(noise())))
        assert answer.status_code == 200
        body = answer.json()
        assert body["prediction"]["code"] in CODES
        assert [each["name"] for each in body["probabilities"]] == ["Normal", "Drusen"]
        assert (body["severity"], body["recommendations"]) == ("uncertain", ["Ask a clinician"])
        assert body["model"] == {"name": "retina", "version": "1.0.0", "precision": "fp32"}
        assert body["not_assessed"] == ["Anything but drusen"]
        assert "POST /analyze/retina" in (await client.get("/")).json()["endpoints"]
        assert (await client.get("/health")).json()["models"]["retina"] is True
        assert (await client.get("/health/ready")).json()["models"]["retina"]["state"] == "ready"
        assert "retina" in [model["name"] for model in (await client.get("/models")).json()["models"]]
        assert (await client.get("/models/retina/card")).text.startswith("# retina")
        assert 'medidiagnose_model_ready{model="retina"} 1.0' in (await client.get("/metrics")).text
        document = (await client.get("/openapi.json")).json()
        assert "retina" in document["components"]["schemas"]["ModelName"]["enum"]
        strange = await client.post("/analyze/retina", files=upload(encode(plain((255, 255, 255)))))
        assert strange.json()["reliability"]["accepted"] is False
        wrong = await client.post("/analyze/retina", files=upload(b"no picture"))
        assert (wrong.status_code, wrong.json()["error"]) == (400, "Invalid file type")
    assert main(["models", "--bundles", str(tmp_path)]) == 0
    assert "/analyze/retina" in capsys.readouterr().out


async def test_a_name_that_no_bundle_has_is_not_found(client: httpx.AsyncClient, picture: bytes) -> None:
    for name in ("retina", "heart_record", "heart_image", "%2e%2e", "skin/"):
        answer = await client.post(f"/analyze/{name}", files=upload(picture))
        assert (answer.status_code, answer.json()["error"]) == (404, "Not found"), name


async def test_a_class_below_its_operating_point_is_not_settled(tmp_path: Path) -> None:
    points = [{"code": code, "threshold": 1.0, "rule": "never", "sensitivity": 0, "specificity": 1} for code in CODES]
    texts = knowledge()
    for known in texts["classes"]:
        known["severity"] = "low"
    make_own_bundle(tmp_path, texts=texts, operating_points=points)
    async with serving(bundles=tmp_path) as client:
        body = (await client.post("/analyze/retina", files=upload(encode(noise())))).json()
    assert (body["prediction"]["settled"], body["severity"]) == (False, "uncertain")
    assert body["prediction"]["name"].startswith("Not settled: ")


@pytest.mark.parametrize("name", ["heart", "predict-heart", "pneumonia", "record", "Retina", "re tina", "a" * 41])
async def test_a_name_of_the_contract_or_an_odd_one_is_not_served(tmp_path: Path, name: str) -> None:
    make_own_bundle(tmp_path, name)
    make_own_bundle(tmp_path)
    async with serving(bundles=tmp_path) as client:
        assert name not in (await client.get("/health/ready")).json()["models"]
        assert (await client.post("/analyze/retina", files=upload(encode(noise())))).status_code == 200


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (knowledge(title=""), "title"),
        (knowledge(classes=knowledge()["classes"][::-1]), "has the classes normal, drusen"),
        (knowledge(classes=knowledge()["classes"][:1]), "classes"),
        (knowledge(sources={}), "sources"),
        (knowledge(more=1), "more"),
    ],
)
async def test_texts_that_do_not_fit_fail_the_model_and_say_why(
    tmp_path: Path, texts: dict[str, Any], complaint: str
) -> None:
    make_own_bundle(tmp_path, texts=texts)
    async with serving(bundles=tmp_path, wait_until_ready=False) as client:

        async def has_failed() -> bool:
            return bool((await client.get("/health/ready")).json()["models"]["retina"]["state"] == "failed")

        await until(has_failed)
        assert complaint in (await client.get("/health/ready")).json()["models"]["retina"]["detail"]
        assert (await client.post("/analyze/retina", files=upload(encode(noise())))).status_code in (404, 503)


async def test_one_that_comes_later_is_served_from_the_reload_on(tmp_path: Path) -> None:
    make_own_bundle(tmp_path, "first")
    async with serving(bundles=tmp_path, admin_key=ADMIN_KEY) as client:
        before = (await client.get("/openapi.json")).json()["components"]["schemas"]["ModelName"]
        assert "second" not in before["enum"]
        make_own_bundle(tmp_path, "second")
        make_own_bundle(tmp_path, "first", "2.0.0", knowledge(title="Retina of later"))
        report = await client.post("/admin/reload", headers={"X-API-Key": ADMIN_KEY})
        assert report.json()["models"]["second"]["outcome"] == "loaded"
        for name, version in (("first", "2.0.0"), ("second", "1.0.0")):
            answer = await client.post(f"/analyze/{name}", files=upload(encode(noise())))
            assert (answer.status_code, answer.json()["model"]["version"]) == (200, version)
        after = (await client.get("/openapi.json")).json()["components"]["schemas"]["ModelName"]
        assert "second" in after["enum"]
