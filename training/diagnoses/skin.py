"""Seven kinds of skin lesion, from dermoscopy."""

from pathlib import Path

from models.preprocessing.picture import ImagePreprocessing
from training.calibrate import OperatingRule
from training.datasets import ham10000
from training.diagnoses.picture_task import PictureTask, picture_training
from training.recipe import Recipe
from training.splits import TEST_SEED, VALIDATION_SEED, Splits, split_groups


def load(data: Path) -> Splits:
    """HAM10000 by lesion: 20 % test, 10 % validation, 70 % training."""
    development, test = split_groups(ham10000.load(data / "HAM10000"), 0.2, TEST_SEED)
    train, validation = split_groups(development, 0.125, VALIDATION_SEED)
    return Splits(train, validation, test)


TASK = PictureTask(
    title="Skin lesions from dermoscopy, seven classes",
    version="1.1.0",
    licence="CC BY-NC 4.0 (inherited from HAM10000): not for commercial use",
    sources=(ham10000.SOURCE,),
    recipe=Recipe(
        name="skin",
        classes=ham10000.CLASSES,
        preprocessing=ImagePreprocessing(size=224, framing="middle_square"),
        augmentation="dermoscopy",
        stratum="resolution",
        stratum_shares={"sharp": 0.6, "soft": 0.4},
        first_stage=3,
        steps=3500,
        balance=0.9,
        mixup=0.4,
        validate_every=250,
        patience=40,
    ),
    load=load,
    operating_rules=(
        OperatingRule("mel", minimum_sensitivity=0.9),
        OperatingRule("bcc", minimum_sensitivity=0.9),
        OperatingRule("akiec", minimum_sensitivity=0.9),
    ),
    report_by=("resolution", "sex", "age", "confirmation"),
)
TRAINING = picture_training(TASK)
