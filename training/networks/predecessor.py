"""The network of a bundle, back in Keras: what ships can teach what comes after it."""

import keras
import numpy as np
import onnx
from keras import layers
from numpy.typing import NDArray
from onnx import numpy_helper
from scipy.special import softmax

from models.serving.bundle import Bundle
from training.errors import TrainingError
from training.evaluate import predict
from training.networks.backbones import fold_norms
from training.picture_trainer import build_network
from training.recipe import Recipe

ALIKE = 1e-3
"""How far the probabilities of both may lie apart."""


def network_of(bundle: Bundle, recipe: Recipe) -> keras.Model:
    """The fp32 network of a bundle that a recipe of these classes, size and backbone once made, which takes pictures
    (n, size, size, 3), 0-255, and gives logits (n, classes), as they are before the temperature.

    Raises `TrainingError` where the graph is none of these.
    """
    if bundle.metadata.classes != recipe.classes:
        raise TrainingError(f"{bundle.folder} has other classes than the recipe, so it can't teach.")
    network = fold_norms(build_network(recipe, len(recipe.classes), size=recipe.preprocessing.size, pretrained=False))
    graph = onnx.load(str(bundle.model_path)).graph
    fixed = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    into = [layer for layer in network.layers if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D))]
    found = [[fixed[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"]
    head = network.get_layer("logits")
    try:
        for layer, weights in zip(into, found, strict=True):
            layer.set_weights([_kernel(layer, weights[0]), *weights[1:]])
        head.set_weights(_head(graph, fixed, head.kernel.shape))
    except ValueError as error:
        raise TrainingError(f"{bundle.folder} has another network than the recipe, so it can't teach.") from error
    size = recipe.preprocessing.size
    pictures = np.random.default_rng(0).integers(0, 256, (4, size, size, 3), dtype=np.uint8)
    said = softmax(np.asarray(network.predict_on_batch(pictures)) / bundle.metadata.temperature, axis=1)
    if np.abs(said - predict(bundle.model_path, pictures)["probabilities"]).max() > ALIKE:
        raise TrainingError(f"{bundle.folder} answers unlike the network that was read from it, so it can't teach.")
    return network


def _kernel(layer: layers.Layer, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A kernel as Keras has it: height, width, then what goes in and what comes out."""
    return values.transpose((2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0))


def _head(
    graph: onnx.GraphProto, fixed: dict[str, NDArray[np.float32]], shape: tuple[int, ...]
) -> list[NDArray[np.float32]]:
    """Kernel and bias of the last layer. Raises `ValueError` where there is none of this shape."""
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in fixed and fixed[node.input[1]].shape == tuple(shape):
            [added] = [each for each in graph.node if node.output[0] in each.input]
            [bias] = [fixed[name] for name in added.input if name in fixed]
            return [fixed[node.input[1]], bias]
    raise ValueError("no layer of logits")
