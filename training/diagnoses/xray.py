"""Pneumonia on chest X-rays of children and adults."""

from pathlib import Path
from typing import TYPE_CHECKING

from models.preprocessing.picture import ImagePreprocessing
from training.calibrate import OperatingRule
from training.datasets import chest_nih, chest_normal_adults, chest_xray
from training.datasets.pictures import Sample
from training.diagnoses.picture_task import PictureTask, picture_training
from training.recipe import Recipe
from training.splits import TEST_SEED, VALIDATION_SEED, Splits, split_groups

if TYPE_CHECKING:
    from training.picture_trainer import Objective


def load(data: Path) -> Splits:
    """Kermany as published, 12 % of its development patients for validation; NIH by patient: 30 % test, 20 % of the
    rest validation; of the normal adults the half held back is test, 20 % of the others validation."""
    kermany, kermany_validation = split_groups(
        chest_xray.load(data / "chest_xray", "development"), 0.12, VALIDATION_SEED
    )
    nih_development, nih_test = split_groups(chest_nih.load(data / "chest_nih"), 0.3, TEST_SEED)
    nih, nih_validation = split_groups(nih_development, 0.2, VALIDATION_SEED)
    adults = chest_normal_adults.load(data / "chest_normal_adults")
    normal, normal_validation = split_groups(
        [sample for sample in adults if not chest_normal_adults.held_back(sample)], 0.2, VALIDATION_SEED
    )
    return Splits(
        kermany + nih + normal,
        kermany_validation + nih_validation + normal_validation,
        chest_xray.load(data / "chest_xray", "test")
        + nih_test
        + [sample for sample in adults if chest_normal_adults.held_back(sample)],
    )


def only_tested(sample: Sample) -> bool:
    """Kermany's published test split and the half of the normal adults that is held back stay outside, all of them."""
    return sample.strata["set"] != "nih"


def objective(recipe: Recipe) -> "Objective":
    """Each set is validated apart."""
    from training.networks.chest_objective import ChestObjective

    return ChestObjective(recipe)


PREVALENCE = 0.05
"""Of pneumonia on the film among adults with an acute cough in primary care (van Vugt et al. 2013, BMJ 346:f2450: 140
of 2,820, 5 %), for which predictive values are stated."""

NORMAL_NAMED = 0.85
"""The share of films without a finding that are named normal, each set alike; the rest are not settled, and with them
the pneumonias that look like them."""

TASK = PictureTask(
    title="Pneumonia on chest X-rays",
    version="1.2.0",
    licence="CC BY 4.0 (Kermany), NIH terms; the normal adults for research with citation"
    "; HAM10000's CC BY-NC 4.0 by the classifier that refuses other pictures",
    sources=(chest_xray.SOURCE, chest_nih.SOURCE, chest_normal_adults.SOURCE),
    recipe=Recipe(
        name="xray",
        classes=chest_xray.CLASSES,
        preprocessing=ImagePreprocessing(size=224, framing="squash"),
        augmentation="chest_xray",
        stratum="cell",
        stratum_shares={"kermany": 0.45, "nih_pa": 0.2, "nih_ap": 0.2, "normal_adults": 0.3},
        window=(0.13, 0.11, 0.85, 0.89),
        pooled=("stage3", "stage5", "stage6", "stage7"),
        head_ridge=0.28,
        steps=0,
        balance=1.0,
        folds=3,
    ),
    load=load,
    operating_rules=(
        OperatingRule("pneumonia", prevalence=PREVALENCE),
        OperatingRule("normal", minimum_sensitivity=NORMAL_NAMED),
    ),
    report_by=("subtype", "view", "age"),
    test_by="set",
    only_tested=only_tested,
    objective=objective,
)
TRAINING = picture_training(TASK)
