"""What each symptom, age and sex say for and against the first diseases, by the network that ranks them.

The weight of evidence (Good 1985) of an entry is what the log odds of a disease lose when the entry is left out and the
others stay. The network is a naive Bayes, in which that is the entry's log-likelihood ratio against the other diseases,
weighed as they then are; nothing is approximated.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.disease.interpretation import Case
from models.diagnoses.explaining import DECIMALS, Answered
from models.diagnoses.knowledge import common_knowledge
from models.preprocessing.inputs import PreparedForm
from models.serving.engine import PROBABILITIES
from schemas.common import Explanation, WeightOfEvidence
from schemas.disease import DiseaseReading

METHOD = "weight of evidence, each entry left out in turn"
EXPLAINED = 3
"""Diseases that are explained, the first of the ranking."""
MOST_ENTRIES = 64
_TINY = 1e-30


def explain(answered: Answered[Case, PreparedForm, DiseaseReading]) -> Explanation | None:
    """The weights of each entry the model read, the strongest for a disease first; None where it read nothing."""
    form, metadata = answered.prepared, answered.prediction.metadata
    names = metadata.tabular_preprocessing.names
    row = form.tensors[0]
    places = [place for place in np.flatnonzero(row).tolist() if form.values.get(names[place]) is not None]
    places = places[:MOST_ENTRIES]
    if not places:
        return None
    diseases = [disease.disease for disease in answered.reading.top_predictions[:EXPLAINED]]
    columns = [metadata.classes.index(disease) for disease in diseases]
    rows = np.repeat(row[np.newaxis], len(places), axis=0)
    rows[np.arange(len(places)), places] = 0
    without = _log_odds(answered.compute(rows)[PROBABILITIES], columns)
    weights = (_log_odds(answered.prediction.probabilities, columns) - without).round(DECIMALS) + 0.0
    said = [names[place] if row[place] > 0 else f"no {names[place]}" for place in places]
    found = []
    for disease, column in zip(diseases, weights.T, strict=True):
        values = column.tolist()
        found += [
            WeightOfEvidence(name=said[each], about=disease, log_odds=values[each])
            for each in np.argsort(-column, kind="stable").tolist()
        ]
    limits = common_knowledge().explanation.weights_limits.value
    return Explanation(kind="weights", method=METHOD, weights=tuple(found), limits=limits)


def _log_odds(probabilities: NDArray[np.float32], columns: Sequence[int]) -> NDArray[np.float64]:
    """Of some columns of probabilities (..., classes), which sum to 1; what is left for the others is summed, not
    subtracted."""
    chances = probabilities.astype(np.float64)
    others = np.ones((chances.shape[-1], len(columns)))
    others[columns, np.arange(len(columns))] = 0
    left = chances @ others
    return np.asarray(np.log(np.maximum(chances[..., columns], _TINY)) - np.log(np.maximum(left, _TINY)))
