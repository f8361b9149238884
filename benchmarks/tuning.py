"""Sessions, threads and batches of the bare networks, and MEDIDIAGNOSE_THREADS through HTTP: why defaults are so."""

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import numpy as np

from app.settings import load_settings
from benchmarks.pictures import made_up_jpeg
from benchmarks.report import save, table
from benchmarks.server import running_server
from benchmarks.wrk import drive, upload
from models.preprocessing.inputs import KINDS
from models.serving.bundle import Bundle, Precision
from models.serving.engine import Engine, Tensor
from models.serving.loading import model_folders, read_newest_bundle

BATCHES = (1, 2, 4, 8)
ROUNDS = 5
CORES = os.cpu_count() or 1


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure sessions, threads and batches.")
    parser.add_argument("--seconds", type=float, default=3.0)
    seconds = parser.parse_args().seconds
    settings = load_settings()
    engine = Engine(_bundle("skin", settings.precision), threads=CORES)
    bare = [
        [f"{runs} at once, {cores} cores each", str(batch), f"{pictures(engine, runs, cores, batch, seconds):.1f}"]
        for runs, cores in ((CORES, 1), (1, CORES))
        for batch in BATCHES
    ]
    print(table(["runs of the network", "batch", "pictures/s"], bare))
    networks = [
        [f"{bundle.metadata.name} {bundle.metadata.precision}", *(f"{each:.1f}" for each in milliseconds(bundle))]
        for bundle in computed_in_batches()
    ]
    print(table(["network", *(f"ms an input, batch {batch}" for batch in BATCHES)], networks))
    served = []
    for threads in sorted({1, CORES, 2 * CORES}):
        with running_server({"MEDIDIAGNOSE_THREADS": str(threads)}) as server:
            request = upload(made_up_jpeg(), "/analyze/skin")
            drive(server.url, request, connections=8, seconds=1)
            loads = [drive(server.url, request, connections=each, seconds=seconds) for each in (1, 64)]
        served.append([str(threads), f"{loads[0].p50:.1f}", f"{loads[1].throughput:.1f}", f"{loads[1].p99:.0f}"])
    header = ["MEDIDIAGNOSE_THREADS", "p50 ms, 1 connection", "answers/s, 64", "p99 ms, 64"]
    print(table(header, served))
    save("tuning", {"bare": bare, "networks": networks, "served": served})


def computed_in_batches() -> list[Bundle]:
    """The models that read pictures, records or sheets, which are computed in batches, in each of their precisions."""
    bundles = [
        _bundle(folder.name, precision)
        for folder in model_folders(load_settings().bundles)
        for precision in get_args(Precision)
    ]
    distinct = {bundle.model_path: bundle for bundle in bundles}
    return [bundle for bundle in distinct.values() if not KINDS[bundle.metadata.preprocessing.kind].immediate]


def milliseconds(bundle: Bundle) -> list[float]:
    """What an input takes on one core in a batch of each size, ms; medians of rounds in alternation."""
    engine, shape = Engine(bundle), bundle.metadata.preprocessing.tensor_shape
    rng = np.random.default_rng(0)
    brightest, dtype = (255, np.uint8) if bundle.metadata.input.dtype == "uint8" else (1, np.float32)
    tensors = [(rng.random((batch, *shape)) * brightest).astype(dtype) for batch in BATCHES]
    rounds = [[_milliseconds(engine, tensor) for tensor in tensors] for _ in range(ROUNDS + 1)]
    return [statistics.median(each) for each in zip(*rounds[1:], strict=True)]


def _bundle(name: str, precision: Precision) -> Bundle:
    return read_newest_bundle(load_settings().bundles / name, precision)


def _milliseconds(engine: Engine, tensor: Tensor) -> float:
    began = time.perf_counter()
    engine.run(tensor)
    return (time.perf_counter() - began) * 1000 / len(tensor)


def pictures(engine: Engine, runs: int, cores: int, batch: int, seconds: float) -> float:
    """Pictures a second of so many runs at once."""
    tensor = np.random.default_rng(0).integers(0, 256, (batch, 224, 224, 3), dtype=np.uint8)
    end = time.perf_counter() + seconds

    def loop() -> int:
        count = 0
        while time.perf_counter() < end:
            engine.run(tensor, cores=cores)
            count += batch
        return count

    with ThreadPoolExecutor(runs) as pool:
        counts = [pool.submit(loop) for _ in range(runs)]
        return sum(count.result() for count in counts) / seconds


if __name__ == "__main__":
    main()
