"""A made-up diagnosis, added by the files of docs/add-a-diagnosis.md and one line of the list, is found everywhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import blocks
from tests.fake_bundle import make_bundle

ROOT = Path(__file__).parents[1]
CODES = ("healthy", "worn")

PAGE = ROOT / "docs" / "add-a-diagnosis.md"
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
    (copy / "models" / "diagnoses" / "knee").mkdir()
    for block in (*blocks(PAGE, "python"), *blocks(PAGE, "yaml")):
        (copy / block.title).write_text(block.text, encoding="utf-8")
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
