"""No work for a client that has gone."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import anyio
from fastapi import Request
from starlette.requests import ClientDisconnect

T = TypeVar("T")

UNWATCHED = 0.25
"""Seconds that work goes on before anybody looks whether its client is still there: what is answered by then does
without a task of its own for that, a hundredth of a picture's processor time."""


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """Await `work` for a request whose body has been read; cancel it and raise `ClientDisconnect` if the client goes.

    Raises what `work` raises.
    """
    watches: list[asyncio.Task[None]] = []
    with anyio.CancelScope() as scope:
        timer = asyncio.get_running_loop().call_later(
            UNWATCHED, lambda: watches.append(asyncio.create_task(_cancel_on_disconnect(request, scope)))
        )
        try:
            return await work
        finally:
            timer.cancel()
            for watch in watches:
                watch.cancel()
    raise ClientDisconnect


async def _cancel_on_disconnect(request: Request, scope: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
