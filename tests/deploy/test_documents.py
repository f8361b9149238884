"""What SECURITY.md and docs/ say of settings, limits and metrics is so."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
DEPLOYED = [path for path in sorted((ROOT / "deploy").rglob("*")) if path.is_file() and path.suffix != ".pyc"]
UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "MB": 10**6}
NO_SETTINGS = {"MEDIDIAGNOSE_CONFIG", "MEDIDIAGNOSE_DATA"}


def limits() -> list[tuple[str, str, str]]:
    """What is limited, the figure, and what sets it: the rows of the table in SECURITY.md."""
    section = DOCUMENTS[0].read_text(encoding="utf-8").split("## Limits")[1]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    return [(what, figure, setter.strip("`")) for what, figure, setter, _ in rows[2:]]


def figure_of(text: str) -> float | None:
    if text == "none":
        return None
    number, _, unit = text.partition(" ")
    return float(number.replace(",", "")) * UNITS.get(unit, 1)


def set_by(setter: str) -> Any:
    if setter.startswith(PREFIX):
        return Settings.model_fields[setter.removeprefix(PREFIX).lower()].default
    module, _, name = setter.rpartition(".")
    return getattr(import_module(module), name)


def test_there_are_limits() -> None:
    assert len(limits()) > 10


@pytest.mark.parametrize(("what", "figure", "setter"), limits())
def test_a_limit_is_what_the_code_says(what: str, figure: str, setter: str) -> None:
    assert figure_of(figure) == set_by(setter), what


@pytest.mark.parametrize("path", [*DOCUMENTS, *DEPLOYED], ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(rf"{PREFIX}[A-Z_]+[A-Z]", path.read_text(encoding="utf-8")))
    assert named <= {PREFIX + field.upper() for field in Settings.model_fields} | NO_SETTINGS


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_named_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    linked = {link.split("#")[0] for link in re.findall(r"\]\((?!https://)([^)]+)\)", text)}
    assert [link for link in linked if not (path.parent / link).exists()] == []
    for named in re.findall(r"`((?:deploy|docs|\.github)/[\w./-]+)`", text):
        assert (ROOT / named).exists(), named
