"""How unlike the training data a picture is, from the network's own feature maps.

The channel means of a few stages are described by one Gaussian over the training pictures; the score is the
Mahalanobis distance to it (Lee et al. 2018, arXiv:1807.03888, with one Gaussian for all classes), divided by the
number of channels, so that training pictures score about 1. Low stages keep what ImageNet taught them about colour
and texture, which is where a picture of another kind differs most.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.serving.bundle import NoveltySpec
from models.serving.engine import NOVELTY

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

QUANTILE = 0.99
MARGIN = 1.75
SHRINKAGE = 0.02

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Gaussian:
    """Mean (d,) and whitening matrix (d, d) of the tapped features."""

    mean: FloatArray
    whitening: FloatArray


def fit_gaussian(features: FloatArray) -> Gaussian:
    """The Gaussian of training features (n, d); the covariance is shrunk towards its mean variance."""
    exact = features.astype(np.float64)
    mean = exact.mean(axis=0)
    covariance = np.cov(exact, rowvar=False)
    spread = np.diag(covariance).copy()
    spread[spread <= 0] = spread[spread > 0].min()
    scale = np.sqrt(spread)
    correlation = covariance / np.outer(scale, scale)
    correlation = (1 - SHRINKAGE) * correlation + SHRINKAGE * np.eye(len(mean))
    values, vectors = np.linalg.eigh(correlation)
    whitening = (vectors / np.sqrt(values)) / scale[:, None]
    return Gaussian(mean.astype(np.float32), whitening.astype(np.float32))


def choose_threshold(validation_scores: FloatArray, quantile: float = QUANTILE, margin: float = MARGIN) -> NoveltySpec:
    """`margin` times the given quantile of the validation scores, and the share of validation still above it."""
    threshold = float(np.quantile(validation_scores, quantile) * margin)
    return NoveltySpec(threshold=threshold, false_alarms=float(np.mean(validation_scores > threshold)))


def whitening(model: "ModelProto") -> "NodeProto":
    """The dense layer whose squared outputs make the novelty score. Raises `ValueError` where there is none."""
    return _node_behind_novelty(model, ("Gemm",))


def features_behind(model: "ModelProto") -> str:
    """The name of the features (n, d) that the novelty score is made of, by a dense layer of any kind. Raises
    `ValueError` where there are none."""
    return str(_node_behind_novelty(model, ("Gemm", "MatMul")).input[0])


def _node_behind_novelty(model: "ModelProto", kinds: tuple[str, ...]) -> "NodeProto":
    makers = {output: node for node in model.graph.node for output in node.output}
    name = NOVELTY
    while (node := makers.get(name)) is not None:
        if node.op_type in kinds:
            return node
        name = node.input[0]
    raise ValueError(f"{NOVELTY} is not made by a dense layer with a bias.")
