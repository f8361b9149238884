"""One more output for a network: where in a picture its classes find what speaks for them; `explainable_ecg` has ECGs,
and `learned_maps` the map that takes its place in the bundles of pictures that ship.

A network that averages its last feature map over the picture and weighs the means has, in those weights, also a weight
of every place: the class activation map (Zhou et al. 2016, "Learning deep features for discriminative localization",
CVPR). `class_activation` (n, rows, h, w) is that map, in logits before the temperature: its mean over the places, plus
a constant of the row, is what the network weighs. The weights are those that are there, and no other output changes by
a bit, which `check_unchanged` proves.
"""

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

from models.serving.bundle import (
    EXPLANATIONS,
    INT8_FILE,
    LEARNED_OCCLUSION,
    MEASURED_FILE,
    MODEL_FILE,
    Bundle,
    Metadata,
    file_sha256,
    read_bundle,
    write_bundle,
)
from models.serving.engine import CLASS_ACTIVATION, PROBABILITIES
from training.card import renewed
from training.errors import ExportError
from training.evaluate import tensor_specs
from training.explainable_ecg import add_lead_activation
from training.served import read_measured

log = logging.getLogger(__name__)

_HEAD = ("MatMul", "Gemm")
_POOLS = ("GlobalAveragePool", "ReduceMean")
_THROUGH = ("Squeeze", "Reshape", "Flatten", "Identity", "Dropout")
LESION_LOGIT = 1
PROOFS = 48
"""Pictures that prove that nothing else changes."""

FloatArray = NDArray[np.float32]
LearnedMap = tuple[tuple[str, ...], Callable[[ModelProto], ModelProto]]
"""What the rows of a learned map speak for, and what puts it into a network: `training.learned_maps`."""


class NoMapError(ExportError):
    """A network that does not end in weighted means of a feature map."""


def add_class_activation(model: ModelProto, heads: FloatArray) -> ModelProto:
    """A copy of a network that also answers `class_activation` (n, rows, h, w). `heads` (rows, outputs) says what each
    row is of what the head's weights put out.

    Raises `NoMapError` where the network doesn't end in a pooled feature map and a matrix of weights.
    """
    found = ModelProto()
    found.CopyFrom(model)
    graph = found.graph
    if CLASS_ACTIVATION in {output.name for output in graph.output}:
        raise NoMapError(f"The network has an output {CLASS_ACTIVATION} already.")
    head, features, weights = _head_of(graph)
    if heads.shape[1] != weights.shape[1]:
        raise NoMapError(f"The head {head.name} has {weights.shape[1]} outputs; {heads.shape[1]} were expected.")
    height, width = _places(found, features)
    rows = heads.astype(np.float64) @ weights.astype(np.float64).T
    constants = {
        "class_activation_weights": rows.astype(np.float32),
        "class_activation_flat": np.array([0, weights.shape[0], height * width], np.int64),
        "class_activation_shape": np.array([0, len(heads), height, width], np.int64),
    }
    weigh, flatten, shape = constants
    graph.node.extend(
        [
            helper.make_node("Reshape", [features, flatten], ["class_activation_features"]),
            helper.make_node("MatMul", [weigh, "class_activation_features"], ["class_activation_rows"]),
            helper.make_node("Reshape", ["class_activation_rows", shape], [CLASS_ACTIVATION]),
        ]
    )
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    spec = helper.make_tensor_value_info(CLASS_ACTIVATION, TensorProto.FLOAT, ["batch", len(heads), height, width])
    graph.output.append(spec)
    onnx.checker.check_model(found)
    return found


def explain_classes(file: Path, classes: Sequence[str]) -> tuple[str, ...]:
    """Give the network in a file, whose head has an output for each class, their maps; the names of the rows. One that
    has no such head stays as it is, and has no rows."""
    try:
        mapped = add_class_activation(onnx.load(str(file)), np.eye(len(classes), dtype=np.float32))
    except NoMapError as error:
        log.info("no map of classes: %s", error)
        return ()
    onnx.save(mapped, str(file))
    return tuple(classes)


def breast_heads(malignancy: FloatArray) -> FloatArray:
    """The rows `lesion` and `malignancy` of logits (5,), where the second says how likely a lesion is, and the weights
    (5,) make malignancy of all."""
    return np.stack([np.eye(len(malignancy), dtype=np.float32)[LESION_LOGIT], malignancy.astype(np.float32)])


