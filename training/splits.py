"""Splits that keep every group (lesion, patient, duplicates) on one side and the class shares alike."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from training.datasets.pictures import Sample

TEST_SEED = 1
VALIDATION_SEED = 2
"""They fix who is held out: drawn once, and never changed to make a figure better."""


@dataclass(frozen=True)
class Splits:
    """Training, validation and test samples; no group stands in two of them."""

    train: list[Sample]
    validation: list[Sample]
    test: list[Sample]


def split_groups(samples: Sequence[Sample], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Hold out about `share` (0-1) of the groups of each class: (kept, held out).

    A group with several labels counts for its most frequent one. The draw depends on group names and `seed` only, so
    it stays the same when the order of the files changes.
    """
    members: dict[str, list[Sample]] = {}
    for sample in samples:
        members.setdefault(sample.group, []).append(sample)
    by_label: dict[int, list[str]] = {}
    for group in sorted(members):
        label = Counter(sample.label for sample in members[group]).most_common(1)[0][0]
        by_label.setdefault(label, []).append(group)
    rng = np.random.default_rng(seed)
    held_out: set[str] = set()
    for label in sorted(by_label):
        groups = by_label[label]
        held_out.update(groups[i] for i in rng.permutation(len(groups))[: round(share * len(groups))])
    kept = [sample for sample in samples if sample.group not in held_out]
    return kept, [sample for sample in samples if sample.group in held_out]


def group_folds(
    samples: Sequence[Sample], count: int, seed: int, stratum: str | None = None
) -> Iterator[tuple[list[Sample], list[Sample]]]:
    """For each of `count` parts that keep groups together and the shares of classes, and of the values of `stratum`
    within them, alike: the others, and itself."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = [f"{sample.label} {sample.strata[stratum] if stratum else ''}" for sample in samples]
    groups = [sample.group for sample in samples]
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for kept, held_out in folds.split(labels, labels, groups):
        yield [samples[index] for index in kept], [samples[index] for index in held_out]


def assert_no_leak(*parts: Sequence[Sample]) -> None:
    """Raise `ValueError` where a group stands in more than one part."""
    seen: dict[str, int] = {}
    for number, part in enumerate(parts):
        for group in {sample.group for sample in part}:
            if group in seen:
                raise ValueError(f"Group {group} stands in split {seen[group]} and in split {number}.")
            seen[group] = number
