"""The heart-risk model from data to bundle: fitted on every patient, measured by cross-validation and on each hospital
left out. Nothing is chosen by these figures but what training/notes/heart_risk.md names."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from models.preprocessing.form import Feature, Float32Array, TabularPreprocessing
from models.serving.bundle import Bundle, Estimate
from training.datasets import uci_heart
from training.datasets.uci_heart import Patient
from training.diagnoses.training import Job, Training
from training.draft import BundleDraft, notes_of
from training.errors import ExportError
from training.evaluate import Statistic, bootstrap, predict, tensor_specs
from training.metrics import auroc, calibration_error, multilabel_brier
from training.networks import pattern_submodels
from training.networks.logistic import fit_logistic
from training.networks.pattern_submodels import (
    FEATURES,
    MISSING,
    OPTIONAL,
    PATTERNS,
    PENALTY,
    REQUIRED,
    TERMS,
    PatternModel,
    fit_patterns,
    patterns_of,
)

log = logging.getLogger(__name__)

NAME = "heart_risk"
VERSION = "1.0.0"
CLASSES = ("not_narrowed", "narrowed")
TITLE = "The chance of a narrowed coronary artery, from a form"
FOLDS = 10
RUNS = 10
RESAMPLES = 1000
PARITY = 1e-5
NEVER_MISSING = ("age", "sex", "chest_pain")
SIX_INPUTS = "cross-validation, six inputs"

Figures = dict[str, dict[str, Estimate]]


@dataclass(frozen=True)
class Cases:
    """Rows (n, 10) in the order of `FEATURES`, labels (n,), hospitals, and groups: identical patients are one."""

    rows: Float32Array
    labels: NDArray[np.bool_]
    sites: NDArray[np.str_]
    groups: NDArray[np.int64]

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "Cases":
        return Cases(self.rows[chosen], self.labels[chosen], self.sites[chosen], self.groups[chosen])

    def knowing(self, names: Sequence[str]) -> "Cases":
        """The same patients, their other optional values withheld."""
        withheld = [place for place, name in enumerate(FEATURES) if name in OPTIONAL and name not in names]
        rows = self.rows.copy()
        rows[:, withheld] = MISSING
        return Cases(rows, self.labels, self.sites, self.groups)


def make_spec(patients: Sequence[Patient]) -> TabularPreprocessing:
    """The features with the ranges of the patients."""
    features = []
    for name in FEATURES:
        known = [value for patient in patients if (value := patient.values[name]) is not None]
        missing = None if name in NEVER_MISSING else MISSING
        features.append(Feature(name=name, low=min(known), high=max(known), missing=missing))
    return TabularPreprocessing(features=tuple(features))


def make_cases(patients: Sequence[Patient], spec: TabularPreprocessing) -> Cases:
    """The rows as the service makes them."""
    rows = spec.rows([patient.values for patient in patients])
    _, groups = np.unique(rows, axis=0, return_inverse=True)
    labels = np.array([patient.narrowed for patient in patients])
    return Cases(rows, labels, np.array([patient.site for patient in patients]), groups.ravel())


def cross_validate(cases: Cases, *, folds: int = FOLDS, runs: int = RUNS) -> NDArray[np.float32]:
    """Probabilities (n, runs), each from a model that saw nobody of the patient's fold; folds hold equal shares of the
    narrowed and are drawn anew in each run, identical patients together."""
    chances = np.empty((len(cases.labels), runs), np.float32)
    patterns = np.unique(patterns_of(cases.rows)).tolist()
    for run in range(runs):
        fold = _folds(cases, folds, np.random.default_rng(run))
        for held_out in range(folds):
            unseen = fold == held_out
            model = fit_patterns(cases[~unseen].rows, cases[~unseen].labels, patterns)
            chances[unseen, run] = expit(model.log_odds(cases[unseen].rows))
    return chances


def leave_site_out(cases: Cases, site: str) -> NDArray[np.float32]:
    """Probabilities (n, 1) of the patients of a hospital from a model of the other three."""
    unseen = cases.sites == site
    model = fit_patterns(cases[~unseen].rows, cases[~unseen].labels, np.unique(patterns_of(cases.rows)).tolist())
    return np.asarray(expit(model.log_odds(cases[unseen].rows)), np.float32)[:, np.newaxis]


def held_out(data: Path) -> Iterator[tuple[str, Cases, NDArray[np.float32]]]:
    """Chances (n,) of patients that the model had not seen: the first draw of the cross-validation, of those with no
    required value missing, and each hospital left out."""
    patients = uci_heart.load(data / "heart_risk" / "uci")
    cases = make_cases(patients, make_spec(patients))
    complete = (cases.rows[:, : len(REQUIRED)] != MISSING).all(axis=1)
    for title, names in {"six inputs": (), "every input that is known": OPTIONAL}.items():
        chances = cross_validate(cases.knowing(names), runs=1)[:, 0]
        yield f"cross-validation, {title}, no required value missing", cases[complete], chances[complete]
    for site in uci_heart.SITES:
        chances = leave_site_out(cases.knowing(()), site)[:, 0]
        yield f"{site} left out, six inputs", cases[cases.sites == site], chances


def measure(labels: NDArray[np.bool_], chances: NDArray[np.float32], groups: Sequence[Any]) -> dict[str, Estimate]:
    """AUROC, Brier score (0-1), calibration error over ten bins of equal width, slope and mean error of the
    calibration, as means over the runs, (n, runs), with intervals from a bootstrap over the groups.

    The slope is that of the label on the log odds, 1 where the chances are neither too extreme nor too timid; the mean
    error is the mean chance less the share of the narrowed.
    """
    statistics = {
        "auroc": auroc,
        "brier": multilabel_brier,
        "ece": calibration_error,
        "calibration_slope": _calibration_slope,
        "mean_error": lambda truth, chance: float(np.mean(chance) - np.mean(truth)),
    }
    figures = {}
    for name, statistic in statistics.items():
        repeats = RESAMPLES if name != "calibration_slope" else RESAMPLES // 10
        over_runs: Statistic = partial(_mean_over_runs, statistic)
        figures[name] = bootstrap(over_runs, labels.astype(np.int64), chances, list(groups), repeats)
    return figures


def make_bundle(job: Job) -> Bundle:
    """Fit the model on every patient, measure it, and write the bundle and the run's report."""
    from training.report import write_calibration_report

    folder = job.runs / NAME
    patients = uci_heart.load(job.data / "heart_risk" / "uci")
    spec = make_spec(patients)
    cases = make_cases(patients, spec)
    model = fit_patterns(cases.rows, cases.labels)
    exported = folder / "heart_risk.onnx"
    pattern_submodels.export_onnx(model, exported)
    difference = check_parity(model, exported, cases.rows)
    log.info("NumPy and ONNX differ by at most %.1e in a probability", difference)
    metrics, subgroups, plotted = measure_all(cases)
    write_calibration_report(folder / "report", "Heart risk", metrics, plotted)
    entry, outputs = tensor_specs(exported)
    odds_ratios = {"six inputs": _odds_ratios(model, 0), "every input": _odds_ratios(model, -1)}
    draft = BundleDraft(
        name=NAME,
        title=TITLE,
        version=VERSION,
        task="multiclass",
        classes=CLASSES,
        input=entry,
        outputs=outputs,
        preprocessing=spec,
        licence="CC BY 4.0 (as its training data)",
        data=(uci_heart.SOURCE,),
        metrics=metrics,
        training={
            "backbone": "one logistic regression for each set of optional values",
            "patients": len(patients),
            "penalty": PENALTY,
            "odds_ratios": odds_ratios,
        },
        subgroups={SIX_INPUTS: subgroups},
        notes="\n".join([*_coefficients(odds_ratios), notes_of(NAME)]),
    )
    return draft.write(folder / "bundle", exported)


