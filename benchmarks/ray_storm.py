"""A node of a Ray cluster is killed every 5 s for a minute under 32 connections: only what it held is lost.

    .venv-ray/bin/python -m benchmarks.ray_storm          # needs the extra `ray-serve`
    RAY_SERVE_ENABLE_HA_PROXY=1 .venv-ray/bin/python -m benchmarks.ray_storm

The cluster is of this machine: a head with Serve's proxy, and nodes with room for one replica each. A node that is
killed gets a successor at once; where no other has a replica that serves, the next kill waits for one. Every answer
must be that of its own request. A request may be lost that was under way when a node was killed.
"""

import argparse
import asyncio
import itertools
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import serve
from ray.cluster_utils import Cluster

from benchmarks.client import Client, raw
from benchmarks.report import Bar, judge
from benchmarks.server import free_port
from benchmarks.traffic import requests
from deploy.ray_serve import HTTP, app

NODES, KILLS, CLIENTS = 2, 12, 32
BETWEEN_KILLS, PATIENCE = 5.0, 90.0
TRIES = 3
MEMORY = {"object_store_memory": 80 << 20}


@dataclass
class Found:
    """How many requests were answered, wrong answers, and of what was lost its begin, its end and what came."""

    answered: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: list[tuple[float, float, str]] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    slowest: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill nodes under load.")
    parser.add_argument("--short", action="store_true", help="two kills")
    options = parser.parse_args()
    times = 2 if options.short else KILLS
    with _cluster() as (cluster, url):
        found = _storm(cluster, url, times)
    held = [each for each in found.lost if any(each[0] <= kill <= each[1] for kill in found.kills)]
    for (what, under_way), count in Counter((each[2], each in held) for each in found.lost).items():
        print(f"{count} lost, {'under way at a kill' if under_way else 'begun after'}: {what}")
    print(*found.wrong[:5], sep="\n")
    bars = [
        Bar("nodes killed", float(len(found.kills)), "times", least=times),
        Bar("seconds from the first kill to the last", found.kills[-1] - found.kills[0], "s"),
        Bar("answers", float(found.answered), least=times),
        Bar("wrong answers, or those to another request", float(len(found.wrong)), most=0),
        Bar("requests lost that were under way at a kill", float(len(held)), most=CLIENTS * times),
        Bar("requests lost that began after it", float(len(found.lost) - len(held)), most=0),
        Bar("slowest answer", found.slowest, "s"),
    ]
    sys.exit(judge("ray-storm", bars, whole=not options.short))


@contextmanager
def _cluster() -> Iterator[tuple[Cluster, str]]:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "RAY_health_check_period_ms": "500"}
    os.environ["MEDIDIAGNOSE_DEADLINE_SECONDS"] = str(PATIENCE)  # the one that is left has all of it
    os.environ["PYTHONPATH"] = str(Path.cwd())
    head = {"num_cpus": 0, "include_dashboard": False, **MEMORY}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(NODES):
        cluster.add_node(num_cpus=1, **MEMORY)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    port = free_port()
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    options = {"num_replicas": NODES, "max_replicas_per_node": 1, "health_check_period_s": 1}
    serve.run(app({"http": {**options, "ray_actor_options": {"num_cpus": 1}}}), name="medidiagnose")
    try:
        yield cluster, f"http://127.0.0.1:{port}"
    finally:
        serve.shutdown()
        ray.shutdown()
        cluster.shutdown()


def _storm(cluster: Cluster, url: str, times: int) -> Found:
    """Kill under load. Nodes begin in the main thread alone, so that the load is in another."""
    found, over = Found(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(lambda: asyncio.run(_load(url, found, over)))
        try:
            time.sleep(BETWEEN_KILLS)
            for _ in range(times):
                due = time.monotonic() + BETWEEN_KILLS
                _kill_a_node(cluster, found)
                time.sleep(max(due - time.monotonic(), 0))
                _until_two_serve()
        finally:
            over.set()
        load.result()
    return found


async def _load(url: str, found: Found, over: threading.Event) -> None:
    sent, numbers = requests(), itertools.count()
    first = Client(url)
    expected = [(await first.send(raw(request))).content for request in sent]
    first.close()

    async def converse() -> None:
        client = Client(url)
        while not over.is_set():
            number = next(numbers)
            kind = number % len(sent)
            await _ask(client, raw(sent[kind], {"X-Request-ID": _name(number)}), _name(number), expected[kind], found)
        client.close()

    await asyncio.gather(*(converse() for _ in range(CLIENTS)))


def _name(number: int) -> str:
    return f"storm-{number}"


async def _ask(client: Client, request: bytes, name: str, expected: dict[str, Any], found: Found) -> None:
    began = time.monotonic()
    try:
        answer = await client.send(request, patience=PATIENCE, again=False)
    except OSError as error:
        found.lost.append((began, time.monotonic(), repr(error)))
        return
    found.slowest = max(found.slowest, answer.seconds)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        found.lost.append((began, time.monotonic(), f"{answer.status} {answer.body[:80]!r}"))
    elif answer.headers.get("x-request-id") != name or answer.content != expected:
        found.wrong.append(f"{answer.status} {answer.body[:300]!r}")
    else:
        found.answered += 1


def _kill_a_node(cluster: Cluster, found: Found) -> None:
    """Kill every process of the oldest node at once, and begin another."""
    node = next(each for each in cluster.list_all_nodes() if not each.head)
    raylets = [psutil.Process(info.process.pid) for infos in node.all_processes.values() for info in infos]
    family = [*raylets, *(child for each in raylets for child in each.children(recursive=True))]
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    found.kills.append(time.monotonic())
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    cluster.remove_node(node, allow_graceful=False)
    for _ in range(TRIES):
        try:
            cluster.add_node(num_cpus=1, **MEMORY)
        except Exception as error:  # Ray's own, where a node does not begin within 30 s: the load has the cores
            print(f"A node did not begin: {error}", flush=True)
        else:
            return
    raise TimeoutError(f"No node began, {TRIES} times.")


def _until_two_serve() -> None:
    """Wait until a node can be lost. Raises `TimeoutError`."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        replicas: list[Any] = serve.status().applications["medidiagnose"].deployments[HTTP].replica_states.items()
        if sum(count for state, count in replicas if state == "RUNNING") >= NODES:
            return
        time.sleep(0.2)
    raise TimeoutError(f"No second replica within {PATIENCE:g} s.")


if __name__ == "__main__":
    main()
