"""Usual traffic: valid requests of every kind, and what they are answered."""

import asyncio
import itertools
import statistics
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from benchmarks.client import Client
from benchmarks.server import Server
from benchmarks.watch import Memory

ROUNDS = 20
WARM_UPS = 8


async def usual_answers(server: Server, sent: Sequence[bytes]) -> list[dict[str, Any]]:
    """The answer to each request, one after the other. Raises `RuntimeError` where one is refused."""
    client = Client(server.url)
    answers = [await client.send(request) for request in sent]
    client.close()
    if wrong := [answer.status for answer in answers if answer.status != HTTPStatus.OK]:
        raise RuntimeError(f"valid requests got {wrong}")
    return [answer.content for answer in answers]


async def usual_traffic(server: Server, sent: Sequence[bytes], connections: int) -> None:
    """Every request `ROUNDS` times, over several connections at once."""

    async def one(requests: Iterator[bytes]) -> None:
        client = Client(server.url)
        for request in requests:
            await client.send(request)
        client.close()

    left = itertools.chain.from_iterable([sent] * ROUNDS)
    await asyncio.gather(*(one(left) for _ in range(connections)))


async def resident_after_traffic(
    server: Server, memory: Memory, sent: Sequence[bytes], connections: int, *, rounds: int = WARM_UPS
) -> int:
    """Bytes that are resident between rounds of usual traffic: the median after the last three. It grows over the first
    rounds, and then differs by some 3 % from one to the next."""
    resident = []
    for _ in range(rounds):
        await usual_traffic(server, sent, connections)
        resident.append(memory.settled())
    return round(statistics.median(resident[-3:]))
