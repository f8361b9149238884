from pathlib import Path

import numpy as np

from training.datasets.pictures import Sample
from training.studies import chest_surroundings


def sample(label: int, group: str) -> Sample:
    return Sample(path=Path(group), label=label, group=group, source="made-up")


def test_pairs_within_a_patient() -> None:
    samples = [sample(0, "a"), sample(1, "a"), sample(1, "a"), sample(0, "b"), sample(1, "c")]
    scores = np.array([0.5, 0.9, 0.1, 0.0, 1.0], np.float32)
    assert chest_surroundings.within_patient_wins(samples, scores) == (0.5, 2, 1)


def test_cross_validation_finds_a_signal_and_none_where_there_is_none() -> None:
    rng = np.random.default_rng(1)
    samples = [sample(number % 2, f"g{number // 3}") for number in range(300)]
    noise = rng.normal(size=(300, 20)).astype(np.float32)
    signal = noise.copy()
    signal[:, 0] += 4 * np.array([s.label for s in samples])
    assert chest_surroundings.cross_validated_auroc(samples, signal) > 0.95
    assert 0.35 < chest_surroundings.cross_validated_auroc(samples, noise) < 0.65
