"""The fenced blocks of the texts: commands and code that a reader copies, and so are run by tests."""

import re
from collections.abc import Iterator
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
