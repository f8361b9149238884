"""What nobody plans for: callers who give up, a service that is killed, stopped or reloaded under load.

    python -m benchmarks.storms                      # all of them
    python -m benchmarks.storms cancel stop          # some
    python -m benchmarks.storms --short              # in little time

cancel: 5,000 requests whose caller goes away among 1,000 whose caller stays: 1,000 right answers.
kill: kill -9 under load 20 times: ready again within 3 s each time, nothing left behind to clean up.
stop: SIGTERM under load 20 times: no request lost that had been accepted, exit status 0.
workers: of two, one is killed every 5 s for a minute under 32 connections: only what it held is lost.
reload: SIGHUP under 16 clients, a newer version comes and goes: no request fails, versions switch, memory comes back.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import models
from benchmarks.client import Client, NoAnswerError, raw
from benchmarks.report import SHORT_PATIENCE, Bar, judge
from benchmarks.server import Server, free_port, running_server
from benchmarks.traffic import requests
from benchmarks.usual import resident_after_traffic, usual_answers
from benchmarks.watch import Memory

STAYING, LEAVING = 1000, 5000
STAYING_CLIENTS, LEAVING_CLIENTS = 8, 24
LONGEST_PATIENCE_SECONDS = 0.1
TIMES = 20
LOAD_CLIENTS = 8
RELOAD_CLIENTS = 16
RELOADS = 6
GROWTH_PERCENT = 5.0
READY_SECONDS = 3.0
WORKERS, WORKER_KILLS = 2, 12
WORKER_CLIENTS = 32
BETWEEN_KILLS = 5.0
EXIT_SECONDS = 10.0
"""Docker's, before it kills."""
SHIPPED = Path(models.__file__).parent / "bundles"


@dataclass(slots=True)
class Tally:
    """What became of the requests of some clients."""

    answered: int = 0
    wrong: int = 0
    lost: int = 0
    raced: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    def remark(self, text: str) -> None:
        if len(self.remarks) < 5:
            self.remarks.append(text)


def main() -> None:
    options = _parser().parse_args()
    share = 0.05 if options.short else 1.0
    status = 0
    for storm in options.storms or STORMS:
        status |= judge(f"storm-{storm}", STORMS[storm](share), whole=not options.short)
    sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Cancel, kill, stop and reload under load.")
    parser.add_argument("storms", nargs="*", choices=[*STORMS, []], help="all, if none is named")
    parser.add_argument("--short", action="store_true", help="a twentieth of it")
    return parser


def cancel(share: float) -> list[Bar]:
    """Callers who go away at any moment, among others who stay."""
    with running_server() as server:
        memory = Memory(server)
        tally = asyncio.run(_cancel(server, round(STAYING * share), round(LEAVING * share)))
        resident = memory.settled()
    print(*tally.remarks, sep="\n")
    return [
        Bar("answers to those who stayed", float(tally.answered), least=round(STAYING * share)),
        Bar("wrong answers", float(tally.wrong), most=0),
        Bar("no answer", float(tally.lost), most=0),
        Bar("requests given up", float(tally.raced), least=round(LEAVING * share)),
        Bar("resident afterwards", resident / 1e6, "MB"),
    ]


async def _cancel(server: Server, staying: int, leaving: int) -> Tally:
    sent = [raw(request) for request in requests()]
    expected = await _answers(server, sent)
    tally, rng = Tally(), np.random.default_rng(0)

    async def stay(numbers: Iterator[int]) -> None:
        client = Client(server.url)
        for number in numbers:
            kind = number % len(sent)
            await _ask(client, sent[kind], tally, expected[kind])
        client.close()

    async def leave(numbers: Iterator[int]) -> None:
        for number in numbers:
            client = Client(server.url)
            with contextlib.suppress(OSError):
                await client.start(sent[number % len(sent)])
            await asyncio.sleep(rng.uniform(0, LONGEST_PATIENCE_SECONDS))
            client.close()
            tally.raced += 1

    stayers, leavers = iter(range(staying)), iter(range(leaving))
    await asyncio.gather(
        *(stay(stayers) for _ in range(STAYING_CLIENTS)), *(leave(leavers) for _ in range(LEAVING_CLIENTS))
    )
    return tally


def kill(share: float) -> list[Bar]:
    """kill -9 again and again, on one port."""
    port, seconds, tally = free_port(), list[float](), Tally()
    with tempfile.TemporaryDirectory() as folder:
        times = max(2, round(TIMES * share))
        for _ in range(times + 1):
            with running_server({"TMPDIR": folder}, port=port) as server:
                seconds.append(server.seconds_to_ready)
                asyncio.run(_until_gone(server, signal.SIGKILL, tally))
        left = [path.name for path in Path(folder).iterdir()]
    print(*tally.remarks, *left, sep="\n")
    return [
        Bar("killed", float(times), "times"),
        Bar("answers before", float(tally.answered), least=times),
        Bar("wrong answers", float(tally.wrong), most=0),
        Bar("slowest start until ready", max(seconds), "s", most=READY_SECONDS * (1 if share == 1 else SHORT_PATIENCE)),
        Bar("files left behind", float(len(left)), most=0),
    ]


