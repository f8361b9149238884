"""The symptom model from tables, profiles and vignettes to a bundle."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from models.diagnoses.disease.features import feature_names, values_of
from models.diagnoses.disease.findings import read
from models.diagnoses.disease.patient import describe
from models.preprocessing.form import Feature, TabularPreprocessing
from models.serving.bundle import Bundle, Estimate
from training.datasets import disease_profiles, symcat, vignettes
from training.datasets.disease_profiles import Disease
from training.datasets.vignettes import Vignette, same_diseases
from training.diagnoses.training import Job, Training
from training.draft import BundleDraft, notes_of
from training.errors import ExportError
from training.evaluate import bootstrap, predict, tensor_specs
from training.metrics import CONFIDENCE_BINS, calibration_error
from training.networks.naive_bayes import Constants, Float64Array, Weights, export_onnx, weigh

NAME = "disease"
VERSION = "1.1.0"
TITLE = "Diseases from symptoms"
FOLDS = 5
SEED = 20264
ROUNDS = 2
DRAWS = 1000
CHOICES: dict[str, tuple[float, ...]] = {
    "prior_exponent": (0.5, 0.6, 0.7, 0.85, 1.0),
    "floor": (0.001, 0.002, 0.003, 0.005, 0.01),
    "background": (0.05, 0.1, 0.2, 0.3, 0.5),
    "tabled_weight": (0.2, 0.3, 0.5, 0.7, 1.0),
    "narrower": (0.05, 0.1, 0.2, 0.3),
    "absent_weight": (0.3, 0.5, 0.7, 1.0),
    "unmentioned_weight": (0.1, 0.2, 0.3, 0.4, 0.5),
    "age_weight": (0.4, 0.7, 1.0),
    "temperature": (0.7, 0.85, 1.0, 1.2, 1.5, 2.0),
}
PARITY = 1e-4
_LEAST = 1e-4

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cases:
    """Vignettes as the service reads them: `rows` (n, f); `right` (n, d), the diseases that are the diagnosis, none
    where the model lacks it; one of `groups` for each diagnosis; the `sets` they come from."""

    rows: NDArray[np.float32]
    right: NDArray[np.bool_]
    groups: tuple[str, ...]
    sets: NDArray[np.str_]


def preprocessing() -> TabularPreprocessing:
    """The row of the model: every finding, age band and sex, 1 present, -1 absent, 0 not mentioned."""
    return TabularPreprocessing(
        features=tuple(Feature(name=name, low=-1.0, high=1.0, missing=0.0) for name in feature_names())
    )


def read_cases(cases: Sequence[Vignette], diseases: Sequence[Disease]) -> Cases:
    """Read each vignette's text as a request's `text` is read."""
    names = [disease.name for disease in diseases]
    accepted = [same_diseases().get(case.diagnosis, (case.diagnosis,)) for case in cases]
    return Cases(
        rows=preprocessing().rows(values_of(read([], case.text), describe(case.text)) for case in cases),
        right=np.array([[name in right for name in names] for right in accepted]),
        groups=tuple(right[0] for right in accepted),
        sets=np.array([case.set for case in cases]),
    )


class Losses:
    """-log of the probability of the right diseases of each case (n,), at most -log 1e-4, computed once for each set of
    constants."""

    def __init__(self, diseases: Sequence[Disease], cases: Cases) -> None:
        self._diseases, self._cases = diseases, cases
        self._known: dict[Constants, Float64Array] = {}

    def __getitem__(self, constants: Constants) -> Float64Array:
        if constants not in self._known:
            probabilities = softmax(weigh(self._diseases, constants).scores(self._cases.rows), axis=1)
            hits = np.where(self._cases.right, probabilities, 0.0).sum(axis=1)
            self._known[constants] = -np.log(np.maximum(hits, _LEAST))
        return self._known[constants]


def choose(losses: Losses, train: NDArray[np.bool_]) -> Constants:
    """The constants of least mean loss over the cases of `train` (n,), by two rounds of coordinate descent over
    `CHOICES` from the defaults."""
    best = Constants()
    for _ in range(ROUNDS):
        for name, values in CHOICES.items():
            candidates = [best, *(replace(best, **{name: value}) for value in values)]
            best = min(candidates, key=lambda candidate: float(losses[candidate][train].mean()))
    return best


def cross_validate(diseases: Sequence[Disease], cases: Cases, losses: Losses) -> NDArray[np.float32]:
    """Probabilities (n, d), each with constants chosen without the case's diagnosis, the profiles the same."""
    order = np.random.default_rng(SEED).permutation(sorted(set(cases.groups)))
    number = {str(group): place for place, group in enumerate(order)}
    fold = np.array([number[group] % FOLDS for group in cases.groups])
    known = cases.right.any(axis=1)
    probabilities = np.empty(cases.right.shape, np.float32)
    for held_out in range(FOLDS):
        unseen = fold == held_out
        weights = weigh(diseases, choose(losses, ~unseen & known))
        probabilities[unseen] = softmax(weights.scores(cases.rows[unseen]), axis=1)
    return probabilities


