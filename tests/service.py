"""Run the application inside a test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from app.loading import start_loading
from app.main import create_app
from app.settings import Settings
from models.serving.loading import MakeNetwork

URL = "http://service"


@asynccontextmanager
async def running(*, bundles: Path, make_network: MakeNetwork | None = None, **settings: Any) -> AsyncIterator[ASGIApp]:
    """An application between its start and its end, as a server sees it."""
    chosen = Settings(**{"bundles": bundles, "demo_mode": True, **settings})
    app = create_app(chosen, loader=start_loading(chosen, make_network=make_network))
    async with app.router.lifespan_context(app) as state:
        yield with_state(app, dict(state or {}))


@asynccontextmanager
async def serving(
    *, bundles: Path, make_network: MakeNetwork | None = None, wait_until_ready: bool = True, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running application; its models are loaded, unless told not to wait for them."""
    async with running(bundles=bundles, make_network=make_network, **settings) as app, client_of(app) as client:
        if wait_until_ready:
            await until_ready(app)
        yield client


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    """A client of an application."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL)


async def until_ready(app: ASGIApp) -> None:
    """Wait until the models of an application are loaded."""
    async with client_of(app) as client:
        await until(lambda: _is_ready(client))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition to come true, at most five seconds."""
    for _ in range(1000):
        if await condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("what was waited for did not come true")


async def state_once_loaded(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    """What /health/ready says of a model once it is no longer loading; waits five seconds at most."""
    state: dict[str, Any] = {}

    async def loaded() -> bool:
        state.update((await client.get("/health/ready")).json()["models"][name])
        return bool(state["state"] != "loading")

    await until(loaded)
    return state


def upload(data: bytes, *, part: str = "image", name: str = "picture.jpg") -> dict[str, tuple[str, bytes]]:
    """The `files` of a request with one file."""
    return {part: (name, data)}


async def _is_ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/health/ready")).status_code == 200


def with_state(app: ASGIApp, state: dict[str, Any]) -> ASGIApp:
    """Hand the lifespan's state to each request, as a server does, and let others run before it, as a socket does."""

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        await app({**scope, "state": dict(state)}, receive, send)

    return with_state
