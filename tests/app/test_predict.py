"""`medidiagnose predict`: the service's answers to the last digit, in order, and a status that scripts can use."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio import to_thread

from app.cli import main
from models.samples import SAMPLES, Sample
from tests.pictures import encode, noise

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    assert main(["sample", "all", "--into", str(folder)]) == 0
    return folder


def predicted(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[dict[str, Any]]]:
    capsys.readouterr()
    status = main(["predict", *map(str, arguments), "--json"])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def _comparable(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in ("request_id", "file")}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
async def test_it_answers_as_the_service_does(
    shipped: httpx.AsyncClient, folder: Path, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    if sample.files[0].field is None:
        headers = {"Content-Type": "application/json"}
        served = await shipped.post(sample.path, content=sample.files[0].content(), headers=headers)
    else:
        served = await shipped.post(
            sample.path, files={str(file.field): (file.name, file.content()) for file in sample.files}
        )
    (told,) = await _in_a_thread(capsys, sample.diagnosis, folder / sample.files[0].name)
    assert _comparable(told) == _comparable(served.json())


async def _in_a_thread(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, Any]]:
    """The command runs an event loop of its own."""
    return (await to_thread.run_sync(lambda: predicted(capsys, *arguments)))[1]


def test_nothing_is_said_of_the_other_models(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["predict", "skin", str(folder / "skin-lesion.jpg"), "--json"]) == 0
    assert caplog.messages == []


def test_files_of_a_folder_come_in_order_and_the_worst_sets_the_status(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lesion = (folder / "skin-lesion.jpg").read_bytes()
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(lesion)
    (tmp_path / "notes.txt").write_text("not looked at")
    status, told = predicted(capsys, "skin", tmp_path)
    assert status == 0
    assert [Path(each["file"]).name for each in told] == [f"{number}.jpg" for number in range(5)]
    (tmp_path / "9.png").write_bytes(encode(noise()))
    assert predicted(capsys, "skin", tmp_path)[0] == 3
    status, told = predicted(capsys, "skin", tmp_path, tmp_path / "notes.txt", tmp_path / "gone.jpg")
    assert status == 1
    assert [each["success"] for each in told[-2:]] == [False, False]
    assert "Invalid file type" in told[-2]["error"]
    assert "No such file" in told[-1]["error"]


def test_a_row_a_file_with_every_class(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["predict", "skin", str(folder / "skin-lesion.jpg"), str(folder / "symptoms.json"), "--csv"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    classes = [float(value) for name, value in rows[0].items() if name.startswith("p_")]
    assert len(classes) == 7
    assert sum(classes) == pytest.approx(1, abs=1e-4)
    assert rows[0]["accepted"] == "True"
    assert rows[1]["error"].startswith("Invalid file type.")


def test_a_table_to_look_at(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["predict", "skin", str(folder / "skin-lesion.jpg"), str(folder / "ecg-sheet.png")]) == 3
    shown = capsys.readouterr().out
    assert "Melanocytic Nevi" in shown
    assert "Not read." in shown


def test_what_is_said_beside_a_file_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = folder / "breast-ultrasound.jpg"
    _, (told,) = predicted(capsys, "breast", picture, "--with", "biopsy_proven=true")
    assert told["prediction"]["birads"] == "BI-RADS 6"
    _, (told,) = predicted(capsys, "heart_image", folder / "ecg-sheet.png", "--explain")
    assert told["explanation"]["overlay"].startswith("data:image/png")


def test_a_record_without_its_signal_is_told(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "alone.hea").write_bytes((folder / "ecg-record.hea").read_bytes())
    status, (told,) = predicted(capsys, "heart_record", tmp_path)
    assert (status, told["success"]) == (1, False)
    assert "alone.dat" in told["error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["liver", "x.jpg"], "There is no diagnosis liver."),
        (["skin", "x.jpg", "--with", "age=5"], "age: of skin one may say nothing more."),
        (["breast", "x.jpg", "--with", "setting=odd"], "setting:"),
        (["skin", "x.jpg", "--bundles", "{empty}"], "The model skin is absent"),
    ],
)
def test_a_wrong_command_is_a_sentence(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", *(each.format(empty=tmp_path) for each in arguments)]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""
