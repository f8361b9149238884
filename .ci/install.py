"""The ways of docs/install.md that need no make, each as it stands there.

In a copy of the sources, with nothing of this environment, up to a service that shows its page, gives its samples and
answers one with a model that ships.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.server import free_port
from tests.documents import ROOT, commands

PAGE = ROOT / "docs/install.md"
WAYS = ("Linux and macOS, without make", "As a wheel, elsewhere")
NOT_COPIED = shutil.ignore_patterns(".*", "build", "dist", "runs", "__pycache__", "*.egg-info", "tests")
ELSEWHERE = "/tmp/medidiagnose"  # noqa: S108, as the page has it
PATIENCE = 60
BASH = "/bin/bash"


def main() -> int:
    for way in WAYS:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as room:
            _try(way, Path(room))
        print(f"{way}: installed, started and asked in {time.monotonic() - began:.0f} s")
    return 0


def _try(way: str, room: Path) -> None:
    sources, elsewhere = room / "sources", room / "elsewhere"
    shutil.copytree(ROOT, sources, ignore=NOT_COPIED)
    *steps, start = (command.replace(ELSEWHERE, str(elsewhere)) for command in _commands(way, room))
    for step in steps:
        _run(step, sources)
    with _served(start.replace("cd /tmp &&", f"cd {room} &&"), sources) as url:
        _check(url)


def _check(url: str) -> None:
    """Raises `SystemExit` where something is missing of what the service shows and answers."""
    samples = json.loads(_asked(f"{url}/samples"))["samples"]
    form = next(each for each in samples if each["diagnosis"] == "heart_risk")
    body = _asked(f"{url}/samples/{form['files'][0]['name']}")
    answer = json.loads(_asked(f"{url}{form['path']}", body, **{"Content-Type": "application/json"}))
    found = {
        "the page": b"<title>MediDiagnose-AI</title>" in _asked(f"{url}/", Accept="text/html"),
        "its script": b"import" in _asked(f"{url}/ui/assets/main.js"),
        "the documentation": b"swagger" in _asked(f"{url}/docs"),
        "a model for each sample": len(json.loads(_asked(f"{url}/models"))["models"]) == len(samples),
        "the answer of a model": answer["success"] and not answer["demo_mode"],
    }
    if missing := [name for name, there in found.items() if not there]:
        raise SystemExit(f"the installed service lacks {', '.join(missing)}")


def _commands(way: str, room: Path) -> Iterator[str]:
    """Those of one section of the page."""
    text = PAGE.read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {re.escape(way)}\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE)
    part = room / "section.md"
    part.write_text(section, encoding="utf-8")
    yield from commands(part)


def _environment() -> dict[str, str]:
    """Ours, with the Python that runs this as `python3`, and without what would lead back here."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL", "MEDI"))}
    return ours | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{ours['PATH']}"}


def _run(step: str, folder: Path) -> None:
    done = subprocess.run(
        [BASH, "-c", step], cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{step}\n{done.stdout}{done.stderr}")


@contextmanager
def _served(start: str, folder: Path) -> Iterator[str]:
    """The address of the service that the last step starts, once it is ready."""
    port, log = free_port(), folder / "service.log"
    with (
        log.open("wb") as said,
        subprocess.Popen(
            [BASH, "-c", f"{start} --port {port}"],
            cwd=folder,
            env=_environment(),
            stdout=said,
            stderr=said,
            start_new_session=True,
        ) as process,
    ):
        try:
            url, end = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
            while not _ready(url):
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"{start}: the service did not get ready\n{log.read_text(encoding='utf-8')}")
                time.sleep(0.2)
            yield url
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)


def _ready(url: str) -> bool:
    try:
        return bool(_asked(f"{url}/health/ready"))
    except OSError:
        return False


def _asked(url: str, body: bytes | None = None, **headers: str) -> bytes:
    request = urllib.request.Request(url, body, headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        content: bytes = answer.read()
        return content


if __name__ == "__main__":
    raise SystemExit(main())
