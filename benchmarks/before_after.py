"""Whether a change made anything slower: two checkouts in turns, in one run on one machine.

    git worktree add ../before <commit>
    python -m benchmarks.before_after ../before .

Each round starts the service of each checkout, the order swapped from round to round, and measures the start, one
request after another of every kind, and the memory when ready and after them. What is compared are medians over the
rounds; a bar is a ratio of after to before. Both use the packages of this environment; an installation compiles its
modules once, before anything is measured.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections import defaultdict
from contextlib import AbstractContextManager
from http import HTTPStatus
from pathlib import Path

from benchmarks.client import Client, raw
from benchmarks.report import Bar, judge, table
from benchmarks.server import Server, running_server
from benchmarks.traffic import requests
from benchmarks.watch import Memory
from benchmarks.wrk import Request

ROUNDS = 5
WARM_UP = 20
REQUESTS = 100
MOST_TIMES = 1.05
SIDES = ("before", "after")


def main() -> None:
    options = _parser().parse_args()
    checkouts = dict(zip(SIDES, (options.before.resolve(), options.after.resolve()), strict=True))
    for checkout in checkouts.values():
        with _serving(checkout):
            pass
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: {side: [] for side in SIDES})
    for number in range(options.rounds):
        for side in SIDES if number % 2 == 0 else SIDES[::-1]:
            with _serving(checkouts[side]) as server:
                measured = asyncio.run(_measure(server, options.requests))
            for name, value in measured.items():
                found[name][side].append(value)
        print(f"round {number + 1} of {options.rounds}", flush=True)
    medians = {name: {side: statistics.median(found[name][side]) for side in SIDES} for name in found}
    rows = [
        [name, *(f"{medians[name][side]:.2f}" for side in SIDES), *(_spread(found[name][side]) for side in SIDES)]
        for name in medians
    ]
    print("\n" + table(["median", *SIDES, *(f"{side}, least to most" for side in SIDES)], rows))
    bars = [
        Bar(f"{name}, after / before", each["after"] / each["before"], most=MOST_TIMES)
        for name, each in medians.items()
    ]
    sys.exit(judge("before-after", bars))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare two checkouts in alternation.")
    parser.add_argument("before", type=Path, help="folder of the earlier checkout")
    parser.add_argument("after", type=Path, help="folder of the later one")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each kind in a round")
    return parser


def _serving(checkout: Path) -> AbstractContextManager[Server]:
    """The service of a checkout, whatever is installed."""
    return running_server({"PYTHONPATH": str(checkout)})


def _spread(values: list[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


async def _measure(server: Server, count: int) -> dict[str, float]:
    """Seconds, milliseconds and megabytes of one start."""
    memory = Memory(server)
    measured = {"start until ready, s": server.seconds_to_ready, "resident when ready, MB": memory.settled() / 1e6}
    client = Client(server.url)
    sent = requests()
    for request in sent:
        await _median_ms(client, request, WARM_UP)
    spent = server.cpu_seconds
    for request in sent:
        measured[f"{request.path}, ms"] = await _median_ms(client, request, count)
    measured["processor time of a request, ms"] = 1e3 * (server.cpu_seconds - spent) / (count * len(sent))
    client.close()
    return {**measured, "resident afterwards, MB": memory.settled() / 1e6}


async def _median_ms(client: Client, request: Request, count: int) -> float:
    times, content = [], raw(request)
    for _ in range(count):
        began = time.perf_counter()
        answer = await client.send(content)
        times.append(1e3 * (time.perf_counter() - began))
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(f"{request.path} answered {answer.status}: {answer.body[:300]!r}")
    return statistics.median(times)


if __name__ == "__main__":
    main()
