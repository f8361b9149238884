"""Pneumonia on chest X-rays of children and adults."""

from pathlib import Path

from models.preprocessing.picture import ImagePreprocessing
from training.calibrate import OperatingRule
from training.datasets import chest_nih, chest_xray
from training.diagnoses.picture_task import PictureTask, picture_training
from training.recipe import Recipe
from training.splits import TEST_SEED, VALIDATION_SEED, Splits, split_groups


def load(data: Path) -> Splits:
    """Kermany as published, 12 % of its development patients for validation; NIH by patient: 30 % test, 20 % of the
    rest validation."""
    kermany, kermany_validation = split_groups(
        chest_xray.load(data / "chest_xray", "development"), 0.12, VALIDATION_SEED
    )
    nih_development, nih_test = split_groups(chest_nih.load(data / "chest_nih"), 0.3, TEST_SEED)
    nih, nih_validation = split_groups(nih_development, 0.2, VALIDATION_SEED)
    return Splits(
        kermany + nih,
        kermany_validation + nih_validation,
        chest_xray.load(data / "chest_xray", "test") + nih_test,
    )


TASK = PictureTask(
    title="Pneumonia on chest X-rays",
    version="1.0.0",
    licence="CC BY 4.0 (as its training data)",
    sources=(chest_xray.SOURCE, chest_nih.SOURCE),
    recipe=Recipe(
        name="xray",
        classes=chest_xray.CLASSES,
        preprocessing=ImagePreprocessing(size=224, framing="squash"),
        augmentation="chest_xray",
        stratum="set",
        stratum_shares={"kermany": 0.6, "nih": 0.4},
        steps=1400,
        validate_every=350,
        balance=1.0,
    ),
    load=load,
    operating_rules=(OperatingRule("pneumonia"),),
    report_by=("subtype",),
    test_by="set",
)
TRAINING = picture_training(TASK)
