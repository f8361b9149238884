"""Whether a change made training slower: the time of a step in two checkouts, in turns, in one run on one machine.

    git worktree add ../before <commit>
    python -m benchmarks.training_steps ../before .

Each round trains the skin network of each checkout on the same made-up pictures of 64 px, a short and a long run; what
the long one takes more is the time of its steps. Small pictures show best what the loop itself costs. Needs the extra
`training`, of this environment for both.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.report import Bar, judge, table

SHORT, LONG = 40, 160
ROUNDS = 5
MOST_TIMES = 1.05
SIDES = ("before", "after")
RECIPE = (
    "--batch-size",
    "32",
    "--augmentation",
    "dermoscopy",
    "--first-stage",
    "2",
    "--mixup",
    "0.4",
    "--patience",
    "99",
)


def main() -> None:
    options = _parser().parse_args()
    checkouts = dict(zip(SIDES, (options.before.resolve(), options.after.resolve()), strict=True))
    found: dict[str, list[float]] = defaultdict(list)
    for number in range(options.rounds):
        for side in SIDES if number % 2 == 0 else SIDES[::-1]:
            short, long = (_seconds(checkouts[side], steps) for steps in (SHORT, LONG))
            found[side].append(1000 * (long - short) / (LONG - SHORT))
        print(f"round {number + 1} of {options.rounds}", flush=True)
    rows = [
        [side, f"{statistics.median(each):.1f}", f"{min(each):.1f} to {max(each):.1f}"] for side, each in found.items()
    ]
    print("\n" + table(["ms a step", "median", "least to most"], rows))
    ratio = statistics.median(found["after"]) / statistics.median(found["before"])
    sys.exit(judge("training-steps", [Bar("a step of training, after / before", ratio, most=MOST_TIMES)]))


def _seconds(checkout: Path, steps: int) -> float:
    """Of a whole run of so many steps, validated at its end."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-c", "import sys; from training.cli import main; sys.exit(main())"]
        options = ["skin", "--smoke", "--runs", runs, "--steps", str(steps), "--validate-every", str(steps), *RECIPE]
        started = time.perf_counter()
        done = subprocess.run([*command, *options], cwd=checkout, capture_output=True, text=True, check=False)
        taken = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{checkout} could not train:\n{done.stderr[-2000:]}")
    return taken


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="a checkout")
    parser.add_argument("after", type=Path, help="another")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often both take turns")
    return parser


if __name__ == "__main__":
    main()
