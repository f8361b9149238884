"""Valid pictures go on being answered while thousands of connections do nothing, or next to nothing.

    python -m benchmarks.connections

Usual time: one client after another answer, nobody else there. Then at once 1,000 connections that send a byte of a
head each second, 1,000 that send nothing, 100 that send a kilobyte of a body each second, and, in a part of its own,
100 bodies of 15.5 MB that stall before their last byte. Whoever is dropped comes back after a second, as a hostile
client does; with a large body after ten. Then three progressive JPEGs of 20,000 scans at once, again and again.

Bars: every valid picture is answered, within twice the usual median; memory.
"""

import argparse
import asyncio
import contextlib
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from benchmarks.client import Client, raw
from benchmarks.inputs.bombs import bomb
from benchmarks.pictures import made_up_jpeg
from benchmarks.report import SHORT_PATIENCE, Bar, judge
from benchmarks.server import Server, running_server
from benchmarks.traffic import requests
from benchmarks.usual import resident_after_traffic
from benchmarks.watch import Liveness, Memory, liveness
from benchmarks.wrk import upload

SLOW_HEADS, IDLE, SLOW_BODIES, STALLED = 1000, 1000, 100, 100
STALLED_BYTES = 15_500_000
BOMBERS = 3
MOST_TIMES = 2.0
MOST_EXTRA_MB = 300.0
SLOWEST_LIVE_MS = 50.0
_FILES = 16_384
_WARM_UP_CONNECTIONS = 4
_AT_ONCE = 100
"""Connections opened together, well under the backlog of a listening socket."""

HEAD = b"POST /analyze/skin HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
_RETURNS_SECONDS = {"stalled bodies": 10.0}
"""After which whoever was dropped comes back, where it is not after a second: bodies that came back at once would be a
flood of the network, which takes the cores of whoever sends and receives it."""
Attacker = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Tally:
    """Connections that were opened, refused, and dropped by the server."""

    opened: int = 0
    refused: int = 0
    dropped: int = 0


