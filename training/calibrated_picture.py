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
from training.calibrate import OUT_OF_FOLD, VALIDATION, choose_points, fit_temperature
from training.datasets.pictures import labels_of, load_tensors
from training.evaluate import predict, tensor_specs
from training.explainable import explain_classes
from training.trainer import FloatArray, predict_in_batches

if TYPE_CHECKING:
    from training.diagnoses.picture_task import Run

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
    explains: tuple[str, ...]


def calibrate_and_export(run: "Run", target: Path) -> Exported:
    """Fit temperature and operating points on validation, or on what the folds said of pictures they had not seen, and
    novelty on training pictures, and write the run's network to `target`.

    Raises `ExportError` where the graph differs from the network, `TrainingError` where a fold isn't finished or the
    network answers unlike the folds'.
    """
    from training.diagnoses.picture_task import check_alike, out_of_fold, set_weights, shift_of

    task, recipe, splits = run.task, run.task.recipe, run.splits
    network = keras.models.load_model(run.network)
    training_pictures = load_tensors(splits.train, recipe.preprocessing, run.cache)
    if recipe.folds:
        samples, logits = out_of_fold(run)
        check_alike(run, network)
        pictures = training_pictures
    else:
        samples = splits.validation
        pictures = load_tensors(samples, recipe.preprocessing, run.cache)
        logits = predict_in_batches(network, pictures, recipe.batch_size) + shift_of(run)
    shift(network, shift_of(run))
    labels, weights = labels_of(samples), set_weights(samples, task.test_by)
    temperature = fit_temperature(labels, logits, weights)
    chances = softmax(logits.astype(np.float64) / temperature, axis=1)
    on = OUT_OF_FOLD if recipe.folds else VALIDATION
    points = choose_points(task.operating_rules, recipe.classes, labels, chances, weights, on)
    taps = export.TAPS[recipe.backbone]
    tapped = keras.Model(network.input, export.tapped_features(network, taps))
    step = max(1, len(training_pictures) // NOVELTY_PICTURES)
    gaussian = novelty.fit_gaussian(predict_in_batches(tapped, training_pictures[::step], recipe.batch_size))
    served = export.served_model(network, temperature, gaussian, taps)
    export.export_onnx(served, target)
    difference = export.check_parity(served, target, np.asarray(pictures[: recipe.batch_size]))
    log.info("Keras and ONNX differ by at most %.1e in an output", difference)
    explains = explain_classes(target, recipe.classes)
    entry, outputs = tensor_specs(target)
    others = pictures[step // 2 :: step] if recipe.folds else pictures
    unlike = novelty.choose_threshold(predict(target, others)["novelty"])
    return Exported(target, temperature, points, unlike, entry, outputs, explains)


def shift(network: keras.Model, by: FloatArray | float) -> None:
    """Add to the bias of a network's logits."""
    head = network.get_layer("logits")
    kernel, bias = head.get_weights()
    head.set_weights([kernel, bias + by])
