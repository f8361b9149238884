"""What is trained for each picture diagnosis: recipe, data, splits, operating points and what the card says of them.

The seeds below fix who is held out. They were drawn once and are never changed to make a figure better.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.bundle import DataSource
from training.calibrate import OperatingRule
from training.datasets import chest_nih, chest_xray, ham10000
from training.recipes import SKIN, XRAY, Recipe
from training.splits import Splits, assert_no_leak, split_groups

TEST_SEED = 1
VALIDATION_SEED = 2


@dataclass(frozen=True)
class Task:
    """`load` takes the folder that holds the data sets in their published layouts. Values of the stratum `test_by` are
    measured apart."""

    recipe: Recipe
    version: str
    load: Callable[[Path], Splits]
    sources: tuple[DataSource, ...]
    licence: str
    operating_rules: tuple[OperatingRule, ...]
    report_by: tuple[str, ...]
    test_by: str | None = None


def load_skin(data: Path) -> Splits:
    """HAM10000 by lesion: 20 % test, 10 % validation, 70 % training."""
    development, test = split_groups(ham10000.load(data / "HAM10000"), 0.2, TEST_SEED)
    train, validation = split_groups(development, 0.125, VALIDATION_SEED)
    assert_no_leak(train, validation, test)
    return Splits(train, validation, test)


def load_xray(data: Path) -> Splits:
    """Kermany as published, 12 % of its development patients for validation; NIH by patient: 30 % test, 20 % of the
    rest validation."""
    kermany, kermany_validation = split_groups(
        chest_xray.load(data / "chest_xray", "development"), 0.12, VALIDATION_SEED
    )
    nih_development, nih_test = split_groups(chest_nih.load(data / "chest_nih"), 0.3, TEST_SEED)
    nih, nih_validation = split_groups(nih_development, 0.2, VALIDATION_SEED)
    splits = Splits(
        kermany + nih,
        kermany_validation + nih_validation,
        chest_xray.load(data / "chest_xray", "test") + nih_test,
    )
    assert_no_leak(splits.train, splits.validation, splits.test)
    return splits


TASKS = {
    "skin": Task(
        recipe=SKIN,
        version="1.1.0",
        load=load_skin,
        sources=(ham10000.SOURCE,),
        licence="CC BY-NC 4.0 (inherited from HAM10000): not for commercial use",
        operating_rules=(
            OperatingRule("mel", minimum_sensitivity=0.9),
            OperatingRule("bcc", minimum_sensitivity=0.9),
            OperatingRule("akiec", minimum_sensitivity=0.9),
        ),
        report_by=("resolution", "sex", "age", "confirmation"),
    ),
    "xray": Task(
        recipe=XRAY,
        version="1.0.0",
        load=load_xray,
        sources=(chest_xray.SOURCE, chest_nih.SOURCE),
        licence="CC BY 4.0 (as its training data)",
        operating_rules=(OperatingRule("pneumonia"),),
        report_by=("subtype",),
        test_by="set",
    ),
}
