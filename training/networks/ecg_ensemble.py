"""Networks that read ECG records, averaged, and the random convolutions that join them, as one graph."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from models.preprocessing.ecg_record import SignalPreprocessing
from training.datasets.ptbxl import EcgData
from training.export import score_layer, tapped_features
from training.metrics import multilabel_macro_auroc
from training.networks.residual_ecg import predict
from training.novelty import Gaussian

log = logging.getLogger(__name__)

BLENDS = tuple(round(0.1 * step, 1) for step in range(11))
"""Shares of the random convolutions in the log odds that are tried on fold 8."""
TAPS = ("stage1", "stage2", "stage3")

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Ensemble:
    """The mean of the networks' logits and, by its `share`, those of the random convolutions."""

    networks: Sequence[keras.Model]
    convolutions: keras.Model
    share: float

    def combine(self, logits: Sequence[Any], convolved: Any) -> Any:
        """Logits (n, 5) of each network and of the convolutions to those of all."""
        return (1.0 - self.share) * sum(logits) / len(logits) + self.share * convolved

    def predict(self, data: EcgData) -> FloatArray:
        """Logits (n, 5)."""
        logits = [predict(network, data) for network in self.networks]
        return np.asarray(self.combine(logits, predict(self.convolutions, data)), dtype=np.float32)


def load_ensemble(run: Path, share: float = 0.0) -> Ensemble:
    """What `train` left in `run`."""
    networks = [keras.models.load_model(path) for path in sorted(run.glob("member*/model.keras"))]
    return Ensemble(networks, keras.models.load_model(run / "convolutions.keras"), share)


def choose_share(ensemble: Ensemble, validation: EcgData) -> float:
    """The share of the random convolutions, of `BLENDS`, with the best macro AUROC on validation."""
    logits = [predict(network, validation) for network in ensemble.networks]
    convolved = predict(ensemble.convolutions, validation)

    def score(share: float) -> float:
        return multilabel_macro_auroc(validation.labels, replace(ensemble, share=share).combine(logits, convolved))

    scores = {share: score(share) for share in BLENDS}
    log.info("validation macro AUROC by the share of the convolutions: %s", scores)
    return max(BLENDS, key=lambda share: scores[share])


def served_model(ensemble: Ensemble, temperature: float, gaussian: Gaussian) -> keras.Model:
    """Band-passed mV `signal` (n, 1000, 12) to `probabilities` (n, 5), each class by itself, and `novelty` (n,)."""
    signal = keras.Input(SignalPreprocessing().tensor_shape, name="signal")
    known = keras.ops.ones_like(signal[:, :1, 0])
    logits = [network([signal, known]) for network in ensemble.networks]
    combined = ensemble.combine(logits, ensemble.convolutions([signal, known]))
    probabilities = layers.Activation("sigmoid", name="probabilities")(combined / temperature)
    first = ensemble.networks[0]
    taps = keras.Model(first.inputs, tapped_features(first, TAPS))
    score = layers.Identity(name="novelty")(score_layer(gaussian, taps([signal, known])))
    return keras.Model(signal, {"probabilities": probabilities, "novelty": score})


def tapped(ensemble: Ensemble, data: EcgData) -> FloatArray:
    """The features (n, d) that tell how unlike the training data a record is."""
    first = ensemble.networks[0]
    return predict(keras.Model(first.inputs, tapped_features(first, TAPS)), data)
