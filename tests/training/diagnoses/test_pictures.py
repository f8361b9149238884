"""From a folder of one's own pictures to a bundle that holds its texts, by the command line and by Python."""

import inspect
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import onnxruntime as ort
import pytest
import yaml
from PIL import Image

import training
from models.serving.bundle import read_bundle
from tests.documents import commands, written
from tests.net import free_port
from tests.service import upload
from training import cli
from training.diagnoses import Job, pictures, xray

ROOT = Path(training.__file__).parents[1]
PATIENCE = 60.0
SMALL = {"steps": 2, "batch_size": 8, "validate_every": 2, "size": 32}


@pytest.fixture(scope="module")
def my_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty pictures of each of two colours."""
    folder, rng = tmp_path_factory.mktemp("home") / "my_pictures", np.random.default_rng(0)
    for name, colour in (("Dry drusen", (200, 60, 40)), ("normal", (60, 60, 200))):
        (folder / name).mkdir(parents=True)
        for number in range(20):
            pixels = np.clip(rng.normal(colour, 25, (40, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def home(my_pictures: Path) -> Path:
    """What the example of the package's docstring leaves behind."""
    lines = inspect.cleandoc(training.__doc__ or "").splitlines()
    example = textwrap.dedent("\n".join(line for line in lines if line.startswith("    ") or not line))
    example = example.replace('"steps": 1500', ", ".join(f'"{name}": {value}' for name, value in SMALL.items()))
    found: dict[str, float] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(my_pictures.parent)
        exec(example, found)  # noqa: S102 the example itself is what is tested
    assert 0 <= found["macro_auroc"] <= 1
    return my_pictures.parent


def test_the_bundle_answers_with_the_classes_of_the_folders(home: Path) -> None:
    bundle = read_bundle(home / "runs" / "retina" / "bundle")
    assert (bundle.metadata.name, bundle.metadata.version) == ("retina", "1.0.0")
    assert bundle.metadata.classes == ("dry_drusen", "normal")
    assert {"validation", "test"} == set(bundle.metadata.metrics)
    assert bundle.metadata.novelty is not None
    assert bundle.card.startswith("# Retina")
    [probabilities] = ort.InferenceSession(str(bundle.model_path)).run(
        ["probabilities"], {"image": np.zeros((1, 32, 32, 3), np.uint8)}
    )
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_its_knowledge_waits_to_be_filled_in_and_is_kept_once_it_is(home: Path, my_pictures: Path) -> None:
    file = home / "runs" / "retina" / "bundle" / "knowledge.yaml"
    known = yaml.safe_load(file.read_text())
    assert [(each["code"], each["name"], each["severity"]) for each in known["classes"]] == [
        ("dry_drusen", "Dry drusen", "uncertain"),
        ("normal", "normal", "uncertain"),
    ]
    filled = file.read_text().replace("Dry drusen", "Drusen of the dry kind")
    file.write_text(filled)
    job = Job(my_pictures, home / "runs", options={"name": "retina", **SMALL})
    pictures.TRAINING.make_bundle(job)
    assert file.read_text() == filled


def test_a_shipped_diagnosis_learns_from_ones_own_pictures(my_pictures: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "chest"
    renamed.mkdir()
    (renamed / "pneumonia").symlink_to(my_pictures / "Dry drusen")
    (renamed / "NORMAL").symlink_to(my_pictures / "normal")
    task = pictures.task_of(Job(renamed, tmp_path, options={"like": "xray", "steps": 7}))
    assert task.recipe.classes == ("normal", "pneumonia")
    assert (task.recipe.steps, task.recipe.augmentation, task.recipe.stratum) == (7, "chest_xray", None)
    assert task.version == f"{xray.TASK.version}+own"
    assert (task.recipe.folds, task.objective, task.test_by) == (0, None, None)
    assert [rule.code for rule in task.operating_rules] == ["pneumonia", "normal"]
    assert task.load(renamed).test


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--name", "retina"], "--data"),
        (["--data", "."], "--name"),
        (["--data", ".", "--name", "Retina"], "no name for a model"),
        (["--data", ".", "--name", "skin"], "no name for a model"),
        (["--data", ".", "--name", "heart"], "no name for a model"),
        (["--name", "retina", "--data", "nowhere"], "Expected layout"),
    ],
)
def test_what_can_not_be_is_a_sentence(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["pictures", "--runs", str(tmp_path), *arguments]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.skipif(find_spec("jax") is None, reason="needs JAX")
def test_jax_trains_and_tensorflow_exports(tmp_path: Path) -> None:
    asked = written("medidiagnose-train pictures --smoke --name retina")
    command = [sys.executable, "-m", "training.cli", *asked, "--runs", str(tmp_path)]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert read_bundle(tmp_path / "retina-smoke" / "bundle").metadata.name == "retina"


def test_from_a_folder_to_an_answer_over_http_in_the_three_commands_of_the_page(
    my_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = written("medidiagnose-train pictures --data my_pictures --name retina --install my_bundles")
    serve, ask = (shlex.split(command) for command in list(commands(ROOT / "docs/own-classes.md"))[1:3])
    small = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    folder: dict[str, Any] = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    (tmp_path / "my_pictures").symlink_to(my_pictures)
    trained = subprocess.run(
        [sys.executable, "-m", "training.cli", *train, *small],
        **folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert trained.returncode == 0, trained.stderr[-2000:]
    monkeypatch.chdir(tmp_path)
    backup = tmp_path / "runs" / "retina" / "backup" / "latest.weights.h5"
    kept = backup.stat().st_mtime_ns
    again = written("medidiagnose-train pictures --data my_pictures --name retina --resume")
    assert cli.main([*again, *small]) == 0
    assert backup.stat().st_mtime_ns == kept, "a run that ended is not trained again"
    assert (serve[0], ask[0], ask[2]) == ("medidiagnose", "curl", "image=@eye.jpg")
    port, address = free_port(), urlsplit(ask[3])
    with subprocess.Popen([sys.executable, "-m", "app.cli", *serve[1:], "--port", str(port)], **folder) as service:
        try:
            url = address._replace(netloc=f"127.0.0.1:{port}").geturl()
            answer = first_answer(url, upload((my_pictures / "normal" / "0.png").read_bytes()))
            endpoints = httpx.get(f"http://127.0.0.1:{port}/").json()["endpoints"]
        finally:
            service.send_signal(signal.SIGTERM)
    assert service.returncode == 0
    assert [each["name"] for each in answer["probabilities"]] == ["Dry drusen", "normal"]
    assert (answer["severity"], answer["model"]["name"], answer["demo_mode"]) == ("uncertain", "retina", False)
    assert "POST /analyze/retina" in endpoints


def first_answer(url: str, files: dict[str, tuple[str, bytes]]) -> dict[str, Any]:
    """What a service that starts answers with 200."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            answer = httpx.post(url, files=files, timeout=PATIENCE)
            if answer.status_code == 200:
                body: dict[str, Any] = answer.json()
                return body
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("no answer with 200")
