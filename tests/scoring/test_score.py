"""`medidiagnose score`: every input has its row once, with the service's answer to the last digit."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pa = pytest.importorskip("pyarrow")
ray = pytest.importorskip("ray")
pq = pytest.importorskip("pyarrow.parquet")

from app.cli import main  # noqa: E402
from app.scoring.inputs import rows_of  # noqa: E402
from app.scoring.places import Place  # noqa: E402
from app.scoring.plan import Block  # noqa: E402
from models.samples import SAMPLES  # noqa: E402

ROOT = Path(__file__).parents[2]
FORM = {"age": 61, "sex": "male", "blood_pressure": 150, "cholesterol": 280, "chest_pain": 1, "max_heart_rate": 120}


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112, else whatever else runs here goes before
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20, logging_level="ERROR"
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    assert main(["sample", "all", "--into", str(folder)]) == 0
    return folder


def scored(diagnosis: str, given: object, output: object, *arguments: str) -> list[dict[str, Any]]:
    command = ["score", diagnosis, "--input", str(given), "--output", str(output), *arguments]
    assert main(command) == 0
    if "://" in str(output):
        return []
    rows: list[dict[str, Any]] = pq.read_table(str(output)).to_pylist()
    return rows


def predicted(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    capsys.readouterr()
    main(["predict", *map(str, arguments), "--json"])
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return comparable(answer)


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in ("request_id", "file")}


def forms(file: Path, count: int, **columns: list[Any]) -> Path:
    rows = {name: [value] * count for name, value in FORM.items()} | {"id": [f"p{n}" for n in range(count)]}
    pq.write_table(pa.table(rows | columns), file, row_group_size=70)
    return file


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_file_is_answered_as_predict_does(
    sample: Any, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    for file in sample.files:
        (given / file.name).write_bytes(file.content())
    (row,) = scored(sample.diagnosis, given, tmp_path / "out")
    assert row["input"] == sample.files[0].name
    told = predicted(capsys, sample.diagnosis, given / sample.files[0].name)
    assert comparable(json.loads(row["answer"])) == told
    assert row["accepted"] == told["reliability"]["accepted"]
    assert row["version"] == told["model"]["version"]


def test_an_error_is_a_row_that_holds_nothing_of_the_file(samples: Path, tmp_path: Path) -> None:
    given = tmp_path / "given" / "ward"
    given.mkdir(parents=True)
    (given / "a.jpg").write_bytes((samples / "skin-lesion.jpg").read_bytes())
    (given / "b.jpg").write_bytes(b"Jane Doe, born 1970")
    (given / "c.png").write_bytes((samples / "ecg-sheet.png").read_bytes()[:300])
    (given / "notes.txt").write_text("not read")
    good, odd, cut = scored("skin", tmp_path / "given", tmp_path / "out")
    assert [good["input"], odd["input"], cut["input"]] == ["ward/a.jpg", "ward/b.jpg", "ward/c.png"]
    assert (good["error_code"], odd["error_code"]) == (None, "invalid-file-type")
    assert odd["error"].startswith("Invalid file type.")
    assert cut["error_code"] == "unreadable-image"
    assert "Jane" not in json.dumps(odd)
    assert odd["answer"] is None


def test_a_file_larger_than_the_service_takes_is_a_row(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDIDIAGNOSE_MAX_BODY_BYTES", "1024")
    given = tmp_path / "given"
    given.mkdir()
    (given / "a.jpg").write_bytes((samples / "skin-lesion.jpg").read_bytes())
    (row,) = scored("skin", given, tmp_path / "out")
    assert row["error_code"] == "body-too-large"


def test_rows_of_forms_hold_their_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = forms(tmp_path / "forms.parquet", 3, age=[61, None, 400])
    good, empty, wrong = scored("heart_risk", file, tmp_path / "out", "--block", "2")
    (tmp_path / "form.json").write_text(json.dumps(FORM))
    assert comparable(json.loads(good["answer"])) == predicted(capsys, "heart_risk", tmp_path / "form.json")
    assert [good["input"], empty["input"], wrong["input"]] == ["p0", "p1", "p2"]
    assert (empty["error_code"], wrong["error_code"]) == ("invalid-request", "invalid-request")
    assert "age" in empty["error"]
    assert "400" not in wrong["error"]


def test_a_row_holds_a_picture_and_what_is_said_of_it_or_names_a_file(samples: Path, tmp_path: Path) -> None:
    picture = (samples / "breast-ultrasound.jpg").read_bytes()
    (tmp_path / "one.jpg").write_bytes(picture)
    pq.write_table(
        pa.table(
            {
                "image": [{"bytes": picture, "path": "x.jpg"}, {"bytes": picture, "path": None}, None, None, None],
                "path": [None, None, "one.jpg", "../../etc/passwd", None],
                "biopsy_proven": [True, None, None, None, None],
            }
        ),
        tmp_path / "pictures.parquet",
    )
    rows = scored("breast", tmp_path / "pictures.parquet", tmp_path / "out")
    answers = [json.loads(row["answer"] or "null") for row in rows]
    assert answers[0]["prediction"]["birads"] == "BI-RADS 6"
    assert comparable(answers[1]) == comparable(answers[2])
    assert answers[1]["prediction"]["birads"] != "BI-RADS 6"
    assert [row["error_code"] for row in rows] == [None, None, None, "invalid-request", "no-image"]
    assert [row["input"] for row in rows] == ["0", "1", "one.jpg", "../../etc/passwd", "4"]


def test_what_is_said_beside_every_input_counts(samples: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "a.jpg").write_bytes((samples / "breast-ultrasound.jpg").read_bytes())
    (row,) = scored("breast", given, tmp_path / "out", "--with", "biopsy_proven=true")
    assert row["name"] is not None
    assert json.loads(row["answer"])["prediction"]["birads"] == "BI-RADS 6"


def test_a_store_is_read_and_written(samples: Path, tmp_path: Path) -> None:
    from tests.scoring.s3 import store

    (tmp_path / "films" / "2026").mkdir(parents=True)
    (tmp_path / "films" / "2026" / "a.jpg").write_bytes((samples / "skin-lesion.jpg").read_bytes())
    (tmp_path / "scores").mkdir()
    with store(tmp_path) as options:
        scored("skin", f"s3://key:secret@films/2026?{options}", f"s3://key:secret@scores/out?{options}")
    (row,) = pq.read_table(str(tmp_path / "scores" / "out" / "part-000000.parquet")).to_pylist()
    assert (row["input"], row["accepted"]) == ("a.jpg", True)
    assert "secret" not in (tmp_path / "scores" / "out" / "_plan.json").read_text()


def test_a_finished_part_is_not_computed_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, output = forms(tmp_path / "forms.parquet", 25), tmp_path / "out"
    scored("heart_risk", file, output, "--block", "10")
    before = {part.name: part.read_bytes() for part in output.glob("part-*")}
    assert sorted(before) == [f"part-00000{n}.parquet" for n in range(3)]
    (output / "part-000001.parquet").unlink()
    (output / ".unfinished-part-000001.parquet.1").write_bytes(b"half")
    rows = scored("heart_risk", file, output, "--block", "10")
    assert [row["input"] for row in rows] == [f"p{n}" for n in range(25)]
    after = {part.name: part.read_bytes() for part in output.glob("part-*")}
    assert {name for name in before if before[name] != after[name]} <= {"part-000001.parquet"}
    assert not list(output.glob(".unfinished*"))
    assert "25 rows" in capsys.readouterr().err


def test_another_question_does_not_go_into_the_same_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = forms(tmp_path / "forms.parquet", 4)
    scored("heart_risk", file, tmp_path / "out", "--block", "2")
    command = ["score", "heart_risk", "--input", str(file), "--output", str(tmp_path / "out")]
    assert main([*command, "--block", "3"]) == 2
    assert "another rows (2, now 3)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["liver", "--input", "x"], "There is no diagnosis liver."),
        (["skin", "--input", "{empty}"], "There is nothing to read"),
        (["skin", "--input", "{empty}/gone"], "There is no "),
        (["skin", "--input", "{empty}", "--bundles", "{empty}"], "The model skin is absent"),
    ],
)
def test_a_wrong_command_is_a_sentence(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    said = [each.format(empty=tmp_path / "empty") for each in arguments]
    assert main(["score", *said, "--output", str(tmp_path / "out")]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(("address", "joins"), [(None, "local"), ("10.0.0.1:6379", None)])
def test_a_cluster_that_happens_to_run_here_is_not_joined(
    address: str | None, joins: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: asked.update(options))
    monkeypatch.setattr(ray, "cluster_resources", dict)
    if address:
        monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(KeyError, match="CPU"):
        scored("heart_risk", forms(tmp_path / "forms.parquet", 1), tmp_path / "out")
    assert (asked.get("address"), "num_cpus" in asked) == (joins, joins is not None)


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0, 40), (13, 14), (9, 33), (39, 40)])
def test_a_block_is_read_across_groups_of_rows(start: int, stop: int, tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": list(range(40))}), tmp_path / "t.parquet", row_group_size=10)
    rows = list(rows_of(Place(str(tmp_path / "t.parquet")), Block(0, "t.parquet", start, stop)))
    assert rows == [(n, {"n": n}) for n in range(start, stop)]


def _begin(file: Path, output: Path, **environment: str) -> "subprocess.Popen[bytes]":
    """The command in a process, with a Ray of its own, in a session of its own."""
    command = [sys.executable, "-m", "app.cli", "score", "heart_risk", "--input", str(file), "--output", str(output)]
    usual = {key: value for key, value in os.environ.items() if not key.startswith("RAY_") or "nice" in key}
    return subprocess.Popen(
        [*command, "--block", "200", "--workers", "2"],
        cwd=ROOT,
        env={**usual, "PYTHONPATH": str(ROOT), **environment},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _wait_for_parts(output: Path, count: int, process: "subprocess.Popen[bytes]") -> None:
    while len(list(output.glob("part-*"))) < count:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)


def test_killed_at_half_and_resumed_every_row_is_there_once(tmp_path: Path) -> None:
    file, output = forms(tmp_path / "forms.parquet", 8000), tmp_path / "out"
    process = _begin(file, output)
    _wait_for_parts(output, 15, process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    psutil.wait_procs(family, timeout=30)
    finished = {part.name: part.stat().st_mtime_ns for part in output.glob("part-*")}
    assert 15 <= len(finished) < 40
    rows = scored("heart_risk", file, output, "--block", "200", "--workers", "2")
    assert sorted(row["row"] for row in rows) == list(range(8000))
    assert {name: (output / name).stat().st_mtime_ns for name in finished} == finished


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    file, output = forms(tmp_path / "forms.parquet", 8000), tmp_path / "out"
    process = _begin(file, output)
    _wait_for_parts(output, 5, process)
    victim = next(
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "MapWorker" in child.name() or "MapWorker" in " ".join(child.cmdline())
    )
    victim.send_signal(signal.SIGKILL)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told.decode()
    assert sorted(row["row"] for row in pq.read_table(str(output)).to_pylist()) == list(range(8000))
