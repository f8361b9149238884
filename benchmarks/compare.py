"""Ours against the servers people would pick instead: the same network, the same picture, the same cores.

    python -m benchmarks.compare --rounds 5 --seconds 4 --servers bentoml litserve mlserver naive

Ours runs twice, with one process and with a worker a core. Every server is started once and stays; rounds go through
all of them in turn, so that a busy machine slows all alike. Those whose turn it isn't are frozen: some poll while they
idle, and some still work off an earlier load. wrk shares the cores with the server, and says how much it took.
`ceiling` is decoding and the network in a bare loop on every core; with one connection the bare call, one after the
other. The bars at the end are those of the workers but for one connection, which both have to hold; memory is that in
RAM, of what processes share each its part (PSS).
"""

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from app.settings import load_settings
from benchmarks import peers
from benchmarks.peers import PeerError
from benchmarks.pictures import made_up_jpeg
from benchmarks.report import Bar, judge, save, table
from benchmarks.server import Server, running_server
from benchmarks.wrk import Load, Request, drive, upload
from models.preprocessing.picture import preprocess
from models.serving.bundle import Bundle
from models.serving.engine import Engine
from models.serving.loading import read_newest_bundle

CONNECTIONS = (1, 4, 16, 64)
OTHERS = (*peers.PEERS, "naive", "original")
CORES = os.cpu_count() or 1
OURS = "medidiagnose"
WORKERS = f"medidiagnose, {CORES} workers"
_HEADER = ("server", "connections", "answers/s", "p50 ms", "p95 ms", "p99 ms", "errors", "wrk cores", "MB", "ready s")


@dataclass
class Found:
    """What was measured: loads by server and connections, calls without a server, and those that did not start."""

    loads: dict[tuple[str, int], list[Load]] = field(default_factory=lambda: defaultdict(list))
    lone: list[float] = field(default_factory=list)
    loaded: list[float] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)


def main() -> None:
    found = measure(_parser().parse_args())
    lone, loaded = statistics.median(found.lone), statistics.median(found.loaded)
    rows = _rows(found, lone, loaded)
    print(table(_HEADER, rows))
    save("compare", {"rows": [dict(zip(_HEADER, row, strict=True)) for row in rows]})
    judge("compare-bars", _bars(found, lone, loaded))


def measure(options: argparse.Namespace) -> Found:
    """Start every server, then load them in turn."""
    picture, settings = made_up_jpeg(), load_settings()
    bundle = read_newest_bundle(settings.bundles / "skin", settings.precision)
    alone, shared = Engine(bundle, threads=CORES), Engine(bundle, threads=1)
    spec = bundle.metadata.image_preprocessing

    def bare(engine: Engine, cores: int) -> None:
        engine.run(preprocess(picture, spec, max_pixels=10**8)[np.newaxis], cores=cores)

    found = Found()
    with ExitStack() as stack:
        servers = _start(stack, options.servers, bundle, picture, found)
        for _ in range(options.rounds):
            for connections in CONNECTIONS:
                if connections == min(CONNECTIONS):
                    found.lone.append(_lone(lambda: bare(alone, CORES), options.seconds))
                if connections == max(CONNECTIONS):
                    found.loaded.append(_loaded(lambda: bare(shared, 1), options.seconds))
                for name, (server, request) in servers.items():
                    server.thaw()
                    server.settle()
                    seconds = options.seconds * (2 if name == "original" and connections > 16 else 1)
                    load = drive(server.url, request, connections=connections, seconds=seconds)
                    found.loads[name, connections].append(load)
                    server.freeze()
        found.memory = {name: server.proportional_bytes / 1e6 for name, (server, _) in servers.items()}
        found.ready = {name: server.seconds_to_ready for name, (server, _) in servers.items()}
    return found


def _start(
    stack: ExitStack, others: Sequence[str], bundle: Bundle, picture: bytes, found: Found
) -> dict[str, tuple[Server, Request]]:
    """Our server, alone and with workers, and the others, warm and frozen, each with its request."""
    servers = {
        name: (
            stack.enter_context(running_server({"MEDIDIAGNOSE_WORKERS": str(count)})),
            upload(picture, "/analyze/skin"),
        )
        for name, count in ((OURS, 1), (WORKERS, CORES))
    }
    for name in others:
        try:
            server = stack.enter_context(peers.serving(name, bundle.model_path, picture))
            servers[name] = (server, peers.request_to(name, picture))
        except PeerError as error:
            found.missing[name] = str(error)
    for server, request in servers.values():
        drive(server.url, request, connections=8, seconds=2)
        server.freeze()
        stack.callback(server.thaw)
    return servers


