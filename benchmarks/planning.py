"""What a million inputs of each kind cost, and what a service runs out of first.

    python -m benchmarks.planning            # measures on this machine, a minute; then a simulation with these figures
    python -m benchmarks.planning --again    # the simulation alone, with what was measured last

Measured is processor time, which other work on the machine changes little: of a whole request through HTTP, of what
prepares the input and of the network alone. The rest is the interpreter of the process: parsing, routing, reading,
writing. Simulated is a queue of three stations one behind the other: the network card, the one interpreter of each
process, the cores. Requests arrive at random and independently; times are spread about their mean as measured.
"""

import argparse
import heapq
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from app.settings import load_settings
from benchmarks.report import RESULTS, save, table
from benchmarks.routes import LIMITS
from benchmarks.server import running_server
from benchmarks.traffic import FORMS, files_of, request_of
from benchmarks.wrk import Request
from models.diagnoses.catalogue import DIAGNOSES
from models.diagnoses.diagnosis import AnyDiagnosis
from models.serving.engine import Engine
from models.serving.loading import read_newest_bundle

REQUESTS = 60
MILLION = 1_000_000
DAY = 86_400
PEAK = 3.0
"""The busiest minutes over the mean of a day: an assumption, of a service used in the hours of one time zone."""
ARRIVALS = 20_000
LIMIT = 1.0
"""Seconds that 99 of 100 answers may take."""
BITS = 1e9
"""A second, of the network card."""

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of an input: seconds of processor time to prepare it, of its network, and of all else; what is sent, in bytes;
    and how the times spread, as standard deviation over mean."""

    name: str
    prepare: float
    compute: float
    around: float
    size: int
    spread: float

    @property
    def total(self) -> float:
        return self.prepare + self.compute + self.around


@dataclass(frozen=True, slots=True)
class Fleet:
    """`processes` on machines, with so many `cores` for each, behind one network card for each of `cards`."""

    processes: int
    cores: int
    cards: int = 1


def main() -> None:
    parser = argparse.ArgumentParser(description="Plan for many inputs.")
    parser.add_argument("--again", action="store_true", help="with what was measured last")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each kind")
    parser.add_argument("--short", action="store_true", help="a quick look")
    options = parser.parse_args()
    kept = RESULTS / "planning.json"
    if options.again:
        costs = [Cost(**each) for each in json.loads(kept.read_text(encoding="utf-8"))["costs"]]
    else:
        costs = measured(6 if options.short else options.requests)
        save("planning", {"costs": [asdict(cost) for cost in costs]})
    count = ARRIVALS // 10 if options.short else ARRIVALS
    print(as_costs(costs))
    skin = next(cost for cost in costs if cost.name == "skin")
    print(as_limits([(cost, Fleet(1, cores)) for cost in costs for cores in (2, 8)], count))
    print(as_limits([(skin, Fleet(processes, 2)) for processes in (1, 8, 64, 256)], count))
    print(as_waits(skin, count))


def measured(requests: int) -> list[Cost]:
    """The cost of each installed diagnosis on this machine."""
    with (
        running_server({"MEDIDIAGNOSE_WORKERS": "1"}) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):

        def through_http(request: Request) -> float:
            def send() -> None:
                headers = {"Content-Type": request.content_type}
                client.post(request.path, content=request.body, headers=headers).raise_for_status()

            for _ in range(5):
                send()
            server.settle()
            before = server.cpu_seconds
            for _ in range(requests * 10 if request.path in FORMS else requests):
                send()
            return (server.cpu_seconds - before) / (requests * 10 if request.path in FORMS else requests)

        return [_cost(diagnosis, through_http, requests) for diagnosis in DIAGNOSES]


def _cost(diagnosis: AnyDiagnosis, through_http: Callable[[Request], float], requests: int) -> Cost:
    request = request_of(diagnosis)
    whole, size = through_http(request), len(request.body)
    if diagnosis.reads.immediate:
        return Cost(diagnosis.name, 0.0, 0.0, whole, size, 0.1)
    settings = load_settings()
    bundle = read_newest_bundle(settings.bundles / diagnosis.name, settings.precision)
    engine, sent = Engine(bundle), type(diagnosis.example())(**files_of(diagnosis))
    prepared = diagnosis.reads.prepare(sent, bundle.metadata.preprocessing, LIMITS)
    preparing = processor_times(lambda: diagnosis.reads.prepare(sent, bundle.metadata.preprocessing, LIMITS), requests)
    computing = processor_times(lambda: engine.run(prepared.tensors), requests)
    prepare, compute = float(np.median(preparing)), float(np.median(computing))
    around = max(whole - prepare - compute, 0.0)
    both = preparing + computing
    return Cost(diagnosis.name, prepare, compute, around, size, float(np.std(both) / np.mean(both)))


def processor_times(call: Callable[[], object], count: int) -> Times:
    """Seconds of processor time of each of so many calls, which are done in this thread alone."""
    call()
    times = []
    for _ in range(count):
        before = time.process_time()
        call()
        times.append(time.process_time() - before)
    return np.array(times)


def arrivals(rate: float, count: int, random: np.random.Generator) -> Times:
    """When requests arrive that know nothing of one another, seconds, in order."""
    return np.cumsum(random.exponential(1 / rate, count))


def spread(mean: float, variation: float, count: int, random: np.random.Generator) -> Times:
    """Positive times with that mean and standard deviation over mean, gamma-distributed."""
    shape = 1 / max(variation, 0.05) ** 2
    return random.gamma(shape, mean / shape, count)


def through(came: Times, took: Times, servers: int) -> Times:
    """When each leaves a station where the first that came is the first served, by whichever of the servers is free."""
    if servers == 1:
        worked = np.cumsum(took)
        return worked + np.maximum.accumulate(came - (worked - took))
    free = [0.0] * servers
    left = np.empty_like(came)
    for index, (arrival, seconds) in enumerate(zip(came, took, strict=True)):
        left[index] = max(heapq.heappop(free), arrival) + seconds
        heapq.heappush(free, left[index])
    return left


def stations(cost: Cost, fleet: Fleet) -> Mapping[str, tuple[float, int]]:
    """Of each station, the mean seconds of an input there and how many it serves at once. What the interpreter does
    takes a core too."""
    return {
        "card": (cost.size * 8 / BITS, fleet.cards),
        "interpreter": (cost.around, fleet.processes),
        "cores": (cost.total, fleet.processes * fleet.cores),
    }


def busiest(cost: Cost, fleet: Fleet) -> tuple[str, float]:
    """The station that sets the limit, and that limit in inputs a second."""
    limits = {name: count / seconds for name, (seconds, count) in stations(cost, fleet).items() if seconds}
    name = min(limits, key=lambda each: limits[each])
    return name, limits[name]


def waits(cost: Cost, fleet: Fleet, rate: float, count: int, seed: int = 1) -> Times:
    """The seconds from arrival to answer of so many inputs that arrive at that rate."""
    random = np.random.default_rng(seed)
    came = now = arrivals(rate, count, random)
    twice = np.zeros(count)
    for name, (seconds, servers) in stations(cost, fleet).items():
        order, took = np.argsort(now, kind="stable"), spread(seconds, cost.spread, count, random)
        left = np.empty_like(now)
        left[order] = through(now[order], took, servers)
        twice[order] += took if name == "interpreter" else 0.0
        now = left
    return now - came - twice


def highest_rate(cost: Cost, fleet: Fleet, count: int) -> float:
    """The rate at which 99 of 100 answers still come within `LIMIT`, inputs a second, to 1 % of what is possible."""
    _, most = busiest(cost, fleet)
    shares = [share for share in np.arange(0.5, 1.0, 0.01) if _late(cost, fleet, share * most, count) <= LIMIT]
    return float(max(shares, default=0.0) * most)


def _late(cost: Cost, fleet: Fleet, rate: float, count: int) -> float:
    return float(np.quantile(waits(cost, fleet, rate, count), 0.99))


def as_costs(costs: Sequence[Cost]) -> str:
    """Of each kind: milliseconds of processor time, core hours a million, and cores for a million a day."""
    header = ["kind", "prepare ms", "network ms", "rest ms", "all ms", "core hours a million", "cores, even", "at peak"]
    rows = []
    for cost in costs:
        even = cost.total * MILLION / DAY
        parts = [f"{1e3 * value:.2f}" for value in (cost.prepare, cost.compute, cost.around, cost.total)]
        rows.append(
            [cost.name, *parts, f"{cost.total * MILLION / 3600:.2f}", f"{even:.2f}", f"{PEAK * even / 0.7:.1f}"]
        )
    return table(header, rows)


def as_limits(planned: Sequence[tuple[Cost, Fleet]], count: int) -> str:
    """Of each kind and fleet: what is full first, at which rate, and how much of that can be used."""
    rows: list[list[Any]] = []
    for cost, fleet in planned:
        name, most = busiest(cost, fleet)
        used = highest_rate(cost, fleet, count)
        rows.append([f"{cost.name}, {fleet.processes} x {fleet.cores}", name, f"{most:.0f}", f"{used / most:.2f}"])
    return table(["kind, processes x cores", "full first", "a second at most", "usable, p99 in 1 s"], rows)


def as_waits(cost: Cost, count: int) -> str:
    """How the answers of a kind come at shares of what is possible, milliseconds."""
    rows = []
    for share in (0.3, 0.5, 0.7, 0.8, 0.9, 0.95):
        row = [f"{share:.2f}"]
        for fleet in (Fleet(1, 2), Fleet(8, 2), Fleet(64, 2, cards=4)):
            times = waits(cost, fleet, share * busiest(cost, fleet)[1], count)
            row += [f"{1e3 * float(np.quantile(times, quantile)):.0f}" for quantile in (0.5, 0.99)]
        rows.append(row)
    return table(["busy", "1x2 p50", "p99", "8x2 p50", "p99", "64x2 p50", "p99"], rows)


if __name__ == "__main__":
    main()
