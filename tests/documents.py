"""The fenced blocks of the texts: commands and code that a reader copies, and so are run by tests."""

import ast
import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
ADDRESS = "http://127.0.0.1:5000"
"""Where the service runs in every text."""

_FENCE = re.compile(r'^( *)```(\w+)(?: title="([^"]+)")?\n(.*?)^ *```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `title` is what stands over it, often a path, else empty."""

    page: Path
    language: str
    title: str
    text: str


def texts() -> list[Path]:
    """Every text that readers have."""
    return [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> Iterator[Block]:
    """The blocks of a page in that language, without the page's indent."""
    for indent, found, title, text in _FENCE.findall(page.read_text(encoding="utf-8")):
        if found == language:
            lines = [line.removeprefix(indent) for line in text.splitlines()]
            yield Block(page, language, title, "\n".join(lines) + "\n")


def commands(page: Path) -> Iterator[str]:
    """Each command of its `sh` blocks, without comments; lines that a backslash continues are one."""
    for block in blocks(page, "sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            if command := re.sub(r"\s+#( .*)?$|^#.*", "", line).strip():
                yield command


def written(command: str, replaced: Mapping[str, object] | None = None) -> list[str]:
    """The words of a command of the texts behind its program, with some of its parts replaced, as a real data set by
    `--smoke`, and without what is left to the shell. Of `make` they are those of the program that it would start.

    Whoever asks for a command runs it; `asked_for` finds them all. Raises `AssertionError` for one that no text has.
    """
    assert command in {plain(each) for page in texts() for each in commands(page)}, command
    if command.startswith("make "):
        dry = ["make", "--dry-run", "--assume-old=.venv/.training", *shlex.split(command)[1:]]
        command = subprocess.run(dry, cwd=ROOT, env=_ALONE, capture_output=True, text=True, check=True).stdout.strip()
    for part, other in (replaced or {}).items():
        assert part in command, part
        command = command.replace(part, str(other))
    words = shlex.split(re.split(r"\s(?:>|2>|&)", command)[0])
    program = next(place for place, word in enumerate(words) if re.search(r"medidiagnose-train$|^-m$", word))
    return words[program + (2 if words[program] == "-m" else 1) :]


_ALONE = {name: value for name, value in os.environ.items() if not re.match(r"MAKE|MFLAGS$|VENV$|ARGS$|DATA$", name)}
"""The environment less what a `make` that started the tests leaves there, which would have another say more."""


def plain(command: str) -> str:
    """A command with single spaces."""
    return " ".join(command.split())


def asked_for() -> set[str]:
    """The commands that tests run by `written`, as they stand in its calls."""
    found = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="written"), args=[ast.Constant(value=str(command)), *_]):
                    found.add(command)
    return found
