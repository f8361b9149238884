"""Start and end of the service: put the models in service while it already answers, and drain it before it goes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TypedDict

from fastapi import FastAPI

from app.audit import AuditLog
from app.loading import start_loading
from app.metrics import Metrics
from app.page import UI_PATH
from app.reloading import reloading_on_hangup
from app.settings import Settings
from app.tracing import Tracing
from app.workers.team import Team
from app.workers.together import answer_for
from models.diagnoses.catalogue import Catalogue
from models.memory import stay_small
from models.serving.loading import BundleLoader
from models.serving.registry import ModelRegistry

logger = logging.getLogger("medidiagnose")


class State(TypedDict):
    """What every request finds in `request.state`."""

    settings: Settings
    metrics: Metrics
    catalogue: Catalogue
    registry: ModelRegistry
    tracing: Tracing | None
    team: Team | None
    stopping: bool
    """Set by the server once it has been told to stop."""


def make_lifespan(
    settings: Settings,
    metrics: Metrics,
    catalogue: Catalogue,
    loader: BundleLoader | None,
    tracing: Tracing | None = None,
    team: Team | None = None,
    audit: AuditLog | None = None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """The lifespan of an app with these settings, and with the models of `loader`, else those of the settings.

    `catalogue` comes to hold the diagnoses of one's own. In a worker, `team` is told of the models. `audit` is
    closed at the end.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[State]:
        registry = ModelRegistry(
            loader or start_loading(settings),
            queue_size=settings.queue_size,
            deadline=settings.deadline_seconds,
            check=catalogue.check,
            observe=metrics.worked,
            seat=team.seat if team else None,
        )
        loading = asyncio.create_task(_load(registry, settings), name="load models")
        staying_small = asyncio.create_task(
            stay_small(lambda: metrics.in_progress, lambda: metrics.posts, registry.give_memory_back), name="stay small"
        )
        sharing = asyncio.create_task(_share(registry, loading), name="share cores")
        if team:
            answer_for(team, registry, metrics, loading, settings)
        with nullcontext() if team else reloading_on_hangup(registry):
            yield State(
                settings=settings,
                metrics=metrics,
                catalogue=catalogue,
                registry=registry,
                tracing=tracing,
                team=team,
                stopping=False,
            )
        await _ended(loading, staying_small, sharing)
        await registry.close()
        if audit:
            await asyncio.to_thread(audit.close)
        if tracing:
            await asyncio.to_thread(tracing.close)

    return lifespan


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _share(registry: ModelRegistry, loading: asyncio.Task[None]) -> None:
    """Where cores are lent, make ready for it once the models are loaded."""
    await asyncio.wait([loading])
    await registry.share()


async def _load(registry: ModelRegistry, settings: Settings) -> None:
    """Load the models, then say where to look."""
    await registry.load()
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{settings.port}"
    ready = sum(model.state == "ready" for model in registry.models)
    logger.info("Page: %s%s", address, UI_PATH)
    logger.info("API documentation: %s/docs", address)
    logger.info("Models: %d of %d ready, see %s/health/ready", ready, len(registry.models), address)