def _rows(found: Found, lone: float, loaded: float) -> list[list[str]]:
    rows = [
        [name, str(connections), *_medians(loads), f"{found.memory[name]:.0f}", f"{found.ready[name]:.1f}"]
        for (name, connections), loads in found.loads.items()
    ]
    rows.sort(key=lambda row: (int(row[1]), -float(row[2])))
    rows.append(["ceiling: bare call", "1", f"{1 / lone:.1f}", f"{1e3 * lone:.1f}", *[""] * 6])
    rows.append([f"ceiling: bare loop on {CORES} cores", "", f"{loaded:.1f}", *[""] * 7])
    return rows + [[name, "", f"missing: {reason}", *[""] * 7] for name, reason in found.missing.items()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare with other servers.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load")
    parser.add_argument("--servers", nargs="*", default=list(OTHERS), choices=OTHERS, help="the others to measure")
    return parser


def _lone(call: Callable[[], None], seconds: float) -> float:
    """The median seconds of a call, one after the other."""
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _loaded(call: Callable[[], None], seconds: float) -> float:
    """Calls a second, of as many threads as there are cores."""
    end = time.perf_counter() + seconds

    def loop() -> int:
        count = 0
        while time.perf_counter() < end:
            call()
            count += 1
        return count

    with ThreadPoolExecutor(CORES) as pool:
        counts = [pool.submit(loop) for _ in range(CORES)]
        return sum(count.result() for count in counts) / seconds


def _medians(loads: list[Load]) -> list[str]:
    middle = {
        name: statistics.median(getattr(load, name) for load in loads) for name in ("throughput", "p50", "p95", "p99")
    }
    errors = sum(load.errors for load in loads)
    generator = statistics.median(load.generator for load in loads)
    return [*(f"{value:.1f}" for value in middle.values()), str(errors), f"{generator:.2f}"]


def _bars(found: Found, lone: float, loaded: float) -> list[Bar]:
    """What the bars are about: medians of one run against one another."""

    def median(name: str, connections: int, figure: str = "throughput") -> float:
        return float(statistics.median(getattr(load, figure) for load in found.loads[name, connections]))

    bars = []
    for name in (OURS, WORKERS):
        p50 = median(name, 1, "p50")
        bars.append(Bar(f"{name}, 1 connection: p50 over the bare call", p50 / (1e3 * lone), most=1.3))
        if ("naive", 1) in found.loads:
            bars.append(Bar(f"{name}, 1 connection: p50 over naive's", p50 / median("naive", 1, "p50"), most=1.0))
    peers_there = [name for name in peers.PEERS if (name, 64) in found.loads]
    for connections, least in ((4, 1.3), (16, 1.15), (64, 1.15)):
        ours = median(WORKERS, connections)
        if peers_there:
            best = max(peers_there, key=lambda name: median(name, connections))
            what = f"{connections} connections: answers over the best peer's ({best})"
            bars.append(Bar(what, ours / median(best, connections), least=least))
        if connections > 4:
            left = loaded * (1 - median(WORKERS, connections, "generator") / CORES)
            bars.append(Bar(f"{connections} connections: answers over the bare loop's", ours / loaded, least=0.85))
            bars.append(Bar(f"{connections} connections: the same, of what wrk leaves", ours / left))
    for connections in CONNECTIONS:
        spread = median(WORKERS, connections, "p99") / median(WORKERS, connections, "p50")
        bars.append(Bar(f"{connections} at once: p99 over p50", spread, most=2.5))
    bars.append(Bar("memory of the workers afterwards (PSS)", found.memory[WORKERS], "MB", most=480))
    bars.append(Bar("the workers are ready after", found.ready[WORKERS], "s", most=2.5))
    if ("original", 1) in found.loads:
        p50 = median("original", 1, "p50") / median(OURS, 1, "p50")
        bars.append(Bar("1 connection: original's p50 over that of one process", p50, least=10))
        bars.append(
            Bar("64 connections: answers over the original's", median(WORKERS, 64) / median("original", 64), least=10)
        )
    return bars


if __name__ == "__main__":
    main()
