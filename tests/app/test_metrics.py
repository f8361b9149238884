"""What /metrics shows."""

from importlib.metadata import version
from pathlib import Path
from typing import cast

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import Metrics
from models.serving.registry import Model, ModelRegistry
from tests.fake_bundle import make_bundle
from tests.service import serving, upload

pytestmark = pytest.mark.anyio

NAMES_KEPT = {
    "medidiagnose_requests_total": {"method", "route", "status"},
    "medidiagnose_request_seconds_bucket": {"route", "le"},
    "medidiagnose_stage_seconds_bucket": {"model", "stage", "le"},
    "medidiagnose_readings_total": {"model", "accepted"},
    "medidiagnose_demo_readings_total": {"model"},
    "medidiagnose_under_way": {"model"},
    "medidiagnose_model_ready": {"model"},
}
"""The names of the first version, which dashboards of operators read."""


async def samples(client: httpx.AsyncClient) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Every sample of /metrics, its labels and value, by name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families((await client.get("/metrics")).text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


async def test_names_and_labels_stay(bundles: Path, picture: bytes) -> None:
    async with serving(bundles=bundles) as client:
        for route in ("/analyze/skin", "/analyze/breast"):
            assert (await client.post(route, files=upload(picture))).status_code == 200
        found = await samples(client)
    assert {name: set(found[name][0][0]) for name in NAMES_KEPT} == NAMES_KEPT


async def test_what_runs_and_which_models(bundles: Path) -> None:
    async with serving(bundles=bundles) as client:
        found = await samples(client)
    ((build, one),) = found["medidiagnose_build_info"]
    assert (build["version"], one) == (version("medidiagnose-ai"), 1)
    assert found["medidiagnose_model_info"] == [
        ({"model": "skin", "version": "1.0.0", "precision": "fp32"}, 1),
        ({"model": "xray", "version": "1.0.0", "precision": "fp32"}, 1),
    ]


async def test_a_model_is_in_one_state(bundles: Path) -> None:
    async with serving(bundles=bundles) as client:
        found = await samples(client)
    states = {labels["model"]: labels["state"] for labels, value in found["medidiagnose_model_state"] if value}
    assert states["skin"] == "ready"
    assert states["breast"] == "absent"
    assert sum(value for _, value in found["medidiagnose_model_state"]) == len(states)


async def test_predictions_are_counted_by_class_and_by_whether_they_were_accepted(
    bundles: Path, picture: bytes
) -> None:
    async with serving(bundles=bundles) as client:
        answer = (await client.post("/analyze/skin", files=upload(picture))).json()
        found = await samples(client)
    leading = max(answer["probabilities"], key=lambda each: each["probability"])["code"]
    assert found["medidiagnose_predictions_total"] == [({"model": "skin", "class": leading, "accepted": "true"}, 1)]


async def test_drift_shows_in_what_is_named_how_sure_and_how_unlike(bundles: Path, picture: bytes) -> None:
    async with serving(bundles=bundles) as client:
        answer = (await client.post("/analyze/skin", files=upload(picture))).json()
        assert (await client.post("/analyze/skin", files=upload(b"GIF89a"))).status_code == 400
        await client.get("/nowhere")
        found = await samples(client)
    named = answer["prediction"]
    settled = str(named["settled"]).lower()
    assert found["medidiagnose_answers_total"] == [({"model": "skin", "code": named["code"], "settled": settled}, 1)]
    likeliest = max(each["probability"] for each in answer["probabilities"])
    assert found["medidiagnose_confidence_sum"][0][1] == pytest.approx(likeliest, abs=1e-4)
    assert found["medidiagnose_novelty_ratio_count"] == [({"model": "skin"}, 1)]
    ((_, novelty),) = found["medidiagnose_novelty_ratio_sum"]
    assert 0 < novelty <= 1  # it was accepted
    assert found["medidiagnose_refusals_total"] == [({"route": "/analyze/skin", "problem": "invalid-file-type"}, 1)]


async def test_work_is_timed_where_it_is_done_and_where_it_waits(bundles: Path, picture: bytes) -> None:
    async with serving(bundles=bundles) as client:
        for _ in range(3):
            await client.post("/analyze/skin", files=upload(picture))
        found = await samples(client)
    for metric, count in {
        "queue_wait_seconds": 3,
        "decode_seconds": 3,
        "inference_seconds": 3,
        "batch_size": 3,
    }.items():
        assert found[f"medidiagnose_{metric}_count"] == [({"model": "skin"}, count)]
    ((_, inputs),) = found["medidiagnose_batch_size_sum"]
    assert inputs == 3
    ((_, decoding),) = found["medidiagnose_decode_seconds_sum"]
    assert 0 < decoding < 30


async def test_errors_are_counted_by_their_type(client: httpx.AsyncClient, picture: bytes) -> None:
    before = await samples(client)
    await client.post("/analyze/skin")
    await client.post("/analyze/skin", files=upload(b"GIF89a"))
    await client.get("/jane_doe")
    after = await samples(client)

    def count(found: dict[str, list[tuple[dict[str, str], float]]], problem: str) -> float:
        return sum(
            value for labels, value in found.get("medidiagnose_problems_total", []) if labels["problem"] == problem
        )

    for problem in ("no-image", "invalid-file-type", "not-found"):
        assert count(after, problem) == count(before, problem) + 1
    assert "jane" not in (await client.get("/metrics")).text


async def test_requests_in_progress_are_those_that_have_not_ended(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        assert (await samples(client))["medidiagnose_requests_in_progress"] == [({}, 1)]  # this one


class Registry:
    """As much of a registry as is asked."""

    def __init__(self, *models: Model) -> None:
        self.models = models

    def fault(self, name: str) -> None:
        return None

    def stuck(self, name: str) -> int:
        return 0

    def under_way(self, name: str) -> int:
        return 0


def rendered(metrics: Metrics, *models: Model) -> bytes:
    return metrics.render(cast("ModelRegistry", Registry(*models)))


def test_a_version_that_has_gone_is_not_shown(tmp_path: Path) -> None:
    metrics = Metrics()
    bundle = make_bundle(tmp_path, "skin")
    assert b'medidiagnose_model_info{model="skin"' in rendered(metrics, Model("skin", "ready", bundle))
    assert b"medidiagnose_model_info{" not in rendered(metrics, Model("skin", "failed", error="damaged"))


def test_a_gauge_asks_for_its_value_at_each_scrape() -> None:
    metrics, held = Metrics(), [0.0]
    metrics.show("body_bytes", "Bytes of request bodies held.", lambda: held[0])

    assert b"medidiagnose_body_bytes 0.0" in rendered(metrics)
    held[0] = 7
    assert b"medidiagnose_body_bytes 7.0" in rendered(metrics)
