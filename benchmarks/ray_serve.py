"""Two replicas on Ray Serve against two single processes, behind Serve's own proxy and behind HAProxy.

    .venv-ray/bin/python -m benchmarks.ray_serve         # needs the extra `ray-serve`, and wrk

Each round starts each of them anew, the order turned from round to round, and sends skin pictures over 16 connections
from the same cores; of the single processes each has half of them. Replica and process have a core each. What is
reported are medians over the rounds: pictures a second and processor time, and of each proxy its share of what the
single processes answered in the same round.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import psutil

from benchmarks.peers import answers
from benchmarks.pictures import made_up_jpeg
from benchmarks.report import Figure, report
from benchmarks.server import KEEPS_BYTECODE, Server, free_port, running_server
from benchmarks.wrk import Request, drive, upload

CONNECTIONS = 16
REPLICAS = 2
PATIENCE = 120.0
SINGLE = "single processes"
PROXIES: Mapping[str, Mapping[str, str]] = {
    "Serve's proxy": {},
    "HAProxy": {"RAY_SERVE_ENABLE_HA_PROXY": "1"},
    "HAProxy, tuned for throughput": {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare Ray Serve with single processes.")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load, each")
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        _serve(options.serve)
        return
    sides, request = [SINGLE, *PROXIES], upload(made_up_jpeg(), "/analyze/skin")
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number in range(options.rounds):
        for side in sides if number % 2 == 0 else sides[::-1]:
            with ExitStack() as stack:
                found[side].append(_load(_servers(stack, side, request), request, options.seconds))
        print(f"round {number + 1} of {options.rounds}", flush=True)
    figures = []
    for side in sides:
        rate, spent = (statistics.median(values) for values in zip(*found[side], strict=True))
        figures += [Figure(f"{side}, pictures a second", rate, "/s"), Figure(f"{side}, processor time", spent, "ms")]
        shares = [one[0] / other[0] for one, other in zip(found[side], found[SINGLE], strict=True)]
        if side in PROXIES:
            figures += [Figure(f"{side} / {SINGLE}, {name}", kind(shares), "") for name, kind in _SPREAD.items()]
    report("ray_serve", figures)


_SPREAD: Mapping[str, Callable[[list[float]], float]] = {"median": statistics.median, "least": min, "most": max}


def _servers(stack: ExitStack, side: str, request: Request) -> list[Server]:
    if side in PROXIES:
        return [stack.enter_context(serving(PROXIES[side], request))]
    environment = {"MEDIDIAGNOSE_THREADS": "1", "MEDIDIAGNOSE_WORKERS": "1"}
    return [stack.enter_context(running_server(environment)) for _ in range(REPLICAS)]


def _load(servers: list[Server], request: Request, seconds: float) -> tuple[float, float]:
    """Pictures a second, and milliseconds of processor time of each. Raises `RuntimeError` where one is refused."""

    def one(server: Server, seconds: float) -> float:
        load = drive(server.url, request, connections=CONNECTIONS // len(servers), seconds=seconds)
        if load.errors:
            raise RuntimeError(f"{load.errors} requests failed.")
        return load.throughput

    with ThreadPoolExecutor(len(servers)) as pool:
        list(pool.map(one, servers, [1.0] * len(servers)))
        before = sum(server.cpu_seconds for server in servers)
        rate = sum(pool.map(one, servers, [seconds] * len(servers)))
        spent = sum(server.cpu_seconds for server in servers) - before
    return rate, 1e3 * spent / (rate * seconds)


@contextmanager
def serving(environment: Mapping[str, str], request: Request) -> Iterator[Server]:
    """Two replicas on a cluster of this machine, with Ray's settings, until they answer that request.

    Raises `TimeoutError`, or `RuntimeError` where they end before.
    """
    port, began = free_port(), time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.ray_serve", "--serve", str(port)]
    ray = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    with subprocess.Popen(
        command,
        env={**os.environ, **KEEPS_BYTECODE, **ray, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            while not _answers(url, request):
                if process.poll() is not None:
                    raise RuntimeError(f"Serve ended with status {process.returncode}.")
                if time.perf_counter() - began > PATIENCE:
                    raise TimeoutError(f"Serve did not answer within {PATIENCE:g} s.")
                time.sleep(0.2)
            yield Server(url, psutil.Process(process.pid), time.perf_counter() - began)
        finally:
            process.communicate()


def _answers(url: str, request: Request) -> bool:
    try:
        return answers(url, request)
    except OSError:
        return False


def _serve(port: int) -> None:
    """Serve until the standard input ends."""
    import ray
    from ray import serve

    from deploy.ray_serve import app

    ray.init(address="local", num_cpus=REPLICAS, include_dashboard=False, object_store_memory=100 << 20)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    http = {"num_replicas": REPLICAS, "ray_actor_options": {"num_cpus": 1}}
    serve.run(app({"http": http}), name="medidiagnose")
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
