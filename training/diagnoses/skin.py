"""Seven kinds of skin lesion, from dermoscopy."""

from pathlib import Path

from models.diagnoses.skin.interpretation import SUSPICIOUS
from models.preprocessing.picture import ImagePreprocessing
from training.calibrate import OperatingRule
from training.datasets import ham10000, isic2017
from training.diagnoses.picture_task import PictureTask, picture_training
from training.recipe import Recipe
from training.skin_tone import with_tones
from training.splits import TEST_SEED, VALIDATION_SEED, Splits, split_groups


def load(data: Path) -> Splits:
    """HAM10000 by lesion, sharp where it can be: 20 % test, 10 % validation, 70 % training."""
    samples = ham10000.load(data / "HAM10000", data / "ham10000_sharp")
    development, test = split_groups(samples, 0.2, TEST_SEED)
    train, validation = split_groups(development, 0.125, VALIDATION_SEED)
    return Splits(train, validation, test)


PREVALENCE = 0.03
"""Of melanoma, among lesions that are looked at, for which predictive values are stated: an order of magnitude."""
OPERATING_RULES = (
    OperatingRule("mel", minimum_sensitivity=0.95, prevalence=PREVALENCE),
    OperatingRule("bcc", minimum_sensitivity=0.9),
    OperatingRule("akiec", minimum_sensitivity=0.9),
    OperatingRule(
        SUSPICIOUS, minimum_sensitivity=0.98, codes=("akiec", "bcc", "mel"), of=("mel",), prevalence=PREVALENCE
    ),
)

TASK = PictureTask(
    title="Skin lesions from dermoscopy, seven classes",
    version="1.2.0",
    licence="CC BY-NC 4.0 (inherited from HAM10000): not for commercial use",
    sources=(ham10000.SOURCE, isic2017.SOURCE),
    recipe=Recipe(
        name="skin",
        classes=ham10000.CLASSES,
        preprocessing=ImagePreprocessing(size=224, framing="middle_square"),
        augmentation="dermoscopy_travelling",
        stratum="resolution",
        stratum_shares={"sharp": 0.6, "soft": 0.4},
        first_stage=2,
        steps=5640,
        learning_rate=5e-4,
        balance=0.8,
        balance_undone=0.18,
        mixup=0.4,
        validate_every=470,
        patience=99,
        sizes=(128, 160, 224),
        restarts=(1.0, 0.7, 0.5),
        folds=3,
    ),
    load=load,
    operating_rules=OPERATING_RULES,
    report_by=("resolution", "sex", "age", "tone", "site", "confirmation"),
    described=with_tones,
)
TRAINING = picture_training(TASK)
