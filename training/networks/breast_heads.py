"""The two heads of the breast network: what they learn, and the graph that answers with both."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from training.datasets.pictures import Sample, labels_of
from training.datasets.ultrasound import assessment_of
from training.diagnoses.breast import CATEGORIES, Platt, assessment_chances, median_category, quadratic_kappa
from training.export import score_layer, tapped_features
from training.metrics import auroc
from training.novelty import Gaussian
from training.picture_trainer import Objective

LESION_SHARE, ASSESSMENT_SHARE = 0.5, 0.5
"""Weights of the losses of "a lesion is there" and of a lesion's assessment beside that of malignancy."""

FloatArray = NDArray[np.float32]


class BreastObjective(Objective):
    """Targets (n, 9): malignancy; of each step "graver than 1, 2, 3, 4" whether it holds; and whether that is known.

    Of a lesion that nobody assessed only "graver than 1" is known.
    """

    def targets(self, samples: Sequence[Sample]) -> FloatArray:
        steps = np.arange(1, len(CATEGORIES))
        assessment = np.array([assessment_of(sample) or 0 for sample in samples])[:, None]
        unrated = assessment == 0
        graver = (assessment > steps) | (unrated & (steps == 1))
        known = ~unrated | (steps == 1)
        return np.concatenate([labels_of(samples)[:, None], graver, known], axis=1).astype(np.float32)

    def loss(self, targets: Any, logits: Any, weights: Any) -> Any:
        soft = self.recipe.smoothing
        truth = targets[:, :5] * (1.0 - soft) + soft / 2.0
        known = targets[:, 6:] * weights[:, None]
        losses = ops.softplus(logits) - truth * logits
        assessed = ops.sum(losses[:, 2:] * known) / ops.maximum(ops.sum(known), 1.0)
        found = losses[:, 0] + LESION_SHARE * losses[:, 1]
        return ops.mean(found * weights) + ASSESSMENT_SHARE * assessed

    def distilled(self, targets: Any, logits: Any) -> Any:
        """Half of what is known is what the teachers say; of a step that nobody knows it is all, and in between where
        one of a blended pair is known."""
        known = ops.concatenate([ops.ones_like(targets[:, :1]), targets[:, 5:]], axis=1)
        mixed = targets[:, :5] / 2.0 + (1.0 - known / 2.0) * ops.sigmoid(logits)
        return ops.concatenate([mixed, ops.ones_like(targets[:, 5:])], axis=1)

    def score(self, targets: FloatArray, logits: FloatArray, samples: Sequence[Sample]) -> dict[str, float]:
        malignant, graver, known = targets[:, 0] > 0, targets[:, 1:5] > 0, targets[:, 5:] > 0
        lesion = graver[:, 0]
        found = {"auroc_of_lesions": auroc(malignant[lesion], logits[lesion, 0])}
        if not lesion.all():
            found["auroc_of_a_lesion"] = auroc(lesion, logits[:, 1])
        rated = known.all(axis=1) & lesion
        if rated.any():
            truth = 1 + graver[rated].sum(axis=1)
            found["kappa"] = quadratic_kappa(truth, median_category(assessment_chances(logits[rated])))
        return found


def served_model(network: keras.Model, malignancy: Platt, gaussian: Gaussian, taps: tuple[str, ...]) -> keras.Model:
    """uint8 `image` (n, size, size, 3) to `probabilities` (n, 5), `malignancy` (n,) and `novelty` (n,)."""
    trunk = keras.Model(network.input, [network.output, tapped_features(network, taps)])
    image = keras.Input(network.input.shape[1:], dtype="uint8", name="image")
    logits, features = trunk(ops.cast(image, "float32"))
    suspicion = ops.sum(logits * malignancy.weights.astype(np.float32), axis=1) + malignancy.bias
    steps = [ops.sigmoid(logits[:, 1])]
    for index in range(2, len(CATEGORIES)):
        steps.append(ops.minimum(steps[-1], ops.sigmoid(logits[:, index])))
    edges = [ops.ones_like(steps[0]), *steps, ops.zeros_like(steps[0])]
    chances = ops.stack([upper - lower for upper, lower in pairwise(edges)], axis=1)
    return keras.Model(
        image,
        {
            "probabilities": layers.Identity(name="probabilities")(chances),
            "malignancy": layers.Identity(name="malignancy")(ops.sigmoid(suspicion) * steps[0]),
            "novelty": layers.Identity(name="novelty")(score_layer(gaussian, features)),
        },
    )
