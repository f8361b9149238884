"""Keras' losses give what the hand-written ones gave; weights and draws meet imbalance."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from training.augmentation import DERMOSCOPY, PictureChanges
from training.datasets.pictures import Sample
from training.diagnoses import skin
from training.errors import TrainingError
from training.picture_trainer import Objective, Taught, divide, sampling_weights
from training.recipe import Recipe

TWO = replace(skin.TASK.recipe, classes=("a", "b"), smoothing=0.0)
LOGITS = np.array([[2.0, 0.0], [0.0, 1.0]], np.float32)
TARGETS = np.eye(2, dtype=np.float32)[[0, 0]]


def loss(recipe: Recipe, weights: tuple[float, float] = (1.0, 1.0)) -> float:
    return float(Objective(recipe).loss(TARGETS, LOGITS, np.array(weights, np.float32)))


def samples(labels: list[int], resolution: str = "sharp") -> list[Sample]:
    return [Sample(Path(f"{n}"), label, f"{n}", "x", {"resolution": resolution}) for n, label in enumerate(labels)]


def test_cross_entropy_and_focal_loss_are_those_of_their_formulas() -> None:
    """Lin et al. 2017, arXiv:1708.02002, equation 4, without alpha."""
    p = np.array([1 / (1 + np.exp(-2)), 1 / (1 + np.exp(1))])
    assert loss(TWO) == pytest.approx(-np.log(p).mean(), rel=1e-5)
    assert loss(replace(TWO, loss="focal")) == pytest.approx((-((1 - p) ** 2) * np.log(p)).mean(), rel=1e-4)


def test_smoothing_spreads_a_share_of_the_target_over_all_classes() -> None:
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
    expected = -(np.array([0.9, 0.1]) * log_p).sum(axis=1).mean()
    assert loss(replace(TWO, smoothing=0.2)) == pytest.approx(expected, rel=1e-5)


def test_weights_multiply_the_loss_of_their_sample() -> None:
    assert loss(TWO, (3.0, 3.0)) == pytest.approx(3 * loss(TWO), rel=1e-5)


def test_a_student_is_told_what_its_teachers_say_of_the_pictures_that_it_sees() -> None:
    """A teacher that takes the red of a picture for its first class, and one that doesn't."""
    picture = keras.Input((32, 32, 3))
    red = keras.ops.mean(picture[..., :1], axis=(1, 2)) / 100.0
    teachers = [keras.Model(picture, keras.ops.concatenate([red * sign, 0.0 * red], axis=1)) for sign in (1.0, 0.5)]
    rng = np.random.default_rng(4)
    pictures, weights = rng.integers(0, 256, (8, 32, 32, 3), np.uint8), np.ones(8, np.float32)
    batch = {"pictures": pictures, "targets": np.eye(2, dtype=np.float32)[np.arange(8) % 2], "weights": weights}
    taught, plain = (PictureChanges(DERMOSCOPY, mixup=0.4, seed=7) for _ in range(2))
    seen, targets, _ = map(np.asarray, Taught(taught, teachers, Objective(TWO))(batch))
    same, labels, _ = map(np.asarray, plain(batch))
    np.testing.assert_array_equal(seen, same)
    said = 1.0 / (1.0 + np.exp(-0.75 * seen[..., 0].mean(axis=(1, 2)) / 100.0))
    np.testing.assert_allclose(targets[:, 0], (labels[:, 0] + said) / 2, atol=1e-5)
    assert not any(teacher.trainable_weights for teacher in teachers)


def test_class_weights_go_by_rarity_with_a_mean_of_one() -> None:
    weights = Objective(replace(TWO, class_weighting=True)).weights(samples([0] * 90 + [1] * 10))
    assert weights[-1] / weights[0] == pytest.approx(9)
    assert weights.mean() == pytest.approx(1)
    assert set(Objective(TWO).weights(samples([0, 0, 1]))) == {1.0}


def test_sampling_breaks_the_tie_between_class_and_stratum() -> None:
    recipe = replace(TWO, stratum_shares={"sharp": 0.6, "soft": 0.4}, balance=1.0)
    mixed = [*samples([0] * 10 + [1] * 30), *samples([0] * 30 + [1] * 2, "soft")]
    weights = sampling_weights(mixed, recipe)
    assert weights.sum() == pytest.approx(1)
    for label in (0, 1):
        mine = [i for i, sample in enumerate(mixed) if sample.label == label]
        sharp = sum(weights[i] for i in mine if mixed[i].strata["resolution"] == "sharp")
        assert weights[mine].sum() == pytest.approx(0.5)
        assert sharp / weights[mine].sum() == pytest.approx(0.6)


def test_without_a_stratum_classes_alone_decide() -> None:
    recipe = replace(TWO, stratum=None, stratum_shares={}, balance=0.5)
    weights = sampling_weights(samples([0] * 16 + [1]), recipe)
    assert weights[:16].sum() / weights[16] == pytest.approx(4)


def test_sizes_share_the_validations_of_a_run() -> None:
    grown = replace(
        skin.TASK.recipe,
        steps=1000,
        validate_every=100,
        sizes=(128, 160, 224),
        size_shares=(0.5, 0.3, 0.2),
        restarts=(),
    )
    assert [(part.size, part.first, part.last) for part in divide(grown)] == [(128, 0, 5), (160, 5, 8), (224, 8, 10)]
    assert [part.last for part in divide(replace(grown, size_shares=()))] == [3, 7, 10]
    assert [part.size for part in divide(replace(grown, sizes=(), size_shares=(), restarts=()))] == [224]
    assert [part.size for part in divide(skin.TASK.recipe)] == [128, 160, 224]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sizes": (128, 160), "size_shares": (), "restarts": ()}, "must be the model's own, 224"),
        ({"sizes": (128, 224), "restarts": (1.0, 0.7, 0.5)}, "share of the learning rate"),
        ({"sizes": (128, 224), "size_shares": (1.0,)}, "share above 0"),
        (
            {"sizes": (128, 160, 224), "size_shares": (), "restarts": (), "steps": 200, "validate_every": 100},
            "3 sizes need as many validations",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_a_sentence(changed: dict[str, tuple[int, ...]], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        divide(replace(skin.TASK.recipe, **changed))  # type: ignore[arg-type]
