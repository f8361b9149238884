"""What ?explain=true costs: `python -m benchmarks.explain --skin skin.jpg --breast breast.png --xray film.jpeg`, and of
ECGs `--sheet sheet.png --record 00001.hea`, whose .dat stands beside it.

One request after the other to a service of its own, plain and explained in turn; the medians of both, by the clock and
by the service's processor time, which other work on the machine changes little, and how many times the explained one
takes. A picture that the model doesn't accept has no map to draw, so real ones are needed. Needs Linux, whose clock of
another process is exact.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from benchmarks.server import Server, running_server

PICTURES = ("skin", "breast", "xray")
FORMS: Mapping[str, dict[str, object]] = {
    "/predict-disease": {"symptoms": ["fever", "cough", "headache", "fatigue"], "age": 40, "sex": "male"},
    "/predict-heart": {
        "age": 55, "sex": 1, "blood_pressure": 145, "cholesterol": 250, "chest_pain": 2, "max_heart_rate": 140,
    },
}  # fmt: skip
WARM = 5
_CPUCLOCK_SCHED = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in PICTURES:
        parser.add_argument(f"--{name}", type=Path, help="a picture that the model accepts")
    parser.add_argument("--sheet", type=Path, help="the picture of an ECG sheet that the model accepts")
    parser.add_argument("--record", type=Path, help="the header of a WFDB record that the model accepts")
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    with running_server() as server, httpx.Client(base_url=server.url, timeout=30) as client:
        for name in PICTURES:
            if file := getattr(options, name):
                _compare(server, client, f"/analyze/{name}", {"files": {"image": file.read_bytes()}}, options.rounds)
        if options.sheet:
            _compare(server, client, "/analyze/heart", {"files": {"image": options.sheet.read_bytes()}}, options.rounds)
        if options.record:
            header, signal = options.record, options.record.with_suffix(".dat")
            files = {"header": (header.name, header.read_bytes()), "signal": (signal.name, signal.read_bytes())}
            _compare(server, client, "/analyze/heart/record", {"files": files}, options.rounds)
        for path, form in FORMS.items():
            _compare(server, client, path, {"json": form}, options.rounds)


def _compare(server: Server, client: httpx.Client, path: str, sent: dict[str, Any], rounds: int) -> None:
    body: dict[str, Any] = {}
    taken: dict[str, list[tuple[float, float]]] = {"": [], "?explain=true": []}
    for number in range(rounds + WARM):
        for query, several in taken.items():
            began, spent = time.perf_counter(), _processor(server)
            answer = client.post(f"{path}{query}", **sent)
            each = time.perf_counter() - began, _processor(server) - spent
            body = answer.raise_for_status().json()
            if number >= WARM:
                several.append(each)
    kind = body["explanation"]["kind"] if body["explanation"] else "nothing: not accepted"
    print(f"{path}: {kind}, {len(json.dumps(body)) // 1000} kB, {rounds} of each")
    for at, clock in enumerate(("clock", "processor")):
        before, now = (1000 * statistics.median(each[at] for each in several) for several in taken.values())
        print(f"  {clock}: {before:.2f} ms plain, {now:.2f} ms explained, {now / before:.2f} times")


def _processor(server: Server) -> float:
    """Seconds of processor time that the service has taken: the clock of a process, as clock_getcpuclockid(3) makes
    it of its id."""
    return time.clock_gettime((~server.process.pid) << 3 | _CPUCLOCK_SCHED)


if __name__ == "__main__":
    main()
