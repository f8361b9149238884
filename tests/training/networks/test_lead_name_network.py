from pathlib import Path

import keras
import numpy as np
import pytest

from models.preprocessing.ecg_sheet.lead_names import NAMES, STRIDE, USUAL_SIZE
from training.datasets.lead_labels import LabelledPage
from training.export import check_parity, export_onnx
from training.networks.lead_name_network import CROP, Crops, build, cut, loss, served


def page() -> LabelledPage:
    """White paper with one dark block that is called V2."""
    ink = np.zeros((400, 600), np.uint8)
    ink[190:210, 280:320] = 150
    return LabelledPage(ink, np.array([[NAMES.index("V2"), 300, 200, 40, 20]], np.float32))


@pytest.mark.parametrize("seed", range(8))
def test_a_piece_knows_where_its_names_are(seed: int) -> None:
    ink, truth = cut(page(), np.random.default_rng(seed))
    assert ink.shape == (CROP, CROP, 1)
    assert truth.shape == (CROP // STRIDE, CROP // STRIDE, len(NAMES) + 5)
    for row, column in np.argwhere(truth[..., NAMES.index("V2")]):
        right, down, width, height = truth[row, column, len(NAMES) : -1]
        x, y = (column + 0.5 + right) * STRIDE, (row + 0.5 + down) * STRIDE
        dark = np.argwhere(ink[..., 0] > 0.5)
        inside = dark[(np.abs(dark - (y, x)) < USUAL_SIZE * np.exp((height, width)) / 2 + 3).all(axis=1)]
        assert len(inside) > 0.9 * len(dark)


def test_it_learns_and_is_exported(tmp_path: Path) -> None:
    crops = Crops([page()], batch=4, steps=2, seed=0)
    network = build()
    network.compile("adam", loss)
    history = network.fit(crops, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    final = served(network)
    export_onnx(final, tmp_path / "names.onnx")
    assert check_parity(final, tmp_path / "names.onnx", np.zeros((1, 64, 96, 1), np.float32)) < 1e-4
    assert (tmp_path / "names.onnx").stat().st_size < 250_000
    assert keras.backend.backend()
