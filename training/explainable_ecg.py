"""One more output for the networks of ECGs: which leads and which seconds speak for each finding.

They are linear in shares of time, of ten seconds or of a part of the median beat, in which a random convolution lies
above a threshold. So what each second adds to the log odds is exact, and so is what a convolution of one lead adds;
what one of several leads adds is divided among them evenly. `class_activation` is that, in log odds before the
temperature: of a record (n, classes, 12 leads, 10 seconds) against silence, of a sheet (n, classes, 12 leads, 1)
against the average ECG, as the network itself counts a lead that is not shown; most sheets show a lead for a quarter of
the time. In records the shares are counted second by second and then added, in whole numbers, so no other output
changes by a bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from models.preprocessing.ecg_record import LEADS
from models.serving.engine import CLASS_ACTIVATION
from training.errors import ExportError

FloatArray = NDArray[np.float32]

SAMPLES, SECONDS, RATE = 1000, 10, 100
KERNELS, _MATRIX = 84, 2
"""As in `random_convolutions`, which needs Keras."""
_PARTS = ("Reshape", "MatMul", "Reshape", "Cast", "Greater", "Unsqueeze", "Slice", "Squeeze", "Conv")
"""What makes a block of shares in the parts of a beat."""


class NoLeadsError(ExportError):
    """A network that is not built of random convolutions of ECGs."""


def add_lead_activation(model: ModelProto, classes: int) -> ModelProto:
    """A copy of a network of records or of sheets that also answers `class_activation`. Raises `NoLeadsError`."""
    found = ModelProto()
    found.CopyFrom(model)
    if CLASS_ACTIVATION in {output.name for output in found.graph.output}:
        raise NoLeadsError(f"The network has an output {CLASS_ACTIVATION} already.")
    graph = _Graph(found.graph, classes)
    channels = found.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    cells = _of_record(graph) if channels == len(LEADS) else _of_sheet(graph)
    graph.append("Identity", [cells], CLASS_ACTIVATION)
    shape = ["batch", classes, len(LEADS), SECONDS if channels == len(LEADS) else 1]
    found.graph.output.append(helper.make_tensor_value_info(CLASS_ACTIVATION, TensorProto.FLOAT, shape))
    onnx.checker.check_model(found)
    return found


def explain_leads(file: Path, classes: Sequence[str]) -> None:
    """Give the network in a file the output. Raises `NoLeadsError`."""
    onnx.save(add_lead_activation(onnx.load(str(file)), len(classes)), str(file))


@dataclass
class _Graph:
    """A graph that nodes are added to: at its end, or in the place of one that goes."""

    proto: onnx.GraphProto
    classes: int
    fixed: dict[str, NDArray[Any]] = field(init=False)
    made: dict[str, NodeProto] = field(init=False)

    def __post_init__(self) -> None:
        self.fixed = {each.name: numpy_helper.to_array(each) for each in self.proto.initializer}
        self.made = {output: node for node in self.proto.node for output in node.output}

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """The name of a constant, which is added where it is not there."""
        name = f"leads/{name}"
        if name not in self.fixed:
            self.fixed[name] = value
            self.proto.initializer.append(numpy_helper.from_array(value, name))
        return name

    def append(self, kind: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        """Add a node at the end; the name of its output."""
        self.proto.node.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def replace(self, node: NodeProto, *others: NodeProto) -> None:
        """Put others in the place of a node."""
        place = next(index for index, each in enumerate(self.proto.node) if each.output == node.output)
        following = list(self.proto.node[place + 1 :])
        del self.proto.node[place:]
        self.proto.node.extend([*others, *following])

    def back(self, name: str, *kinds: str) -> NodeProto:
        """The node that made `name`, or the first input of the node that did, and so on, each of these kinds."""
        chain = []
        for kind in kinds:
            node = self.made.get(name)
            if node is None or node.op_type != kind:
                raise NoLeadsError(f"The network is not built of random convolutions: {name} is not made by {kind}.")
            chain.append(node)
            name = node.input[0]
        return chain[-1]

    def readers(self, name: str, kind: str) -> list[NodeProto]:
        """The nodes of a kind that read `name`."""
        return [node for node in self.proto.node if node.op_type == kind and name in node.input]


@dataclass(frozen=True)
class _Reading:
    """A linear reading of features, `shares`: its blocks of them, and its weights (features, classes) in log odds."""

    number: int
    shares: str
    blocks: Sequence[str]
    weights: FloatArray


def _readings(graph: _Graph) -> list[_Reading]:
    """The linear readings of random convolutions."""
    found: list[_Reading] = []
    for node in list(graph.proto.node):
        if node.op_type != "Concat" or not graph.readers(node.output[0], "MatMul"):
            continue
        head = graph.readers(node.output[0], "MatMul")[0]
        weights = graph.fixed[head.input[1]]
        if len(weights) % KERNELS:
            continue
        of_classes = weights[:, : graph.classes] @ _slopes(graph, head.output[0])
        found.append(_Reading(len(found), node.output[0], list(node.input), np.asarray(of_classes, np.float32)))
    if not found:
        raise NoLeadsError("The network has no readings of random convolutions.")
    return found


def _slopes(graph: _Graph, name: str) -> FloatArray:
    """What the answers of a reading are multiplied by, (classes, classes), on their way to the log odds: a bias is
    added, those of several readings may be put beside one another and parted again, and the columns of the classes are
    taken."""
    parts = 0
    for _ in range(8):
        following = [node for node in graph.proto.node if name in node.input]
        for node in following:
            slopes = [graph.fixed[each] for each in node.input if each in graph.fixed]
            if node.op_type == "Mul" and slopes and slopes[0].shape == (graph.classes,):
                return np.diag(slopes[0])
            if node.op_type == "MatMul" and slopes and slopes[0].shape == (graph.classes, graph.classes):
                return np.asarray(slopes[0], np.float32)
        chosen = next((node for node in following if node.op_type != "Slice" or _takes_classes(graph, node)), None)
        if chosen is None:
            break
        if chosen.op_type == "Concat":
            parts = list(chosen.input).index(name)
        name = chosen.output[parts if chosen.op_type == "Split" else 0]
    raise NoLeadsError("The answers of a reading are not weighed.")


def _takes_classes(graph: _Graph, node: NodeProto) -> bool:
    """Whether a slice of columns begins with the first and ends with the last of the classes."""
    starts, ends = (graph.fixed[each].ravel() for each in node.input[1:3])
    return int(starts[-1]) == 0 and int(ends[-1]) == graph.classes


def _of_record(graph: _Graph) -> str:
    """Cells (n, classes, leads, seconds) of the shapes and the voltages, of ten seconds and of the beat, which is in
    every second."""
    graph.constant("cells", np.array([0, KERNELS, SECONDS, RATE], np.int64))
    total = ""
    for reading in _readings(graph):
        if graph.made[reading.blocks[0]].op_type == "ReduceMean":
            counts = [_counted_by_second(graph, block) for block in reading.blocks]
            used = np.concatenate([_leads_of(graph, block) for block in reading.blocks])
            silent = np.concatenate([_in_silence(graph, block) for block in reading.blocks])
            cells = _cells_of(graph, reading, counts, used, silent)
        else:
            cells = _of_beat(graph, reading)
        total = graph.append("Add", [total, cells], f"leads/to_{reading.number}") if total else cells
    return total


def _counted_by_second(graph: _Graph, block: str) -> str:
    """Counts (n, kernels, seconds) of the samples above a threshold, of which the block's mean is now made."""
    mean = graph.back(block, "ReduceMean", "Cast", "Greater", "Squeeze", "Conv") and graph.made[block]
    cells, counts, whole = (f"{block}/{name}" for name in ("cells", "counts", "whole"))
    graph.replace(
        mean,
        helper.make_node("Reshape", [mean.input[0], "leads/cells"], [cells]),
        helper.make_node("ReduceSum", [cells, graph.constant("last", np.array([3], np.int64))], [counts], keepdims=0),
        helper.make_node("ReduceSum", [counts, graph.constant("third", np.array([2], np.int64))], [whole], keepdims=0),
        helper.make_node("Div", [whole, graph.constant("samples", np.array(SAMPLES, np.float32))], [block]),
    )
    return counts


