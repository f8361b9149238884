"""Whatever is sent, the service answers, in time, within its memory, and nobody else notices.

    python -m benchmarks.hostile                     # 10,000 inputs, some ten minutes on two cores
    python -m benchmarks.hostile --short             # a few hundred, for a check of every change
    python -m benchmarks.hostile --only "JPEG 20000 scans"    # those with such a name

First each input that costs far more than its size is sent alone, and the memory of the service watched; then inputs of
every kind come over several connections at once, chosen by `--seed`. Meanwhile a process of its own asks /health/live,
and a connection of its own sends valid requests ("canaries") whose answers must stay what they were.

Exit status 1 where a bar is missed. Documented are 503 with `Retry-After` and 504; every error of the application is
problem+json with `success: false`. In the short form times and growth may be four times
as large and memory a third more, since a check of every change runs beside other work.
"""

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import numpy as np

from benchmarks.client import Answer, Client, NoAnswerError, raw
from benchmarks.inputs import Input, bodies, dicom, mutations, pick, records
from benchmarks.inputs.bombs import BOMBS, bomb
from benchmarks.inputs.http import HTTP
from benchmarks.report import SHORT_PATIENCE, Bar, judge, table
from benchmarks.server import Server, running_server
from benchmarks.traffic import requests
from benchmarks.usual import resident_after_traffic, usual_answers
from benchmarks.watch import Liveness, Memory, liveness
from benchmarks.wrk import Request, form, upload

PICTURE_ROUTES = ("/analyze/skin", "/analyze/heart", "/analyze/xray", "/analyze/breast")
CONNECTIONS = 4
LATEST_SECONDS = 2.0
MOST_EXTRA_MB = 300.0
MOST_GROWTH_PERCENT = 5.0
SHORT_SLACK = 4 / 3
SLOWEST_LIVE_MS = 50.0
SHORT_INPUTS = 500
ROUNDS_OF_ONLY = 20
LISTED = 40
_UNHEARD = 0.3
"""Seconds after which a connection that sent no proper HTTP is dropped."""
_CANARY_SECONDS = 0.1


