"""Naive Bayes over diseases as one small graph.

log P(d | findings) = `prior_exponent` log prior(d) + sum over present log p + `absent_weight` sum over absent
log (1 - p) + `unmentioned_weight` sum over the rest log (1 - p) + `age_weight` log odds of age and sex; all of it over
`temperature`, then a softmax over d.

p is the profile's rate of the finding, SymCat's times `tabled_weight` where only SymCat has one; a narrower finding
(severe headache) that has none takes `narrower` times the rate of the wider one (headache); no p is below `floor`
plus `background` times the finding's mean over all diseases, weighted by prior: nobody has one disease only. Of a
finding and a wider one only the narrower is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.diagnoses.disease.vocabulary import vocabulary
from training.datasets.disease_profiles import Disease

Float64Array = NDArray[np.float64]

_HIGHEST = 0.97
_LOWEST_ODDS = 0.01  # SymCat's tables have zeros
_OPSET = 17


@dataclass(frozen=True, slots=True)
class Constants:
    """What is chosen on the vignettes; the formula is the module's."""

    prior_exponent: float = 0.5
    floor: float = 0.003
    background: float = 0.3
    tabled_weight: float = 0.7
    narrower: float = 0.1
    absent_weight: float = 0.7
    unmentioned_weight: float = 0.3
    age_weight: float = 0.7
    temperature: float = 1.0


@dataclass(frozen=True, slots=True)
class Weights:
    """The arithmetic of the graph: scores (n, d) of rows (n, f) in -1, 0, 1 are max(row, 0) `present` + max(-row, 0)
    `absent` + `bias`."""

    present: Float64Array
    absent: Float64Array
    bias: Float64Array

    def scores(self, rows: NDArray[np.float32]) -> Float64Array:
        """Log probabilities (n, d) up to a constant of each row, temperature applied."""
        return np.asarray(np.maximum(rows, 0) @ self.present + np.maximum(-rows, 0) @ self.absent + self.bias)


def weigh(diseases: Sequence[Disease], constants: Constants) -> Weights:
    """The weights of every feature, those of `preprocessing()` in order, for each disease."""
    names, wider = vocabulary().names, vocabulary().wider
    rates = _rates(diseases, constants)
    unlikely = np.log1p(-rates)
    unmentioned = constants.unmentioned_weight * unlikely
    places = {name: place for place, name in enumerate(names)}
    settled = unmentioned.copy()
    for name, place in places.items():
        for including in wider[name]:
            settled[place] += unmentioned[places[including]]
    odds = np.array([(*disease.age_odds, *disease.sex_odds) for disease in diseases])
    about_patient = constants.age_weight * np.log(np.maximum(odds, _LOWEST_ODDS)).T
    prior = constants.prior_exponent * np.log([disease.prior for disease in diseases])
    return Weights(
        present=np.vstack([np.log(rates) - settled, about_patient]) / constants.temperature,
        absent=np.vstack([constants.absent_weight * unlikely - unmentioned, np.zeros_like(about_patient)])
        / constants.temperature,
        bias=(prior + unmentioned.sum(axis=0)) / constants.temperature,
    )


def _rates(diseases: Sequence[Disease], constants: Constants) -> Float64Array:
    """P(finding | disease), (findings, diseases)."""
    names, wider = vocabulary().names, vocabulary().wider
    given = np.zeros((len(names), len(diseases)))
    places = {name: place for place, name in enumerate(names)}
    for column, disease in enumerate(diseases):
        for finding, rate in disease.tabled.items():
            given[places[finding], column] = constants.tabled_weight * rate
        for finding, rate in disease.written.items():
            given[places[finding], column] = rate
    for name, including in wider.items():
        for wide in including:
            given[places[wide]] = np.maximum(given[places[wide]], given[places[name]])
    for name, including in wider.items():
        for wide in including:
            given[places[name]] = np.maximum(given[places[name]], constants.narrower * given[places[wide]])
    prior = np.array([disease.prior for disease in diseases])
    mean = given @ (prior / prior.sum())
    base = constants.floor + constants.background * mean[:, None]
    return np.asarray(np.minimum(np.maximum(given, base), _HIGHEST))


def export_onnx(weights: Weights, target: Path) -> None:
    """Write the graph: `row` (batch, f) to `probabilities` (batch, d), float32.

    A lone row, which is what the service computes, tells some ten features of hundreds: of it only their weights are
    read and added. Several rows are multiplied by all of them.
    """
    features, diseases = weights.present.shape
    row = helper.make_tensor_value_info("row", TensorProto.FLOAT, ["batch", features])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", diseases])
    nodes = [
        helper.make_node("Max", ["row", "zero"], ["is_present"]),
        helper.make_node("Min", ["row", "zero"], ["is_denied"]),
        helper.make_node("Concat", ["is_present", "is_denied"], ["told"], axis=1),
        helper.make_node("Shape", ["row"], ["count"], start=0, end=1),
        helper.make_node("Equal", ["count", "one"], ["is_lone"]),
        helper.make_node("If", ["is_lone"], ["for_findings"], then_branch=_of_one_row(), else_branch=_of_rows()),
        helper.make_node("Add", ["for_findings", "bias"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=-1),
    ]
    constants = {"zero": np.zeros(()), "weights": np.vstack([weights.present, -weights.absent]), "bias": weights.bias}
    places = {"one": np.array([1]), "first": np.array([0]), "last": np.array([1]), "columns": np.array(1)}
    initializers = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    initializers += [numpy_helper.from_array(value.astype(np.int64), name) for name, value in places.items()]
    graph = helper.make_graph(nodes, "naive_bayes", [row], [probabilities], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, target)


def _of_one_row() -> onnx.GraphProto:
    """`told` (1, 2 f) to its product with `weights` (2 f, d), of which only the rows are read that count."""
    nodes = [
        helper.make_node("NonZero", ["told"], ["at"]),
        helper.make_node("Gather", ["at", "columns"], ["feature"], axis=0),
        helper.make_node("Transpose", ["at"], ["place"]),
        helper.make_node("GatherND", ["told", "place"], ["value"]),
        helper.make_node("Unsqueeze", ["value", "last"], ["column"]),
        helper.make_node("Gather", ["weights", "feature"], ["of_each"], axis=0),
        helper.make_node("Mul", ["of_each", "column"], ["weighed"]),
        helper.make_node("ReduceSum", ["weighed", "first"], ["of_one"], keepdims=1),
    ]
    return helper.make_graph(nodes, "one_row", [], [helper.make_tensor_value_info("of_one", TensorProto.FLOAT, None)])


def _of_rows() -> onnx.GraphProto:
    """The same for rows (n, 2 f)."""
    product = helper.make_node("MatMul", ["told", "weights"], ["of_all"])
    return helper.make_graph([product], "rows", [], [helper.make_tensor_value_info("of_all", TensorProto.FLOAT, None)])