def _leads_of(graph: _Graph, block: str) -> NDArray[np.bool_]:
    """Which leads each kernel of a block reads, (kernels, 12)."""
    kernels = graph.fixed[graph.back(block, "ReduceMean", "Cast", "Greater", "Squeeze", "Conv").input[1]]
    return np.asarray((kernels != 0).any(axis=(2, 3)))


def _in_silence(graph: _Graph, block: str) -> NDArray[np.bool_]:
    """Which kernels of a block are above their threshold, (kernels,), where there is no signal."""
    return np.asarray(graph.fixed[graph.back(block, "ReduceMean", "Cast", "Greater").input[1]].ravel() < 0)


def _cells_of(
    graph: _Graph, reading: _Reading, counts: Sequence[str], used: NDArray[np.bool_], silent: NDArray[np.bool_]
) -> str:
    """Cells (n, classes, leads, seconds) of a reading of records. The weights are kept in half the bits."""
    name, share = f"leads/{reading.number}", used / used.sum(axis=1, keepdims=True) / SAMPLES
    rows = np.einsum("kc,kl->clk", reading.weights, share).reshape(-1, len(used))
    kept = graph.constant(f"{reading.number}/weights", rows.astype(np.float16))
    alone = graph.constant(f"{reading.number}/silent", (silent[:, None] * RATE).astype(np.float32))
    weigh = graph.append("Cast", [kept], f"{name}/weigh", to=TensorProto.FLOAT)
    together = graph.append("Concat", counts, f"{name}/counts", axis=1)
    more = graph.append("Sub", [together, alone], f"{name}/more")
    found = graph.append("MatMul", [weigh, more], f"{name}/rows")
    shape = graph.constant("shape", np.array([0, graph.classes, len(LEADS), SECONDS], np.int64))
    return graph.append("Reshape", [found, shape], f"{name}/found")