def stop(share: float) -> list[Bar]:
    """SIGTERM again and again."""
    tally, statuses, seconds = Tally(), list[int | None](), list[float]()
    times = max(2, round(TIMES * share))
    for _ in range(times):
        with running_server() as server:
            asyncio.run(_until_gone(server, signal.SIGTERM, tally))
            began = time.perf_counter()
            statuses.append(server.process.wait(EXIT_SECONDS * 4))
            seconds.append(time.perf_counter() - began)
    print(*tally.remarks, sep="\n")
    return [
        Bar("stopped", float(times), "times"),
        Bar("requests answered", float(tally.answered), least=times),
        Bar("wrong answers", float(tally.wrong), most=0),
        Bar("requests lost", float(tally.lost), most=0),
        Bar("requests sent on a kept connection as it closed", float(tally.raced)),
        Bar("exits with another status than 0", float(sum(status != 0 for status in statuses)), most=0),
        Bar("slowest exit after the last answer", max(seconds), "s", most=EXIT_SECONDS),
    ]


async def _until_gone(server: Server, how: signal.Signals, tally: Tally) -> None:
    """Load the service, send the signal in the middle of it, and go on until nobody listens any more."""
    sent = [raw(request) for request in requests()]
    expected = await _answers(server, sent)

    async def converse(number: int) -> None:
        client = Client(server.url)
        while True:
            number = (number + 1) % len(sent)
            reused = client.connected
            try:
                await _ask(client, sent[number], tally, expected[number], again=False)
            except ConnectionRefusedError:
                return
            except OSError as error:
                if how == signal.SIGKILL:
                    continue
                tally.raced += reused
                tally.lost += not reused
                tally.remark(f"{'kept' if reused else 'new'} connection: {error!r}")

    clients = [asyncio.create_task(converse(number)) for number in range(LOAD_CLIENTS)]
    await asyncio.sleep(1)
    server.process.send_signal(how)
    await asyncio.gather(*clients)


def workers(share: float) -> list[Bar]:
    """kill -9 of one worker after the other."""
    times = max(2, round(WORKER_KILLS * share))
    with running_server({"MEDIDIAGNOSE_WORKERS": str(WORKERS)}) as server:
        tally, held, strangers = asyncio.run(_kill_workers(server, times))
    print(*tally.remarks, sep="\n")
    return [
        Bar("workers killed", float(times), "times", least=times),
        Bar("answers", float(tally.answered), least=times),
        Bar("wrong answers, or those to another request", float(tally.wrong), most=0),
        Bar("requests lost on connections of killed workers", float(tally.lost), most=held),
        Bar("requests lost on any other", float(strangers), most=0),
    ]


async def _kill_workers(server: Server, times: int) -> tuple[Tally, int, int]:
    """What became of the requests, how many connections the killed workers had, and how many requests were lost that
    were on none of these."""
    sent = requests()
    expected = await _answers(server, [raw(request) for request in sent])
    tally, held, lost = Tally(), list[int](), list[int | None]()
    numbers, ended = itertools.count(), False

    async def converse() -> None:
        client = Client(server.url)
        while not ended:
            number = next(numbers)
            kind, name = number % len(sent), f"storm-{number}"
            await client.open()
            port = client.port
            try:
                await _ask(
                    client, raw(sent[kind], {"X-Request-ID": name}), tally, expected[kind], again=False, name=name
                )
            except OSError as error:
                lost.append(port)
                tally.remark(repr(error))
        client.close()

    clients = [asyncio.create_task(converse()) for _ in range(WORKER_CLIENTS)]
    for _ in range(times):
        await asyncio.sleep(BETWEEN_KILLS)
        held += await asyncio.to_thread(_kill_one, server)  # a port may come again, with another connection
    await asyncio.sleep(BETWEEN_KILLS)
    ended = True
    await asyncio.gather(*clients)
    tally.lost = sum(port in held for port in lost)
    return tally, len(held), len(lost) - tally.lost


def _kill_one(server: Server) -> set[int]:
    """Kill the oldest worker; the ports of those who were connected with it."""
    worker = min(server.process.children(), key=lambda each: each.create_time())
    worker.suspend()
    ports = {each.raddr.port for each in worker.net_connections("tcp") if each.status == psutil.CONN_ESTABLISHED}
    worker.kill()
    return ports


