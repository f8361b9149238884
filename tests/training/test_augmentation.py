from dataclasses import fields, replace
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from training.augmentation import CHEST_XRAY, DERMOSCOPY, Augment, Augmentation, PictureChanges

PICTURES = np.random.default_rng(0).uniform(0, 255, (4, 48, 48, 3)).astype(np.float32)


def changed(recipe: Augmentation, step: int = 1) -> NDArray[np.float32]:
    return np.asarray(Augment(recipe, seed=step)(PICTURES))


def test_the_default_changes_nothing() -> None:
    np.testing.assert_allclose(changed(Augmentation()), PICTURES, atol=1e-2)


@pytest.mark.parametrize("recipe", [DERMOSCOPY, CHEST_XRAY])
def test_a_seed_fixes_the_draw_and_the_range_stays(recipe: Augmentation) -> None:
    first = changed(recipe)
    np.testing.assert_array_equal(first, changed(recipe))
    assert np.abs(first - changed(recipe, step=2)).mean() > 1
    assert first.shape == PICTURES.shape
    assert (first.min(), first.max()) >= (0, 0)
    assert first.max() <= 255


@pytest.mark.parametrize(
    "name", [field.name for field in fields(Augmentation) if field.name not in ("degrade_to", "border")]
)
def test_each_change_does_something_by_itself(name: str) -> None:
    strength = {"rotation": 90.0, "zoom": 1.5, "stretch": 1.5, "brightness": 40.0, "noise": 20.0}.get(name, 0.5)
    strengths: dict[str, Any] = {name: strength}
    recipe = replace(Augmentation(degrade_to=(56, 93), border=0.3), **strengths)
    difference = np.abs(changed(recipe) - PICTURES).mean()
    if name.startswith("flip") or name.endswith("share"):
        difference = max(np.abs(changed(recipe, step) - PICTURES).mean() for step in range(5))
    assert difference > 0.5


def test_pictures_of_a_batch_are_changed_apart() -> None:
    same = np.repeat(PICTURES[:1], 4, axis=0)
    first, second, *_ = np.asarray(Augment(DERMOSCOPY, seed=1)(same))
    assert np.abs(first - second).mean() > 1


@pytest.mark.parametrize("blend", [{"mixup": 1.0}, {"cutmix": 1.0}])
def test_blended_pictures_have_the_targets_of_both(blend: dict[str, Any]) -> None:
    shades = np.stack([np.full((48, 48, 3), shade, np.uint8) for shade in (0, 80, 160, 240)])
    batch = {"pictures": shades, "targets": np.eye(4, dtype=np.float32), "weights": np.ones(4, np.float32)}
    changes, mixed = PictureChanges(Augmentation(), **blend), 0
    for _ in range(3):  # each of four may be paired with itself once
        pictures, targets, weights = map(np.asarray, changes(batch))
        np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(weights, 1, atol=1e-5)
        np.testing.assert_allclose(pictures.mean(axis=(1, 2, 3)), targets @ [0, 80, 160, 240], atol=5)
        mixed += int((targets.max(axis=1) < 0.999).sum())
    assert mixed


@pytest.mark.parametrize("blend", [{"mixup": 1.0}, {"cutmix": 1.0}])
def test_pictures_are_blended_in_full_precision_where_a_network_computes_in_half(blend: dict[str, Any]) -> None:
    batch = {"pictures": PICTURES.astype(np.uint8), "targets": np.eye(4, dtype=np.float32), "weights": np.ones(4)}
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        blended = PictureChanges(Augmentation(), **blend)(batch)
    finally:
        keras.config.set_dtype_policy(usual)
    assert {keras.backend.standardize_dtype(each.dtype) for each in blended} == {"float32"}


def test_without_blending_targets_stay() -> None:
    batch = {"pictures": PICTURES.astype(np.uint8), "targets": np.eye(4), "weights": np.arange(4.0)}
    _, targets, weights = PictureChanges(DERMOSCOPY)(batch)
    np.testing.assert_array_equal(targets, np.eye(4))
    np.testing.assert_array_equal(weights, np.arange(4.0))
