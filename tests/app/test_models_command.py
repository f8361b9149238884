"""`medidiagnose models`: what it lists, verifies and activates."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from models.serving.bundle import file_sha256
from tests.fake_bundle import make_bundle


@pytest.fixture
def two_versions(tmp_path: Path) -> Path:
    for version in ("1.0.0", "1.1.0"):
        make_bundle(tmp_path, "skin", version)
    make_bundle(tmp_path, "xray")
    return tmp_path


def _lines(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("command", [["models"], ["models", "list"]])
def test_every_version_is_listed_and_a_star_marks_the_active_one(
    two_versions: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, "--bundles", str(two_versions)]) == 0
    newest, oldest, xray = _lines(capsys)
    assert newest[:4] == ["*", "skin", "1.1.0", "fp32"]
    assert oldest[:3] == ["skin", "1.0.0", "fp32"]
    assert xray[:3] == ["*", "xray", "1.0.0"]
    assert newest[5:] == ["MiB", "7", "classes", "/analyze/skin"]


def test_an_option_before_the_action_holds_too(two_versions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--bundles", str(two_versions), "list"]) == 0
    assert len(_lines(capsys)) == 3


def test_a_bad_bundle_is_named_and_fails_where_it_is_active(
    two_versions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (two_versions / "skin" / "1.0.0" / "model.onnx").unlink()
    assert main(["models", "--bundles", str(two_versions)]) == 0
    (two_versions / "skin" / "1.1.0" / "model.onnx").unlink()
    assert main(["models", "--bundles", str(two_versions)]) == 1
    output = capsys.readouterr().out
    assert "* skin          1.1.0     must not be served." in output
    assert "model.onnx missing" in output
    assert "* xray          1.0.0" in output


def test_it_says_where_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--bundles", str(tmp_path)]) == 0
    assert "demo mode" in capsys.readouterr().out


def test_what_is_activated_is_active_until_the_newest_is(
    two_versions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles = ["--bundles", str(two_versions)]
    assert main(["models", "activate", "skin", "1.0.0", *bundles]) == 0
    assert "skin 1.0.0 is active" in capsys.readouterr().out
    assert json.loads((two_versions / "active.json").read_text()) == {"skin": "1.0.0"}
    assert main(["models", *bundles]) == 0
    assert [line[:3] for line in _lines(capsys)] == [
        ["skin", "1.1.0", "fp32"],
        ["*", "skin", "1.0.0"],
        ["*", "xray", "1.0.0"],
    ]
    assert main(["models", "activate", "skin", "newest", *bundles]) == 0
    assert json.loads((two_versions / "active.json").read_text()) == {}


def test_the_choice_may_stand_outside_a_read_only_folder(
    two_versions: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("volume") / "active.json"
    monkeypatch.setenv("MEDIDIAGNOSE_ACTIVE_MODELS", str(elsewhere))
    assert main(["models", "activate", "skin", "1.0.0", "--bundles", str(two_versions)]) == 0
    assert json.loads(elsewhere.read_text()) == {"skin": "1.0.0"}
    assert not (two_versions / "active.json").exists()


@pytest.mark.parametrize(
    ("name", "version", "reason"), [("skin", "2.0", "is not there"), ("knee", "1.0.0", "it can't be read")]
)
def test_what_is_not_there_is_not_activated(
    two_versions: Path, capsys: pytest.CaptureFixture[str], name: str, version: str, reason: str
) -> None:
    assert main(["models", "activate", name, version, "--bundles", str(two_versions)]) == 1
    assert reason in capsys.readouterr().err
    assert not (two_versions / "active.json").exists()


def test_a_choice_that_cannot_be_written_says_what_to_do(
    two_versions: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *arguments: Any, **options: Any) -> int:
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    assert main(["models", "activate", "skin", "1.0.0", "--bundles", str(two_versions)]) == 1
    assert "Read-only file system). Set MEDIDIAGNOSE_ACTIVE_MODELS" in capsys.readouterr().err


def test_every_version_is_verified_as_the_service_would(two_versions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "--bundles", str(two_versions)]) == 0
    assert [line[:2] for line in _lines(capsys)] == [["skin", "1.1.0"], ["skin", "1.0.0"], ["xray", "1.0.0"]]
    damaged = two_versions / "skin" / "1.0.0"
    (damaged / "model.onnx").write_bytes(b"not a graph")
    metadata = json.loads((damaged / "metadata.json").read_text())
    metadata["sha256"] = file_sha256(damaged / "model.onnx")
    (damaged / "metadata.json").write_text(json.dumps(metadata))
    assert main(["models", "verify", "--bundles", str(two_versions)]) == 1
    newest, oldest, xray = capsys.readouterr().out.splitlines()
    assert newest.endswith("can be served.")
    assert "must not be served." in oldest
    assert "ONNX Runtime can't load the graph" in oldest
    assert xray.endswith("can be served.")


def test_a_bundle_whose_answers_nobody_can_interpret_is_not_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_bundle(tmp_path, "skin", classes=("a", "b", "c", "d", "e", "f", "g"), operating_points=())
    assert main(["models", "verify", "--bundles", str(tmp_path)]) == 1
    assert "its answers can't be interpreted" in capsys.readouterr().out


def test_where_there_is_none_nothing_is_verified(tmp_path: Path) -> None:
    assert main(["models", "verify", "--bundles", str(tmp_path)]) == 1