def reload(share: float) -> list[Bar]:
    """A newer version of one bundle comes and goes under load."""
    with tempfile.TemporaryDirectory() as folder:
        bundles = Path(folder, "bundles")
        shutil.copytree(SHIPPED, bundles)
        older = max((bundles / "skin").iterdir())
        newer = _newer_version(older, Path(folder))
        times = max(2, round(RELOADS * share))
        with running_server({"MEDIDIAGNOSE_BUNDLES": str(bundles)}) as server:
            memory = Memory(server)
            tally, before, after, switched = asyncio.run(_reload(server, memory, older, newer, times))
    print(*tally.remarks, sep="\n")
    versions = ", ".join(f"{version}: {count}" for version, count in sorted(tally.versions.items()))
    print(f"answers by version: {versions}")
    return [
        Bar("versions switched", float(switched), "times", least=times * 2),
        Bar("answers", float(tally.answered), least=times),
        Bar("wrong answers", float(tally.wrong), most=0),
        Bar("failed requests", float(tally.lost), most=0),
        Bar("versions that answered", float(len(tally.versions)), least=2, most=2),
        Bar("resident before", before / 1e6, "MB"),
        Bar(
            "growth of memory at the end",
            100 * (after / before - 1),
            "%",
            most=GROWTH_PERCENT * (1 if share == 1 else SHORT_PATIENCE),
        ),
    ]


def _newer_version(older: Path, folder: Path) -> Path:
    """A copy of a bundle that says it is one version on, beside the folder of the bundles."""
    metadata: dict[str, Any] = json.loads((older / "metadata.json").read_text(encoding="utf-8"))
    major, minor, _ = metadata["version"].split(".")
    metadata["version"] = f"{major}.{int(minor) + 1}.0"
    newer = folder / str(metadata["version"])
    shutil.copytree(older, newer)
    (newer / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    return newer


def _move(source: Path, target: Path) -> None:
    source.rename(target)


async def _reload(server: Server, memory: Memory, older: Path, newer: Path, times: int) -> tuple[Tally, int, int, int]:
    sent = [raw(request) for request in requests()]
    expected = await _answers(server, sent)
    tally, switched, installed = Tally(), 0, older.with_name(newer.name)
    before = await resident_after_traffic(server, memory, sent, RELOAD_CLIENTS)
    async with _loaded(server, sent, expected, tally):
        for _ in range(times):
            _move(newer, installed)
            switched += await _switched(server, sent[0], installed.name)
            _move(installed, newer)
            switched += await _switched(server, sent[0], older.name)
    after = await resident_after_traffic(server, memory, sent, RELOAD_CLIENTS, rounds=3)
    return tally, before, after, switched


@asynccontextmanager
async def _loaded(
    server: Server, sent: list[bytes], expected: list[dict[str, Any]], tally: Tally
) -> AsyncIterator[None]:
    ended = False

    async def converse(number: int) -> None:
        client = Client(server.url)
        while not ended:
            number = (number + 1) % len(sent)
            await _ask(client, sent[number], tally, expected[number])
        client.close()

    clients = [asyncio.create_task(converse(number)) for number in range(RELOAD_CLIENTS)]
    try:
        yield
    finally:
        ended = True
        await asyncio.gather(*clients)


async def _switched(server: Server, request: bytes, version: str) -> bool:
    """Ask for a reload; whether that version answers within ten seconds."""
    server.process.send_signal(signal.SIGHUP)
    client, end = Client(server.url), time.perf_counter() + 10
    while time.perf_counter() < end:
        try:
            answer = await client.send(request)
        except OSError:
            return False
        if answer.status == HTTPStatus.OK and answer.content["model"]["version"] == version:
            client.close()
            return True
        await asyncio.sleep(0.05)
    return False


async def _answers(server: Server, sent: list[bytes]) -> list[dict[str, Any]]:
    return [_without_version(answer) for answer in await usual_answers(server, sent)]


async def _ask(
    client: Client, request: bytes, tally: Tally, expected: dict[str, Any], *, again: bool = True, name: str = ""
) -> None:
    """Send a request and note what came, wrong where it is not that of the `name` that was sent as X-Request-ID.

    Raises `OSError` where there was no answer and `again` is off.
    """
    try:
        answer = await client.send(request, again=again)
    except NoAnswerError as error:
        if not again:
            raise
        tally.lost += 1
        tally.remark(repr(error))
        return
    tally.answered += 1
    stranger = bool(name) and answer.headers["x-request-id"] != name
    if answer.status != HTTPStatus.OK or stranger or _without_version(answer.content) != expected:
        tally.wrong += 1
        tally.remark(f"{answer.status} {answer.body[:300]!r}")
    elif (model := answer.content.get("model")) and model["name"] == "skin":
        tally.versions[model["version"]] += 1


def _without_version(content: dict[str, Any]) -> dict[str, Any]:
    model = content.get("model")
    return {**content, "model": {**model, "version": ""}} if model else content


STORMS = {"cancel": cancel, "kill": kill, "stop": stop, "workers": workers, "reload": reload}

if __name__ == "__main__":
    main()
