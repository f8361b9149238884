"""`medidiagnose score`: how its speed grows with workers, and whether its memory does with rows. Needs the extra `ray`.

    python -m benchmarks.score           # a million rows, an hour or less
    python -m benchmarks.score --short   # two minutes

The network only sleeps, so that workers need no cores: twice as many should take half the time. Counted are the rows a
second of the middle half of the parts, without start and end. Memory is that of all processes of Ray and of the command
(PSS), twice a second, between the first part and the last; it grows from the second fifth of that time to the last.
"""

import argparse
import math
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from app.scoring.run import Job, score
from app.scoring.worker import open_model
from app.settings import load_settings
from benchmarks.report import Figure, report
from models.serving.bundle import Bundle
from models.serving.engine import Engine, Network, Outputs, Tensor
from schemas.heart_risk import REQUEST_EXAMPLE

WORKERS = (1, 2, 4)
SLEEP = 0.1
BLOCK = 10
ROWS, SHORT_ROWS = 1_000_000, 8_000


class Sleeping:
    """Answers what the network answers to zeros, after so many seconds."""

    def __init__(self, bundle: Bundle, seconds: float) -> None:
        features = bundle.metadata.preprocessing.tensor_shape
        self._outputs = Engine(bundle).run(np.zeros((1, *features), np.float32))
        self._seconds = seconds

    def run(self, batch: Tensor, *, cores: int = 1) -> Outputs:
        """Sleep once for the whole batch."""
        time.sleep(self._seconds)
        return {name: np.repeat(values, len(batch), axis=0) for name, values in self._outputs.items()}


def sleeping(seconds: float, bundle: Bundle) -> Network:
    """Makes such a network of a bundle."""
    return Sleeping(bundle, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure scoring in bulk.")
    parser.add_argument("--short", action="store_true", help="fewer rows")
    parser.add_argument("--rows", type=int, help="for the memory")
    parser.add_argument("--minutes", type=float, default=math.inf, help="after which the memory is not watched further")
    options = parser.parse_args()
    rows = options.rows or (SHORT_ROWS if options.short else ROWS)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        forms = write_forms(folder / "forms.parquet", 240 if options.short else 960)
        rates = {count: _rate(forms, folder / f"with-{count}", count) for count in WORKERS}
        many = write_forms(folder / "many.parquet", rows)
        with watching() as seen:
            began = time.perf_counter()
            done = _scored(_job(many, folder / "many", 2, 1000), 60 * options.minutes)
            seconds = time.perf_counter() - began
        parts = [part.stat().st_mtime for part in (folder / "many").glob("part-*")]
    running = [memory for moment, memory in seen if min(parts) <= moment <= max(parts)]
    fifth = len(running) // 5
    early, late = statistics.median(running[fifth : 2 * fifth]), statistics.median(running[4 * fifth :])
    speed = [Figure(f"{count} workers over one", rates[count] / rates[1], "times") for count in WORKERS[1:]]
    memory = [
        Figure("rows for the memory", done, ""),
        Figure("memory (PSS), second fifth", early / 1e6, "MB"),
        Figure("growth to the last fifth", 100 * (late / early - 1), "%"),
        Figure("forms a second, two workers", done / seconds, "/s"),
    ]
    report("score", [*speed, *memory])


def _scored(job: Job, most_seconds: float) -> int:
    """How many rows were scored, until the end or until so many seconds have passed."""
    done, end = 0, time.monotonic() + most_seconds

    def progress(rows: int, of: int) -> None:
        nonlocal done
        done = rows
        if time.monotonic() > end:
            raise TimeoutError(f"{rows} of {of} rows")

    with suppress(TimeoutError):
        score(job, load_settings(), progress)
    return done


def write_forms(file: Path, count: int) -> Path:
    """Made-up heart-risk forms as a table."""
    ages = [30 + number % 50 for number in range(10_000)]
    columns = {name: [value] * len(ages) for name, value in REQUEST_EXAMPLE.items()} | {"age": ages}
    some = pa.table(columns)
    with pq.ParquetWriter(file, some.schema) as writer:
        for start in range(0, count, len(ages)):
            writer.write_table(some.slice(0, min(len(ages), count - start)))
    return file


def _job(given: Path, output: Path, workers: int, block: int) -> Job:
    return Job("heart_risk", str(given), str(output), {}, block, workers)


def _rate(forms: Path, output: Path, workers: int) -> float:
    """Rows a second of the middle half of the parts, with networks that sleep."""
    score(
        _job(forms, output, workers, BLOCK),
        load_settings(),
        opening=partial(open_model, make_network=partial(sleeping, SLEEP)),
    )
    finished = sorted(part.stat().st_mtime for part in output.glob("part-*"))
    middle = finished[len(finished) // 4 : 3 * len(finished) // 4 + 1]
    return BLOCK * (len(middle) - 1) / (middle[-1] - middle[0])


@contextmanager
def watching() -> Iterator[list[tuple[float, float]]]:
    """The memory of this process and all below it, bytes, at moments."""
    seen: list[tuple[float, float]] = []
    ended = threading.Event()

    def watch() -> None:
        own = psutil.Process()
        while not ended.wait(0.5):
            total = 0.0
            for process in [own, *own.children(recursive=True)]:
                with suppress(psutil.Error):
                    total += process.memory_full_info().pss
            seen.append((time.time(), total))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    main()
