"""A made-up diagnosis, added by its own files and one line of the list, is found wherever the others are."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_bundle import make_bundle

ROOT = Path(__file__).parents[1]
CODES = ("healthy", "worn")

INIT = """
from models.diagnoses.diagnosis import Diagnosis
from models.diagnoses.judging import judge_picture
from models.diagnoses.knee.interpretation import interpret, sample
from models.diagnoses.knee.knowledge import knee_knowledge
from models.preprocessing.inputs import PICTURE, SentPicture

KNEE = Diagnosis(
    name="knee",
    path="/analyze/knee",
    health_name="knee",
    title="Knee X-ray",
    reads=PICTURE,
    interpret=lambda outputs, metadata, _: interpret(outputs, metadata),
    sample=lambda _: sample(),
    judge=judge_picture,
    knowledge=knee_knowledge(),
    example=lambda: SentPicture(b""),
)
"""
KNOWLEDGE = """
from functools import cache

from models.diagnoses.knowledge import Document, Sourced, load
from schemas.common import Part


class KneeClass(Part):
    code: str
    name: str
    advice: Sourced[str]


class KneeKnowledge(Document):
    classes: tuple[KneeClass, ...]


@cache
def knee_knowledge() -> KneeKnowledge:
    return load(__name__, "knowledge.yaml", KneeKnowledge)
"""
TEXTS = """
sources: {own: A made-up source}
classes:
  - {code: healthy, name: Healthy, advice: {source: own, value: Rest}}
  - {code: worn, name: Worn, advice: {source: own, value: Ask a doctor}}
"""
INTERPRETATION = """
from models.diagnoses.knee.knowledge import knee_knowledge
from models.diagnoses.probabilities import most_probable, name_classes
from models.serving.engine import PROBABILITIES
from schemas.knee import EXAMPLE, KneePrediction, KneeReading


def interpret(outputs, metadata):
    named = name_classes(outputs[PROBABILITIES], metadata, knee_knowledge().classes)
    leading = most_probable(named)
    return KneeReading(prediction=KneePrediction(code=leading.code, name=leading.name), probabilities=named)


def sample():
    return KneeReading.model_validate(EXAMPLE)
"""
SCHEMA = """
from pydantic import ConfigDict

from schemas.common import AnswerContext, ClassProbability, Prediction, Reading, answer_example

EXAMPLE = {
    "prediction": {"code": "healthy", "name": "Healthy"},
    "probabilities": [
        {"class_id": 0, "code": "healthy", "name": "Healthy", "probability": 0.75},
        {"class_id": 1, "code": "worn", "name": "Worn", "probability": 0.25},
    ],
}


class KneePrediction(Prediction):
    name: str


class KneeReading(Reading):
    prediction: KneePrediction
    probabilities: tuple[ClassProbability, ...]


class KneeAnswer(AnswerContext, KneeReading):
    model_config = ConfigDict(json_schema_extra={"examples": [answer_example("knee", EXAMPLE)]})
"""
ROUTER = '''
from fastapi import APIRouter

from app.dependencies import PredictionsDep, UploadedPicture, admit
from app.openapi import PICTURE_RESPONSES
from app.uploads import PICTURE_FORM
from models.diagnoses.knee import KNEE
from schemas.knee import KneeAnswer

router = APIRouter(tags=["pictures"], dependencies=[admit(KNEE)])


@router.post(KNEE.path, responses=PICTURE_RESPONSES, openapi_extra=PICTURE_FORM.body)
async def analyze_knee(picture: UploadedPicture, predictions: PredictionsDep) -> KneeAnswer:
    """How worn a knee is."""
    return KneeAnswer.compose(*await predictions.read(KNEE, picture))
'''
ASK = """
import asyncio, json, sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from app.cli import main
from tests.pictures import encode, noise
from tests.service import serving, upload

async def ask():
    found = {}
    for kind, folder in (("demo", sys.argv[2]), ("loaded", sys.argv[1])):
        async with serving(bundles=Path(folder), demo_mode=True) as client:
            answer = await client.post("/analyze/knee", files=upload(encode(noise())))
            found[kind] = [answer.status_code, answer.json()]
    async with serving(bundles=Path(sys.argv[1]), demo_mode=True) as client:
        for path in ("/", "/health", "/health/ready", "/models", "/openapi.json"):
            found[path] = (await client.get(path)).json()
        for path in ("/metrics", "/models/knee/card"):
            found[path] = (await client.get(path)).text
    with redirect_stdout(StringIO()) as listed:
        main(["models", "--bundles", sys.argv[1]])
    print(json.dumps(found | {"listed": listed.getvalue()}))

asyncio.run(ask())
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with the files of the new diagnosis, and one line more in the list."""
    copy = tmp_path_factory.mktemp("tree")
    for package in ("app", "models", "schemas", "tests"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("bundles"))
    folder = copy / "models" / "diagnoses" / "knee"
    folder.mkdir()
    (folder / "__init__.py").write_text(INIT)
    (folder / "knowledge.py").write_text(KNOWLEDGE)
    (folder / "knowledge.yaml").write_text(TEXTS)
    (folder / "interpretation.py").write_text(INTERPRETATION)
    (copy / "schemas" / "knee.py").write_text(SCHEMA)
    (copy / "app" / "routers" / "knee.py").write_text(ROUTER)
    catalogue = copy / "models" / "diagnoses" / "catalogue.py"
    text = catalogue.read_text()
    assert text.count("HEART_RISK)") == 1
    new = "from models.diagnoses.knee import KNEE\n\nDIAGNOSES"
    catalogue.write_text(text.replace("HEART_RISK)", "HEART_RISK, KNEE)").replace("\nDIAGNOSES", new, 1))
    return copy


def _run(tree: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    run = subprocess.run(
        [sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_new_diagnosis_is_found_everywhere(tree: Path, tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundles", "knee", classes=CODES)
    (tmp_path / "none").mkdir()
    found = json.loads(_run(tree, "-c", ASK, str(tmp_path / "bundles"), str(tmp_path / "none")))
    status, body = found["demo"]
    assert (status, body["prediction"]["name"], body["demo_mode"]) == (200, "Healthy", True)
    status, body = found["loaded"]
    assert (status, body["demo_mode"], body["model"]["name"]) == (200, False, "knee")
    assert sum(each["probability"] for each in body["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert "POST /analyze/knee" in found["/"]["endpoints"]
    assert found["/health"]["models"]["knee"] is True
    assert found["/health/ready"]["models"]["knee"]["state"] == "ready"
    assert [model["name"] for model in found["/models"]["models"]] == ["knee"]
    schemas = found["/openapi.json"]["components"]["schemas"]
    assert "knee" in schemas["ModelName"]["enum"]
    assert "/analyze/knee" in found["/openapi.json"]["paths"]
    assert 'medidiagnose_model_ready{model="knee"} 1.0' in found["/metrics"]
    assert found["/models/knee/card"].startswith("# knee")
    assert "knee" in found["listed"]
