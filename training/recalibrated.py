"""A new temperature for a softmax network that ships, set on pictures that it has not seen.

Validation is looked at while a network is trained, so a temperature that is set there may be too sure elsewhere. The
logits of both networks of a bundle are divided by one more number (Guo et al. 2017, arXiv:1706.04599), which changes no
order of the classes and no other output by a bit; then the operating points are moved so that each finds as many on
validation as it did.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper

from models.diagnoses.skin.interpretation import SUSPICIOUS
from models.diagnoses.skin.knowledge import skin_knowledge
from models.serving.bundle import (
    INT8_FILE,
    MEASURED_FILE,
    MODEL_FILE,
    Bundle,
    Metadata,
    OperatingPoint,
    file_sha256,
    read_bundle,
    write_bundle,
)
from models.serving.engine import PROBABILITIES
from training.calibrate import OperatingRule, choose_points, fit_temperature
from training.card import SET_ON, renewed
from training.datasets.pictures import Sample, labels_of, load_tensors
from training.diagnoses.picture_task import PictureTask
from training.errors import ExportError
from training.evaluate import predict
from training.explainable import check_unchanged
from training.metrics import IntArray
from training.served import Answer

LEAST = 1e-6
"""What a probability is rounded to."""


def factor_of(given: Sequence[Answer], truth: Callable[[Sample], str | None]) -> float:
    """What the logits of answers should be divided by, for the least log loss; those not accepted are left out."""
    known = [(answer, code) for answer in given if answer.accepted and (code := truth(answer.sample))]
    codes = list(known[0][0].chances)
    chances = np.array([[answer.chances[code] for code in codes] for answer, _ in known])
    labels = np.array([codes.index(code) for _, code in known])
    return fit_temperature(labels, np.log(np.maximum(chances, LEAST)).astype(np.float32))


def recalibrate(bundle: Bundle, version: str, factor: float, on: str, inputs: NDArray[Any]) -> Bundle:
    """The bundle as another version, beside it, whose networks divide their logits by `factor` too, which was set `on`
    some pictures. For inputs (n, ...) no other output changes by a bit. Raises `ExportError`. What was measured is of
    the network before, and goes."""
    metadata, folder = bundle.metadata, bundle.folder.parent / version
    shutil.copytree(bundle.folder, folder)
    (folder / MEASURED_FILE).unlink(missing_ok=True)
    for file in (MODEL_FILE, *([INT8_FILE] if metadata.int8 else [])):
        onnx.save(cooled(onnx.load(str(folder / file)), factor), str(folder / file))
        check_unchanged(bundle.folder / file, folder / file, inputs, but=(PROBABILITIES,))
    changes: dict[str, Any] = {
        "version": version,
        "temperature": metadata.temperature * factor,
        "training": {**metadata.training, SET_ON: on},
    }
    if metadata.int8:
        changes["int8"] = {**metadata.int8.model_dump(), "sha256": file_sha256(folder / INT8_FILE)}
    kept = {**metadata.model_dump(exclude={"sha256"}), **changes}
    card = renewed(bundle.card, metadata, Metadata.model_validate({**kept, "sha256": metadata.sha256}))
    return write_bundle(folder, model=folder / MODEL_FILE, card=card, metadata=kept)


def keep_sensitivities(before: Bundle, after: Bundle, task: PictureTask, data: Path, cache: Path) -> Bundle:
    """The bundle `after` with operating points that find on validation as many as those `before` did: of each of its
    points, and of skin's rule for all suspicious classes together. Both are the networks that are served."""
    samples = task.load(data).validation
    tensors = load_tensors(samples, before.metadata.image_preprocessing, cache)
    chances = [predict(each.model_path, tensors)[PROBABILITIES].astype(np.float64) for each in (before, after)]
    points = mapped(
        _points_of(before.metadata), task.operating_rules, before.metadata.classes, labels_of(samples), *chances
    )
    stored = read_bundle(after.folder).metadata
    changed = stored.model_copy(update={"operating_points": points})
    card = renewed(after.card, stored, changed)
    kept = changed.model_dump(exclude={"sha256"})
    return write_bundle(after.folder, model=after.folder / MODEL_FILE, card=card, metadata=kept)


def mapped(
    thresholds: Mapping[str, float],
    rules: Sequence[OperatingRule],
    classes: Sequence[str],
    labels: IntArray,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
) -> tuple[OperatingPoint, ...]:
    """For each threshold of probabilities (n, classes) `before` the highest one `after` that finds as many."""
    known, found = {rule.code: rule for rule in rules}, []
    for code, threshold in thresholds.items():
        rule = known[code]
        added = [classes.index(each) for each in rule.codes or (code,)]
        sought = np.isin(labels, [classes.index(each) for each in rule.of] or added)
        reached = float((before[sought][:, added].sum(axis=1) >= threshold).mean())
        same = replace(rule, minimum_sensitivity=reached - 1e-9)
        [point] = choose_points([same], classes, labels, after, np.ones(len(labels)))
        text = f"highest that finds as many on validation as {threshold:.4f} did before the temperature was set again"
        found.append(point.model_copy(update={"rule": text}))
    return tuple(found)


def _points_of(metadata: Metadata) -> dict[str, float]:
    """The threshold of each point, and what the knowledge has for all suspicious classes where there is none."""
    together = {SUSPICIOUS: float(skin_knowledge().suspicion.total_threshold.value)}
    return {**together, **{point.code: point.threshold for point in metadata.operating_points}}


def cooled(model: ModelProto, factor: float) -> ModelProto:
    """A copy of a network whose logits are divided by a factor. Raises `ExportError` where its probabilities are no
    softmax."""
    found = ModelProto()
    found.CopyFrom(model)
    for place, node in enumerate(found.graph.node):
        if node.op_type == "Softmax" and PROBABILITIES in node.output:
            name = f"recalibrated_{place}"
            scale = numpy_helper.from_array(np.array(1 / factor, np.float32), f"{name}_by")
            found.graph.initializer.append(scale)
            found.graph.node.insert(place, helper.make_node("Mul", [node.input[0], scale.name], [name]))
            found.graph.node[place + 1].input[0] = name
            onnx.checker.check_model(found)
            return found
    raise ExportError("The network's probabilities are no softmax, so it has no temperature to set.")
