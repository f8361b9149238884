"""The server of the service: uvicorn with bounded connections, and with an end that loses no request.

The end, from the first SIGTERM or SIGINT on: for `drain_seconds` everything is served as before but /health/ready,
which says 503, so that a load balancer looks elsewhere. Then nobody new is let in, requests under way are answered, and
the process ends with status 0: as soon as they are, and after `stop_seconds` whatever still runs. A second signal ends
it at once.
"""

import asyncio
import contextlib
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from types import FrameType
from typing import NoReturn

import uvicorn
from fastapi import FastAPI
from uvicorn.server import HANDLED_SIGNALS

from app.connection import Connection, Connections, Limits
from app.settings import Settings

BACKLOG = 512
"""Connections that the system keeps for us until we accept them; it may give us so many at once."""
OTHER_FILES = 128
"""Open files beside the connections, such as those of models."""
SETTLING = 0.5
"""Seconds that a client has for a request which it sent before it could know that we stop."""
MARGIN = 0.5
"""Seconds after the last deadline in which an orderly end must come about, else it comes the other way."""
_TICK = 0.1

logger = logging.getLogger("medidiagnose.server")


def serve(app: FastAPI, settings: Settings, *, make_server: "MakeServer | None" = None) -> None:
    """Serve until a stop signal. Exits the process with status 3 where the service can't start. `make_server` makes
    another `Server`."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        root_path=settings.root_path,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        http=Connection,
        ws="none",
        lifespan="on",
        backlog=BACKLOG,
        access_log=False,
        log_config=None,
        server_header=False,
    )
    server = (make_server or Server)(config, settings)
    server.on_signal = _start_watchdog(settings.drain_seconds + settings.stop_seconds + MARGIN)
    server.run()
    if not server.started:
        sys.exit(uvicorn.config.STARTUP_FAILURE)
    if busy := _busy_threads():
        _leave(f"Stopped, with work that does not end in {', '.join(busy)}.")


class Server(uvicorn.Server):
    """uvicorn's server with `Connections` of limited number, and with an orderly end."""

    server_state: Connections

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self.on_signal: Callable[[int], None] = lambda number: None
        self._drain_seconds = settings.drain_seconds
        self._stop_seconds = settings.stop_seconds
        self._displaced = 0
        self.server_state = Connections(
            Limits(
                connections=affordable(settings.max_connections),
                header_seconds=settings.header_seconds,
                idle_seconds=settings.idle_seconds,
                header_bytes=settings.max_header_bytes,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Handle the stop signals, without uvicorn's raising them again at the end: whoever asked for an orderly end
        and gets one finds status 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the end."""
        self.should_exit = True
        self.on_signal(sig)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        if metrics := self.lifespan.state.get("metrics"):
            metrics.show("connections", "Open connections.", lambda: len(self.server_state.connections))

    async def on_tick(self, counter: int) -> bool:
        """Every tenth of a second; once a second look over the connections."""
        if counter % 10 == 0:
            self.server_state.look_over(asyncio.get_running_loop().time())
            displaced = self.server_state.displaced
            if displaced > self._displaced:
                logger.warning("Closed %d connections to make room for others.", displaced - self._displaced)
                self._displaced = displaced
        return await super().on_tick(counter)

    async def main_loop(self) -> None:
        """Serve until a stop signal, then for as long as the drain takes."""
        await super().main_loop()
        logger.info("Stopping.")
        self.lifespan.state["stopping"] = True
        for counter in range(round(self._drain_seconds / _TICK)):
            await self.on_tick(counter)
            await asyncio.sleep(_TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in, answer the requests under way, and end the service.

        A connection without a request has `SETTLING` seconds for one that was sent already.
        """
        began = time.monotonic()
        state = self.server_state
        state.stopping = True
        self.lifespan.state["stopping"] = True
        await self._close_listeners()
        for connection in list(state.connections):
            connection.finish()
        while state.connections and (elapsed := time.monotonic() - began) < self._stop_seconds:
            if elapsed > SETTLING:
                for connection in list(state.waiting):
                    connection.hang_up()
            if round(elapsed / _TICK) % 10 == 0:
                state.look_over(asyncio.get_running_loop().time())
            await asyncio.sleep(_TICK / 2)
        if state.connections:
            logger.warning("Gave up %d connections after %g seconds.", len(state.connections), self._stop_seconds)
            for connection in list(state.connections):
                connection.give_up()
            await asyncio.wait(state.tasks, timeout=_TICK) if state.tasks else None
            for connection in list(state.connections):
                connection.transport.abort()
        for task in list(state.tasks):
            task.cancel()
        await self.lifespan.shutdown()

    async def _close_listeners(self) -> None:
        """Close the listening sockets, once everybody is in who has connected already."""
        loop = asyncio.get_running_loop()
        listeners = []
        for server in self.servers:
            for listener in server.sockets:
                with contextlib.suppress(NotImplementedError):
                    loop.remove_reader(listener.fileno())
                listeners.append(socket.socket(fileno=os.dup(listener.fileno())))
        await asyncio.sleep(
            0
        )  # asyncio's own loop has begun to take some in, which it drops where its server is closed
        await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        for listener in listeners:
            with listener:
                listener.setblocking(False)
                accepted = _all_waiting(listener)
            for each in accepted:
                with contextlib.suppress(OSError):
                    await loop.connect_accepted_socket(self._connection, each)

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)


MakeServer = Callable[[uvicorn.Config, Settings], Server]


def _all_waiting(listener: socket.socket) -> list[socket.socket]:
    accepted = []
    with contextlib.suppress(OSError):
        while True:
            accepted.append(listener.accept()[0])
    return accepted


def _start_watchdog(grace: float) -> Callable[[int], None]:
    """Start a thread that ends the process `grace` seconds after the first signal, whatever hinders it, or at the
    second signal; returns how to tell it of one.

    The loop may be held up, and the interpreter waits at its end for threads that compute; this thread is not.
    """
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()  # the one queue that a signal handler may put into

    def watch() -> None:
        signals.get()
        try:
            signals.get(timeout=grace)
        except queue.Empty:
            _leave("Stopped, with work that does not end.")
        _leave("Stopped at once, as asked by a second signal.")

    threading.Thread(target=watch, name="watchdog", daemon=True).start()
    return signals.put


def _leave(message: str) -> NoReturn:
    """End the process now, with status 0, not waiting for threads that compute; nor for a log that can't be written."""

    def last_words() -> None:
        logger.warning(message)
        logging.shutdown()

    speaker = threading.Thread(target=last_words, daemon=True)
    speaker.start()
    speaker.join(MARGIN)
    os._exit(0)


def _busy_threads() -> Sequence[str]:
    """Names of the threads that the interpreter would wait for; one that is about to end has a moment."""
    end = time.monotonic() + MARGIN
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(end - time.monotonic(), 0))
    return [
        thread.name
        for thread in threading.enumerate()
        if thread is not threading.current_thread() and not thread.daemon
    ]


def affordable(connections: int) -> int:
    """So many connections as the system lets us have open at once beside our other files, `connections` at most."""
    if sys.platform == "win32":
        return connections
    import resource

    needed = connections + BACKLOG + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    affordable = max(soft - OTHER_FILES - BACKLOG, soft // 4)
    logger.warning("The system allows %d open files: at most %d connections.", soft, affordable)
    return affordable
