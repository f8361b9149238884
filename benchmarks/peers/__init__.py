"""The servers people would pick instead, each in a virtual environment of its own under build/peers/.

Every `serve_<name>.py` serves the same network for the same picture at POST /analyze, by that server's own best
practice; `<name>.txt` is what it needs. They are not imported from here: each runs by its own interpreter.
"""

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.server import KEEPS_BYTECODE, Server, free_port
from benchmarks.wrk import Request, upload

FOLDER = Path(__file__).parent.absolute()
ENVIRONMENTS = Path("build/peers")
PEERS = ("bentoml", "litserve", "mlserver")
PATIENCE = 90.0


class PeerError(RuntimeError):
    """A peer that could not be installed or started; the message says why."""


def request_to(name: str, picture: bytes) -> Request:
    """How that server wants a picture."""
    if name != "mlserver":
        return upload(picture, "/analyze")
    entry = {
        "name": "image",
        "shape": [1, 1],
        "datatype": "BYTES",
        "parameters": {"content_type": "base64"},
        "data": [base64.b64encode(picture).decode()],
    }
    return Request("/v2/models/skin/infer", json.dumps({"inputs": [entry]}).encode())


@contextmanager
def serving(name: str, model: Path, picture: bytes) -> Iterator[Server]:
    """Start a peer, or `naive` or `original`, until it answers a picture. Raises `PeerError`."""
    python = interpreter(name)
    port = free_port()
    environment = {
        **os.environ,
        **KEEPS_BYTECODE,
        "BENCHMARK_MODEL": str(model.resolve()),
        "BENCHMARK_PORT": str(port),
        "PYTHONPATH": os.pathsep.join(map(str, (FOLDER, Path.cwd(), (ENVIRONMENTS / "flask").resolve()))),
        "BENTOML_DO_NOT_TRACK": "true",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    with tempfile.TemporaryDirectory() as folder:
        command = _command(name, python, port, Path(folder))
        log = Path(folder) / "log"
        began = time.perf_counter()
        with (
            log.open("wb") as output,
            subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output) as process,
        ):
            family = psutil.Process(process.pid)
            try:
                _wait(process, f"http://127.0.0.1:{port}", request_to(name, picture), log)
                yield Server(f"http://127.0.0.1:{port}", family, time.perf_counter() - began)
            finally:
                _end(family)


def interpreter(name: str) -> Path:
    """The Python of a peer's environment, which is built where it is missing. Raises `PeerError`."""
    if name in ("naive", "original"):
        if name == "original":
            _install_flask()
        return Path(sys.executable)
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    if not (folder / ".installed").is_file():
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "--quiet", "install", "--requirement", str(FOLDER / f"{name}.txt")])
        (folder / ".installed").touch()
    return python.absolute()


def _install_flask() -> None:
    target = ENVIRONMENTS / "flask"
    if not target.is_dir():
        _run([sys.executable, "-m", "pip", "--quiet", "install", "--target", str(target), "flask"])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerError(f"{' '.join(command[:5])} ... failed: {done.stderr.strip()[-300:]}")


def _command(name: str, python: Path, port: int, folder: Path) -> list[str]:
    if name == "bentoml":
        return [str(python), "-m", "bentoml", "serve", "serve_bentoml:Skin", "--port", str(port), "--host", "127.0.0.1"]
    if name == "mlserver":
        ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        settings = {**ports, "parallel_workers": os.cpu_count() or 1, "debug": False}
        model = {
            "name": "skin",
            "implementation": "serve_mlserver.Skin",
            "max_batch_size": 8,
            "max_batch_time": 0.005,
        }
        (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        (folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
        return [str(python.with_name("mlserver")), "start", str(folder)]
    return [str(python), str(FOLDER / f"serve_{name}.py")]


def _wait(process: subprocess.Popen[bytes], url: str, request: Request, log: Path) -> None:
    end = time.perf_counter() + PATIENCE
    while time.perf_counter() < end:
        if process.poll() is not None:
            break
        try:
            if answers(url, request):
                return
        except OSError:
            time.sleep(0.05)
    raise PeerError(f"did not answer: {log.read_text(errors='replace').strip()[-400:]}")


def answers(url: str, request: Request) -> bool:
    """Whether a request gets 200. Raises `OSError` where nobody listens."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request(request.method, request.path, request.body, {"Content-Type": request.content_type})
        answer = connection.getresponse()
        answer.read()
    except HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()
    if answer.status != 200:
        time.sleep(0.2)
    return answer.status == 200


def _end(family: psutil.Process) -> None:
    try:
        processes = [*family.children(recursive=True), family]
    except psutil.NoSuchProcess:
        return
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=5)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
