"""The command line comes from the list of trainings; what goes wrong is a sentence."""

import argparse
import os
import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.commands import completions, examples, parsed
from tests.documents import asked_for, plain, texts, written
from tests.documents import commands as commands_of
from tests.fake_bundle import make_bundle
from training import cli
from training.diagnoses import TRAININGS, training_called

DATA = Path(os.environ.get("MEDIDIAGNOSE_DATA", "data"))


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    [choices] = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(choices)


def test_every_training_is_a_command_and_every_option_is_explained() -> None:
    found = commands(cli.build_parser())
    assert {training.command for training in TRAININGS} <= set(found)
    assert {"evaluate", "quantize", "average", "compare", "data"} <= set(found)
    found |= {f"data {name}": parser for name, parser in commands(found["data"]).items()}
    for name, parser in found.items():
        if name != "data":
            assert all(action.help for action in parser._actions), name


def test_every_training_has_a_title_and_is_found_by_name_and_command() -> None:
    for training in TRAININGS:
        assert training.title
        assert training_called(training.name) is training_called(training.command) is training


def test_what_can_be_quantised_or_measured_is_a_choice() -> None:
    found = commands(cli.build_parser())
    choices = {
        name: next(action.choices for action in found[name]._actions if action.dest == "name")
        for name in ("quantize", "evaluate", "average", "compare")
    }
    assert choices["quantize"] == ["skin", "xray", "breast", "pictures"]
    assert choices["evaluate"] == choices["average"] == choices["compare"] == ["skin", "xray", "pictures"]


@pytest.mark.parametrize("training", TRAININGS, ids=lambda training: training.command)
def test_make_has_a_rule_for_every_training(training: object) -> None:
    command = training.command  # type: ignore[attr-defined]
    arguments = ["make", "--dry-run", "--assume-old=.venv/.training", f"train-{command}", "DATA=sets", "ARGS=--resume"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert f"medidiagnose-train {command} --data sets --resume" in done.stdout


def test_data_lie_in_data_or_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDIDIAGNOSE_DATA", raising=False)
    assert cli.build_parser().parse_args(["skin"]).data == Path("data")
    monkeypatch.setenv("MEDIDIAGNOSE_DATA", "/elsewhere")
    assert cli.build_parser().parse_args(["skin"]).data == Path("/elsewhere")


def test_verify_says_what_differs(ham10000: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = written(
        "medidiagnose-train data verify ham10000 /path/to/data/HAM10000", {"/path/to/data/HAM10000": ham10000}
    )
    assert cli.main(asked) == 1
    assert "nv: 2 pictures, published 6705" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["skin", "xray", "breast", "heart-record", "heart-image", "heart-risk", "disease"])
def test_a_missing_set_is_one_sentence_not_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert cli.main([name, "--data", str(tmp_path), "--runs", str(tmp_path / "runs")]) == 1
    assert "missing" in capsys.readouterr().err


def test_a_bundle_that_is_none_is_one_sentence(
    ham10000: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["quantize", "skin", str(tmp_path / "nowhere"), "--data", str(ham10000.parent)]
    assert cli.main([*arguments, "--runs", str(tmp_path)]) == 1
    assert "nowhere" in capsys.readouterr().err


def test_predictions_of_a_bundle_are_written(chest_xray: Path, tmp_path: Path, write_picture: object) -> None:
    folder = chest_xray.parent / "chest_nih"
    rows = ["file,label,patient_id"]
    for number in range(6):
        for label in ("NORMAL", "PNEUMONIA"):
            write_picture(folder / label / f"{number}.jpeg", (64, 64))  # type: ignore[operator]
            rows.append(f"{label}/{number}.jpeg,{label},{label}{number}")
    (folder / "labels.csv").write_text("\n".join(rows))
    adults = chest_xray.parent / "chest_normal_adults"
    for number in range(6):
        write_picture(adults / "Images" / f"{number}.jpg", (64, 64))  # type: ignore[operator]
    listed = [f"Images/{number}.jpg,NORMAL,{number}" for number in range(6)]
    (adults / "labels.csv").write_text("\n".join(["file,label,group", *listed]))
    bundle, file = make_bundle(tmp_path / "bundles", "xray"), tmp_path / "predictions.csv"
    arguments = ["evaluate", "xray", "--bundle", str(bundle.folder), "--data", str(chest_xray.parent)]
    assert cli.main([*arguments, "--split", "test", "--runs", str(tmp_path), "--predictions", str(file)]) == 0
    table = pd.read_csv(file)
    assert list(table.columns) == ["path", "prob_normal", "prob_pneumonia"]
    assert table[["prob_normal", "prob_pneumonia"]].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)


def test_every_example_of_the_help_is_a_command() -> None:
    found = list(examples(cli.build_parser()))
    assert len(found) > 5
    assert [example for example in found if not parsed(cli.build_parser(), example)] == []


def test_bash_completes_commands_options_and_choices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert completions(script, "medidiagnose-train pict", tmp_path) == ["pictures"]
    assert completions(script, "medidiagnose-train skin --dat", tmp_path) == ["--data"]
    assert completions(script, "medidiagnose-train quantize sk", tmp_path) == ["skin"]


def test_every_training_command_of_the_texts_is_one_that_there_is() -> None:
    found = [command for page in texts() for command in commands_of(page) if "medidiagnose-train " in command]
    assert len(found) > 15
    assert [command for command in found if not parsed(cli.build_parser(), command)] == []


def test_every_training_command_of_the_texts_is_run_by_a_test_on_made_up_data() -> None:
    every = {plain(command) for page in texts() for command in commands_of(page)}
    modules = r"python -m (?:training\.|benchmarks\.(?:parity|made_up_sheets) )"
    found = {command for command in every if re.search(f"medidiagnose-train |make train-|{modules}", command)}
    assert len(found) > 30
    assert found - asked_for() == set()


def test_make_starts_the_runs_that_are_tested() -> None:
    assert written("make train-smoke") == ["skin", "--smoke"]
    by_hand = written("medidiagnose-train skin --data /path/to/data")
    assert written("make train-skin DATA=/path/to/data") == by_hand
