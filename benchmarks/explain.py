"""What ?explain=true costs: `python -m benchmarks.explain --skin skin.jpg --breast breast.png --xray film.jpeg`, and of
ECGs `--sheet sheet.png --record 00001.hea`, whose .dat stands beside it.

One request after the other to a service of its own, plain and explained in turn; the medians of both, and how many
times the explained one takes. A picture that the model doesn't accept has no map to draw, so real ones are needed.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from benchmarks.server import running_server

PICTURES = ("skin", "breast", "xray")
FORMS: Mapping[str, dict[str, object]] = {
    "/predict-disease": {"symptoms": ["fever", "cough", "headache", "fatigue"], "age": 40, "sex": "male"},
    "/predict-heart": {
        "age": 55, "sex": 1, "blood_pressure": 145, "cholesterol": 250, "chest_pain": 2, "max_heart_rate": 140,
    },
}  # fmt: skip
WARM = 5


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
                _compare(client, f"/analyze/{name}", {"files": {"image": file.read_bytes()}}, options.rounds)
        if options.sheet:
            _compare(client, "/analyze/heart", {"files": {"image": options.sheet.read_bytes()}}, options.rounds)
        if options.record:
            header, signal = options.record, options.record.with_suffix(".dat")
            files = {"header": (header.name, header.read_bytes()), "signal": (signal.name, signal.read_bytes())}
            _compare(client, "/analyze/heart/record", {"files": files}, options.rounds)
        for path, form in FORMS.items():
            _compare(client, path, {"json": form}, options.rounds)


def _compare(client: httpx.Client, path: str, sent: dict[str, Any], rounds: int) -> None:
    body: dict[str, Any] = {}
    plain: list[float] = []
    explained: list[float] = []
    for number in range(rounds + WARM):
        for seconds, query in ((plain, ""), (explained, "?explain=true")):
            began = time.perf_counter()
            answer = client.post(f"{path}{query}", **sent)
            taken = time.perf_counter() - began
            body = answer.raise_for_status().json()
            if number >= WARM:
                seconds.append(taken)
    kind = body["explanation"]["kind"] if body["explanation"] else "nothing: not accepted"
    size = len(json.dumps(body)) // 1000
    before, now = (1000 * statistics.median(seconds) for seconds in (plain, explained))
    print(f"{path}: {before:.2f} ms plain, {now:.2f} ms explained ({kind}), {now / before:.2f} times; {size} kB")


if __name__ == "__main__":
    main()
