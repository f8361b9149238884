"""What generators of clients make of the OpenAPI document: two clients that type-check strictly and reach every route.

    make client                  # the Python client alone, from openapi.json, into build/client
    make test-clients            # everything, against a service of its own

Redocly and Spectral read the document; openapi-python-client and openapi-typescript make clients of it; mypy and tsc
check them, with the code of the documentation's pages; both ask a running service for every operation, which its own
metrics tell. NVIDIA's tritonclient asks one for raw tensors. Exit status 1 where any of it fails.
"""

import argparse
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from app.cli import main as medidiagnose
from app.settings import Settings
from benchmarks.server import running_server
from tests.app.test_own_pictures import make_own_bundle
from tests.documents import ADDRESS, ROOT, blocks, texts

HERE = Path(__file__).parent / "clients"
TOOLS = ROOT / ".venv-clients/bin"
BUILD = ROOT / "build/clients"
PACKAGE = "medidiagnose_client"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document", type=Path, help="only write the Python client of this document")
    parser.add_argument("--into", type=Path, default=ROOT / "build/client", help="where to")
    options = parser.parse_args()
    if options.document:
        _write_python(options.document, options.into)
        sys.stdout.write(f"{options.into}: pip install it, then `import {PACKAGE}`\n")
        return 0
    admin_key = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as folder, _bundles() as bundles:
        environment = {"MEDIDIAGNOSE_BUNDLES": bundles, "MEDIDIAGNOSE_ADMIN_KEY": admin_key}
        medidiagnose(["sample", "all", "--into", folder])
        with running_server(environment) as server:
            document = _make(server.url)
            _ask(server.url, Path(folder), admin_key, document)
    with running_server({"MEDIDIAGNOSE_TENSORS": "true"}) as server:
        subprocess.run([TOOLS / "python", HERE / "triton.py", server.url], check=True)
    return 0


def _bundles() -> tempfile.TemporaryDirectory[str]:
    """A folder with the models that ship and one of one's own."""
    folder = tempfile.TemporaryDirectory()
    for model in (path for path in Settings().bundles.iterdir() if path.is_dir()):
        Path(folder.name, model.name).symlink_to(model)
    make_own_bundle(Path(folder.name))
    return folder


def _make(url: str) -> Any:
    """Make and check the clients of the service; returns its document."""
    python, typescript, document = BUILD / "python", BUILD / "typescript", BUILD / "openapi.json"
    for folder in (python, typescript):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    with urllib.request.urlopen(f"{url}/openapi.json") as answer:  # noqa: S310
        document.write_bytes(answer.read())
    _copy_code(python, "py", "python", url)
    _copy_code(typescript, "ts", "ts", url)
    shutil.copy(HERE / "tsconfig.json", typescript)
    node = BUILD / "node_modules/.bin"
    with ThreadPoolExecutor(2) as pool:
        done = [
            pool.submit(_run, [node / "redocly", "lint", document, "--config", HERE / "redocly.yaml"]),
            pool.submit(_run, [node / "spectral", "lint", document, "--ruleset", HERE / ".spectral.yaml"]),
            pool.submit(_check_python, document, python),
            pool.submit(_check_typescript, document, typescript),
        ]
        for each in done:
            each.result()
    return json.loads(document.read_bytes())


def _copy_code(folder: Path, ending: str, language: str, url: str) -> None:
    """Put what asks for every route there, and the code of each page that shows the client."""
    shutil.copy(HERE / f"every_route.{ending}", folder)
    for page in texts():
        code = "\n".join(block.text for block in blocks(page, language) if not block.title)
        if PACKAGE in code or "openapi-fetch" in code:
            name = re.sub(r"\W", "_", page.relative_to(ROOT).with_suffix("").as_posix())
            (folder / f"{name}.{ending}").write_text(code.replace(ADDRESS, url), encoding="utf-8")


def _check_python(document: Path, folder: Path) -> None:
    _write_python(document, folder / "made")
    shutil.move(folder / "made" / PACKAGE, folder)
    _run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--config-file",
            os.devnull,
            "--strict",
            "--python-executable",
            TOOLS / "python",
            ".",
        ],
        folder,
    )


def _write_python(document: Path, folder: Path) -> None:
    """Write the Python client; beside `const` the type is left out, or the generator passes over the constant."""
    read = json.loads(document.read_bytes(), object_hook=_untyped_constant)
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(read, file)
        file.flush()
        command = [TOOLS / "openapi-python-client", "generate", "--path", file.name, "--config", HERE / "python.yaml"]
        _run([*command, "--meta", "uv", "--fail-on-warning", "--overwrite", "--output-path", folder])


def _untyped_constant(node: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != "type"} if "const" in node else node


def _check_typescript(document: Path, folder: Path) -> None:
    node = BUILD / "node_modules/.bin"
    _run([node / "openapi-typescript", document, "--output", folder / "schema.d.ts"])
    _run([node / "tsc", "--project", folder])


def _ask(url: str, samples: Path, admin_key: str, document: Any) -> None:
    """Run everything that was made; each of the two that ask for every route must have reached every operation."""
    paths = document["paths"].items()
    operations = {(method.upper(), path) for path, methods in paths for method in methods} - {("GET", "/metrics")}
    kinds = ((BUILD / "python", "*.py", TOOLS / "python"), (BUILD / "typescript/made", "*.js", Path("node")))
    for folder, pattern, program in kinds:
        before = _answered(url)
        (every,) = folder.glob(pattern.replace("*", "every_route"))
        _run([program, every, url, samples, admin_key], samples, PYTHONPATH=str(folder))
        after = _answered(url)
        if missing := {each for each in operations if after.get(each, 0) <= before.get(each, 0)}:
            raise SystemExit(f"{every.name} got no answer of {sorted(missing)}")
        sys.stdout.write(f"{every.name}: every one of {len(operations)} operations and /metrics answered with 200\n")
        for page in sorted(folder.glob(pattern.replace("*", "docs_*"))):
            _run([program, page], samples, PYTHONPATH=str(folder))
            sys.stdout.write(f"{page.name}: runs\n")


def _answered(url: str) -> dict[tuple[str, str], float]:
    """How often each operation has answered 200, by the service's own count."""
    with urllib.request.urlopen(f"{url}/metrics") as answer:  # noqa: S310
        text = answer.read().decode()
    pattern = r'^medidiagnose_requests_total\{method="(\w+)",route="([^"]+)",status="200"\} (\S+)$'
    return {(method, route): float(count) for method, route, count in re.findall(pattern, text, re.MULTILINE)}


def _run(command: Sequence[str | Path], folder: Path = ROOT, **environment: str) -> None:
    """Run a program; what it printed is shown where it fails. Its own folder comes first on the path."""
    words = [str(word) for word in command]
    path = os.pathsep.join([str(TOOLS), os.environ.get("PATH", os.defpath)])
    begun = time.monotonic()
    done = subprocess.run(
        words, cwd=folder, env={**os.environ, "PATH": path, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    sys.stdout.write(f"{time.monotonic() - begun:5.1f} s  {Path(words[0]).name} {' '.join(words[1:3])}\n")


if __name__ == "__main__":
    sys.exit(main())
