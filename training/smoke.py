"""Tiny made-up pictures that let the whole pipeline run in under a minute, for tests. They teach nothing medical."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from models.preprocessing.picture import ImagePreprocessing
from training.datasets.pictures import Sample
from training.diagnoses.picture_task import PictureTask
from training.splits import Splits, split_groups

SIZE = 64
GROUPS_PER_CLASS = 10
PICTURES_PER_GROUP = 2


def smoke_task(task: PictureTask) -> PictureTask:
    """The task with pictures of 64 px and a few steps of small batches."""
    recipe = replace(
        task.recipe,
        preprocessing=ImagePreprocessing(size=SIZE, framing=task.recipe.preprocessing.framing),
        steps=4,
        warmup=2,
        batch_size=8,
        validate_every=2,
        sizes=(),
        size_shares=(),
        restarts=(),
        folds=0,
        head_epochs=3,
    )
    return replace(task, recipe=recipe, version=f"{task.version}.dev0")


def smoke_splits(task: PictureTask, folder: Path) -> Splits:
    """Write noisy pictures whose colour tells the class into `folder` and split them by group."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    stratum, strata = task.recipe.stratum, list(task.recipe.stratum_shares)
    samples = []
    for label, code in enumerate(task.recipe.classes):
        colour = rng.uniform(40, 215, 3)
        for number in range(GROUPS_PER_CLASS * PICTURES_PER_GROUP):
            path = folder / f"{code}_{number}.png"
            Image.fromarray(np.clip(rng.normal(colour, 25, (SIZE, SIZE, 3)), 0, 255).astype(np.uint8)).save(path)
            names = dict.fromkeys(task.report_by, "made-up")
            if stratum:
                names[stratum] = strata[number % len(strata)]
            if task.test_by:
                names.setdefault(task.test_by, "made-up")
            group = f"{code}_{number // PICTURES_PER_GROUP}"
            samples.append(task.made_up(Sample(path=path, label=label, group=group, source="smoke", strata=names)))
    development, test = split_groups(samples, 0.2, 0)
    train, validation = split_groups(development, 0.25, 0)
    return Splits(train, validation, test)
