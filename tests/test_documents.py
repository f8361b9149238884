"""What the texts tell readers to type is run, or at least is what the command lines, make and the modules take."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.cli import build_parser, main
from app.openapi import EXAMPLES_FILE
from benchmarks.server import running_server
from models.samples import FILES
from tests.commands import parsed
from tests.documents import ADDRESS, ROOT, blocks, commands, texts
from tests.fake_bundle import make_bundle
from tests.records import ecg

RUN = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("index", "command-line", "errors", "hospital"))]
RUN += sorted((ROOT / "docs/jobs").glob("*.md"))
"""The pages whose commands are all run, in their order, each once, in one folder."""

INSTALLS = ("make", "npm", "npx", "pip", "python3")
"""Programs whose commands are not run here: they install, as .ci/install.py does, or are steps of .ci/run. Those of
docker need an engine, and those of PowerShell, in blocks of their own, need Windows; no machine that runs the tests has
either. What docker would build is made by .ci/prove-image, from the Dockerfile, without an engine; training's commands
run in tests/training, on made-up data."""
OTHERS = ("cd", "curl", "docker", "git", "kill", "kubectl", "medidiagnose-train", "mkdir", "serve")
NOT_ACCEPTED = 3
TARGETS = set(re.findall(r"^([a-z][a-z%-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """The address of a service with the models that ship."""
    with running_server() as server:
        yield server.url


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has .venv/bin, and in which curl fails where an answer is an error."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / ".venv").mkdir()
    (folder / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    return folder


@pytest.fixture(scope="module")
def done() -> set[str]:
    """The commands that were run already."""
    return set()


@pytest.mark.parametrize("page", RUN, ids=name)
def test_the_commands_of_a_page_do_what_it_says(
    page: Path, service: str, folder: Path, done: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CURL_HOME", str(folder))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if page.stem == "hospital":
        write_studies(folder)
    found = [command for command in commands(page) if command.split()[0] not in INSTALLS]
    assert len(found) >= 2
    for command in found:
        if command not in done:
            status, said = run(command.replace(ADDRESS, service))
            assert status in ((0, NOT_ACCEPTED) if " predict " in command else (0,)), f"{command}\n{said}"
            done.add(command)


def test_the_commands_of_operation_change_the_version_that_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1.0.0", "1.1.0"):
        make_bundle(tmp_path, "skin", version)
    monkeypatch.setenv("MEDIDIAGNOSE_BUNDLES", str(tmp_path))
    with running_server() as server, httpx.Client(base_url=server.url) as client:
        for command in commands(ROOT / "docs/operating.md"):
            status, said = run(command.replace("PID", str(server.process.pid)))
            assert status == 0, f"{command}\n{said}"
        end = time.monotonic() + 60
        while client.get("/models").json()["models"][0]["version"] != "1.0.0":
            assert time.monotonic() < end
            time.sleep(0.1)


def write_studies(folder: Path) -> None:
    """The files that the page of DICOM and FHIR sends: a film, as a picture too and in a folder, and an ECG."""
    from tests.dicoms import dicom, waveform

    film = Image.open(io.BytesIO(FILES["chest-xray.jpg"].content())).convert("L")
    film.save(folder / "film.png")
    (folder / "film.dcm").write_bytes(dicom(np.asarray(film), modality="DX"))
    (folder / "ecg.dcm").write_bytes(waveform(ecg(10, 500), 500))
    (folder / "films").mkdir()
    (folder / "films/film.dcm").write_bytes((folder / "film.dcm").read_bytes())


def run(command: str) -> tuple[int, str]:
    """The exit status of a command and what it said, by a shell where it needs one."""
    if re.fullmatch(r"medidiagnose [\w ./=-]+", command):
        return main(shlex.split(command)[1:]), ""
    ran = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize("page", texts(), ids=name)
def test_every_command_is_one_that_there_is(page: Path) -> None:
    for command in commands(page):
        plain = re.sub(r"^(?:[A-Z_]+=\S+ |nohup |nice -n \d+ |cd \S+ && |\S*bin/)*", "", command)
        program = plain.split()[0]
        if program == "medidiagnose":
            assert parsed(build_parser(), plain), command
        elif program == "make":
            wanted = [word for word in shlex.split(plain)[1:] if re.fullmatch("[a-z-]+", word)]
            assert {re.sub("^train-.*", "train-%", word) for word in wanted} <= {*TARGETS, "train-%"}, command
        elif program == "python":
            assert plain.startswith("python -m "), command  # tests/test_house.py looks whether the module is there
        else:
            assert program in (*INSTALLS, *OTHERS), command


def test_the_readme_shows_what_its_first_request_gets() -> None:
    (block,) = blocks(ROOT / "README.md", "json")
    (answer,) = json.loads(EXAMPLES_FILE.read_text(encoding="utf-8"))["SkinAnswer"]
    shown: dict[str, Any] = json.loads(block.text)
    assert {field: answer[field] for field in shown} == shown


def test_without_make_is_installed_what_the_image_installs() -> None:
    steps = (ROOT / "docker/install").read_text(encoding="utf-8")
    shown = list(commands(ROOT / "docs/install.md"))
    for step in ("install --requirement", "install --no-deps ."):
        assert step in steps
        assert any(step in command for command in shown)


def test_every_page_of_the_navigation_is_there() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"^ +- (?:[^:]+: )?(\S+\.md)$", navigation, re.MULTILINE))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert len(listed) > 20
    assert listed - pages == {"security.md", "changelog.md"}  # made of files elsewhere by .ci/documentation.py
