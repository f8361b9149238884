"""What is watched while the service is under load: how soon /health/live answers, and how much memory it takes.

    python -m benchmarks.watch http://127.0.0.1:5000

asks /health/live every 10 ms over one connection, in a process of its own that the load generator can't hold up, until
its standard input closes. It prints a line when it begins, and the milliseconds of every answer as JSON.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.server import Server

EVERY_SECONDS = 0.01
_SAMPLE_SECONDS = 0.02
_STILL_SECONDS = 2.0
"""For how long nothing is freed once all is: the service gives back within a second."""


@dataclass(slots=True)
class Liveness:
    """The answers of /health/live: their milliseconds, and how many were none or no 200."""

    milliseconds: list[float] = field(default_factory=list)
    failures: int = 0

    def within(self, share: float) -> float:
        """Milliseconds within which this share of the answers came."""
        ordered = sorted(self.milliseconds) or [float("inf")]
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


@contextmanager
def liveness(server: Server) -> Iterator[Liveness]:
    """Watch /health/live; what was seen is in the yielded object afterwards."""
    seen = Liveness()
    command = [sys.executable, "-m", "benchmarks.watch", server.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as probe:
        if probe.stdout:
            probe.stdout.readline()
        try:
            yield seen
        finally:
            output, _ = probe.communicate("")
            if output:
                found = json.loads(output)
                seen.milliseconds, seen.failures = found["milliseconds"], found["failures"]


class Memory:
    """The memory of the service and its child processes, in bytes. Linux only, as it reads /proc (proc(5))."""

    def __init__(self, server: Server) -> None:
        self._root = Path("/proc", str(server.process.pid))

    @property
    def now(self) -> int:
        """Resident at the moment."""
        return sum(_resident(process) for process in _family(self._root))

    def settled(self, patience: float = 10.0) -> int:
        """Resident once nothing is freed any more: the least of what is seen until it stays for `_STILL_SECONDS`."""
        end, least, since = time.perf_counter() + patience, self.now, time.perf_counter()
        while time.perf_counter() < min(end, since + _STILL_SECONDS):
            time.sleep(0.1)
            if self.now < least:
                least, since = self.now, time.perf_counter()
        return least

    @contextmanager
    def peak(self) -> Iterator[list[int]]:
        """Watch the most that is resident; it is the only item of the yielded list afterwards.

        The kernel's high-water mark of the service (VmHWM, set back through clear_refs) misses nothing, however short;
        child processes come and go and are sampled beside it.
        """
        (self._root / "clear_refs").write_text("5", encoding="ascii")
        ended, peaks, most = threading.Event(), list[int](), 0

        def sample() -> None:
            nonlocal most
            while not ended.wait(_SAMPLE_SECONDS):
                most = max(most, self.now)

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        try:
            yield peaks
        finally:
            ended.set()
            sampler.join()
            status = (self._root / "status").read_text(encoding="ascii")
            mark = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
            children = self.now - _resident(self._root)
            peaks.append(max(most, int(mark.split()[1]) * 1024 + children))


def _family(root: Path) -> Iterator[Path]:
    """The /proc folders of a process and of all its descendants."""
    yield root
    with contextlib.suppress(OSError):
        for thread in (root / "task").iterdir():
            for child in (thread / "children").read_text(encoding="ascii").split():
                yield from _family(root.with_name(child))


def _resident(process: Path) -> int:
    try:
        return int((process / "statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):  # it has ended
        return 0


def main() -> None:
    address = urlsplit(sys.argv[1])
    seen = Liveness()
    connection = HTTPConnection(str(address.hostname), int(address.port or 80), timeout=30)
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], EVERY_SECONDS)[0]:
        began = time.perf_counter()
        try:
            connection.request("GET", "/health/live")
            answer = connection.getresponse()
            answer.read()
            seen.failures += answer.status != HTTPStatus.OK
        except (OSError, HTTPException):
            connection.close()
            seen.failures += 1
        seen.milliseconds.append(1e3 * (time.perf_counter() - began))
    print(json.dumps({"milliseconds": seen.milliseconds, "failures": seen.failures}))


if __name__ == "__main__":
    main()
