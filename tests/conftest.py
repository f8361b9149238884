"""Fixtures for all tests."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.settings import PREFIX
from tests.fake_bundle import make_bundle
from tests.pictures import encode, noise
from tests.service import serving


@pytest.fixture(scope="session", autouse=True)
def _default_settings() -> None:
    """The settings of whoever runs the tests don't reach them."""
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        del os.environ[name]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny valid bundles of `skin` and `xray`."""
    folder = tmp_path_factory.mktemp("bundles")
    for name in ("skin", "xray"):
        make_bundle(folder, name)
    return folder


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A JPEG that every picture route reads."""
    return encode(noise(), "JPEG")


@pytest.fixture(scope="module")
async def client(bundles: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service with default settings and the tiny bundles, ready."""
    async with serving(bundles=bundles) as client:
        yield client


ClientWith = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture(scope="module")
async def client_with(bundles: Path) -> AsyncIterator[ClientWith]:
    """Clients of ready services with the tiny bundles, one for each of the settings asked for: what a test leaves in a
    service, the next one finds."""
    clients: dict[tuple[tuple[str, Any], ...], httpx.AsyncClient] = {}
    async with AsyncExitStack() as stack:

        async def of(**settings: Any) -> httpx.AsyncClient:
            key = tuple(sorted(settings.items()))
            if key not in clients:
                clients[key] = await stack.enter_async_context(serving(bundles=bundles, **settings))
            return clients[key]

        yield of
