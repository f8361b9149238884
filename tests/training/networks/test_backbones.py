import pickle
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from models.preprocessing.picture import ImagePreprocessing
from training.diagnoses import skin
from training.errors import BackboneError
from training.export import TAPS, check_parity, export_onnx, served_model
from training.networks.backbones import (
    BackboneName,
    build_backbone,
    efficientnet_lite0,
    fold_norms,
    read_torch_state,
    take_folded,
    trainable_layers,
)
from training.novelty import Gaussian
from training.picture_trainer import build_network

SKIN = skin.TASK.recipe


def test_imagenet_weights_recognise_what_is_drawn() -> None:
    """A chessboard-like pattern is crossword puzzle (918) or a near neighbour, which random weights never say."""
    network = efficientnet_lite0(224, top=True)
    board = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((28, 28)))[None, ..., None] * np.full(3, 255.0)
    logits = np.asarray(network(board.astype(np.float32)))[0]
    assert np.isfinite(logits).all()
    assert logits.max() > 4.0
    assert logits.std() > 0.5


def test_folding_keeps_what_the_network_computes(tmp_path: Path) -> None:
    network = efficientnet_lite0(64)
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    folded = fold_norms(network)
    np.testing.assert_allclose(np.asarray(folded(pictures)), np.asarray(network(pictures)), atol=1e-4)
    folded.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(loaded(pictures)), np.asarray(folded(pictures)), atol=1e-5)


@pytest.mark.parametrize("name", ["efficientnet_b0", "mobilenet_v2"])
def test_other_backbones_take_the_same_pictures_and_export_alike(name: BackboneName, tmp_path: Path) -> None:
    preprocessing = ImagePreprocessing(size=64, framing="squash")
    network = build_network(replace(SKIN, backbone=name, preprocessing=preprocessing), 7, size=64, pretrained=False)
    trained = trainable_layers(network, first_stage=4)
    assert len(trained) == 30
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in trained)
    width = network.get_layer("pool").output.shape[-1]
    gaussian = Gaussian(np.zeros(width, np.float32), np.eye(width, dtype=np.float32))
    served = served_model(network, 1.0, gaussian, TAPS[name])
    export_onnx(served, tmp_path / "model.onnx")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    assert check_parity(served, tmp_path / "model.onnx", pictures) < 1e-4


def test_weights_survive_a_backup_with_their_gains(tmp_path: Path) -> None:
    network, other = efficientnet_lite0(32), efficientnet_lite0(32, pretrained=False)
    network.save_weights(tmp_path / "backup.weights.h5")
    other.load_weights(tmp_path / "backup.weights.h5")
    for one, copy in zip(network.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, copy)


def test_a_network_goes_on_from_a_folded_one() -> None:
    recipe = replace(skin.TASK.recipe, preprocessing=ImagePreprocessing(size=64, framing="squash"))
    taught = build_network(recipe, 7, size=64)
    taught.get_layer("logits").set_weights([np.full((1280, 7), 0.01, np.float32), np.arange(7, dtype=np.float32)])
    taught.get_layer("stage5_1_expand_conv").kernel.assign_add(
        np.full(taught.get_layer("stage5_1_expand_conv").kernel.shape, 0.01, np.float32)
    )
    pictures = np.random.default_rng(1).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    other = build_network(recipe, 7, size=64)
    take_folded(other, fold_norms(taught))
    np.testing.assert_allclose(other(pictures), taught(pictures), rtol=1e-3, atol=1e-3)
    for layer, own in zip(other.layers, taught.layers, strict=True):
        for found, expected in zip(layer.get_weights(), own.get_weights(), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_of_lite0_the_upper_stages_are_trained() -> None:
    names = {layer.name for layer in trainable_layers(build_network(SKIN, 7, size=64, pretrained=False), first_stage=6)}
    assert {"stage6_0_expand_conv", "stage7_0_project_conv", "head_conv", "logits"} <= names
    assert not any(name.startswith(("stem", "stage5")) for name in names)


def test_without_a_network_the_weights_are_asked_for_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(**_: object) -> keras.Model:
        raise OSError("no route to host")

    monkeypatch.setattr(keras.applications, "MobileNetV2", offline)
    with pytest.raises(BackboneError, match="use --backbone efficientnet_lite0"):
        build_backbone("mobilenet_v2", 64)


def test_a_pickle_that_wants_more_than_weights_is_refused(tmp_path: Path) -> None:
    hostile = tmp_path / "weights.pth"
    hostile.write_bytes(pickle.dumps(Path.unlink))
    with pytest.raises(pickle.UnpicklingError, match="does not belong"):
        read_torch_state(hostile)


def test_another_file_is_not_a_file_of_weights(tmp_path: Path) -> None:
    other = tmp_path / "weights.pth"
    other.write_bytes(pickle.dumps(42))
    with pytest.raises(BackboneError, match="not a legacy torch file"):
        read_torch_state(other)
