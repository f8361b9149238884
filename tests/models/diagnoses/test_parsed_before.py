"""A YAML file is parsed once; what is kept of it never outlives a change, and nothing depends on it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.diagnoses import parsed_before
from models.diagnoses.parsed_before import parse_file

SAID = {"a": ["no", 1, 1.5, True, None], "b": {"c": "d: é"}}
TEXT = 'a: ["no", 1, 1.5, true, null]\nb: {c: "d: é"}\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    (tmp_path / "words.yaml").write_text(TEXT)
    return tmp_path / "words.yaml"


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The texts that were parsed as YAML."""
    parsed: list[bytes] = []
    parse: Callable[[bytes], Any] = parsed_before.parse_yaml

    def counting(content: bytes) -> Any:
        parsed.append(content)
        return parse(content)

    monkeypatch.setattr(parsed_before, "parse_yaml", counting)
    return parsed


def kept(file: Path) -> list[Path]:
    return sorted(file.parent.glob("__pycache__/*"))


def test_it_is_parsed_once(file: Path, parses: list[bytes]) -> None:
    assert [parse_file(file) for _ in range(3)] == [SAID] * 3
    assert len(parses) == 1
    assert len(kept(file)) == 1


def test_a_change_is_read(file: Path, parses: list[bytes]) -> None:
    parse_file(file)
    file.write_text(TEXT.replace("1.5", "2.5"))
    assert parse_file(file)["a"][2] == 2.5
    assert len(parses) == 2
    assert len(kept(file)) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"3", b'{"sha256": "0", "parsed": {}}', b"\xff"])
def test_what_is_damaged_is_parsed_again(file: Path, damage: bytes) -> None:
    parse_file(file)
    kept(file)[0].write_bytes(damage)
    assert parse_file(file) == SAID
    assert json.loads(kept(file)[0].read_bytes())["parsed"] == SAID


@pytest.mark.parametrize("text", ["1: a", "a: 2026-01-01"])
def test_what_json_does_not_hold_is_not_kept(file: Path, text: str) -> None:
    file.write_text(text)
    assert parse_file(file) == parse_file(file)
    assert not kept(file)


def test_nothing_is_kept_where_python_keeps_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert parse_file(file) == SAID
    assert not kept(file)


def test_a_folder_that_can_not_be_written_to(file: Path) -> None:
    (file.parent / "__pycache__").write_text("in the way")
    assert parse_file(file) == SAID
