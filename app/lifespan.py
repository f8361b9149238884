"""Start and end of the service: load and warm the models while it already answers, and drain it before it goes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypedDict, get_args

from fastapi import FastAPI

from app.metrics import Metrics
from app.readers import check_classes
from app.settings import Settings
from models.registry import MakeNetwork, ModelRegistry
from schemas.common import Diagnosis


class State(TypedDict):
    """What every request finds in `request.state`."""

    settings: Settings
    metrics: Metrics
    registry: ModelRegistry


def make_lifespan(
    settings: Settings, metrics: Metrics, make_network: MakeNetwork | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """The lifespan of an app with these settings."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[State]:
        registry = ModelRegistry(
            settings.bundles,
            get_args(Diagnosis),
            queue_size=settings.queue_size,
            deadline=settings.deadline_seconds,
            threads=settings.threads,
            precision=settings.precision,
            check=check_classes,
            make_network=make_network,
        )
        loading = asyncio.create_task(registry.load(), name="load models")
        yield State(settings=settings, metrics=metrics, registry=registry)
        loading.cancel()
        await asyncio.wait([loading])
        await registry.close()

    return lifespan
