"""The service in a process of its own, as a user starts it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import psutil

KEEPS_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
"""For servers: no installation compiles its modules again at every start, whatever the caller's environment says."""

_IDLE = 0.3
"""Cores up to which a server that polls counts as idle."""


@dataclass(frozen=True, slots=True)
class Server:
    """A ready service. `seconds_to_ready` runs from the start of the process to the first 200 of /health/ready."""

    url: str
    process: psutil.Process
    seconds_to_ready: float

    @property
    def family(self) -> list[psutil.Process]:
        """The service and its child processes."""
        return [self.process, *self.process.children(recursive=True)]

    @property
    def cpu_seconds(self) -> float:
        """Processor time the service and its child processes have used so far."""
        return sum(times.user + times.system for times in (process.cpu_times() for process in self.family))

    @property
    def resident_bytes(self) -> int:
        """Memory held in RAM by the service and its child processes, in bytes."""
        return sum(process.memory_info().rss for process in self.family)

    @property
    def proportional_bytes(self) -> int:
        """Memory in RAM, in bytes; of what its processes share with one another or with others each its part (PSS)."""
        return sum(process.memory_full_info().pss for process in self.family)

    def freeze(self) -> None:
        """Stop its processes where they are, so that they take no processor time."""
        for process in self.family:
            process.suspend()

    def thaw(self) -> None:
        """Let frozen processes go on."""
        for process in self.family:
            process.resume()

    def settle(self, patience: float = 20.0) -> None:
        """Wait until it has worked off what an earlier load left behind, at most `patience` seconds."""
        end = time.perf_counter() + patience
        while time.perf_counter() < end:
            before = self.cpu_seconds
            time.sleep(0.2)
            if self.cpu_seconds - before < 0.2 * _IDLE:
                return


@contextmanager
def running_server(
    environment: Mapping[str, str] | None = None, *, port: int | None = None, patience: float = 60.0
) -> Iterator[Server]:
    """Start `medidiagnose serve` on a free port, or on `port`, and stop it afterwards.

    `environment` is added to this process's own. Raises `TimeoutError` where the service is not ready within
    `patience` seconds and `RuntimeError` where it ends before.
    """
    port = port or free_port()
    started = time.perf_counter()
    script = Path(sys.executable).with_name("medidiagnose")
    installed = [str(script)] if script.exists() else [sys.executable, "-m", "app.cli"]
    command = [*installed, "serve", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        command,
        env={**os.environ, **KEEPS_BYTECODE, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            while not _is_ready(port):
                if process.poll() is not None:
                    raise RuntimeError(f"the service ended with status {process.returncode}")
                if time.perf_counter() - started > patience:
                    raise TimeoutError(f"the service was not ready within {patience:g} s")
                time.sleep(0.01)
            yield Server(f"http://127.0.0.1:{port}", psutil.Process(process.pid), time.perf_counter() - started)
        finally:
            process.terminate()


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
