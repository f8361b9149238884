"""What the chest network is validated by: each set apart, and pneumonia of one set against the normal of another."""

from collections.abc import Sequence

import numpy as np

from training.datasets.pictures import Sample
from training.metrics import auroc
from training.picture_trainer import Objective
from training.trainer import FloatArray


class ChestObjective(Objective):
    """One class of two, validated by the AUROC within Kermany and within NIH, and by that of NIH's pneumonia against
    adults whom radiologists read as normal, which a network that tells sets apart fails."""

    def score(self, targets: FloatArray, logits: FloatArray, samples: Sequence[Sample]) -> dict[str, float]:
        ill = targets[:, 1] > 0.5
        sets = np.array([sample.strata["set"] for sample in samples])
        margins = logits[:, 1] - logits[:, 0]
        chosen = {
            "auroc_kermany": sets == "kermany",
            "auroc_nih": sets == "nih",
            "auroc_against_normal_adults": (sets == "normal_adults") | ((sets == "nih") & ill),
        }
        found = {
            name: auroc(ill[part], margins[part])
            for name, part in chosen.items()
            if ill[part].any() and not ill[part].all()
        }
        return found or super().score(targets, logits, samples)
