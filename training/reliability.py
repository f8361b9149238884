"""Whether what is said comes true as often as it is said: a reliability diagram of each set, in numbers.

The probability of the class that is likeliest, or of each finding where several may hold, against how often it was so,
in tenths of the inputs of equal size. Beside the expected calibration error stands the one that a model without any
would show in 95 of 100 draws of the same inputs: of few inputs that is far from 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.diagnosis import AnyDiagnosis
from models.serving.bundle import Bundle, Estimate
from training import prediction_sets, prediction_sets_of_rows
from training.evaluate import bootstrap
from training.explained import WHOLE
from training.metrics import calibration_error
from training.served import answers
from training.served_sets import SETS

TENTHS, BINS, DRAWS, REPEATS, SEED = 10, 15, 1000, 400, 5
FEWEST = 20
"""Inputs of a bin at least; of few inputs there are fewer bins."""
ECE, CALIBRATED = "ECE", "ECE of a calibrated model, in 95 of 100 draws at most"

FloatArray = NDArray[np.float64]


class Said(NamedTuple):
    """Probabilities (n,) that were said, whether each came true (n,), and whose each is."""

    chances: FloatArray
    true: NDArray[np.bool_]
    groups: Sequence[str]


def measure(diagnosis: AnyDiagnosis, bundle: Bundle, data: Path, cache: Path) -> dict[str, dict[str, Estimate]]:
    """The figures of each set of a model, by name."""
    name = diagnosis.name
    rows = name in prediction_sets_of_rows.SETS
    said = _of_rows(name, bundle, data, cache) if rows else _of_pictures(diagnosis, bundle, data)
    return {f"Reliability: {title}": dict(figures(each)) for title, each in said}


def figures(said: Said) -> Iterator[tuple[str, Estimate]]:
    """The bins of a diagram, the calibration error, and the one that chance alone gives."""
    order = np.argsort(said.chances, kind="stable")
    bins = max(1, min(TENTHS, len(order) // FEWEST))
    for part in np.array_split(order, bins):
        owners = [said.groups[place] for place in part]
        true = said.true[part].astype(np.float64)
        found = bootstrap(lambda drawn, _: float(np.mean(drawn)), true, true, owners, REPEATS)
        yield f"said {said.chances[part].mean():.4f}", found
    yield ECE, bootstrap(_error, said.true, said.chances, said.groups, REPEATS)
    rng = np.random.default_rng(SEED)
    drawn = [_error(rng.random(len(order)) < said.chances, said.chances) for _ in range(DRAWS)]
    least = float(np.quantile(drawn, 0.95))
    yield CALIBRATED, Estimate(value=least, low=least, high=least, n=len(order))


def _error(true: NDArray[np.bool_], chances: FloatArray) -> float:
    return calibration_error(true, chances, BINS)


def _of_pictures(diagnosis: AnyDiagnosis, bundle: Bundle, data: Path) -> Iterator[tuple[str, Said]]:
    """The likeliest class of each accepted picture whose truth is known."""
    truth = prediction_sets.SETS[diagnosis.name](data).truth
    for each in SETS[diagnosis.name](data):
        if each.name in WHOLE[diagnosis.name]:
            given = [one for one in answers(diagnosis, bundle, each.samples) if one.accepted and truth(one.sample)]
            likeliest = [_likeliest(one.chances) for one in given]
            chances = np.array([one.chances[code] for one, code in zip(given, likeliest, strict=True)], np.float64)
            true = np.array([truth(one.sample) == code for one, code in zip(given, likeliest, strict=True)])
            yield each.name, Said(chances, true, [one.sample.group for one in given])


def _likeliest(chances: Mapping[str, float]) -> str:
    return max(chances, key=lambda code: chances[code])


def _of_rows(name: str, bundle: Bundle, data: Path, cache: Path) -> Iterator[tuple[str, Said]]:
    """Each finding of each ECG, or the likeliest disease of each case."""
    sets = prediction_sets_of_rows.SETS[name](bundle, data, cache)
    for title, rows in sets.measured.items():
        chances, true, owners = list[float](), list[bool](), list[str]()
        for known, owner in zip(rows.known, rows.owners, strict=True):
            several = bundle.metadata.task == "multilabel"
            codes = list(known.chances) if several else [_likeliest(known.chances)]
            chances += [known.chances[code] for code in codes]
            true += [code in known.true for code in codes]
            owners += [owner] * len(codes)
        yield title, Said(np.array(chances, np.float64), np.array(true), owners)
