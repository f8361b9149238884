"""Whether skin's answers could be better calibrated: `python -m training.studies.skin_calibration --data data`.

The answers of the network that is served, through the service's own preparing, to the validation pictures, or with
`--on unseen` to a tenth of the lesions that a network trained without folds has not seen; three ways to change their
logits, each fitted and judged on other groups (five parts). Each way is then fitted on all of them and asked of the
sets that are measured. Nothing is written.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from models.diagnoses.skin import SKIN
from models.serving.bundle import read_bundle
from training.card import format_estimate
from training.datasets.pictures import labels_of
from training.diagnoses import skin
from training.diagnoses.training import default_data
from training.evaluate import bootstrap
from training.explained import WHOLE
from training.metrics import balanced_accuracy, calibration_error
from training.prediction_sets import skin_unseen
from training.served import Answer, answers
from training.served_sets import SETS

PARTS, SEED, BINS = 5, 0, 15
PENALTY = 0.01
"""Of the squares of scales and biases."""
LEAST = 1e-6
"""What a probability is rounded to."""
WAYS: Mapping[str, tuple[bool, bool]] = {
    "temperature": (False, False),
    "temperature and a bias of each class": (False, True),
    "scale and bias of each class": (True, True),
}
"""Whether each class has its own scale, and a bias."""

FloatArray = NDArray[np.float64]


class Known(NamedTuple):
    """Probabilities (n, classes), labels (n,) and whose each input is."""

    chances: FloatArray
    labels: NDArray[np.int64]
    groups: Sequence[str]

    def where(self, taken: NDArray[np.bool_]) -> "Known":
        return Known(self.chances[taken], self.labels[taken], np.array(self.groups)[taken].tolist())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data(), help="folder that holds the data sets")
    parser.add_argument("--bundle", type=Path, default=max(Path("models/bundles/skin").glob("*")), help="bundle folder")
    parser.add_argument("--on", choices=("validation", "unseen"), default="validation", help="what it is fitted on")
    options = parser.parse_args()
    bundle = read_bundle(options.bundle, "int8")
    unseen = options.on == "unseen"
    samples = skin_unseen(options.data) if unseen else skin.TASK.load(options.data).validation
    fitted = known(answers(SKIN, bundle, samples))
    said = {"as served": fitted.chances} | {way: held_out(way, fitted) for way in WAYS}
    Console().print(table_of(f"{options.on}, parts held out", fitted, said))
    for each in SETS["skin"](options.data):
        if each.name in WHOLE["skin"]:
            asked = known(answers(SKIN, bundle, each.samples))
            changed = {way: apply(way, fit(way, fitted), asked.chances) for way in WAYS}
            Console().print(table_of(each.name, asked, {"as served": asked.chances, **changed}))


def known(given: Sequence[Answer]) -> Known:
    """The accepted answers."""
    accepted = [answer for answer in given if answer.accepted]
    chances = np.array([[answer.chances[code] for code in skin.TASK.recipe.classes] for answer in accepted])
    return Known(
        chances, labels_of([answer.sample for answer in accepted]), [answer.sample.group for answer in accepted]
    )


def held_out(way: str, given: Known) -> FloatArray:
    """(n, classes): what a way says of each group, fitted on the other parts."""
    names, membership = np.unique(given.groups, return_inverse=True)
    part = np.random.default_rng(SEED).integers(0, PARTS, len(names))[membership]
    changed = np.empty_like(given.chances)
    for number in range(PARTS):
        own = part == number
        changed[own] = apply(way, fit(way, given.where(~own)), given.chances[own])
    return changed


def fit(way: str, given: Known) -> FloatArray:
    """The parameters of least log loss: logarithms of the scales, then biases."""
    scales, biases = WAYS[way]
    classes = given.chances.shape[1]
    count, penalised = (classes if scales else 1) + (classes if biases else 0), 0 if scales else 1

    def loss(parameters: FloatArray) -> float:
        said = log_loss(given.labels, apply(way, parameters, given.chances))
        return said + PENALTY * float(np.sum(parameters[penalised:] ** 2))

    return np.asarray(minimize(loss, np.zeros(count)).x)


def apply(way: str, parameters: FloatArray, chances: FloatArray) -> FloatArray:
    """Probabilities (n, classes) as a way changes them."""
    scales, biases = WAYS[way]
    own = chances.shape[1] if scales else 1
    logits = np.log(np.maximum(chances, LEAST)) * np.exp(parameters[:own])
    return np.asarray(softmax(logits + parameters[own:] if biases else logits, axis=1))


def log_loss(labels: NDArray[np.int64], chances: FloatArray) -> float:
    """The mean of -log of what is said of the truth."""
    logs = log_softmax(np.log(np.maximum(chances, LEAST)), axis=1)
    return -float(logs[np.arange(len(labels)), labels].mean())


def table_of(title: str, given: Known, said: Mapping[str, FloatArray]) -> Table:
    """The figures of each way on a set."""
    columns = ("way", "ECE", "log loss", "accuracy", "balanced", "melanomas named")
    table = Table(*columns, title=f"{title}, {len(given.labels)} pictures")
    melanoma = given.labels == skin.TASK.recipe.classes.index("mel")
    for way, chances in said.items():
        first = chances.argmax(axis=1)
        right = first == given.labels
        ece = bootstrap(lambda y, p: calibration_error(y, p, BINS), right, chances.max(axis=1), given.groups, 400)
        figures = (log_loss(given.labels, chances), right.mean(), balanced_accuracy(given.labels, chances.astype("f4")))
        table.add_row(way, format_estimate(ece), *(f"{figure:.3f}" for figure in (*figures, right[melanoma].mean())))
    return table


if __name__ == "__main__":
    main()
