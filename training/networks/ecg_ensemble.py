"""What the readings of an ECG say together, as one graph.

The answers of each reading for records that it had not learned from are weighed by a logistic regression for each class
(stacking: Wolpert 1992, Neural Networks 5:241-259), which gives calibrated log odds at once (Platt 1999).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from models.preprocessing.ecg_beat import BEAT, RHYTHM
from models.preprocessing.ecg_record import LEADS, SignalPreprocessing
from models.serving.engine import NOVELTY, PROBABILITIES
from models.serving.engine import RHYTHM as RHYTHM_OUTPUT
from training.datasets.ecg_beats import RHYTHMS
from training.datasets.ptbxl import CLASSES
from training.export import score_layer
from training.networks.random_convolutions import QUIETEST, log_odds
from training.novelty import Gaussian
from training.trainer import predict_in_batches

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

POOLED = 8
"""Samples of the beat that are averaged where it is compared with beats of the training data."""
_SAMPLES = 1000
EACH_CLASS, EACH_RHYTHM = np.eye(len(CLASSES), dtype=np.bool_), np.eye(len(RHYTHMS), dtype=np.bool_)
EACH_CLASS[:, CLASSES.index("NORM")] = True
"""Which answers are weighed: for each its own, for NORM all, since what speaks for a finding speaks against it."""
_CLASSES, _RHYTHMS = slice(0, len(CLASSES)), slice(len(CLASSES), len(CLASSES) + len(RHYTHMS))


@dataclass(frozen=True)
class Weights:
    """Slopes (readings, answers, columns) and bias (columns,) that make log odds of the answers of each reading."""

    slopes: FloatArray
    bias: FloatArray

    def combine(self, answers: Sequence[Any]) -> Any:
        """Log odds (n, columns) of each reading's answers (n, answers)."""
        return sum(answer @ slopes for answer, slopes in zip(answers, self.slopes, strict=True)) + self.bias


@dataclass(frozen=True)
class Ensemble:
    """The readings, and how they are weighed: for the classes the random convolutions of the shape in ten seconds and
    of the median beat's shape and voltage, for the rhythms, which learn from records without voltage too, those of ten
    seconds and the linear reading of the beat and of regularity."""

    convolutions: keras.Model
    beat_convolutions: keras.Model
    beat_reading: keras.Model
    classes: Weights
    rhythms: Weights


def of_classes(shape: Any, beat_shape: Any, beat_voltage: Any) -> list[Any]:
    """The answers (n, 5) that are weighed for the classes, of those of each of the random convolutions (n, 8)."""
    return [answers[:, _CLASSES] for answers in (shape, beat_shape, beat_voltage)]


def of_rhythms(shape: Any, beat: Any) -> list[Any]:
    """The answers (n, 3) that are weighed for the rhythms, of those of the convolutions of ten seconds (n, 8) and of
    the linear reading (n, 3)."""
    return [shape[:, _RHYTHMS], beat]


def fit_weights(answers: Sequence[FloatArray], labels: FloatArray, read: BoolArray) -> Weights:
    """Weights of the answers (n, columns) of each reading for records that it had not seen; labels (n, columns).
    `read` (columns, columns): which answers, first, are weighed for each column."""
    slopes, bias = np.zeros((len(answers), *read.shape), np.float32), np.zeros(len(read), np.float32)
    for column, chosen in enumerate(read.T):
        used = [answer[:, [index]].astype(np.float64) for answer in answers for index in np.flatnonzero(chosen)]
        found, bias[[column]] = log_odds(used, labels[:, [column]])
        slopes[:, chosen, column] = found.reshape(len(answers), -1)
    return Weights(slopes, bias)


def cross_fitted(
    answers: Sequence[FloatArray], labels: FloatArray, read: BoolArray, groups: NDArray[np.int64]
) -> FloatArray:
    """Log odds (n, columns) whose weights were fitted on the other groups (n,)."""
    found = np.zeros(labels.shape, np.float32)
    for group in np.unique(groups):
        here = groups == group
        weights = fit_weights([answer[~here] for answer in answers], labels[~here], read)
        found[here] = weights.combine([answer[here] for answer in answers])
    return found


def served_model(ensemble: Ensemble, gaussian: Gaussian) -> keras.Model:
    """`signal` (n, 1113, 12), band-passed mV and the rows of its beat, to `probabilities` (n, 5) and `rhythm` (n, 3),
    each by itself, and `novelty` (n,)."""
    signal = keras.Input(SignalPreprocessing(beat=True).tensor_shape, name="signal")
    beat, rhythm = signal[:, _SAMPLES : _SAMPLES + BEAT], signal[:, _SAMPLES + BEAT, :RHYTHM]
    shape = ensemble.convolutions(signal[:, :_SAMPLES])
    beat_shape, beat_voltage = ops.split(ensemble.beat_convolutions(beat), 2, axis=1)
    classes = ensemble.classes.combine(of_classes(shape, beat_shape, beat_voltage))
    rhythms = ensemble.rhythms.combine(of_rhythms(shape, ensemble.beat_reading([beat, rhythm])))
    outputs = {
        PROBABILITIES: layers.Activation("sigmoid", name=PROBABILITIES)(classes),
        RHYTHM_OUTPUT: layers.Activation("sigmoid", name=RHYTHM_OUTPUT)(rhythms),
        NOVELTY: layers.Identity(name=NOVELTY)(score_layer(gaussian, _familiar(beat))),
    }
    return keras.Model(signal, outputs)


def familiar_features(beats: FloatArray) -> FloatArray:
    """The features (n, d) that tell how unlike the training data median beats (n, 112, 12) are."""
    beat = keras.Input(beats.shape[1:])
    return predict_in_batches(keras.Model(beat, _familiar(beat)), beats, 64)


def _familiar(beat: Any) -> Any:
    """The shape of the beat in each lead, roughly, and how loud it is."""
    centred = beat - ops.mean(beat, axis=1, keepdims=True)
    level = ops.maximum(ops.sqrt(ops.mean(ops.square(centred), axis=1, keepdims=True)), QUIETEST)
    pooled = ops.average_pool(centred / level, POOLED, POOLED)
    features = BEAT // POOLED * len(LEADS)
    return ops.concatenate([ops.reshape(pooled, (-1, features)), ops.log(level[:, 0])], axis=1)
