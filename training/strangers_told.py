"""A bundle that tells strangers from its own pictures, and how surely it does, as it is served."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.diagnoses.diagnosis import AnyDiagnosis
from models.diagnoses.judging import coarse, correlation
from models.preprocessing.picture import ReadPicture, UInt8Array
from models.serving.bundle import (
    INT8_FILE,
    MODEL_FILE,
    Bundle,
    Estimate,
    Metadata,
    file_sha256,
    read_bundle,
    write_bundle,
)
from models.serving.engine import NOVELTY, Engine
from models.serving.registry import Prediction
from training.card import renewed
from training.datasets.pictures import Sample, load_tensors
from training.diagnoses.picture_task import PictureTask
from training.errors import TrainingError
from training.evaluate import predict, share
from training.recipe import Recipe
from training.strangers import FALSE_ALARMS, SEED, TAUGHT, add_classifier, sources_of, strangers

OWN = 1500
"""The most pictures of one's own that teach, and as many that set where a stranger begins."""
COMPOSED = ("xray",)
"""Models whose pictures all show the same thing in the same place."""
UNLIKE = 0.01
_AT_ONCE = 16

FloatArray = NDArray[np.float32]


def teach(bundle: Bundle, task: PictureTask, data: Path, cache: Path, version: str) -> Bundle:
    """The bundle, as another version, with a classifier of strangers in each of its networks. Raises `TrainingError`
    for one without novelty."""
    metadata, spec = bundle.metadata, bundle.metadata.image_preprocessing
    if metadata.novelty is None:
        raise TrainingError(f"Bundle {bundle.folder} has no novelty that strangers could be told by.")
    splits = task.load(data)
    own = load_tensors(_spread(splits.train), spec, cache)[:]
    own = np.concatenate([own, softened(own), changed(own, task.recipe)])
    checked = load_tensors(_spread(splits.validation or splits.train, offset=1), spec, cache)[:]
    others = np.concatenate(list(strangers(metadata.name, data, "learn", spec).values()))
    reference, quantised = bundle.folder / MODEL_FILE, bundle.folder / INT8_FILE
    add_classifier(reference, metadata.novelty.threshold, own, others, checked, FALSE_ALARMS[metadata.name])
    composition = _composition(own, checked) if metadata.name in COMPOSED else None
    novelty = {**_judged(reference, metadata.novelty.threshold, checked), "composition": composition}
    own_sets = [source for source in metadata.data if source.use != TAUGHT]
    terms = [source.model_dump() for source in (*own_sets, *sources_of(metadata.name))]
    changes: dict[str, Any] = {"version": version, "novelty": novelty, "data": terms}
    if metadata.int8 and metadata.int8.novelty:
        threshold = metadata.int8.novelty.threshold
        add_classifier(quantised, threshold, own, others, checked, FALSE_ALARMS[metadata.name])
        known = {
            "sha256": file_sha256(quantised),
            "novelty": {**_judged(quantised, threshold, checked), "composition": composition},
        }
        changes["int8"] = {**metadata.int8.model_dump(), **known}
    kept = {**metadata.model_dump(exclude={"sha256"}), **changes}
    card = renewed(bundle.card, metadata, Metadata.model_validate({**kept, "sha256": metadata.sha256}))
    write_bundle(bundle.folder, model=reference, card=card, metadata=kept)
    return read_bundle(bundle.folder)


def _composition(own: UInt8Array, checked: UInt8Array) -> dict[str, object]:
    """The mean of one's own pictures, each with the same contrast and as often mirrored, and what all but `UNLIKE` of
    others have in common with it at least."""

    def even(tensor: UInt8Array) -> FloatArray:
        greys = coarse(tensor)
        return np.asarray((greys - greys.mean()) / max(float(greys.std()), 1e-6))

    mean = np.mean([even(tensor) for tensor in own], axis=0)
    mean = (mean + mean[:, ::-1]) / 2
    alike = [correlation(coarse(tensor), mean) for tensor in checked]
    least = float(np.clip(np.quantile(alike, UNLIKE), 0.0, 1.0))
    return {"greys": np.round(mean, 3).ravel().tolist(), "least": round(least, 3)}


def told(diagnosis: AnyDiagnosis, bundle: Bundle, data: Path) -> dict[str, Estimate]:
    """The share of each kind of stranger, of sources that taught nothing, that is refused."""
    found = strangers(diagnosis.name, data, "check", bundle.metadata.image_preprocessing)
    engine = Engine(bundle, threads=2)
    shares = {}
    for kind, tensors in found.items():
        refused = [not each for each in accepted(diagnosis, bundle, engine, tensors)]
        shares[f"refused: {kind}"] = share(refused, range(len(refused)), 200)
    return shares


def accepted(diagnosis: AnyDiagnosis, bundle: Bundle, engine: Engine, tensors: UInt8Array) -> list[bool]:
    """Whether the service would accept each of the pictures (n, size, size, 3)."""
    found = []
    for start in range(0, len(tensors), _AT_ONCE):
        part = tensors[start : start + _AT_ONCE]
        outputs = engine.run(np.ascontiguousarray(part), cores=2)
        for index, tensor in enumerate(part):
            own = {name: values[index] for name, values in outputs.items()}
            picture = ReadPicture(tensor[np.newaxis], None)
            found.append(diagnosis.judge(Prediction(bundle.metadata, own, {}), picture).accepted)
    return found


def softened(tensors: UInt8Array) -> UInt8Array:
    """The pictures (n, size, size, 3) as from fewer pixels, 18 to 60 % of the edge: some strangers are cut out and
    enlarged, and softness must not tell them."""
    rng, size = np.random.default_rng(SEED), tensors.shape[1]
    found = np.empty_like(tensors)
    for index, tensor in enumerate(tensors):
        edge = max(8, round(size * rng.uniform(0.18, 0.6)))
        small = Image.fromarray(tensor).resize((edge, edge), Image.Resampling.BOX)
        found[index] = np.asarray(small.resize((size, size), Image.Resampling.BILINEAR))
    return found


def changed(tensors: UInt8Array, recipe: Recipe) -> UInt8Array:
    """The pictures (n, size, size, 3) with other light, colours, files and marks, as a training changes them: another
    place must not make strangers of them."""
    from keras.ops import convert_to_numpy

    from training.augmentation import AUGMENTATIONS, Augment
    from training.file_changes import FILE_CHANGES

    files, augment = FILE_CHANGES.get(recipe.augmentation), Augment(AUGMENTATIONS[recipe.augmentation], SEED)
    rng, found = np.random.default_rng(SEED), np.empty_like(tensors)
    for start in range(0, len(tensors), _AT_ONCE):
        part = tensors[start : start + _AT_ONCE]
        seen = augment((files(part, rng) if files else part).astype(np.float32))
        found[start : start + _AT_ONCE] = np.rint(convert_to_numpy(seen)).astype(np.uint8)
    return found


def _judged(file: Path, threshold: float, checked: UInt8Array) -> dict[str, float]:
    scores = predict(file, checked)[NOVELTY]
    return {"threshold": threshold, "false_alarms": float(np.mean(scores > threshold))}


def _spread(samples: Sequence[Sample], offset: int = 0) -> list[Sample]:
    step = max(1, len(samples) // OWN)
    return list(samples[offset % step :: step][:OWN])
