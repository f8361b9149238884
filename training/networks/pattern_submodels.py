"""The heart-risk model: one logistic regression for each set of optional values that may be sent.

A pattern submodel (Fletcher Mercaldo and Blume, Biostatistics 2020;21:236-252): a value that is not sent has no part in
its regression, so no value is made up for it. Each is linear in the log odds, so the part of every feature is exact.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.preprocessing.form import Float32Array
from training.networks.logistic import FloatArray, fit_logistic

MISSING = -9.0
REQUIRED = ("age", "sex", "blood_pressure", "cholesterol", "chest_pain", "max_heart_rate")
OPTIONAL = ("resting_ecg", "exercise_angina", "st_depression", "fasting_blood_sugar")
FEATURES = (*REQUIRED, *OPTIONAL)


class Term(NamedTuple):
    """A column of the regressions: a feature's number or, with a `code`, whether the feature has that code."""

    name: str
    feature: str
    code: float | None = None


TERMS = (
    Term("age", "age"),
    Term("male", "sex"),
    Term("blood_pressure", "blood_pressure"),
    Term("cholesterol", "cholesterol"),
    Term("cholesterol_missing", "cholesterol", MISSING),
    Term("atypical_angina", "chest_pain", 1),
    Term("non_anginal_pain", "chest_pain", 2),
    Term("asymptomatic", "chest_pain", 3),
    Term("max_heart_rate", "max_heart_rate"),
    Term("st_t_abnormality", "resting_ecg", 1),
    Term("left_ventricular_hypertrophy", "resting_ecg", 2),
    Term("exercise_angina", "exercise_angina"),
    Term("st_depression", "st_depression"),
    Term("fasting_blood_sugar", "fasting_blood_sugar"),
)
NEVER_PROTECTIVE = ("age", "blood_pressure", "cholesterol")
PENALTY = 1.0
PATTERNS = 1 << len(OPTIONAL)

_COLUMNS = np.array([FEATURES.index(term.feature) for term in TERMS])
_CODES = np.array([np.nan if term.code is None else term.code for term in TERMS], np.float32)
_IS_CODE = ~np.isnan(_CODES)
_POWERS = np.array([1 << OPTIONAL.index(name) if name in OPTIONAL else 0 for name in FEATURES])


@dataclass(frozen=True)
class PatternModel:
    """`means` (10,) stand for missing values, `centres` (14,) are the means of the terms, where cholesterol is
    known; for each of the 16 patterns an intercept at the centres, (16,), and coefficients, (16, 14), in log odds by
    unit of the term."""

    means: FloatArray
    centres: FloatArray
    intercepts: FloatArray
    coefficients: FloatArray

    def log_odds(self, rows: Float32Array) -> FloatArray:
        """Log odds (n,) of (n, 10) rows."""
        pattern = patterns_of(rows)
        parts = (terms_of(rows, self.means) - self.centres) * self.coefficients[pattern]
        return np.asarray(self.intercepts[pattern] + parts.sum(axis=1))


def patterns_of(rows: Float32Array) -> NDArray[np.int64]:
    """Which optional values of (n, 10) rows are known: the sum of 1, 2, 4 and 8 in the order of `OPTIONAL`, (n,)."""
    return np.asarray((rows != MISSING) @ _POWERS, dtype=np.int64)


def terms_of(rows: Float32Array, means: FloatArray) -> FloatArray:
    """The terms (n, 14) of (n, 10) rows; a missing number is replaced by its mean, a missing code is none of them."""
    chosen = rows[:, _COLUMNS]
    numbers = np.where(chosen == MISSING, means[_COLUMNS], chosen)
    return np.where(_IS_CODE, chosen == _CODES, numbers)


