"""What a second worker brings and costs: memory, the start, and pictures a second over 1, 4, 16 and 64 connections.

    python -m benchmarks.workers

Each round starts the service with one worker and with two, the order swapped from round to round. What is reported are
medians over the rounds, and of two to one. The load generator runs on the same cores. Where others do, only
the processor time tells: pictures a second are then a matter of whom the system lets run.
"""

import argparse
import asyncio
import statistics
import time
from collections import defaultdict
from http import HTTPStatus

import uvloop

from benchmarks.client import Client, raw
from benchmarks.pictures import made_up_jpeg
from benchmarks.report import Figure, report
from benchmarks.server import Server, running_server
from benchmarks.wrk import upload

WORKERS = (1, 2)
CONNECTIONS = (1, 4, 16, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare one worker and two.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load, each")
    options = parser.parse_args()
    found: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: {count: [] for count in WORKERS})
    for number in range(options.rounds):
        for count in WORKERS if number % 2 == 0 else WORKERS[::-1]:
            with running_server({"MEDIDIAGNOSE_WORKERS": str(count)}) as server:
                for figure, value in _measure(server, options.seconds).items():
                    found[figure][count].append(value)
        print(f"round {number + 1} of {options.rounds}", flush=True)
    figures = []
    for (name, unit), values in found.items():
        one, two = (statistics.median(values[count]) for count in WORKERS)
        figures += [Figure(f"{name}, one worker", one, unit), Figure(f"{name}, two", two, unit)]
        figures.append(Figure(f"{name}, two / one", two / one, ""))
    report("workers", figures)


def _measure(server: Server, seconds: float) -> dict[tuple[str, str], float]:
    request = raw(upload(made_up_jpeg(), "/analyze/skin"))
    measured = {
        ("ready", "s"): server.seconds_to_ready,
        ("memory (PSS) when ready", "MB"): server.proportional_bytes / 1e6,
    }
    uvloop.run(_drive(server.url, request, max(CONNECTIONS), 1.0))
    for connections in CONNECTIONS:
        spent = server.cpu_seconds
        times = uvloop.run(_drive(server.url, request, connections, seconds))
        spent = server.cpu_seconds - spent
        measured[f"processor time of a picture, {connections} connections", "ms"] = 1e3 * spent / len(times)
        measured[f"pictures a second, {connections} connections", "/s"] = len(times) / seconds
        measured[f"median answer, {connections} connections", "ms"] = 1e3 * statistics.median(times)
    measured["memory (PSS) afterwards", "MB"] = server.proportional_bytes / 1e6
    return measured


async def _drive(url: str, request: bytes, connections: int, seconds: float) -> list[float]:
    """Send it again and again over so many connections; the seconds of each answer. Raises `RuntimeError` where one is
    no 200."""
    end, times = time.perf_counter() + seconds, list[float]()

    async def converse() -> None:
        client = Client(url)
        while time.perf_counter() < end:
            answer = await client.send(request)
            if answer.status != HTTPStatus.OK:
                raise RuntimeError(f"answered {answer.status}: {answer.body[:300]!r}")
            times.append(answer.seconds)
        client.close()

    await asyncio.gather(*(converse() for _ in range(connections)))
    return times


if __name__ == "__main__":
    main()
