"""Services that the tests of the application share."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.settings import Settings
from tests.service import serving


@pytest.fixture(scope="module")
async def shipped() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service with the bundles that ship."""
    async with serving(bundles=Settings.model_fields["bundles"].get_default(call_default_factory=True)) as client:
        yield client


@pytest.fixture(scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service without models."""
    async with serving(bundles=tmp_path_factory.mktemp("none"), wait_until_ready=False) as client:
        yield client
