"""Every diagnosis of the list: the same behaviour in demo mode, loaded, broken, refused, and in all that lists it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli import main
from models.diagnoses.catalogue import DIAGNOSES
from models.diagnoses.diagnosis import AnyDiagnosis
from tests import contract
from tests.fake_bundle import CLASSES, make_bundle
from tests.inputs import strange, usual
from tests.service import serving, until

pytestmark = pytest.mark.anyio

ORACLE: dict[str, dict[str, Any]] = {
    "skin": contract.SKIN,
    "heart_image": contract.HEART,
    "heart_record": contract.HEART,
    "breast": contract.BREAST,
    "xray": contract.XRAY,
    "disease": contract.DISEASE,
    "heart_risk": contract.HEART_RISK,
}
"""The contract's examples, written by hand and not from the list."""

every_diagnosis = pytest.mark.parametrize("diagnosis", DIAGNOSES, ids=lambda diagnosis: diagnosis.name)


@pytest.fixture(scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A service without a single trained model."""
    async with serving(bundles=tmp_path_factory.mktemp("none")) as client:
        yield client


@pytest.fixture(scope="module")
async def loaded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A service with a tiny bundle of every diagnosis."""
    bundles = tmp_path_factory.mktemp("all")
    for diagnosis in DIAGNOSES:
        make_bundle(bundles, diagnosis.name)
    async with serving(bundles=bundles) as client:
        yield client


def test_the_oracle_knows_every_diagnosis() -> None:
    assert ORACLE.keys() == CLASSES.keys() == {diagnosis.name for diagnosis in DIAGNOSES}


@every_diagnosis
async def test_the_sample_is_the_contracts_example(demo: httpx.AsyncClient, diagnosis: AnyDiagnosis) -> None:
    answer = await demo.post(diagnosis.path, **usual(diagnosis))
    assert answer.status_code == 200
    assert contract.departures(ORACLE[diagnosis.name], answer.json()) == []
    assert (answer.json()["demo_mode"], answer.headers["X-Demo-Mode"]) == (True, "true")
    assert answer.json()["model"] == {"name": diagnosis.name, "version": "demo", "precision": "none"}


@every_diagnosis
async def test_a_loaded_model_answers_with_every_field(loaded: httpx.AsyncClient, diagnosis: AnyDiagnosis) -> None:
    answer = await loaded.post(diagnosis.path, **usual(diagnosis))
    assert answer.status_code == 200
    body = answer.json()
    assert contract.type_departures(ORACLE[diagnosis.name], body) == []
    assert body["model"] == {"name": diagnosis.name, "version": "1.0.0", "precision": "fp32"}
    assert (body["demo_mode"], "X-Demo-Mode" in answer.headers) == (False, False)
    assert body["reliability"] == {"accepted": True, "reason": None}
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert isinstance(body["prediction"]["settled"], bool)
    assert body["prediction"]["code"]
    assert (body["alerts"], isinstance(body["not_assessed"], list)) == ([], True)
    if "probabilities" in body:
        codes = [each["code"] for each in body["probabilities"]]
        assert codes == list(CLASSES[diagnosis.name])
        assert body["prediction"]["code"] in codes


@every_diagnosis
async def test_a_broken_bundle_gets_503_and_no_sample(tmp_path: Path, diagnosis: AnyDiagnosis) -> None:
    make_bundle(tmp_path, diagnosis.name).model_path.write_bytes(b"no graph")
    async with serving(bundles=tmp_path, wait_until_ready=False) as client:

        async def is_loaded() -> bool:
            ready = (await client.get("/health/ready")).json()
            return bool(ready["models"][diagnosis.name]["state"] != "loading")

        await until(is_loaded)
        state = (await client.get("/health/ready")).json()["models"][diagnosis.name]
        assert (state["state"], "checksum" in state["detail"]) == ("failed", True)
        answer = await client.post(diagnosis.path, **usual(diagnosis))
        assert (answer.status_code, answer.json()["error"]) == (503, "Model not available")
        others = [other for other in DIAGNOSES if other.name != diagnosis.name]
        assert (await client.post(others[0].path, **usual(others[0]))).status_code == 200


@every_diagnosis
async def test_an_input_unlike_the_training_data_is_told(loaded: httpx.AsyncClient, diagnosis: AnyDiagnosis) -> None:
    if (sent := strange(diagnosis)) is None:
        pytest.skip("whatever passes validation is usual")
    reliability = (await loaded.post(diagnosis.path, **sent)).json()["reliability"]
    assert reliability["accepted"] is False
    assert reliability["reason"]


async def test_it_is_refused_where_that_is_asked_for(tmp_path: Path) -> None:
    for diagnosis in DIAGNOSES:
        make_bundle(tmp_path, diagnosis.name)
    async with serving(bundles=tmp_path, reject_unreliable=True) as client:
        for diagnosis in DIAGNOSES:
            if (sent := strange(diagnosis)) is not None:
                answer = await client.post(diagnosis.path, **sent)
                assert (answer.status_code, answer.json()["error"].split()[0]) == (422, "Unreliable"), diagnosis.name


@every_diagnosis
async def test_everything_that_lists_the_diagnoses_lists_it(loaded: httpx.AsyncClient, diagnosis: AnyDiagnosis) -> None:
    assert (await loaded.get("/health")).json()["models"][diagnosis.health_name] is True
    assert (await loaded.get("/health/ready")).json()["models"][diagnosis.name]["state"] == "ready"
    assert f"POST {diagnosis.path}" in (await loaded.get("/")).json()["endpoints"]
    assert diagnosis.name in [model["name"] for model in (await loaded.get("/models")).json()["models"]]
    assert (await loaded.get(f"/models/{diagnosis.name}/card")).text.startswith(f"# {diagnosis.name}")
    metrics = (await loaded.get("/metrics")).text
    assert f'medidiagnose_model_ready{{model="{diagnosis.name}"}} 1.0' in metrics


@every_diagnosis
async def test_the_document_describes_it(loaded: httpx.AsyncClient, diagnosis: AnyDiagnosis) -> None:
    document = (await loaded.get("/openapi.json")).json()
    operation = document["paths"][diagnosis.path]["post"]
    assert {"200", "413", "422", "503", "504"} <= operation["responses"].keys()
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    examples = document["components"]["schemas"][schema]["examples"]
    assert [contract.type_departures(ORACLE[diagnosis.name], example) for example in examples] == [[]] * len(examples)
    assert diagnosis.name in document["components"]["schemas"]["ModelName"]["enum"]


@every_diagnosis
def test_the_command_line_lists_it(tmp_path: Path, diagnosis: AnyDiagnosis, capsys: pytest.CaptureFixture[str]) -> None:
    make_bundle(tmp_path, diagnosis.name)
    assert main(["models", "--bundles", str(tmp_path)]) == 0
    assert diagnosis.name in capsys.readouterr().out
