from pathlib import Path

import keras
import numpy as np
import pytest

from models.preprocessing.ecg_sheet.print_lines import HEIGHT
from models.preprocessing.ecg_sheet.printed_scale import ALPHABET
from tests.documents import written
from tests.training.made_up_sets import write_typefaces
from training import printed_scale
from training.datasets.scale_words import Strip
from training.networks.scale_word_network import WIDTH, Pieces, stretch, truth_of


def strip() -> Strip:
    """A strip with one block that is called 5, 60 pixels from the left."""
    picture = np.zeros((HEIGHT, 120), np.uint8)
    picture[6:18, 56:64] = 150
    return Strip(picture, np.array([[ALPHABET.index("5"), 60]], np.float32))


def test_a_piece_knows_where_its_characters_are() -> None:
    pieces, truths = Pieces([strip()], batch=8, steps=1, seed=0)[0]
    assert pieces.shape == (8, HEIGHT, WIDTH, 1)
    assert truths.shape == (8, WIDTH // 2, 2)
    for piece, truth in zip(pieces, truths, strict=True):
        columns = np.flatnonzero(truth[:, 0])
        assert (truth[columns, 0] == 1 + ALPHABET.index("5")).all()
        assert all(piece[8:16, 2 * column].mean() > 0.4 for column in columns)


def test_a_stretched_strip_has_its_characters_where_its_ink_is() -> None:
    picture, characters = strip()
    for seed in range(5):
        wider, placed = stretch((picture / 150).astype(np.float32), characters, np.random.default_rng(seed))
        assert abs(np.flatnonzero(wider[12] > 0.5).mean() - placed[0, 1]) < 2


def test_neighbours_of_a_character_do_not_count_and_two_alike_are_kept_apart() -> None:
    truth = truth_of(np.array([[1, 20], [1, 24]], np.float32))
    assert truth[10:13, 0].tolist() == [2, 0, 2]
    assert truth[9:14, 1].tolist() == [0, 1, 1, 1, 0]


def test_the_command_of_the_text_draws_print_and_leaves_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {"/usr/share/fonts": write_typefaces(tmp_path / "fonts")}
    asked = written("python -m training.printed_scale --fonts /usr/share/fonts", here)
    small = ["--run", str(tmp_path / "run"), "--scenes", "3", "--epochs", "1", "--steps", "1"]
    monkeypatch.setattr(printed_scale, "BATCH", 4)
    monkeypatch.setattr("sys.argv", ["printed_scale", *asked, *small])
    printed_scale.main()
    network = keras.models.load_model(tmp_path / "run" / "network.keras", compile=False)
    assert all(np.isfinite(values).all() for values in network.get_weights())
    assert (tmp_path / "run" / "scale_words.onnx").stat().st_size < 400_000
