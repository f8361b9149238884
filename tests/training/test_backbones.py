import pickle
from pathlib import Path

import keras
import numpy as np
import pytest

from training.backbones import BackboneError, build_backbone, efficientnet_lite0, fold_norms, read_torch_state


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
def test_other_backbones_take_the_same_pictures(name: str) -> None:
    network = build_backbone(name, 64, pretrained=False)  # type: ignore[arg-type]
    assert network(np.zeros((1, 64, 64, 3), np.float32)).shape[:3] == (1, 2, 2)


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
