"""Whether what is said comes true as often as it is said: a reliability diagram of each set, in numbers.

The probability of the class that is likeliest, or of each finding where several may hold, against how often it was so,
in tenths of the inputs of equal size, and in fifths of those of a group of people or a kind of picture. Beside the
expected calibration error stands the one that a model without any would show in 95 of 100 draws of the same inputs: of
few inputs that is far from 0. The same pass counts what is mistaken: `training.mistakes`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.diagnosis import AnyDiagnosis
from models.diagnoses.heart_risk.interpretation import band_of, code_of
from models.serving.bundle import BIN, BY_GROUP, MISTAKEN, RELIABILITY, Bundle, Estimate
from schemas.heart_risk import CHEST_PAINS
from training import mistakes, prediction_sets, prediction_sets_of_rows
from training.datasets.pictures import Sample
from training.datasets.ultrasound import UNKNOWN
from training.diagnoses import heart_risk
from training.evaluate import bootstrap, share
from training.explained import WHOLE
from training.metrics import calibration_error
from training.mistakes import NOT_SETTLED, REFUSED, Case
from training.networks.pattern_submodels import FEATURES
from training.served import Answer, answers
from training.served_sets import SETS
from training.trust_tables import CALIBRATED

TENTHS, BINS, DRAWS, REPEATS, SEED = 10, 15, 1000, 400, 5
FEWEST = 20
"""Inputs of a bin at least; of few inputs there are fewer bins."""
FIFTHS, FEWEST_OF_GROUP = 5, 40
GROUPED_BY = ("sex", "age", "tone", "site", "view", "resolution", "device", "set")
"""What is known of a picture, or of whom it shows, before anybody knows what is true of it."""
KINDS = (*GROUPED_BY, "confirmation", "pathology", "histology", "subtype")
"""By which mistakes are told too."""
HALF = 0.5
"""The chance of a narrowed artery from which it is likelier than none."""
ECE = "ECE"

FloatArray = NDArray[np.float64]


class Said(NamedTuple):
    """Probabilities (n,) that were said, whether each came true (n,), whose each is, and of which kinds, as
    `sex=female`."""

    chances: FloatArray
    true: NDArray[np.bool_]
    groups: Sequence[str]
    kinds: Sequence[Collection[str]] = ()

    def where(self, places: NDArray[np.intp]) -> "Said":
        """Some of them."""
        return Said(self.chances[places], self.true[places], [self.groups[place] for place in places])


def measure(diagnosis: AnyDiagnosis, bundle: Bundle, data: Path, cache: Path) -> dict[str, dict[str, Estimate]]:
    """The figures of each set of a model, by name: of all its inputs, of their groups, and of what is mistaken."""
    name = diagnosis.name
    if name == heart_risk.NAME:
        asked = _of_forms(data)
    elif name in prediction_sets_of_rows.SETS:
        asked = _of_rows(name, bundle, data, cache)
    else:
        asked = _of_pictures(diagnosis, bundle, data)
    found: dict[str, dict[str, Estimate]] = {}
    for title, said, cases in asked:
        found[f"{RELIABILITY}{title}"] = dict(figures(said))
        found[f"{BY_GROUP}{title}"] = dict(figures_by_group(said))
        found[f"{MISTAKEN}{title}"] = dict(mistakes.figures(cases))
    return {title: each for title, each in found.items() if each}


def figures_by_group(said: Said) -> Iterator[tuple[str, Estimate]]:
    """The same of each kind of at least `FEWEST_OF_GROUP`, in fifths, its name before each figure."""
    for kind in sorted({kind for kinds in said.kinds for kind in kinds if kind.partition("=")[0] in GROUPED_BY}):
        places = np.flatnonzero([kind in kinds for kinds in said.kinds])
        if FEWEST_OF_GROUP <= len(places) < len(said.chances):
            yield from ((f"{kind}, {name}", value) for name, value in figures(said.where(places), FIFTHS))


def figures(said: Said, most: int = TENTHS) -> Iterator[tuple[str, Estimate]]:
    """At most so many bins of a diagram, the calibration error, and the one that chance alone gives."""
    order = np.argsort(said.chances, kind="stable")
    bins = max(1, min(most, len(order) // FEWEST))
    for part in np.array_split(order, bins):
        owners = [said.groups[place] for place in part]
        yield f"{BIN}{said.chances[part].mean():.4f}", share(said.true[part], owners, REPEATS)
    yield ECE, bootstrap(_error, said.true, said.chances, said.groups, REPEATS)
    rng = np.random.default_rng(SEED)
    drawn = [_error(rng.random(len(order)) < said.chances, said.chances) for _ in range(DRAWS)]
    least = float(np.quantile(drawn, 0.95))
    yield CALIBRATED, Estimate(value=least, low=least, high=least, n=len(order))


def _error(true: NDArray[np.bool_], chances: FloatArray) -> float:
    return calibration_error(true, chances, BINS)


Asked = tuple[str, Said, list[Case]]
"""A set, what is said of its inputs, and what each is named."""


def _of_pictures(diagnosis: AnyDiagnosis, bundle: Bundle, data: Path) -> Iterator[Asked]:
    """The likeliest class of each accepted picture whose truth is known, and what every one is named."""
    truth = prediction_sets.SETS[diagnosis.name](data).truth
    for each in SETS[diagnosis.name](data):
        if each.name in WHOLE[diagnosis.name]:
            known = [one for one in answers(diagnosis, bundle, each.samples) if truth(one.sample)]
            given = [one for one in known if one.accepted]
            likeliest = [_likeliest(one.chances) for one in given]
            chances = np.array([one.chances[code] for one, code in zip(given, likeliest, strict=True)], np.float64)
            true = np.array([truth(one.sample) == code for one, code in zip(given, likeliest, strict=True)])
            said = Said(chances, true, [one.sample.group for one in given], [_kinds(one.sample) for one in given])
            yield each.name, said, [_case(one, truth(one.sample) or "") for one in known]


def _case(answer: Answer, true: str) -> Case:
    said = answer.code or (NOT_SETTLED if answer.accepted else REFUSED)
    return Case((true,), said, _kinds(answer.sample), answer.sample.group)


def _kinds(sample: Sample) -> tuple[str, ...]:
    known = {key: sample.strata.get(key, UNKNOWN) for key in KINDS}
    return tuple(f"{key}={value}" for key, value in known.items() if value not in ("", UNKNOWN))


def _likeliest(chances: Mapping[str, float]) -> str:
    return max(chances, key=lambda code: chances[code])


def _of_forms(data: Path) -> Iterator[Asked]:
    """The chance of a narrowed artery of each patient, from a model that had not seen them. Who has none and is given
    less than a half is named so, and so is who has one and is given as much; of the others the band is told."""
    for title, cases, chances in heart_risk.held_out(data):
        owners, kinds = [str(group) for group in cases.groups], _kinds_of_patients(cases)
        told = []
        for chance, narrowed, known, owner in zip(chances.tolist(), cases.labels.tolist(), kinds, owners, strict=True):
            code = heart_risk.CLASSES[narrowed]
            right = (chance >= HALF) == narrowed
            told.append(Case((code,), code if right else code_of(band_of(chance)), known, owner))
        yield title, Said(chances.astype(np.float64), cases.labels, owners, kinds), told


def _kinds_of_patients(cases: heart_risk.Cases) -> list[Collection[str]]:
    """Sex, age, hospital and pain of each, as `sex=female`."""
    pains = {int(value): name for name, value in CHEST_PAINS.items()}
    found: list[Collection[str]] = []
    for row, site in zip(cases.rows, cases.sites, strict=True):
        values = dict(zip(FEATURES, row.tolist(), strict=True))
        age = "<45" if values["age"] < 45 else "45-64" if values["age"] < 65 else "65+"
        pain = pains[int(values["chest_pain"])]
        found.append((f"sex={('female', 'male')[int(values['sex'])]}", f"age={age}", f"site={site}", f"pain={pain}"))
    return found


def _of_rows(name: str, bundle: Bundle, data: Path, cache: Path) -> Iterator[Asked]:
    """Each finding of each ECG, or the likeliest disease of each case; what is named is the likeliest of either, of a
    refused sheet nothing."""
    sets = prediction_sets_of_rows.SETS[name](bundle, data, cache)
    for title, rows in sets.measured.items():
        chances, true, owners, kinds = list[float](), list[bool](), list[str](), list[Collection[str]]()
        for known, owner in zip(rows.known, rows.owners, strict=True):
            several = bundle.metadata.task == "multilabel"
            codes = list(known.chances) if several else [_likeliest(known.chances)]
            chances += [known.chances[code] for code in codes]
            true += [code in known.true for code in codes]
            owners += [owner] * len(codes)
            kinds += [known.kinds] * len(codes)
        cases = [
            Case(known.true, _likeliest(known.chances), known.kinds, owner)
            for known, owner in zip(rows.known, rows.owners, strict=True)
        ]
        if refused := sets.refused.get(title):
            pairs = zip(refused.known, refused.owners, strict=True)
            cases += [Case(known.true, REFUSED, known.kinds, owner) for known, owner in pairs]
        yield title, Said(np.array(chances, np.float64), np.array(true), owners, kinds), cases