def fit_patterns(
    rows: Float32Array, labels: NDArray[np.bool_], patterns: Iterable[int] = range(PATTERNS)
) -> PatternModel:
    """Fit the regression of each of `patterns` on all of the (n, 10) rows; the others answer even odds."""
    known = rows != MISSING
    means = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    terms = terms_of(rows, means)
    centres = np.where(_CODES == MISSING, 0.0, terms.mean(axis=0))
    nonnegative = np.array([term.name in NEVER_PROTECTIVE for term in TERMS])
    intercepts, coefficients = np.zeros(PATTERNS), np.zeros((PATTERNS, len(TERMS)))
    for pattern in patterns:
        sent = {*REQUIRED, *(name for place, name in enumerate(OPTIONAL) if pattern >> place & 1)}
        used = np.array([term.feature in sent for term in TERMS])
        intercept, slopes = fit_logistic(
            terms[:, used] - centres[used], labels, penalty=PENALTY, nonnegative=nonnegative[used]
        )
        intercepts[pattern], coefficients[pattern, used] = intercept, slopes
    return PatternModel(means, centres, intercepts, coefficients)


def export_onnx(model: PatternModel, target: Path) -> None:
    """Write the graph: float `row` (n, 10) to `probabilities` (n, 2), and in log odds `baseline` (n,), that of the
    average patient, and `contributions` (n, 10), what each feature adds to it."""
    node = helper.make_node
    nodes = [
        node("Equal", ["row", "missing"], ["absent"]),
        node("Cast", ["absent"], ["absence"], to=TensorProto.FLOAT),
        node("MatMul", ["absence", "powers"], ["not_sent"]),
        node("Cast", ["not_sent"], ["pattern_from_last"], to=TensorProto.INT64),
        node("Gather", ["intercepts", "pattern_from_last"], ["baseline"]),
        node("Gather", ["coefficients", "pattern_from_last"], ["slopes"]),
        node("Gather", ["row", "columns"], ["chosen"], axis=1),
        node("Equal", ["chosen", "missing"], ["chosen_absent"]),
        node("Where", ["chosen_absent", "means", "chosen"], ["numbers"]),
        node("Equal", ["chosen", "codes"], ["has_code"]),
        node("Cast", ["has_code"], ["indicators"], to=TensorProto.FLOAT),
        node("Where", ["is_code", "indicators", "numbers"], ["terms"]),
        node("Sub", ["terms", "centres"], ["deviations"]),
        node("Mul", ["deviations", "slopes"], ["parts"]),
        node("MatMul", ["parts", "of_feature"], ["contributions"]),
        node("ReduceSum", ["contributions", "features"], ["added"], keepdims=0),
        node("Add", ["baseline", "added"], ["log_odds"]),
        node("Unsqueeze", ["log_odds", "features"], ["column"]),
        node("Mul", ["column", "signs"], ["for_each_class"]),
        node("Sigmoid", ["for_each_class"], ["probabilities"]),
    ]
    floats = {"probabilities": ["n", 2], "baseline": ["n"], "contributions": ["n", len(FEATURES)]}
    graph = helper.make_graph(
        nodes,
        "heart_risk",
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, ["n", len(FEATURES)])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in floats.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in _constants(model).items()],
    )
    exported = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(exported, full_check=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(exported, target)


def _constants(model: PatternModel) -> dict[str, NDArray[Any]]:
    of_feature = np.array([[term.feature == name for name in FEATURES] for term in TERMS])
    return {
        "missing": np.asarray(MISSING, np.float32),
        "powers": _POWERS.astype(np.float32),
        "intercepts": model.intercepts[::-1].astype(np.float32),
        "coefficients": model.coefficients[::-1].astype(np.float32),
        "columns": _COLUMNS,
        "codes": _CODES,
        "is_code": _IS_CODE,
        "means": model.means[_COLUMNS].astype(np.float32),
        "centres": model.centres.astype(np.float32),
        "of_feature": of_feature.astype(np.float32),
        "features": np.array([1], np.int64),
        "signs": np.array([-1, 1], np.float32),
    }
