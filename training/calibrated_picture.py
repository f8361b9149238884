"""A trained picture network becomes what is served: calibrated, exported, and with a score of novelty."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
from scipy.special import softmax

from models.serving.bundle import NoveltySpec, OperatingPoint, TensorSpec
from training import export, novelty
from training.calibrate import choose_operating_point, fit_temperature
from training.datasets.pictures import labels_of, load_tensors
from training.evaluate import predict, tensor_specs
from training.splits import Splits
from training.trainer import predict_in_batches

if TYPE_CHECKING:
    from training.diagnoses.picture_task import PictureTask

log = logging.getLogger(__name__)

NOVELTY_PICTURES = 2000


@dataclass(frozen=True)
class Exported:
    """A network in `model` (ONNX), and what was found on validation."""

    model: Path
    temperature: float
    points: tuple[OperatingPoint, ...]
    novelty: NoveltySpec
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]


def calibrate_and_export(
    task: "PictureTask", splits: Splits, network_file: Path, target: Path, cache: Path
) -> Exported:
    """Fit temperature and operating points on validation and novelty on the training pictures, and write `target`.

    Raises `ExportError` where the graph differs from the network.
    """
    from training.diagnoses.picture_task import set_weights

    recipe = task.recipe
    network = keras.models.load_model(network_file)
    pictures = load_tensors(splits.validation, recipe.preprocessing, cache)
    labels, weights = labels_of(splits.validation), set_weights(splits.validation, task.test_by)
    logits = predict_in_batches(network, pictures, recipe.batch_size)
    temperature = fit_temperature(labels, logits, weights)
    chances = softmax(logits.astype(np.float64) / temperature, axis=1)
    points = tuple(
        choose_operating_point(rule, labels == index, chances[:, index], weights)
        for rule in task.operating_rules
        for index in [recipe.classes.index(rule.code)]
    )
    taps = export.TAPS[recipe.backbone]
    tapped = keras.Model(network.input, export.tapped_features(network, taps))
    training_pictures = load_tensors(splits.train, recipe.preprocessing, cache)
    typical = training_pictures[:: max(1, len(training_pictures) // NOVELTY_PICTURES)]
    gaussian = novelty.fit_gaussian(predict_in_batches(tapped, typical, recipe.batch_size))
    served = export.served_model(network, temperature, gaussian, taps)
    export.export_onnx(served, target)
    difference = export.check_parity(served, target, np.asarray(pictures[: recipe.batch_size]))
    log.info("Keras and ONNX differ by at most %.1e in an output", difference)
    entry, outputs = tensor_specs(target)
    unlike = novelty.choose_threshold(predict(target, pictures)["novelty"])
    return Exported(target, temperature, points, unlike, entry, outputs)
