"""Imports go one way, and the service starts without TensorFlow."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"app", "benchmarks", "models", "schemas", "tests", "training"}
MAY_IMPORT = {
    "schemas": {"schemas"},
    "models": {"models", "schemas"},
    "app": {"app", "models", "schemas"},
    "training": {"training", "models", "schemas"},
}
OF_EXTRAS = {"imagecodecs", "pyarrow", "pydicom", "ray"}
"""Loaded when the first DICOM file arrives, or where scoring in bulk is asked for, so that a start takes no longer."""
TRAINING_ONLY = {
    *("jax", "keras", "matplotlib", "onnx", "pandas", "rich"),
    *("scipy", "sklearn", "tensorflow", "tf2onnx", "torch", "wfdb"),
}


@cache
def _imported(file: Path) -> frozenset[str]:
    """The packages that a file imports anywhere."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return frozenset(found)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_those_below_it(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        upward = (_imported(file) & OURS) - MAY_IMPORT[package]
        assert not upward, f"{file.relative_to(ROOT)} imports {', '.join(upward)}"


@pytest.mark.parametrize("package", ["app", "models", "schemas"])
def test_the_service_names_no_training_library(package: str) -> None:
    for file in (ROOT / package).rglob("*.py"):
        assert not _imported(file) & TRAINING_ONLY, file.relative_to(ROOT)


def test_the_service_loads_no_training_library() -> None:
    code = "import sys, app.main, app.cli; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert {"app", "models", "schemas", "onnxruntime"} <= loaded
    assert not loaded & (TRAINING_ONLY | OF_EXTRAS | {"training"})