def measure(cases: Cases, probabilities: NDArray[np.float32]) -> dict[str, dict[str, Estimate]]:
    """Each set's figures over all its cases, those of unlisted diseases wrong, with intervals from a bootstrap over
    diagnoses: `top_1`, `top_3`, `top_5`, `top_3_listed` over the cases whose disease is in the list, their share
    `listed`, `ece` of the leading disease, and `ece_by_chance`, what a model that is calibrated perfectly would show
    over so few cases. Over both sets together as well."""
    sets = {name: cases.sets == name for name in vignettes.SETS}
    sets[" and ".join(vignettes.SETS)] = np.ones(len(cases.sets), np.bool_)
    figures = {}
    for name, here in sets.items():
        listed = cases.right[here].any(axis=1)
        rank = _ranks(cases.right[here], probabilities[here])
        confidence = probabilities[here].max(axis=1)
        groups = [group for group, included in zip(cases.groups, here, strict=True) if included]
        listed_groups = [group for group, included in zip(groups, listed, strict=True) if included]
        columns = np.column_stack([rank, confidence, listed]).astype(np.float32)
        labels = np.zeros(len(rank), np.int64)
        figures[f"{name}, cross-validated"] = {
            "top_1": bootstrap(_within(1), labels, columns, groups),
            "top_3": bootstrap(_within(3), labels, columns, groups),
            "top_5": bootstrap(_within(5), labels, columns, groups),
            "top_3_listed": bootstrap(_within(3), labels[listed], columns[listed], listed_groups),
            "listed": bootstrap(lambda _, values: float(values[:, 2].mean()), labels, columns, groups),
            "ece": bootstrap(_calibration_error, labels, columns, groups),
            "ece_by_chance": _ece_by_chance(confidence),
        }
    return figures


def make_bundle(job: Job) -> Bundle:
    """Choose the constants on all vignettes, export the graph, and write the bundle with cross-validated figures.

    Raises `DatasetError` where the data are missing, `ExportError` where the graph differs from the arithmetic.
    """
    tables, folder = job.data / "symptoms", job.runs / NAME
    diseases = disease_profiles.load(tables / "symcat")
    cases = read_cases(vignettes.load(tables / "vignettes"), diseases)
    losses = Losses(diseases, cases)
    constants = choose(losses, np.asarray(cases.right.any(axis=1)))
    log.info("chosen on all vignettes: %s", constants)
    weights = weigh(diseases, constants)
    exported = folder / "disease.onnx"
    export_onnx(weights, exported)
    _check_parity(weights, exported, cases.rows)
    entry, outputs = tensor_specs(exported)
    draft = BundleDraft(
        name=NAME,
        title=TITLE,
        version=VERSION,
        task="multiclass",
        classes=tuple(disease.name for disease in diseases),
        input=entry,
        outputs=outputs,
        preprocessing=preprocessing(),
        temperature=constants.temperature,
        licence="unclear: the weights hold rates of SymCat, whose tables state no licence",
        data=(symcat.SOURCE, disease_profiles.SOURCE, vignettes.SOURCE),
        metrics=measure(cases, cross_validate(diseases, cases, losses)),
        training={
            "backbone": "naive Bayes",
            "folds": FOLDS,
            "seed": SEED,
            "vignettes": len(cases.groups),
            "constants": asdict(constants),
        },
        notes="\n".join([notes_of(NAME), *_constants_table(constants)]),
    )
    return draft.write(folder / "bundle", exported)


def _constants_table(constants: Constants) -> list[str]:
    rows = (f"| {name} | {value} | {', '.join(map(str, CHOICES[name]))} |" for name, value in asdict(constants).items())
    return ["## Constants", "", "| constant | chosen | tried |", "|---|---|---|", *rows]


def _check_parity(weights: Weights, exported: Path, rows: NDArray[np.float32]) -> None:
    found = predict(exported, rows)["probabilities"]
    difference = float(np.max(np.abs(found - softmax(weights.scores(rows), axis=1))))
    if difference > PARITY:
        raise ExportError(f"NumPy and ONNX differ by {difference:.2e} in a probability; at most {PARITY:g} is allowed.")


def _ranks(right: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """Place of the best right disease, 0 for the first; the number of diseases where none is right."""
    best = np.where(right, probabilities, -1.0).max(axis=1)
    rank = (probabilities > best[:, np.newaxis]).sum(axis=1)
    return np.asarray(np.where(right.any(axis=1), rank, right.shape[1]), np.int64)


def _within(count: int) -> Any:
    return lambda _, values: float((values[:, 0] < count).mean())


def _ece_by_chance(confidence: NDArray[np.float32]) -> Estimate:
    """The calibration error where each confidence (n,) is the true chance, with the interval of repeated draws."""
    rng = np.random.default_rng(SEED)
    drawn = rng.random((DRAWS, len(confidence))) < confidence
    errors = [calibration_error(right.astype(np.float64), confidence, CONFIDENCE_BINS) for right in drawn]
    low, high = np.quantile(errors, (0.025, 0.975))
    return Estimate(value=float(np.mean(errors)), low=float(low), high=float(high), n=len(confidence))


def _calibration_error(_: NDArray[np.int64], values: NDArray[np.float32]) -> float:
    return calibration_error((values[:, 0] < 1).astype(np.float64), values[:, 1], CONFIDENCE_BINS)


TRAINING = Training(name=NAME, title=TITLE, version=VERSION, make_bundle=make_bundle)
