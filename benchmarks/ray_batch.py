"""Our scheduler against `@serve.batch`, over the same network on one core. Needs the extra `ray-serve`.

    python -m benchmarks.ray_batch

In alternation, medians over the rounds: tensors a second with 16 under way, and a lone one's time over that of the bare
network. Both take up to four together; `@serve.batch` waits for them up to 10 ms, its default, or not at all.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping

import numpy as np
import ray
from ray import serve

from app.settings import load_settings
from benchmarks.report import Figure, report
from models.serving.engine import Engine, Tensor, blank
from models.serving.loading import read_newest_bundle
from models.serving.scheduling import LARGEST_BATCH, Cores

UNDER_WAY = 16
LONE = 20

Compute = Callable[[Tensor], Awaitable[object]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare schedulers of batches.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    options = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    serve.start(proxy_location="Disabled")
    handle = serve.run(serve.deployment(_Replica).bind(), name="batches", route_prefix=None)
    measured = handle.measure.remote(options.rounds, options.seconds).result()
    serve.shutdown()
    ours, *others = [
        (name, statistics.median(many), statistics.median(lone)) for name, (many, lone) in measured.items()
    ]
    figures = [Figure(f"alone, over the bare network: {ours[0]}", ours[2], "")]
    for name, many, lone in others:
        figures += [Figure(f"alone, over the bare network: {name}", lone, "")]
        figures += [Figure(f"many at once, ours over {name}", ours[1] / many, "")]
    report("ray_batch", figures)


class _Replica:
    """`@serve.batch` works in a replica alone, so both are measured in one."""

    async def measure(self, rounds: int, seconds: float) -> Mapping[str, tuple[list[float], list[float]]]:
        bundle = read_newest_bundle(load_settings().bundles / "skin")
        return await _measure(Engine(bundle), blank(bundle.metadata), rounds, seconds)


async def _measure(
    engine: Engine, tensor: Tensor, rounds: int, seconds: float
) -> Mapping[str, tuple[list[float], list[float]]]:
    lane = Cores(1, deadline=30).lane(engine, name="skin")
    computing: dict[str, Compute] = {
        "ours": lane.infer,
        "serve.batch, 10 ms": _batched(engine, 0.01),
        "serve.batch, 0 ms": _batched(engine, 0.0),
    }
    measured: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in computing}
    for _ in range(rounds):
        for name, compute in computing.items():
            measured[name][0].append(await _throughput(compute, tensor, seconds))
            bare = statistics.median([_timed(engine, tensor) for _ in range(LONE)])
            alone = []
            for _ in range(LONE):
                began = time.perf_counter()
                await compute(tensor)
                alone.append(time.perf_counter() - began)
            measured[name][1].append(statistics.median(alone) / bare)
    return measured


def _batched(engine: Engine, wait: float) -> Compute:
    @serve.batch(max_batch_size=LARGEST_BATCH, batch_wait_timeout_s=wait)
    async def compute(tensors: list[Tensor]) -> list[object]:
        outputs = await asyncio.to_thread(engine.run, np.stack(tensors))
        return [{name: values[index] for name, values in outputs.items()} for index in range(len(tensors))]

    made: Compute = compute
    return made


async def _throughput(compute: Compute, tensor: Tensor, seconds: float) -> float:
    end, done = time.perf_counter() + seconds, 0

    async def go_on() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await compute(tensor)
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(go_on() for _ in range(UNDER_WAY)))
    return done / (time.perf_counter() - began)


def _timed(engine: Engine, tensor: Tensor) -> float:
    began = time.perf_counter()
    engine.run(tensor[np.newaxis])
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
