"""From a trained Keras network to the ONNX graph the service runs.

The graph takes uint8 pictures, and normalisation, temperature, softmax and the novelty score are inside it, so the
service has nothing to add. `check_parity` compares both on real pictures before anything is written to a bundle.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime as ort
from keras import layers
from numpy.typing import NDArray

from models.bundle import TensorSpec
from models.preprocessing.image import UInt8Array
from training.errors import ExportError
from training.novelty import Gaussian, score_layer, tapped_features

PARITY = 1e-4

FloatArray = NDArray[np.float32]


def served_model(network: keras.Model, temperature: float, gaussian: Gaussian, taps: tuple[str, ...]) -> keras.Model:
    """uint8 pictures `image` to a dictionary of `probabilities` (n, classes) and `novelty` (n,)."""
    trunk = keras.Model(network.input, [network.output, tapped_features(network, taps)])
    image = keras.Input(network.input.shape[1:], dtype="uint8", name="image")
    logits, features = trunk(keras.ops.cast(image, "float32"))
    probabilities = layers.Softmax(name="probabilities")(logits / temperature)
    novelty = layers.Identity(name="novelty")(score_layer(gaussian, features))
    return keras.Model(image, {"probabilities": probabilities, "novelty": novelty})


def export_onnx(model: keras.Model, target: Path) -> None:
    """Write a served model as ONNX, its one input and its outputs under their names in the model."""
    entry = model.inputs[0]
    shape = (None, *entry.shape[1:])
    with TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.onnx"
        model.export(
            str(raw),
            format="onnx",
            input_signature=[keras.InputSpec(shape=shape, dtype=entry.dtype, name=entry.name)],
            verbose=False,
        )
        graph = onnx.load(raw)
    _rename(graph.graph, {value.name: entry.name for value in graph.graph.input})
    _rename(graph.graph, dict(zip([value.name for value in graph.graph.output], sorted(model.output), strict=True)))
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.checker.check_model(graph)
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(graph, target)


def check_parity(model: keras.Model, exported: Path, inputs: UInt8Array | FloatArray) -> float:
    """The largest difference between Keras and ONNX over all outputs, relative where a value is above 1.

    Raises `ExportError` above 1e-4.
    """
    session = ort.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    expected = model.predict_on_batch(inputs)
    names = sorted(expected)
    found = session.run(names, {model.inputs[0].name: np.ascontiguousarray(inputs)})
    difference = max(
        float(np.max(np.abs(values - expected[name]) / np.maximum(1.0, np.abs(expected[name]))))
        for name, values in zip(names, found, strict=True)
    )
    if difference > PARITY:
        raise ExportError(f"Keras and ONNX differ by {difference:.2e} in an output; at most {PARITY:g} is allowed.")
    return difference


def tensor_specs(exported: Path) -> tuple[TensorSpec, tuple[TensorSpec, ...]]:
    """The graph's input and outputs, as metadata.json records them."""
    session = ort.InferenceSession(str(exported), providers=["CPUExecutionProvider"])

    def spec(value: Any) -> TensorSpec:
        shape = tuple(size if isinstance(size, int) else None for size in value.shape)
        return TensorSpec(name=value.name, dtype=value.type.removeprefix("tensor(").removesuffix(")"), shape=shape)

    return spec(session.get_inputs()[0]), tuple(spec(output) for output in session.get_outputs())


def _rename(graph: Any, names: dict[str, str]) -> None:
    for node in graph.node:
        for field in (node.input, node.output):
            for index, name in enumerate(field):
                field[index] = names.get(name, name)
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
