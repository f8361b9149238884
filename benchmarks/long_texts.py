"""Processor time to understand texts of 5,000 characters, beside that of a fixed loop in the same run.

The texts are made of the cases of tests/cases, one in ten of their longer words with two letters swapped. `first` is
the time of a text that nothing was kept of yet. Of several turns the fastest counts, and processor time is taken, so
that other work on the machine matters little; where it does, the loop is slower by about as much.
"""

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial

from benchmarks.report import Figure, report
from benchmarks.triage import CASES, rows
from models.diagnoses.disease.interpretation import understand
from schemas.disease import DiseaseRequest

LENGTH = 5000
TEXTS = 24
TURNS = 7
SEED = 20261
_LOOP = 200_000
_SWAPPED = 0.1


def main() -> None:
    texts = long_texts()
    loop = min(_milliseconds(_count) for _ in range(TURNS))
    understand(DiseaseRequest(symptoms=[], text="fever and a cough"))
    gc.freeze()  # as the service does once its models are loaded
    first = [_milliseconds(partial(_read, text)) for text in texts]
    kept = [min(_milliseconds(partial(_read, text)) for _ in range(TURNS)) for text in texts]
    loop = min(loop, *(_milliseconds(_count) for _ in range(TURNS)))
    report(
        "long_texts",
        [
            Figure("first, median", statistics.median(first), "ms"),
            Figure("median", statistics.median(kept), "ms"),
            Figure("slowest", max(kept), "ms"),
            Figure(f"loop of {_LOOP:,}", loop, "ms"),
            Figure("median / loop", statistics.median(kept) / loop, ""),
        ],
    )


def long_texts() -> list[str]:
    """Texts of 5,000 characters, each of other cases."""
    random_ = random.Random(SEED)  # noqa: S311 -- texts of a benchmark
    told = [
        row["text"] for name in ("triage_first", "harmless") for row in rows(CASES / f"{name}.jsonl") if row.get("text")
    ]
    return [_joined(random_, told) for _ in range(TEXTS)]


def _joined(random_: random.Random, told: list[str]) -> str:
    pieces: list[str] = []
    while sum(map(len, pieces)) + len(pieces) < LENGTH:
        pieces.append(random_.choice(told))
    return " ".join(_slipped(random_, " ".join(pieces).split(" ")))[:LENGTH]


def _slipped(random_: random.Random, words: Iterable[str]) -> Iterable[str]:
    for word in words:
        if len(word) > 4 and random_.random() < _SWAPPED:
            at = random_.randrange(1, len(word) - 2)
            word = f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}"
        yield word


def _read(text: str) -> None:
    understand(DiseaseRequest(symptoms=[], text=text))


def _count() -> int:
    total = 0
    for number in range(_LOOP):
        total += number & 7
    return total


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return 1e3 * (time.process_time() - began)


if __name__ == "__main__":
    main()
