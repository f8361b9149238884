"""Names of leads printed on a sheet: read where they stand, and none invented on traces."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet import lead_names
from models.preprocessing.ecg_sheet.ink import densities
from models.preprocessing.ecg_sheet.layout import GRIDS
from models.preprocessing.ecg_sheet.lead_names import read_lead_names
from models.preprocessing.ecg_sheet.printed_layout import match_layout
from tests.sheets import MARGIN, PX_PER_MM, ROW_GAP, sheet


def named(layout: str, size: int = 18) -> tuple[Image.Image, dict[str, tuple[float, float]]]:
    """A sheet with its names over the beginnings of their traces, and the middles of these names."""
    picture = sheet(layout=layout, strip=None)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
    places: dict[str, tuple[float, float]] = {}
    for row, leads in enumerate(GRIDS[layout]):
        for column, lead in enumerate(leads):
            x = (MARGIN + 250 * column / len(leads) + 1) * PX_PER_MM
            y = (MARGIN + (row + 0.5) * ROW_GAP) * PX_PER_MM - 50
            draw.text((x, y), LEADS[lead], (20, 20, 30), font)
            left, top, right, bottom = draw.textbbox((x, y), LEADS[lead], font)
            places[LEADS[lead]] = ((left + right) / 2, (top + bottom) / 2)
    return picture, places


@pytest.mark.parametrize("layout", GRIDS)
def test_names_are_read_where_they_stand_and_spell_the_layout(layout: str) -> None:
    picture, places = named(layout)
    labels = read_lead_names(densities(picture, 5).ink)
    for name, (x, y) in places.items():
        near = [label for label in labels if abs(label.x - x) < 16 and abs(label.y - y) < 16]
        assert near or name == "I"
    spelled = match_layout(labels, picture.width)
    assert spelled is not None
    assert (spelled.layout, spelled.order) == (layout, "standard")
    assert spelled.found >= 8


def test_traces_alone_have_no_names() -> None:
    assert not [label for label in read_lead_names(densities(sheet(), 5).ink) if label.confidence > 0.7]


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (40, 8)])
def test_any_ink_map_is_read(shape: tuple[int, int]) -> None:
    for level in (0, 200):
        assert isinstance(read_lead_names(np.full(shape, level, np.uint8)), list)


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "lead_names.onnx"
    damaged.write_bytes(lead_names.MODEL.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(lead_names, "MODEL", damaged)
    with pytest.raises(OSError, match="Install it again"):
        read_lead_names(np.zeros((80, 80), np.uint8))
