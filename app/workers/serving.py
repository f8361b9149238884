"""`medidiagnose serve` with several workers. Whatever they import is imported here, once, before they are forked."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import threading
from collections.abc import Generator
from functools import partial

import uvicorn

from app.connection import Connection
from app.loading import refuse_missing_models, start_loading
from app.main import create_app
from app.rates import SharedRateLimiter, parse_rate
from app.server import SETTLING, Server, serve
from app.settings import Settings
from app.tracing import open_tracing
from app.workers.supervisor import Supervisor
from app.workers.team import Team
from models.serving.engine import Engine

logger = logging.getLogger("medidiagnose.workers")


def serve_with_workers(settings: Settings, count: int) -> int:
    """Serve until a stop signal; the exit status. Raises `SettingsError` as `start_loading` does."""
    refuse_missing_models(settings)
    share = share_of(settings, count)
    limiter = SharedRateLimiter(parse_rate(settings.rate_limit)) if settings.rate_limit else None
    logger.info("Each worker computes on %d of the %d threads.", share.threads, settings.threads)
    return Supervisor(settings, count, partial(_work, share, limiter, settings.threads)).run()


def share_of(settings: Settings, count: int) -> Settings:
    """What one of so many workers may take; together they take no more than one service would."""
    parts = ("threads", "max_connections", "queue_size", "max_bodies_bytes")
    return settings.model_copy(update={name: max(getattr(settings, name) // count, 1) for name in parts})


def _work(settings: Settings, limiter: SharedRateLimiter | None, threads: int, team: Team) -> None:
    """Serve by the share of one worker. A request that finds all of them idle is computed with so many threads."""
    loader = start_loading(
        settings, versions=team.versions, make_network=lambda bundle: Engine(bundle, threads=threads, later=True)
    )
    app = create_app(settings, loader=loader, tracing=open_tracing(), team=team, limiter=limiter)
    gc.freeze()  # as where one serves alone
    serve(app, settings, make_server=partial(WorkerServer, team=team))


class WorkerServer(Server):
    """A server whose connections the supervisor accepts, and which stops when that tells it to, or has gone."""

    def __init__(self, config: uvicorn.Config, settings: Settings, *, team: Team) -> None:
        super().__init__(config, settings)
        self._team = team

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are the supervisor's."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve what is handed over."""
        await super().startup([])
        await self._team.join(self._adopt, partial(self.handle_exit, signal.SIGTERM, None))
        threading.Thread(target=self._outlive_nobody, name="supervisor", daemon=True).start()

    async def _adopt(self, connection: socket.socket) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(self._connection, connection)

    async def _close_listeners(self) -> None:
        await self._team.everybody_is_in(SETTLING)

    def _connection(self) -> Connection:
        return _Handed(self.config, self.server_state, self.lifespan.state, team=self._team)

    def _outlive_nobody(self) -> None:
        self._team.wait_for_the_end()
        logger.warning("The supervisor has gone.")
        self._drain_seconds = 0
        self.handle_exit(signal.SIGTERM, None)


class _Handed(Connection):
    """A connection whose end the supervisor is told of."""

    def __init__(self, *arguments: object, team: Team) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._team = team

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the supervisor."""
        super().connection_lost(exc)
        self._team.closed()