def _of_beat(graph: _Graph, reading: _Reading) -> str:
    """Cells (n, classes, leads, 1) of a reading of the median beat, a tenth of it for each second."""
    made = [graph.back(block, *_PARTS) for block in reading.blocks]
    levels = np.concatenate([graph.fixed[graph.back(block, *_PARTS[:5]).input[1]] for block in reading.blocks])
    parts = graph.fixed[graph.back(reading.blocks[0], *_PARTS[:2]).input[1]]
    silent = (levels < 0).astype(np.float32) @ parts
    kernels, each, name = len(levels), silent[0].size, f"leads/{reading.number}"
    used = np.concatenate([(graph.fixed[conv.input[1]] != 0).any(axis=(2, 3)) for conv in made]).astype(np.float32)
    more = graph.append(
        "Sub", [reading.shares, graph.constant(f"{name}/silent", silent.reshape(1, -1))], f"{name}/more"
    )
    apart = graph.constant(f"{name}/apart", np.array([-1, kernels, 1, each], np.int64))
    by_kernel = graph.append("Reshape", [more, apart], f"{name}/by_kernel")
    weights = reading.weights.reshape(kernels, each, graph.classes) / SECONDS
    found = graph.append("MatMul", [by_kernel, graph.constant(f"{name}/weights", weights)], f"{name}/weighed")
    together = graph.constant(f"{name}/together", np.array([-1, kernels, graph.classes, 1], np.int64))
    column = graph.append("Reshape", [found, together], f"{name}/column")
    ordered = graph.append("Transpose", [column], f"{name}/ordered", perm=[0, 2, 3, 1])
    share = graph.constant(f"{name}/leads", used / used.sum(axis=1, keepdims=True))
    of_leads = graph.append("MatMul", [ordered, share], f"{name}/of_leads")
    return graph.append("Transpose", [of_leads], f"{name}/found", perm=[0, 1, 3, 2])


def _of_sheet(graph: _Graph) -> str:
    """Cells (n, classes, leads, 1) of the shapes and of the voltages."""
    mixture, total = _mixture(graph), ""
    size = mixture.shape[1] * KERNELS
    for reading in _readings(graph):
        for number, block in enumerate(reading.blocks):
            weights = reading.weights[number * size : (number + 1) * size].reshape(-1, KERNELS, graph.classes)
            found = _of_block(graph, block, weights, f"leads/{reading.number}/{number}")
            total = graph.append("Add", [total, found], f"{found}/sum") if total else found
    used = (mixture != 0).astype(np.float32)
    ordered = graph.append("Transpose", [total], "leads/ordered", perm=[0, 2, 1, 3])
    return graph.append("MatMul", [graph.constant("mixture", used / used.sum(axis=0)), ordered], "leads/cells")


def _mixture(graph: _Graph) -> FloatArray:
    """The weights (12, streams) by which leads, or what is shown of them, are mixed: what matters is which."""
    for node in graph.proto.node:
        weights = graph.fixed.get(node.input[1]) if node.op_type == "MatMul" else None
        if weights is not None and weights.ndim == _MATRIX and len(weights) == len(LEADS):
            return np.asarray(weights, np.float32)
    raise NoLeadsError("The network mixes no leads.")


def _of_block(graph: _Graph, block: str, weights: FloatArray, name: str) -> str:
    """Cells (n, streams, classes, 1) of the kernels of one width, whose weights are (streams, kernels, classes)."""
    shares = graph.back(block, "Reshape", "Mul", "Sub", "Div") and graph.made[block].input[0]
    weigh = graph.constant(f"{name}/weights", np.ascontiguousarray(weights.transpose(0, 2, 1), np.float32))
    column = graph.append("Unsqueeze", [shares, graph.constant("last", np.array([3], np.int64))], f"{name}/shares")
    return graph.append("MatMul", [weigh, column], f"{name}/found")
