"""GET /samples and `medidiagnose sample`: what they give is read by the models that ship."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli import main
from models.samples import FILES

pytestmark = pytest.mark.anyio

REFUSED_PERHAPS = ("breast", "xray")
"""Drawn pictures that a model may refuse; the others get an answer, so that a stranger sees one."""


async def _send(client: httpx.AsyncClient, sample: dict[str, Any]) -> dict[str, Any]:
    files = {file["field"]: (file["name"], (await client.get(f"/samples/{file['name']}"))) for file in sample["files"]}
    if None in files:
        answer = await client.post(
            sample["path"], content=files[None][1].content, headers={"Content-Type": "application/json"}
        )
    else:
        answer = await client.post(
            sample["path"], files={field: (name, got.content) for field, (name, got) in files.items()}
        )
    assert answer.status_code == 200
    read: dict[str, Any] = answer.json()
    return read


async def test_each_is_answered(shipped: httpx.AsyncClient) -> None:
    samples = (await shipped.get("/samples")).json()["samples"]
    answers = {sample["name"]: await _send(shipped, sample) for sample in samples}
    refused = {name for name, answer in answers.items() if not answer["reliability"]["accepted"]}
    assert refused <= set(REFUSED_PERHAPS)
    for name in ("ecg-sheet", "ecg-record"):
        assert answers[name]["measurements"]["rate"]["value"] == pytest.approx(68, abs=2)
        assert answers[name]["alerts"] == []
    assert answers["symptoms"]["symptoms_absent"] == ["chest pain"]
    assert answers["heart-risk"]["ten_year_risk"]["total_cvd"] is not None


async def test_a_file_comes_with_its_media_type(client: httpx.AsyncClient) -> None:
    for name, file in FILES.items():
        answer = await client.get(f"/samples/{name}")
        assert answer.headers["Content-Type"].split(";")[0] == file.media_type
        assert answer.content == file.content()
    assert (await client.get("/samples/nothing.png")).status_code == 404


def test_the_command_lists_and_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample"]) == 0
    listed = capsys.readouterr().out
    assert main(["sample", "all", "--into", str(tmp_path / "new")]) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert {path.name: path.read_bytes() for path in written} == {name: file.content() for name, file in FILES.items()}
    assert all(name in listed for name in FILES)


def test_the_command_refuses_a_name_that_there_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", "skin", "liver", "--into", str(tmp_path)]) == 2
    assert "liver" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["sample", "skin", "--into", str(tmp_path / "file")]) == 1
    assert "can't be written to" in capsys.readouterr().err
