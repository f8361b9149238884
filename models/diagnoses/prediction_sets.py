"""The codes that may hold the truth, chosen by the bundle's least probability of each class (conformal prediction).

Whatever the answer names belongs to them too, so that no list contradicts the answer beside it; that only enlarges
them. Of an input that is not accepted nothing is known, so every code does.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from models.diagnoses.knowledge import common_knowledge
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from schemas.common import Reliability

MOST_NAMED = 12
"""Codes that are named in words; the rest is counted."""


class PredictionSet(NamedTuple):
    """The codes that may hold the truth, and the same in words."""

    codes: tuple[str, ...]
    says: str


def prediction_set(
    outputs: Outputs, metadata: Metadata, named: Collection[str], reliability: Reliability, names: Mapping[str, str]
) -> PredictionSet | None:
    """The set of `probabilities` (classes,), 0-1, in the order of the classes, the most probable first where they
    exclude one another; None where the bundle has learned none. `named` are the codes that the answer names, `names`
    what codes are called."""
    spec, texts = metadata.prediction_set, common_knowledge().prediction_set
    if spec is None:
        return None
    if not reliability.accepted:
        return PredictionSet(codes=metadata.classes, says=texts.unread.value)
    if elsewhere := [code for code in named if code not in metadata.places]:
        return PredictionSet(codes=tuple(elsewhere), says=texts.known.value.format(names=", ".join(elsewhere)))
    chances = outputs[PROBABILITIES].astype(np.float64)
    fitting = np.flatnonzero(chances >= spec.least_of(metadata.classes)).tolist()
    places = sorted({*fitting, *(metadata.places[code] for code in named)})
    if metadata.task == "multiclass":
        found = dict(zip(places, chances[places].tolist(), strict=True))
        places.sort(key=found.__getitem__, reverse=True)
    codes = [metadata.classes[place] for place in places]
    if len(codes) == len(metadata.classes):
        text = texts.every
    elif not fitting:
        text = texts.none
    else:
        text = texts.one if len(codes) == 1 else texts.several
    told = [names.get(code, code) for code in codes[:MOST_NAMED]]
    if len(codes) > MOST_NAMED:
        told.append(f"{len(codes) - MOST_NAMED} more")
    says = text.value.format(names=_listed(told), missed=f"{1 - spec.coverage:.0%}")
    return PredictionSet(codes=tuple(codes), says=says)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
