"""Completion of shells, and the examples that help ends with."""

from pathlib import Path

import pytest

from app.cli import build_parser, main
from models.command_line import SHELLS
from tests.commands import completions, examples, parsed


@pytest.mark.parametrize("shell", SHELLS)
def test_there_is_a_script_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("predict", "explain", "activate"):
        assert word in script


def test_bash_completes_commands_options_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lesion.jpg").touch()
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert completions(script, "medidiagnose pre", tmp_path) == ["predict"]
    assert completions(script, "medidiagnose serve --por", tmp_path) == ["--port"]
    assert completions(script, "medidiagnose predict skin les", tmp_path) == ["lesion.jpg"]
    assert completions(script, "medidiagnose serve --config les", tmp_path) == ["lesion.jpg"]
    assert completions(script, "medidiagnose completion z", tmp_path) == ["zsh"]


def test_every_example_of_the_help_is_a_command() -> None:
    found = list(examples(build_parser()))
    assert len(found) > 15
    assert [example for example in found if not parsed(build_parser(), example)] == []
