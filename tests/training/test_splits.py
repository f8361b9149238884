import os
from dataclasses import replace
from pathlib import Path

import pytest

from training.datasets.pictures import Sample
from training.splits import assert_no_leak, group_folds, split_groups


def samples(groups: int, pictures: int = 3) -> list[Sample]:
    return [
        Sample(path=Path(f"{group}_{picture}"), label=group % 3, group=f"g{group}", source="made-up")
        for group in range(groups)
        for picture in range(pictures)
    ]


def test_no_group_crosses_and_every_class_gives_its_share() -> None:
    kept, held_out = split_groups(samples(60), 0.2, seed=1)
    assert_no_leak(kept, held_out)
    assert len(kept) + len(held_out) == 180
    for label in range(3):
        assert len({sample.group for sample in held_out if sample.label == label}) == 4


def test_the_split_does_not_depend_on_the_order_of_files() -> None:
    _, one = split_groups(samples(30), 0.3, seed=5)
    _, other = split_groups(list(reversed(samples(30))), 0.3, seed=5)
    assert {sample.path for sample in one} == {sample.path for sample in other}


def test_a_leak_is_found() -> None:
    everything = samples(4)
    with pytest.raises(ValueError, match="Group g0 stands in split 0 and in split 1"):
        assert_no_leak(everything[:2], everything[2:])


def test_folds_hold_each_group_out_once_and_keep_the_shares_of_classes() -> None:
    pytest.importorskip("sklearn")
    parts = list(group_folds(samples(60), 3, seed=1))
    assert len(parts) == 3
    held_out = [sample for _, part in parts for sample in part]
    assert sorted(str(sample.path) for sample in held_out) == sorted(str(sample.path) for sample in samples(60))
    for kept, part in parts:
        assert_no_leak(kept, part)
        assert {sum(sample.label == label for sample in part) for label in range(3)} <= {18, 21}


def test_folds_share_the_values_of_a_stratum_too() -> None:
    pytest.importorskip("sklearn")
    rare = [
        replace(sample, strata={"set": "small" if int(sample.group[1:]) < 9 else "large"}) for sample in samples(60)
    ]
    for _, part in group_folds(rare, 3, seed=1, stratum="set"):
        assert sum(sample.strata["set"] == "small" for sample in part) == 9


DATA = Path(os.environ.get("MEDIDIAGNOSE_DATA", "data"))


@pytest.mark.skipif(not (DATA / "HAM10000").is_dir(), reason="needs the real data sets (MEDIDIAGNOSE_DATA)")
@pytest.mark.parametrize("name", ["skin", "xray"])
def test_the_real_splits_do_not_leak_and_hold_out_what_they_say(name: str) -> None:
    pytest.importorskip("sklearn")
    from training.diagnoses import training_called
    from training.diagnoses.training import Job

    task_of = training_called(name).task_of
    assert task_of is not None
    splits = task_of(Job(DATA, Path("runs"))).load(DATA)
    assert_no_leak(splits.train, splits.validation, splits.test)
    groups = {part: {sample.group for sample in getattr(splits, part)} for part in ("train", "validation", "test")}
    share = len(groups["test"]) / sum(map(len, groups.values()))
    assert 0.1 < share < 0.22
