"""The operating points of a bundle that ships, chosen again on validation, as it is served."""

from pathlib import Path

import numpy as np

from models.serving.bundle import MODEL_FILE, Bundle, Metadata, read_bundle, write_bundle
from training.calibrate import choose_points
from training.card import renewed
from training.datasets.pictures import labels_of, load_tensors
from training.diagnoses.picture_task import PictureTask, set_weights
from training.errors import TrainingError
from training.evaluate import predict


def choose_again(bundle: Bundle, task: PictureTask, data: Path, cache: Path, version: str) -> Bundle:
    """The bundle, as another version, with the task's operating points of the validation split that it never learned
    from. Raises `TrainingError` where the task has none."""
    samples, metadata = task.load(data).validation, bundle.metadata
    if not samples or not task.operating_rules:
        raise TrainingError(f"{metadata.name} has no validation split or no rules to choose operating points by.")
    tensors = load_tensors(samples, metadata.image_preprocessing, cache)
    chances = predict(bundle.model_path, tensors)["probabilities"].astype(np.float64)
    weights = set_weights(samples, task.test_by)
    points = choose_points(task.operating_rules, metadata.classes, labels_of(samples), chances, weights)
    reference = bundle.folder / MODEL_FILE
    changes = {"version": version, "operating_points": [point.model_dump() for point in points]}
    kept = {**read_bundle(bundle.folder).metadata.model_dump(exclude={"sha256"}), **changes}
    card = renewed(bundle.card, metadata, Metadata.model_validate({**kept, "sha256": metadata.sha256}))
    return write_bundle(bundle.folder, model=reference, card=card, metadata=kept)