def measure_all(cases: Cases) -> tuple[Figures, Figures, Mapping[str, tuple[NDArray[np.bool_], NDArray[np.float32]]]]:
    """The figures of each measurement, those of six inputs in subgroups, and the labels and chances that the report
    plots."""
    groups = cases.groups.tolist()
    complete = (cases.rows[:, : len(REQUIRED)] != MISSING).all(axis=1)
    measured: dict[str, dict[str, Estimate]] = {}
    plotted: dict[str, tuple[NDArray[np.bool_], NDArray[np.float32]]] = {}
    for title, names in {"six inputs": (), "every input that is known": OPTIONAL}.items():
        known = cases.knowing(names)
        chances = cross_validate(known)
        measured[f"cross-validation, {title}"] = measure(cases.labels, chances, groups)
        measured[f"cross-validation, {title}, no required value missing"] = measure(
            cases.labels[complete], chances[complete], cases.groups[complete].tolist()
        )
        plotted[title] = cases.labels, chances
    for name in OPTIONAL:
        chances = cross_validate(cases.knowing((name,)))
        measured[f"cross-validation, six inputs and {name}"] = measure(cases.labels, chances, groups)
    for site in uci_heart.SITES:
        here = cases.sites == site
        chances = leave_site_out(cases.knowing(()), site)
        measured[f"{site} left out, six inputs"] = measure(cases.labels[here], chances, cases.groups[here].tolist())
    return measured, _measure_subgroups(cases, plotted["six inputs"][1]), plotted


