"""Random convolutions of sheets learn from what each lead shows, for as long as it is shown."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from training.datasets.digitised_sheets import SheetData, imitate
from training.metrics import auroc
from training.networks.sheet_convolutions import fit_convolutions
from training.recipe import SheetRecipe

RECIPE = SheetRecipe(dilations=(1, 4), mixtures=1, ridges=(1.0, 100.0))


def _sheets(count: int, seed: int) -> SheetData:
    """Noise; of class 0 with narrow peaks in one lead, of class 1 twice as loud; every third known as shape only."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (count, 2)).astype(np.float32)
    signals = rng.normal(0, 0.3, (count, 1000, 12)).astype(np.float32)
    signals[:, ::40, 3] += 3.0 * labels[:, :1]
    signals *= 1 + labels[:, 1, None, None]
    voiced = np.arange(count) % 3 > 0
    signals[~voiced] /= signals[~voiced].std(axis=1, keepdims=True)
    return SheetData(imitate(signals, seed), labels, np.arange(count) % 4, voiced)


@pytest.fixture(scope="module")
def trained() -> tuple[keras.Model, dict[str, float]]:
    return fit_convolutions(RECIPE, _sheets(90, 0))


@pytest.fixture(scope="module")
def held_out() -> SheetData:
    return _sheets(60, 1)


def test_shape_and_voltage_are_told_on_sheets_of_every_layout(
    trained: tuple[keras.Model, dict[str, float]], held_out: SheetData
) -> None:
    found = trained[0].predict(held_out.tensors, verbose=0)[held_out.voiced]
    labels = held_out.labels[held_out.voiced] > 0
    assert auroc(labels[:, 0], found[:, 0]) > 0.9
    assert auroc(labels[:, 1], found[:, 1]) > 0.95


def test_what_cross_validation_found_is_told(trained: tuple[keras.Model, dict[str, float]]) -> None:
    found = trained[1]
    assert {found["shape_ridge"], found["voltage_ridge"]} <= set(RECIPE.ridges)
    assert found["macro_auroc"] >= max(found["shape_macro_auroc"], found["voltage_macro_auroc"]) - 0.05


def test_an_answer_is_that_of_its_sheet_alone(
    trained: tuple[keras.Model, dict[str, float]], held_out: SheetData
) -> None:
    together = trained[0].predict(held_out.tensors[:4], verbose=0)
    alone = trained[0].predict(held_out.tensors[3:4], verbose=0)
    np.testing.assert_allclose(alone[0], together[3], atol=1e-3)


def test_a_lead_shown_too_shortly_counts_as_not_shown(
    trained: tuple[keras.Model, dict[str, float]], held_out: SheetData
) -> None:
    hidden = held_out.tensors[:8].copy()
    hidden[:, :, [3, 15]] = 0
    glimpsed = hidden.copy()
    glimpsed[:, :30, 15] = 1
    glimpsed[:, :30, 3] = np.random.default_rng(0).normal(0, 1, (8, 30))
    np.testing.assert_allclose(
        trained[0].predict(glimpsed, verbose=0), trained[0].predict(hidden, verbose=0), atol=1e-4
    )


def test_without_a_ridge_nothing_can_be_chosen() -> None:
    with pytest.raises(ValueError, match="ridge"):
        fit_convolutions(replace(RECIPE, ridges=()), _sheets(8, 2))


def test_rounding_errors_of_flat_traces_change_no_answer() -> None:
    """Kernels sum to nothing, so over a flat trace they give what rounding leaves of it, one engine another than the
    next."""
    train = _sheets(60, 3)
    train.tensors[:, :, :12] = np.where(np.abs(train.tensors[:, :, :12]) > 0.9, train.tensors[:, :, :12], 0.1)
    model, _ = fit_convolutions(RECIPE, train)
    shifted = train.tensors[:6].copy()
    shifted[:, :, :12] += 3e-7
    np.testing.assert_allclose(model.predict(shifted, verbose=0), model.predict(train.tensors[:6], verbose=0), atol=0.1)
