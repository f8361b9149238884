"""Does the service answer what training measured?

Sends the pictures of a predictions file, as `medidiagnose-train evaluate` writes it (CSV: `path`, then `prob_<code>`
for each class), to a running service and compares every probability. Ends with status 1 where one differs by more than
the tolerance.

    python -m benchmarks.parity --predictions runs/skin/predictions.csv --route /analyze/skin
"""

import argparse
import csv
import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import httpx

PREFIX = "prob_"


def main() -> None:
    options = _parser().parse_args()
    with options.predictions.open(newline="", encoding="utf-8") as file:
        rows = list(islice(csv.DictReader(file), options.count))
    if not rows:
        sys.exit(f"{options.predictions} holds no prediction")

    worst, worst_path = 0.0, ""
    with httpx.Client(base_url=options.url, timeout=60) as client:
        for row in rows:
            difference = _difference(row, _answered(client, options.route, options.root / row["path"]))
            if difference >= worst:
                worst, worst_path = difference, row["path"]

    print(f"{len(rows)} pictures, largest difference {worst:.2e} ({worst_path}), tolerance {options.tolerance:g}")
    if worst > options.tolerance:
        sys.exit("The service does not answer what training measured.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare the probabilities of the service with those of training.")
    parser.add_argument("--predictions", type=Path, required=True, help="CSV file: path, prob_<code>, ...")
    parser.add_argument("--route", required=True, help="for example /analyze/skin")
    parser.add_argument("--root", type=Path, default=Path(), help="folder that the paths start from")
    parser.add_argument("--url", default="http://127.0.0.1:5000", help="where the service runs (%(default)s)")
    parser.add_argument("--count", type=int, default=50, help="pictures to compare (%(default)s)")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="largest difference allowed (%(default)s)")
    return parser


def _answered(client: httpx.Client, route: str, path: Path) -> dict[str, float]:
    answer = client.post(route, files={"image": path.read_bytes()}).raise_for_status().json()
    if answer["demo_mode"]:
        sys.exit(f"{route} answers in demo mode: no bundle is loaded")
    return {each["code"]: each["probability"] for each in answer["probabilities"]}


def _difference(row: Mapping[str, str], answered: Mapping[str, float]) -> float:
    expected = {name.removeprefix(PREFIX): float(value) for name, value in row.items() if name.startswith(PREFIX)}
    if expected.keys() != answered.keys():
        sys.exit(f"classes differ: {sorted(expected)} in the file, {sorted(answered)} in the answer")
    return max(abs(expected[code] - answered[code]) for code in expected)


if __name__ == "__main__":
    main()