def _measure_subgroups(cases: Cases, chances: NDArray[np.float32]) -> Figures:
    male, age = cases.rows[:, FEATURES.index("sex")] == 1, cases.rows[:, FEATURES.index("age")]
    members = {
        "women": ~male,
        "men": male,
        "under 45 years": age < 45,
        "45 to 64 years": (age >= 45) & (age < 65),
        "65 years and over": age >= 65,
        **{f"{site}, learned from too": cases.sites == site for site in uci_heart.SITES},
    }
    return {
        name: measure(cases.labels[chosen], chances[chosen], cases.groups[chosen].tolist())
        for name, chosen in members.items()
    }


def check_parity(model: PatternModel, exported: Path, rows: Float32Array) -> float:
    """The largest difference of a probability between `model` and its graph, every set of optional values tried.

    Raises `ExportError` above 1e-5.
    """
    cases = Cases(rows, np.zeros(len(rows), bool), np.array([""] * len(rows)), np.arange(len(rows)))
    sets = [[name for place, name in enumerate(OPTIONAL) if chosen >> place & 1] for chosen in range(PATTERNS)]
    every = np.concatenate([cases.knowing(names).rows for names in sets])
    found = predict(exported, every, batch_size=len(every))["probabilities"][:, 1]
    difference = float(np.max(np.abs(found - expit(model.log_odds(every)))))
    if difference > PARITY:
        raise ExportError(f"NumPy and ONNX differ by {difference:.2e} in a probability; at most {PARITY:g} is allowed.")
    return difference


def _folds(cases: Cases, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    fold_of_group = np.empty(cases.groups.max() + 1, np.int64)
    first = np.unique(cases.groups, return_index=True)[1]
    for outcome in (False, True):
        members = rng.permutation(cases.groups[first][cases.labels[first] == outcome])
        fold_of_group[members] = np.arange(len(members)) % folds
    return fold_of_group[cases.groups]


def _mean_over_runs(statistic: Any, labels: NDArray[np.int64], chances: NDArray[np.float32]) -> float:
    return float(np.mean([statistic(labels > 0, chance) for chance in chances.T]))


def _calibration_slope(truth: NDArray[np.bool_], chance: NDArray[np.float32]) -> float:
    _, slopes = fit_logistic(
        logit(chance.astype(np.float64))[:, np.newaxis], truth, penalty=0.0, nonnegative=np.array([False])
    )
    return float(slopes[0])


def _odds_ratios(model: PatternModel, pattern: int) -> dict[str, float]:
    slopes = model.coefficients[pattern]
    return {term.name: round(float(np.exp(slope)), 4) for term, slope in zip(TERMS, slopes, strict=True) if slope}


def _coefficients(odds_ratios: Mapping[str, Mapping[str, float]]) -> list[str]:
    six, every = odds_ratios.values()
    rows = (f"| {term.name} | {six.get(term.name, '')} | {every.get(term.name, '')} |" for term in TERMS)
    heading = ["## Odds ratios", "", "For one unit (year, mm Hg, mg/dL, beat a minute, mm), or against its absence."]
    return [*heading, "", "| term | six inputs | every input |", "|---|---|---|", *rows, ""]


TRAINING = Training(name=NAME, title=TITLE, version=VERSION, make_bundle=make_bundle)