@dataclass(slots=True)
class Seen:
    """What came back so far."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: list[tuple[float, str]] = field(default_factory=list)
    megabytes: list[tuple[float, str]] = field(default_factory=list)
    patience: float = 1.0
    canaries: int = 0
    changed: int = 0
    slowest_canary: float = 0.0

    def fault(self, family: str, what: str) -> None:
        """Note a fault, and say so the first times."""
        self.faults[family, what] += 1
        if len(self.faults) <= LISTED and self.faults[family, what] == 1:
            print(f"  {family}: {what}", flush=True)


def main() -> None:
    options = _parser().parse_args()
    count = SHORT_INPUTS if options.short else options.inputs
    with running_server() as server:
        status = asyncio.run(_attack(server, count, options.seed, options.connections, options.short, options.only))
    sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Send what means harm, and see who notices.")
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--short", action="store_true", help=f"{SHORT_INPUTS} inputs")
    parser.add_argument("--only", help="send the inputs whose name holds this, each alone, then at once")
    return parser


async def _attack(server: Server, count: int, seed: int, connections: int, short: bool, only: str | None) -> int:
    memory, seen = Memory(server), Seen(patience=SHORT_PATIENCE if short else 1.0)
    usual = [raw(request) for request in requests()]
    calm = [*usual, raw(upload(dicom.picture(), PICTURE_ROUTES[0]))]  # what reads DICOM is loaded with the first one
    baseline = await resident_after_traffic(server, memory, calm, connections, rounds=4 if short else 8)
    answers = await usual_answers(server, usual)
    costly = [
        make
        for name, make in catalogue(PICTURE_ROUTES[:1] if short else PICTURE_ROUTES[:2]).items()
        if (only or "") in name
    ]
    with liveness(server) as live:
        canary = asyncio.create_task(_canary(server, usual, answers, seen))
        began = time.perf_counter()
        for make in costly:
            await _alone(server, make(), memory, baseline, seen)
        print(f"{len(costly)} alone in {time.perf_counter() - began:.0f} s", flush=True)
        left = ROUNDS_OF_ONLY * len(costly) if only else count - len(costly)
        make = partial(_one_of, [make() for make in costly]) if only else partial(chosen, seed)
        began, numbers = time.perf_counter(), iter(range(left))
        await asyncio.gather(*(_several(server, map(make, numbers), seen) for _ in range(connections)))
        print(f"{left} at once in {time.perf_counter() - began:.0f} s", flush=True)
        canary.cancel()
        await asyncio.gather(canary, return_exceptions=True)
    growth = 100 * (await resident_after_traffic(server, memory, calm, connections, rounds=3) / baseline - 1)
    _show(seen)
    return judge("hostile", _bars(seen, live, baseline, growth), whole=not short and only is None)


def catalogue(routes: tuple[str, ...]) -> Mapping[str, Callable[[], Input]]:
    """Every input that has a name; pictures for each of the routes."""

    def picture(name: str, route: str) -> Input:
        return _input(f"{name} {route}", upload(bomb(name), route))

    def record(name: str) -> Input:
        header, signal = records.HOSTILE[name]()
        return _input(f"WFDB {name}", form({"header": header, "signal": signal}, "/analyze/heart/record"))

    def image(name: str, route: str) -> Input:
        return _input(f"{name} {route}", upload(dicom.made(name), route))

    def ecg(name: str) -> Input:
        return _input(name, form({"dicom": dicom.made(name)}, "/analyze/heart/record"))

    def body(name: str) -> Input:
        headers = {"Content-Encoding": "gzip"} if "compressed" in name else {}
        return _input(name, bodies.BODIES[name](), headers)

    return {
        **{f"{name} {route}": partial(picture, name, route) for name in BOMBS for route in routes},
        **{f"{name} {route}": partial(image, name, route) for name in dicom.PICTURES for route in routes},
        **{f"WFDB {name}": partial(record, name) for name in records.HOSTILE},
        **{name: partial(ecg, name) for name in dicom.RECORDS},
        **{name: partial(body, name) for name in bodies.BODIES},
        **HTTP,
    }


_ANY = catalogue(PICTURE_ROUTES)


def chosen(seed: int, number: int) -> Input:
    """The input of that number: most are damaged files, some forms, records, foreign files and named inputs."""
    rng = np.random.default_rng([seed, number])
    route = pick(rng, PICTURE_ROUTES)
    kinds: tuple[tuple[float, Callable[[], Input]], ...] = (
        (0.40, lambda: _picture(rng, route)),
        (0.48, lambda: _dicom(rng, route)),
        (0.50, lambda: _dicom_record(rng)),
        (0.62, lambda: _record(rng)),
        (0.70, lambda: _form(rng)),
        (0.80, lambda: _json(rng)),
        (0.85, lambda: _foreign(rng, route)),
        (1.00, lambda: _ANY[pick(rng, tuple(_ANY))]()),
    )
    share = rng.random()
    return next(make for below, make in kinds if share < below)()


def _one_of(inputs: Sequence[Input], number: int) -> Input:
    return inputs[number % len(inputs)]


def _input(family: str, request: Request, headers: Mapping[str, str] | None = None) -> Input:
    return Input(family, raw(request, headers))


def _picture(rng: np.random.Generator, route: str) -> Input:
    kind, data = mutations.damaged(rng)
    return _input(f"picture {kind}", upload(data, route))


def _dicom(rng: np.random.Generator, route: str) -> Input:
    kind, data = dicom.damaged(rng)
    return _input(f"DICOM {kind}", upload(data, route))


def _dicom_record(rng: np.random.Generator) -> Input:
    return _input("DICOM ECG overwritten", form({"dicom": dicom.damaged_record(rng)}, "/analyze/heart/record"))


def _foreign(rng: np.random.Generator, route: str) -> Input:
    files = mutations.other_files()
    number = int(rng.integers(len(files)))
    return _input(f"foreign file {number}", upload(files[number], route))


def _record(rng: np.random.Generator) -> Input:
    kind, (header, signal) = records.damaged(rng)
    return _input(f"record {kind}", form({"header": header, "signal": signal}, "/analyze/heart/record"))


def _form(rng: np.random.Generator) -> Input:
    kind, request = bodies.damaged_form(rng, mutations.whole_files()[0])
    return _input(f"form {kind}", request)


def _json(rng: np.random.Generator) -> Input:
    kind, request = bodies.damaged(rng)
    return _input(f"JSON {kind}", request)


async def _canary(server: Server, usual: list[bytes], answers: list[dict[str, Any]], seen: Seen) -> None:
    """Send a valid picture and a valid form in turn for ever; each answer must be the one from before."""
    client = Client(server.url)
    for number in itertools.cycle((0, len(usual) - 1, len(usual) - 2)):
        try:
            answer = await client.send(usual[number])
            seen.slowest_canary = max(seen.slowest_canary, answer.seconds)
            same = answer.status == HTTPStatus.OK and answer.content == answers[number]
            if not same:
                seen.fault("canary", _difference(answer, answers[number]))
        except OSError as error:
            same = False
            seen.fault("canary", repr(error))
        seen.canaries += 1
        seen.changed += not same
        await asyncio.sleep(_CANARY_SECONDS)


def _difference(answer: Answer, expected: dict[str, Any]) -> str:
    if answer.status != HTTPStatus.OK:
        return f"{answer.status} {answer.body[:200]!r}"
    keys = [key for key in expected if answer.content.get(key) != expected[key]]
    return f"another answer in {keys}"


async def _alone(server: Server, sent: Input, memory: Memory, baseline: int, seen: Seen) -> None:
    client = Client(server.url)
    with memory.peak() as peak:
        await _exchange(client, sent, seen)
    seen.megabytes.append(((peak[0] - baseline) / 1e6, sent.family))
    if seen.megabytes[-1][0] > MOST_EXTRA_MB:
        print(f"  {sent.family}: {seen.megabytes[-1][0]:,.0f} MB", flush=True)
    client.close()


async def _several(server: Server, inputs: Iterator[Input], seen: Seen) -> None:
    client = Client(server.url)
    for sent in inputs:
        await _exchange(client, sent, seen)
    client.close()


async def _exchange(client: Client, sent: Input, seen: Seen) -> None:
    if sent.fresh:
        client.close()
    try:
        answer = await (client.send(sent.sent) if sent.well_formed else client.send(sent.sent, patience=_UNHEARD))
    except NoAnswerError as error:
        seen.statuses["none"] += 1
        if sent.well_formed:
            seen.fault(sent.family, f"no answer: {error}")
    except OSError as error:
        seen.statuses["no connection"] += 1
        seen.fault(sent.family, f"no connection: {error!r}")
    else:
        seen.statuses[str(answer.status)] += 1
        seen.seconds.append((answer.seconds, sent.family))
        for fault in _faults(sent, answer, LATEST_SECONDS * seen.patience):
            seen.fault(sent.family, fault)
    if sent.fresh:
        client.close()


def _faults(sent: Input, answer: Answer, latest: float) -> Iterator[str]:
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and answer.status not in (503, 504):
        yield f"status {answer.status}"
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and "retry-after" not in answer.headers:
        yield "503 without Retry-After"
    if answer.seconds > latest:
        yield f"answered after {answer.seconds:.1f} s"
    if answer.status >= HTTPStatus.BAD_REQUEST and sent.well_formed and not sent.sent.startswith(b"HEAD "):
        try:
            if not answer.is_problem:
                yield f"{answer.status} that is no problem+json with success: false"
        except json.JSONDecodeError:
            yield f"{answer.status} whose body is no JSON"


def _show(seen: Seen) -> None:
    statuses = [[status, f"{number:,}"] for status, number in sorted(seen.statuses.items())]
    print("\n" + table(["answer", "inputs"], statuses))
    for title, unit, values in (("slowest", "s", seen.seconds), ("most memory", "MB", seen.megabytes)):
        rows = [[name, f"{value:.2f} {unit}"] for value, name in sorted(values, reverse=True)[:8]]
        print("\n" + table([title, ""], rows))


def _bars(seen: Seen, live: Liveness, baseline: int, growth: float) -> list[Bar]:
    def count(*wanted: str) -> float:
        return float(sum(number for status, number in seen.statuses.items() if status in wanted))

    latest, slowest_live = LATEST_SECONDS * seen.patience, SLOWEST_LIVE_MS * seen.patience
    late = [seconds for seconds, _ in seen.seconds if seconds > latest]
    other = sum(number for (_, fault), number in seen.faults.items() if not fault.startswith("answered after"))
    return [
        Bar("inputs", float(sum(seen.statuses.values()))),
        Bar("answers that were a fault of ours (500)", count("500"), most=0),
        Bar("503, with Retry-After", count("503")),
        Bar("504", count("504")),
        Bar("slowest answer", max((seconds for seconds, _ in seen.seconds), default=0.0), "s", most=latest),
        Bar("answers that came later", float(len(late)), most=0),
        Bar(
            "most extra memory of one request",
            max((mb for mb, _ in seen.megabytes), default=0.0),
            "MB",
            most=MOST_EXTRA_MB * (SHORT_SLACK if seen.patience > 1 else 1),
        ),
        Bar("resident before", baseline / 1e6, "MB"),
        Bar("growth of memory at the end", growth, "%", most=MOST_GROWTH_PERCENT * seen.patience),
        Bar("/health/live asked", float(len(live.milliseconds))),
        Bar("/health/live, median", live.within(0.5), "ms"),
        Bar("/health/live, 99 % within", live.within(0.99), "ms", most=slowest_live),
        Bar("/health/live, slowest", live.within(1.0), "ms"),
        Bar("/health/live not answered with 200", float(live.failures), most=0),
        Bar("valid requests meanwhile", float(seen.canaries), least=1),
        Bar("slowest of them", seen.slowest_canary, "s"),
        Bar("of them answered otherwise than before", float(seen.changed), most=0),
        Bar("other faults", float(other), most=0),
    ]


if __name__ == "__main__":
    main()
