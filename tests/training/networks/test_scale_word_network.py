from pathlib import Path

import numpy as np

from models.preprocessing.ecg_sheet.print_lines import HEIGHT
from models.preprocessing.ecg_sheet.printed_scale import ALPHABET
from training.datasets.scale_words import Strip
from training.export import check_parity, export_onnx
from training.networks.scale_word_network import WIDTH, Pieces, build, loss, served, stretch, truth_of


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


def test_it_learns_and_is_exported(tmp_path: Path) -> None:
    network = build()
    network.compile("adam", loss)
    history = network.fit(Pieces([strip()], batch=4, steps=2, seed=0), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    final = served(network)
    export_onnx(final, tmp_path / "words.onnx")
    assert check_parity(final, tmp_path / "words.onnx", np.zeros((1, HEIGHT, 96, 1), np.float32)) < 1e-4
    assert (tmp_path / "words.onnx").stat().st_size < 400_000
