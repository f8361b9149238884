from pathlib import Path

import keras
import numpy as np
import pytest

from models.preprocessing.ecg_sheet.lead_names import NAMES, STRIDE, USUAL_SIZE
from tests.documents import written
from tests.training.made_up_sets import write_ptbxl, write_typefaces
from training import lead_names
from training.datasets.lead_labels import LabelledPage
from training.networks.lead_name_network import CROP, cut


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


def test_the_command_of_the_text_draws_pages_and_leaves_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ptbxl(tmp_path / "ptb-xl", 2)
    here = {"/path/to/data": tmp_path, "/usr/share/fonts": write_typefaces(tmp_path / "fonts")}
    asked = written("python -m training.lead_names --data /path/to/data --fonts /usr/share/fonts", here)
    small = ["--run", str(tmp_path / "run"), "--pages", "3", "--epochs", "1", "--steps", "1"]
    monkeypatch.setattr(lead_names, "BATCH", 4)
    monkeypatch.setattr("sys.argv", ["lead_names", *asked, *small])
    lead_names.main()
    network = keras.models.load_model(tmp_path / "run" / "network.keras", compile=False)
    assert all(np.isfinite(values).all() for values in network.get_weights())
    assert (tmp_path / "run" / "lead_names.onnx").stat().st_size < 250_000