@dataclass(slots=True)
class Pictures:
    """Seconds of every answer to a valid picture, and what else came."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        return 1e3 * statistics.median(self.seconds) if self.seconds else float("inf")

    @property
    def slowest_ms(self) -> float:
        return 1e3 * max(self.seconds, default=float("inf"))


def main() -> None:
    options = _parser().parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    with running_server() as server:
        short = (4.0, 0.1, SHORT_PATIENCE)
        seconds, share, patience = short if options.short else (options.seconds, options.share, 1.0)
        bars = asyncio.run(_measure(server, seconds, share, patience))
    sys.exit(judge("connections", bars, whole=not options.short))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Hold connections open, and see who else is answered.")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each attack; more than the server's deadlines")
    parser.add_argument("--share", type=float, default=1.0, help="of the connections")
    parser.add_argument("--short", action="store_true", help="4 s of each attack, a tenth of the connections")
    return parser


async def _measure(server: Server, seconds: float, share: float, patience: float) -> list[Bar]:
    memory = Memory(server)
    kinds = [raw(request) for request in requests()]
    rounds = 8 if share == 1 else 4
    baseline = await resident_after_traffic(server, memory, kinds, _WARM_UP_CONNECTIONS, rounds=rounds)
    usual = await _pictures(server, 5.0)
    bars = [Bar("a picture, usual median", usual.median_ms, "ms"), Bar("resident before", baseline / 1e6, "MB")]
    crowd = [(_slow_head, SLOW_HEADS), (_idle, IDLE), (_slow_body, SLOW_BODIES)]
    attacks: Sequence[tuple[str, Sequence[tuple[Attacker, int]]]] = (
        ("slow and idle", crowd),
        ("stalled bodies", [(_stalled_body, STALLED)]),
        ("20,000 scans", [(_scans, BOMBERS)]),
    )
    for name, attackers in attacks:
        scaled = [(attacker, max(1, round(count * share))) for attacker, count in attackers]
        with liveness(server) as live, memory.peak() as peak:
            async with _besieged(server, scaled, _RETURNS_SECONDS.get(name, 1.0)) as tally:
                met = await _pictures(server, seconds)
        bars += _bars(name, usual, met, live, (peak[0] - baseline) / 1e6, tally, patience)
        await asyncio.sleep(2)
    after = await _pictures(server, 5.0)
    resident = await resident_after_traffic(server, memory, kinds, _WARM_UP_CONNECTIONS, rounds=3)
    slowest = MOST_TIMES * patience * usual.median_ms
    bars.append(Bar("a picture afterwards, median", after.median_ms, "ms", most=slowest))
    bars.append(Bar("growth of memory at the end", 100 * (resident / baseline - 1), "%", most=5 * patience))
    return bars


def _bars(
    name: str, usual: Pictures, met: Pictures, live: Liveness, megabytes: float, tally: Tally, patience: float
) -> list[Bar]:
    if met.failures:
        print(f"{name}: {met.failures[:5]}")
    return [
        Bar(f"{name}: pictures answered", float(len(met.seconds)), least=1),
        Bar(f"{name}: pictures not answered", float(len(met.failures)), most=0),
        Bar(f"{name}: median over the usual", met.median_ms / usual.median_ms, "times", most=MOST_TIMES * patience),
        Bar(f"{name}: slowest picture", met.slowest_ms, "ms"),
        Bar(f"{name}: /health/live, 99 % within", live.within(0.99), "ms", most=SLOWEST_LIVE_MS * patience),
        Bar(f"{name}: /health/live not answered with 200", float(live.failures), most=0),
        Bar(f"{name}: extra memory", megabytes, "MB", most=MOST_EXTRA_MB),
        Bar(f"{name}: connections opened", float(tally.opened), least=1),
        Bar(f"{name}: connections the server closed or refused", float(tally.dropped + tally.refused)),
    ]


async def _pictures(server: Server, seconds: float) -> Pictures:
    """Valid pictures one after the other, each over a connection of its own, for that long."""
    request, met = raw(upload(made_up_jpeg(), "/analyze/skin")), Pictures()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        client, began = Client(server.url), time.perf_counter()
        try:
            answer = await client.send(request)
        except OSError as error:
            met.failures.append(repr(error))
            await asyncio.sleep(0.1)
        else:
            if answer.status == HTTPStatus.OK:
                met.seconds.append(time.perf_counter() - began)
            else:
                met.failures.append(f"{answer.status} {answer.body[:120]!r}")
                await asyncio.sleep(0.1)
        client.close()
    return met


@asynccontextmanager
async def _besieged(server: Server, attackers: Sequence[tuple[Attacker, int]], returns: float) -> AsyncIterator[Tally]:
    tally = Tally()
    tasks = []
    for attacker, count in attackers:
        for number in range(count):
            tasks.append(asyncio.create_task(_again_and_again(server, attacker, tally, returns)))
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0.05)
    await asyncio.sleep(1)
    try:
        yield tally
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _again_and_again(server: Server, attacker: Attacker, tally: Tally, returns: float) -> None:
    address = urlsplit(server.url)
    while True:
        try:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
        except OSError:
            tally.refused += 1
            await asyncio.sleep(returns)
            continue
        tally.opened += 1
        try:
            with contextlib.suppress(OSError):
                await attacker(reader, writer)
            tally.dropped += 1
        finally:
            writer.transport.abort()
        await asyncio.sleep(returns)


async def _idle(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def _slow_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /health HTTP/1.1\r\nX: ")
    await _trickle(reader, writer, b"a")


async def _slow_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % STALLED_BYTES)
    await _trickle(reader, writer, b"a" * 1024)


async def _stalled_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % STALLED_BYTES)
    part = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    writer.write(part)
    left = STALLED_BYTES - len(part) - 1
    while left and not writer.is_closing():
        writer.write(bytes(min(left, 2**18)))
        left -= min(left, 2**18)
        await writer.drain()
    await reader.read()


async def _scans(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(raw(upload(bomb("JPEG 20000 scans"), "/analyze/skin"), {"Connection": "close"}))
    await reader.read()


async def _trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, piece: bytes) -> None:
    """Send a piece a second until the server closes."""
    closed = asyncio.ensure_future(reader.read())
    try:
        while not closed.done() and not writer.is_closing():
            writer.write(piece)
            await asyncio.wait([closed], timeout=1)
    finally:
        closed.cancel()


if __name__ == "__main__":
    main()
