"""No work for a client that has gone."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import anyio
from fastapi import Request
from starlette.requests import ClientDisconnect

T = TypeVar("T")


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """Await `work` for a request whose body has been read; cancel it and raise `ClientDisconnect` if the client goes.

    Raises what `work` raises.
    """
    with anyio.CancelScope() as scope:
        watch = asyncio.create_task(_cancel_on_disconnect(request, scope))
        try:
            return await work
        finally:
            watch.cancel()
    raise ClientDisconnect


async def _cancel_on_disconnect(request: Request, scope: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
