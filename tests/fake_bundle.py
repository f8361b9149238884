"""A tiny valid bundle, so that tests need no trained weights.

The graph is deterministic: each class has a fixed colour, a picture gets the softmax of how far its mean colour leans
to each, and `novelty` is the mean colour's distance from middle grey, 0 (grey) to about 0.87 (black or white). The
breast bundle also answers `malignancy`, which rises with the light, from 0.001 (black) to 0.999 (white). The heart
record bundle reads signals: the mean size of the voltages in each lead speaks for or against each class, and `novelty`
is the largest voltage, mV. The bundles of forms read rows: the feature's size, in thousandths, speaks for or against
each class; that of heart risk also answers `baseline`, 0, and `contributions`, of each feature to the log odds.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.diagnoses.catalogue import Catalogue
from models.diagnoses.disease.features import feature_names
from models.serving.bundle import Bundle, Metadata, write_bundle

CLASSES = {
    "skin": ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"),
    "xray": ("normal", "pneumonia"),
    "breast": ("1", "2", "3", "4", "5"),
    "heart_record": ("NORM", "MI", "STTC", "CD", "HYP"),
    "heart_image": ("NORM", "MI", "STTC", "CD", "HYP"),
    "heart_risk": ("not_narrowed", "narrowed"),
    "disease": ("Common Cold", "Influenza", "COVID-19", "Migraine", "Asthma", "Gout"),
}
FEATURES = {
    "disease": tuple({"name": name, "low": -1, "high": 1, "missing": 0} for name in feature_names()),
    "heart_risk": (
        {"name": "age", "low": 30, "high": 80},
        {"name": "sex", "low": 0, "high": 1},
        {"name": "blood_pressure", "low": 80, "high": 200},
        {"name": "cholesterol", "low": 85, "high": 600},
        {"name": "chest_pain", "low": 0, "high": 3},
        {"name": "max_heart_rate", "low": 60, "high": 200},
        {"name": "resting_ecg", "low": 0, "high": 2, "missing": 0},
        {"name": "exercise_angina", "low": 0, "high": 1, "missing": 0},
        {"name": "st_depression", "low": -2, "high": 6, "missing": 0},
        {"name": "fasting_blood_sugar", "low": 0, "high": 1, "missing": 0},
    ),
}
NOVELTY_THRESHOLD = 0.8
LARGEST_MILLIVOLTS = 5.0
SIZE = 224

_OF_SIGNALS = {
    "task": "multilabel",
    "input": {"name": "signal", "dtype": "float", "shape": (None, 1000, 12)},
    "preprocessing": {"kind": "signal"},
    "novelty": {"threshold": LARGEST_MILLIVOLTS, "false_alarms": 0.01},
}
_OF_SHEETS = {
    "task": "multilabel",
    "input": {"name": "signal", "dtype": "float", "shape": (None, 1000, 24)},
    "preprocessing": {"kind": "sheet", "least_fit": 0.1, "least_consistency": 0.3},
}


def make_graph(classes: int, size: int = SIZE, *, malignancy: bool = False) -> onnx.ModelProto:
    """uint8 `image` (n, size, size, 3) to `probabilities` (n, classes), `novelty` (n,) and, if asked for,
    `malignancy` (n,)."""
    weights = np.random.default_rng(7).normal(0, 3, (3, classes)).astype(np.float32)
    constants = {
        "weights": weights,
        "scale": np.float32(255 * size * size),
        "grey": np.float32(0.5),
        "pixels": np.array([1, 2], np.int64),
        "channels": np.array([1], np.int64),
        "steepness": np.float32(14 / 3),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.INT32),
        helper.make_node("ReduceSum", ["values", "pixels"], ["total"], keepdims=0),  # whole numbers: exact in any order
        helper.make_node("Cast", ["total"], ["light"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["light", "scale"], ["colour"]),
        helper.make_node("Sub", ["colour", "grey"], ["lean"]),
        helper.make_node("MatMul", ["lean", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ReduceL2", ["lean", "channels"], ["novelty"], keepdims=0),
    ]
    answers = [("probabilities", ["n", classes]), ("novelty", ["n"])]
    if malignancy:
        nodes += [
            helper.make_node("ReduceSum", ["lean", "channels"], ["brightness"], keepdims=0),
            helper.make_node("Mul", ["brightness", "steepness"], ["suspicion"]),
            helper.make_node("Sigmoid", ["suspicion"], ["malignancy"]),
        ]
        answers.append(("malignancy", ["n"]))
    graph = helper.make_graph(
        nodes,
        "fake",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", size, size, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in answers],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def make_signal_graph(channels: int = 12) -> onnx.ModelProto:
    """float `signal` (n, 1000, channels), mV, to `probabilities` (n, 5), each by itself, and `novelty` (n,)."""
    constants = {
        "weights": np.random.default_rng(7).normal(0, 3, (channels, 5)).astype(np.float32),
        "samples": np.array([1], np.int64),
        "all": np.array([1, 2], np.int64),
    }
    nodes = [
        helper.make_node("Abs", ["signal"], ["sizes"]),
        helper.make_node("ReduceMean", ["sizes", "samples"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
        helper.make_node("ReduceMax", ["sizes", "all"], ["novelty"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "fake",
        [helper.make_tensor_value_info("signal", TensorProto.FLOAT, ["n", 1000, channels])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 5]),
            helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["n"]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def make_row_graph(features: int, classes: int, *, contributions: bool = False) -> onnx.ModelProto:
    """float `row` (n, features) to `probabilities` (n, classes) and, if asked for, `baseline` (n,) and `contributions`
    (n, features) to the log odds of the last of two classes."""
    weights = np.random.default_rng(7).normal(0, 3e-3, (features, classes)).astype(np.float32)
    constants = {"weights": weights, "lean": weights[:, -1] - weights[:, 0], "features": np.array([1], np.int64)}
    nodes = [
        helper.make_node("MatMul", ["row", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    answers = [("probabilities", ["n", classes])]
    if contributions:
        nodes += [
            helper.make_node("Mul", ["row", "lean"], ["contributions"]),
            helper.make_node("ReduceSum", ["contributions", "features"], ["added"], keepdims=0),
            helper.make_node("Sub", ["added", "added"], ["baseline"]),
        ]
        answers += [("baseline", ["n"]), ("contributions", ["n", features])]
    graph = helper.make_graph(
        nodes,
        "fake",
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, ["n", features])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in answers],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def make_metadata(name: str, version: str = "1.0.0", **changes: Any) -> dict[str, Any]:
    """All of metadata.json but the checksum; `changes` replace fields."""
    classes = CLASSES.get(name) or changes["classes"]
    malignancy = {"name": "malignancy", "dtype": "float", "shape": (None,)}
    return {
        "name": name,
        "version": version,
        "created": date(2026, 1, 1),
        "precision": "fp32",
        "task": "multiclass",
        "classes": classes,
        "input": {"name": "image", "dtype": "uint8", "shape": (None, SIZE, SIZE, 3)},
        "outputs": (
            {"name": "probabilities", "dtype": "float", "shape": (None, len(classes))},
            {"name": "novelty", "dtype": "float", "shape": (None,)},
            *([malignancy] if name == "breast" else []),
        ),
        "preprocessing": {"size": SIZE, "framing": "middle_square" if name == "skin" else "squash"},
        "temperature": 1.0,
        "operating_points": tuple(
            {"code": code, "threshold": 0.5, "rule": "made up", "sensitivity": 0.5, "specificity": 0.5}
            for code in classes
        ),
        "novelty": {"threshold": NOVELTY_THRESHOLD, "false_alarms": 0.01},
        "licence": "MIT",
        "data": ({"name": "none", "use": "tests", "licence": "MIT", "citation": "none"},),
        "metrics": {"made up": {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}}},
        **(_OF_SIGNALS if name == "heart_record" else {}),
        **(_OF_SHEETS if name == "heart_image" else {}),
        **(_of_rows(name) if name in FEATURES else {}),
        **changes,
    }


def make_bundle(
    bundles: Path, name: str, version: str = "1.0.0", *, graph: onnx.ModelProto | None = None, **changes: Any
) -> Bundle:
    """Write `<bundles>/<name>/<version>/` and read it back."""
    folder = bundles / name / version
    folder.mkdir(parents=True)
    onnx.save(graph or _graph_of(name, changes.get("classes")), folder / "model.onnx")
    return write_bundle(
        folder,
        model=folder / "model.onnx",
        card=f"# {name} {version}\n\nA fake for tests.\n",
        metadata=make_metadata(name, version, **changes),
    )


def check_metadata(metadata: Metadata) -> None:
    """Raises `BundleError` where no diagnosis can interpret a bundle with that metadata."""
    Catalogue().check(Bundle(Path("nowhere"), metadata))


def _of_rows(name: str) -> dict[str, Any]:
    d = len(FEATURES[name])
    parts = (
        {"name": "baseline", "dtype": "float", "shape": (None,)},
        {"name": "contributions", "dtype": "float", "shape": (None, d)},
    )
    return {
        "input": {"name": "row", "dtype": "float", "shape": (None, d)},
        "outputs": (
            {"name": "probabilities", "dtype": "float", "shape": (None, len(CLASSES[name]))},
            *(parts if name == "heart_risk" else ()),
        ),
        "preprocessing": {"kind": "tabular", "features": FEATURES[name]},
        "novelty": None,
    }


def _graph_of(name: str, classes: Sequence[str] | None) -> onnx.ModelProto:
    if name in FEATURES:
        return make_row_graph(len(FEATURES[name]), len(CLASSES[name]), contributions=name == "heart_risk")
    if name == "heart_record":
        return make_signal_graph()
    if name == "heart_image":
        return make_signal_graph(24)
    return make_graph(len(CLASSES.get(name) or classes or ()), malignancy=name == "breast")
