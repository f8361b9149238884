"""Services in processes of their own, forked from one that has imported the application, so that they start at once."""

import asyncio
import json
import logging
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import app.loading
import app.main
from app.cli import main
from app.server import serve
from app.settings import Settings
from app.workers.serving import WorkerServer
from app.workers.supervisor import Supervisor
from app.workers.team import Team

PATIENCE = 20.0

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([app.loading.__name__, app.main.__name__, __name__])


class Process:
    """A process, and the file that it logs into."""

    def __init__(self, process: Any, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Its number."""
        return int(self._process.pid)

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return bool(self._process.is_alive())

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self._process.pid, number)

    def end(self, status: int = 0) -> str:
        """Wait for its end, which must be with this status; its log."""
        self._process.join(PATIENCE)
        log = self._log.read_text(encoding="utf-8")
        assert self._process.exitcode == status, log
        return log

    def kill(self) -> None:
        """End it, where it still runs."""
        self._process.kill()
        self._process.join()


@contextmanager
def begun(work: Callable[..., None], *arguments: Any, log: Path) -> Iterator[Process]:
    """A process that does this work, a function of a module, and is killed in the end."""
    started = _FORKS.Process(target=_logged, args=(str(log), work, arguments))
    started.start()
    process = Process(started, log)
    try:
        yield process
    finally:
        process.kill()


def _logged(log: str, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    nowhere, file = os.open(os.devnull, os.O_WRONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(nowhere, 1)
    os.dup2(file, 2)
    work(*arguments)


def command(arguments: list[str], environment: Mapping[str, str]) -> None:
    """`medidiagnose` with these arguments."""
    os.environ.update(environment)
    sys.exit(main(arguments))


def bare_service(settings: str) -> None:
    """The server with these settings, as JSON, and an application that needs no time to start."""
    logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stderr)
    serve(BareApp(), Settings(**json.loads(settings)))  # type: ignore[arg-type]


def bare_workers(settings: str, count: int, spoilt: str) -> None:
    """So many workers of that application, each of which fails at its start while there is a file `spoilt`."""
    logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stderr)
    chosen = Settings(**json.loads(settings))

    def work(team: Team) -> None:
        if Path(spoilt).exists():
            sys.exit(4)
        serve(BareApp(), chosen, make_server=partial(_LoadedAtOnce, team=team))  # type: ignore[arg-type]

    sys.exit(Supervisor(chosen, count, work).run())


class _LoadedAtOnce(WorkerServer):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Has no models."""
        await super().startup(sockets)
        self._team.loaded({})


class BareApp:
    """Answers /ready by what the server says, /slow after a second, /stuck and /abandoned never and at once with a
    thread that works for ever; /blocked holds up the event loop."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        if scope["type"] == "lifespan":
            await self._live(scope["state"], receive, send)
            return
        stopping, path = scope["state"]["stopping"], scope["path"]
        if path == "/slow":
            await asyncio.sleep(1)
        if path in ("/stuck", "/abandoned"):
            asyncio.get_running_loop().run_in_executor(self._executor, time.sleep, 60)
        if path == "/blocked":
            time.sleep(60)  # noqa: ASYNC251 - what it is for
        if path == "/stuck":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        content = b"stopping" if stopping else b"serving"
        status = 503 if stopping and path == "/ready" else 200
        headers = [(b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _live(self, state: dict[str, Any], receive: Any, send: Any) -> None:
        for part in ("startup", "shutdown"):
            await receive()
            state["stopping"] = False
            await send({"type": f"lifespan.{part}.complete"})