def make_explainable(bundle: Bundle, version: str, inputs: NDArray[Any], learned: LearnedMap | None = None) -> Bundle:
    """The bundle as another version, beside it, whose networks also answer `class_activation`, of pictures a map that
    was `learned`. For inputs (n, ...) of the network every other output is made sure to be the same in every bit, so
    all that was measured holds, but for what was measured of an older map.

    Raises `ExportError`.
    """
    metadata, folder = read_bundle(bundle.folder).metadata, bundle.folder.parent / version
    files = [MODEL_FILE, *([INT8_FILE] if metadata.int8 else [])]
    if learned:
        rows, add = learned
    else:
        rows, add = metadata.classes, partial(add_lead_activation, classes=len(metadata.classes))
    shutil.copytree(bundle.folder, folder)
    for file in files:
        onnx.save(add(onnx.load(str(bundle.folder / file))), str(folder / file))
        check_unchanged(bundle.folder / file, folder / file, inputs, but=(CLASS_ACTIVATION,))
    changes: dict[str, Any] = {"version": version, "explains": rows, "outputs": tensor_specs(folder / MODEL_FILE)[1]}
    if learned:
        changes["map_method"] = LEARNED_OCCLUSION
    if metadata.int8:
        changes["int8"] = {**metadata.int8.model_dump(), "sha256": file_sha256(folder / INT8_FILE)}
    kept = {**metadata.model_dump(exclude={"sha256"}), **changes}
    card = renewed(bundle.card, metadata, Metadata.model_validate({**kept, "sha256": metadata.sha256}))
    made = write_bundle(folder, model=folder / MODEL_FILE, card=card, metadata=kept)
    _carry_measured(made)
    return made


def _carry_measured(bundle: Bundle) -> None:
    """Let what was measured of the network before, but for its maps, say which it is of now: it answers alike in every
    bit."""
    file = bundle.folder / MEASURED_FILE
    if not file.is_file():
        return
    document = read_measured(file)
    network = INT8_FILE if document["precision"] == "int8" else MODEL_FILE
    sets = {title: each for title, each in document["sets"].items() if not title.startswith(EXPLANATIONS)}
    document |= {"version": bundle.metadata.version, "sha256": file_sha256(bundle.folder / network), "sets": sets}
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def check_unchanged(before: Path, after: Path, inputs: NDArray[Any], but: Sequence[str] = ()) -> None:
    """Make sure that every output `before` has, but for some, is the same in every bit `after`, for inputs (n, ...),
    one by one and as one batch. Raises `ExportError`."""
    sessions = [ort.InferenceSession(str(file), providers=["CPUExecutionProvider"]) for file in (before, after)]
    names = [output.name for output in sessions[0].get_outputs() if output.name not in but]
    entry = sessions[0].get_inputs()[0].name
    for batch in (inputs, *np.split(inputs, len(inputs))):
        old, new = (session.run(names, {entry: np.ascontiguousarray(batch)}) for session in sessions)
        changed = [name for name, one, other in zip(names, old, new, strict=True) if one.tobytes() != other.tobytes()]
        if changed:
            raise ExportError(f"Outputs change that should not: {', '.join(changed)}.")


def _head_of(graph: onnx.GraphProto) -> tuple[NodeProto, str, FloatArray]:
    """The node that weighs, the name of the feature map (n, channels, h, w), and the weights (channels, outputs)."""
    made = {name: node for node in graph.node for name in node.output}
    fixed = {each.name: each for each in graph.initializer}
    for node in _before(made, PROBABILITIES):
        if node.op_type not in _HEAD or len(node.input) < 2 or node.input[1] not in fixed:
            continue
        if any(attribute.name.startswith("trans") and attribute.i for attribute in node.attribute):
            raise NoMapError(f"The head {node.name} is transposed.")
        pool = made.get(node.input[0])
        while pool is not None and pool.op_type in _THROUGH:
            pool = made.get(pool.input[0])
        if pool is None or pool.op_type not in _POOLS:
            raise NoMapError(f"The head {node.name} does not weigh the means of a feature map.")
        return node, pool.input[0], np.asarray(numpy_helper.to_array(fixed[node.input[1]]), np.float32)
    raise NoMapError("The network has no head of weights.")


def _before(made: Mapping[str, NodeProto], name: str) -> Iterator[NodeProto]:
    """The nodes that an output is made by, the nearest first."""
    waiting, seen = [name], set()
    while waiting:
        node = made.get(waiting.pop(0))
        if node is not None and id(node) not in seen:
            seen.add(id(node))
            yield node
            waiting += node.input


def _places(model: ModelProto, features: str) -> tuple[int, int]:
    """Height and width of a feature map, channels first."""
    inferred = shape_inference.infer_shapes(model)
    for value in inferred.graph.value_info:
        if value.name == features:
            _, _, height, width = (each.dim_value for each in value.type.tensor_type.shape.dim)
            if height and width:
                return height, width
    raise NoMapError(f"The size of the feature map {features} is not known.")
