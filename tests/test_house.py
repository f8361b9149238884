"""What holds of every file of code, and of what the texts say of it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = (".ci", "app", "benchmarks", "deploy", "docker", "models", "schemas", "training")
LONGEST_FUNCTION = 50


def _functions(file: Path) -> Iterator[tuple[str, int]]:
    """The name and the lines of each function, decorators aside."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


def test_a_function_is_as_long_as_its_lines(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("@len\ndef long(\n    a,\n):\n    return a\n\n\nasync def short(): ...\n")
    assert dict(_functions(tmp_path / "a.py")) == {"long": 4, "short": 1}


def test_no_function_outside_the_tests_is_over_fifty_lines() -> None:
    files = [ROOT / "docker" / "healthcheck", *(file for name in FOLDERS for file in (ROOT / name).rglob("*.py"))]
    lengths = {f"{file.relative_to(ROOT)}: {name}": lines for file in files for name, lines in _functions(file)}
    assert len(lengths) > 1000
    assert {function: lines for function, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


def test_every_module_that_a_text_says_to_run_is_there() -> None:
    texts = [ROOT / "README.md", *(file for name in (*FOLDERS, "docs") for file in (ROOT / name).rglob("*.md"))]
    named = {
        module
        for text in texts
        for module in re.findall(r"python -m ((?:benchmarks|tests|training)[.\w]*\w)", text.read_text(encoding="utf-8"))
    }
    assert len(named) > 5
    found = {name: ROOT / name.replace(".", "/") for name in named}
    assert {name for name, path in found.items() if not (path.is_dir() or path.with_suffix(".py").is_file())} == set()
