"""Gaps between groups, out of a card's own tables."""

from pathlib import Path

import pytest

from models.serving.bundle import Estimate
from models.serving.loading import versions
from training.between_groups import HEADING, difference, gaps_of, section_of
from training.versions import section_of as versions_of

CARD = """# A model

### test (300 cases)

| figure | value |
|---|---|
| ece | 0.030 (0.020 to 0.040) |

| subgroup | n | auroc | ece |
|---|---|---|---|
| sex=female | 150 | 0.900 (0.860 to 0.930) | 0.020 (0.010 to 0.030) |
| sex=male | 140 | 0.800 (0.750 to 0.850) | 0.060 (0.040 to 0.080) |
| sex=unknown | 120 | 0.500 (0.400 to 0.600) | 0.300 (0.200 to 0.400) |
| age=<40 | 10 | 0.100 (0.000 to 0.200) |  |
| subtype=virus | 100 | 0.400 (0.300 to 0.500) | 0.020 (0.010 to 0.030) |

## What to know

Text.
"""


def test_a_difference_has_the_interval_of_both() -> None:
    found = difference(Estimate(value=0.9, low=0.86, high=0.93, n=150), Estimate(value=0.8, low=0.75, high=0.85, n=140))
    assert found.value == pytest.approx(0.1)
    assert found.n == 290
    assert found.low == pytest.approx(0.1 - (0.04**2 + 0.05**2) ** 0.5)
    assert found.high == pytest.approx(0.1 + (0.03**2 + 0.05**2) ** 0.5)


def test_the_best_and_the_worst_group_are_compared_and_small_ones_and_truths_are_not() -> None:
    section = section_of("xray", CARD)
    assert "| sex | auroc | female | male | 0.100 (0.036 to 0.158) |" in section
    assert "| sex | ece | female | male | -0.040 (" in section
    assert "virus" not in section
    assert "<40" not in section
    assert "unknown" not in section
    assert "by age, hospital, device or view: not measured" in section


def test_what_the_data_do_not_tell_is_said_where_there_is_no_table() -> None:
    section = section_of("heart_record", "# A model\n\n### test (9 cases)\n")
    assert "by sex, age, hospital or device: not measured" in section
    assert "Gaps" not in section
    assert not list(gaps_of({}))


@pytest.mark.parametrize("folder", sorted(each for each in Path("models/bundles").iterdir() if each.is_dir()))
def test_every_card_that_ships_says_what_is_known_between_groups(folder: Path) -> None:
    card = (versions(folder)[0] / "card.md").read_text(encoding="utf-8")
    assert f"{section_of(folder.name, card).strip()}\n" in card
    assert card.count(HEADING) == 1
    assert f"{versions_of(folder.name).strip()}\n" in card


def test_the_newest_version_is_told_first_and_of_another_model_nothing() -> None:
    lines = versions_of("heart_image").splitlines()
    assert lines[0] == "## Versions"
    assert lines[-1].startswith("* 1.0.0: ")
    assert versions_of("retina") == ""
