"""A linear reading of the median beat and of the regularity of beats: the part that is aligned needs no convolutions.

A ridge regression (Hoerl and Kennard 1970) on the median beat, each lead scaled to variance 1, and on the figures of
rhythm, which tell fibrillation best. It learns from every record, since it asks for no voltage.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from models.preprocessing.ecg_beat import BEAT, RHYTHM
from models.preprocessing.ecg_record import LEADS
from training.datasets.ecg_beats import BeatData
from training.networks.random_convolutions import QUIETEST, ridge
from training.trainer import predict_in_batches

FloatArray = NDArray[np.float32]

STRENGTH = 0.3
"""Of the ridge; by cross-validation."""
STEP = 2
"""Every other sample of the beat is read."""
RHYTHM_WEIGHT = 3.0
"""How much larger the figures of rhythm are made: of so few columns each counts for more."""


@dataclass(frozen=True)
class BeatReading:
    """`model` makes of median beats (n, 112, 12) and figures of rhythm (n, 8) answers (n, t); `answers` (n, t) are
    those for the training ECGs, each by a model that had not seen its group."""

    model: keras.Model
    answers: FloatArray


def fit_beat_reading(beats: BeatData, targets: FloatArray, groups: NDArray[np.int64]) -> BeatReading:
    """Fit the reading to targets (n, t), 0 or 1; `groups` (n,) say which ECGs belong together."""
    beat, rhythm = keras.Input((BEAT, len(LEADS)), name="beat"), keras.Input((RHYTHM,), name="rhythm")
    entry = keras.Model([beat, rhythm], _features(beat, rhythm))
    features = predict_in_batches(entry, [beats.median, beats.rhythm], 64)
    answers = np.zeros(targets.shape, np.float32)
    for group in np.unique(groups):
        left_out = groups == group
        weights, bias = ridge(features[~left_out], targets[~left_out], STRENGTH)
        answers[left_out] = features[left_out] @ weights + bias
    read = layers.Dense(targets.shape[1], trainable=False)
    model = keras.Model([beat, rhythm], read(entry.output), name="beat_reading")
    read.set_weights(list(ridge(features, targets, STRENGTH)))
    return BeatReading(model, answers)


def _features(beat: Any, rhythm: Any) -> Any:
    centred = beat - ops.mean(beat, axis=1, keepdims=True)
    level = ops.maximum(ops.sqrt(ops.mean(ops.square(centred), axis=1, keepdims=True)), QUIETEST)
    shape = (centred / level)[:, ::STEP]
    return ops.concatenate([ops.reshape(shape, (-1, BEAT // STEP * len(LEADS))), RHYTHM_WEIGHT * rhythm], axis=1)
