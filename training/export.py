"""From a trained Keras network to the ONNX graph the service runs.

The graph takes uint8 pictures, and normalisation, temperature, softmax and the novelty score are inside it, so the
service has nothing to add. `check_parity` compares both on real pictures before anything is written to a bundle.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime as ort
from keras import layers
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from models.preprocessing.picture import UInt8Array
from training.errors import ExportError
from training.networks.backbones import BackboneName
from training.novelty import Gaussian

log = logging.getLogger(__name__)

PARITY = 1e-4
TAPS: dict[BackboneName, tuple[str, ...]] = {
    "efficientnet_lite0": ("stage1", "stage2", "stage3", "stage5"),
    "efficientnet_b0": ("pool",),
    "mobilenet_v2": ("pool",),
}
"""The layers whose features tell how unlike the training data a picture is, by backbone."""

FloatArray = NDArray[np.float32]


def served_model(network: keras.Model, temperature: float, gaussian: Gaussian, taps: tuple[str, ...]) -> keras.Model:
    """uint8 pictures `image` to a dictionary of `probabilities` (n, classes) and `novelty` (n,)."""
    trunk = keras.Model(network.input, [network.output, tapped_features(network, taps)])
    image = keras.Input(network.input.shape[1:], dtype="uint8", name="image")
    logits, features = trunk(keras.ops.cast(image, "float32"))
    probabilities = layers.Softmax(name="probabilities")(logits / temperature)
    novelty = layers.Identity(name="novelty")(score_layer(gaussian, features))
    return keras.Model(image, {"probabilities": probabilities, "novelty": novelty})


def tapped_features(network: keras.Model, taps: Sequence[str]) -> Any:
    """The symbolic channel means of the tapped layers, concatenated: (n, d)."""
    pooled = []
    for tap in taps:
        output = network.get_layer(tap).output
        axes = tuple(range(1, len(output.shape) - 1))
        pooled.append(keras.ops.mean(output, axis=axes) if axes else output)
    return layers.Concatenate(name="taps")(pooled) if len(pooled) > 1 else pooled[0]


def score_layer(gaussian: Gaussian, features: Any) -> Any:
    """Symbolic novelty scores (n,) of symbolic features (n, d)."""
    dimensions = len(gaussian.mean)
    whiten = layers.Dense(dimensions, name="whiten", trainable=False)
    whitened = whiten(features)
    whiten.set_weights([gaussian.whitening, -gaussian.mean @ gaussian.whitening])
    return keras.ops.mean(keras.ops.square(whitened), axis=1)


def export_onnx(model: keras.Model, target: Path) -> None:
    """Write a served model as ONNX, its one input and its outputs under their names in the model.

    Keras exports from TensorFlow; on another backend the model is saved, and another process exports it from there.
    Raises `ExportError` where that fails.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if keras.backend.backend() == "tensorflow":
        _export_here(model, target)
        return
    with TemporaryDirectory() as folder:
        saved = Path(folder) / "served.keras"
        model.save(saved)
        done = subprocess.run(  # noqa: S603 our own module, and paths that we made
            [sys.executable, "-m", "training.export", str(saved), str(target)],
            env={**os.environ, "KERAS_BACKEND": "tensorflow"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise ExportError(f"The export needs TensorFlow and failed: {done.stderr.strip().splitlines()[-1:]}")


def _export_here(model: keras.Model, target: Path) -> None:
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
    _average_by_axis(graph.graph)
    onnx.checker.check_model(graph)
    onnx.save(graph, target)


def check_parity(model: keras.Model, exported: Path, inputs: UInt8Array | FloatArray) -> float:
    """The largest difference between Keras and ONNX over all outputs, relative where a value is above 1.

    Raises `ExportError` above 1e-4.
    """
    session = ort.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    expected = {name: np.asarray(values) for name, values in model.predict_on_batch(inputs).items()}
    names = sorted(expected)
    found = session.run(names, {model.inputs[0].name: np.ascontiguousarray(inputs)})
    difference = max(
        float(np.max(np.abs(values - expected[name]) / np.maximum(1.0, np.abs(expected[name]))))
        for name, values in zip(names, found, strict=True)
    )
    if difference > PARITY:
        raise ExportError(f"Keras and ONNX differ by {difference:.2e} in an output; at most {PARITY:g} is allowed.")
    return difference


def export_reader(model: keras.Model, target: Path, shape: tuple[int, ...]) -> None:
    """Write a reader of print, which lies beside its module and not in a bundle, and log the checksum that the module
    is to hold. `shape` is that of one input, of values 0-1. Raises `ExportError`."""
    export_onnx(model, target)
    inputs = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    log.info("Keras and ONNX differ by at most %.1e", check_parity(model, target, inputs))
    log.info("%s: %d bytes, SHA-256 %s", target, target.stat().st_size, sha256(target.read_bytes()).hexdigest())


def _average_by_axis(graph: Any) -> None:
    """Make a mean of each global average pooling of one axis whose result is squeezed, as the converter writes means:
    ONNX Runtime takes it along the last axis in half the time."""
    pooled = {node.output[0]: node for node in graph.node if node.op_type == "GlobalAveragePool"}
    fixed = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    for node in graph.node:
        pool = pooled.get(node.input[0]) if node.op_type == "Squeeze" and len(node.input) == 2 else None
        axes = fixed.get(node.input[1]) if pool is not None else None
        if pool is not None and axes is not None and axes.tolist() == [2]:
            mean = helper.make_node("ReduceMean", [pool.input[0]], [node.output[0]], axes=[2], keepdims=0)
            node.CopyFrom(mean)
    read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    kept = [node for node in graph.node if any(name in read for name in node.output)]
    del graph.node[:]
    graph.node.extend(kept)


def _rename(graph: Any, names: dict[str, str]) -> None:
    for node in graph.node:
        for field in (node.input, node.output):
            for index, name in enumerate(field):
                field[index] = names.get(name, name)
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)


if __name__ == "__main__":
    _export_here(keras.models.load_model(sys.argv[1]), Path(sys.argv[2]))
