"""Heads that are fitted: what they read, that a window hides the rest, and that the served graph agrees."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from training import export
from training.datasets.pictures import labels_of, load_tensors
from training.diagnoses import xray
from training.errors import BackboneError
from training.networks.backbones import GREY, MeansAndSpreads, Window, build_backbone, fold_norms
from training.novelty import Gaussian
from training.picture_trainer import PictureRun, build_network, fit_head, sampling_weights, train
from training.recipe import Recipe
from training.smoke import smoke_splits, smoke_task
from training.trainer import predict_in_batches

WINDOW = (0.25, 0.125, 0.75, 0.875)
STAGES = ("stage3", "stage5")
FITTED: dict[str, Any] = {"window": WINDOW, "pooled": STAGES, "head_ridge": 0.1}


def pictures(count: int, size: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def recipe(**changes: Any) -> Recipe:
    return replace(smoke_task(xray.TASK).recipe, **{**FITTED, **changes})


@pytest.mark.parametrize("size", [64, 96])
def test_outside_of_a_window_all_is_grey(size: int) -> None:
    seen = np.array(Window(WINDOW)(pictures(2, size).astype(np.float32)))
    rows, columns = slice(size // 4, 3 * size // 4), slice(size // 8, 7 * size // 8)
    np.testing.assert_array_equal(seen[:, rows, columns], pictures(2, size)[:, rows, columns])
    seen[:, rows, columns] = GREY
    assert (seen == GREY).all()


def test_a_network_answers_alike_whatever_lies_outside_of_its_window() -> None:
    network = build_network(recipe(), 2, size=64, pretrained=False)
    given, other = pictures(3), pictures(3, seed=1)
    other[:, 16:48, 8:56] = given[:, 16:48, 8:56]
    np.testing.assert_array_equal(network.predict(given, verbose=0), network.predict(other, verbose=0))


def test_another_backbone_has_no_window() -> None:
    with pytest.raises(BackboneError, match="no window"):
        build_backbone("mobilenet_v2", 64, pretrained=False, window=WINDOW)


def test_means_and_spreads_are_those_of_each_channel() -> None:
    maps = np.random.default_rng(0).normal(2, 3, (2, 5, 4, 6)).astype(np.float32)
    expected = np.concatenate([maps.mean(axis=(1, 2)), maps.std(axis=(1, 2))], axis=1)
    np.testing.assert_allclose(np.asarray(MeansAndSpreads()(maps)), expected, atol=1e-4)


def test_a_fitted_head_tells_its_pictures_and_the_served_graph_agrees(tmp_path: Path) -> None:
    task = smoke_task(xray.TASK)
    splits = smoke_splits(task, tmp_path / "pictures")
    wanted = recipe(preprocessing=task.recipe.preprocessing)
    tensors, labels = load_tensors(splits.train, wanted.preprocessing), labels_of(splits.train)
    network = build_network(wanted, 2, size=tensors.shape[1])
    fit_head(wanted, network, tensors, labels, sampling_weights(splits.train, wanted))
    said = predict_in_batches(network, tensors, 16)
    assert (said.argmax(axis=1) == labels).mean() > 0.95
    np.testing.assert_allclose(said.sum(axis=1), 0.0, atol=1e-4)
    saved = tmp_path / "network.keras"
    fold_norms(network).save(saved)
    folded = keras.models.load_model(saved)
    np.testing.assert_allclose(predict_in_batches(folded, tensors, 16), said, atol=1e-3)
    taps = ("stage1",)
    gaussian = Gaussian(np.zeros(16, np.float32), np.eye(16, dtype=np.float32))
    served = export.served_model(folded, 1.0, gaussian, taps)
    export.export_onnx(served, tmp_path / "model.onnx")
    assert export.check_parity(served, tmp_path / "model.onnx", tensors[:4]) < export.PARITY


def test_a_recipe_without_steps_ends_with_its_head(tmp_path: Path) -> None:
    task = smoke_task(xray.TASK)
    splits = smoke_splits(task, tmp_path / "pictures")
    wanted = replace(task.recipe, **{**FITTED, "steps": 0, "sizes": (), "size_shares": (), "restarts": ()})
    train(wanted, splits.train, splits.validation, PictureRun(tmp_path / "run"))
    network = keras.models.load_model(tmp_path / "run" / "model.keras")
    begun = build_network(wanted, 2, size=wanted.preprocessing.size)
    np.testing.assert_allclose(
        network.get_layer("stage7_0_project_conv").get_weights()[0],
        fold_norms(begun).get_layer("stage7_0_project_conv").get_weights()[0],
    )
    said = predict_in_batches(network, load_tensors(splits.validation, wanted.preprocessing), 16)
    assert (said.argmax(axis=1) == labels_of(splits.validation)).mean() > 0.8
    teachers = [network, network]
    again = PictureRun(tmp_path / "student")
    train(wanted, splits.train, splits.validation, again, None, tmp_path / "run" / "model.keras", teachers)
    student = keras.models.load_model(tmp_path / "student" / "model.keras")
    for kept, begun_with in zip(student.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(kept, begun_with, atol=1e-5)
