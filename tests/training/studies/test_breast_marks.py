"""Hiding parts of a scan, and what it tells of a model that takes light for malignancy."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.serving.bundle import Bundle
from tests.fake_bundle import make_bundle
from training.datasets import busi
from training.studies import breast_marks

SHAPE = (120, 160)
LESION = (slice(40, 80), slice(50, 110))
BOX = (slice(28, 92), slice(38, 122))


def scan(lesion: int, *, text: str = "", seed: int = 0) -> NDArray[np.uint8]:
    """Speckled tissue (height, width, 3) with a lesion of a shade, and white text in a corner."""
    speckle = np.random.default_rng(seed).normal(0, 6, SHAPE)
    shades = np.full(SHAPE, 110.0)
    shades[LESION] = lesion
    grey = np.clip(shades + speckle, 0, 255).astype(np.uint8)
    picture = Image.fromarray(grey).convert("RGB")
    ImageDraw.Draw(picture).text((4, 100), text, fill=(255, 255, 255))
    return np.array(picture)


def outline() -> NDArray[np.bool_]:
    lesion = np.zeros(SHAPE, bool)
    lesion[LESION] = True
    return lesion


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_bundle(tmp_path / "bundles", "breast")


def write_busi(folder: Path, *, benign: int, malignant: int, benign_text: str = "") -> None:
    """Six lesions of each kind, of a shade each, that look different enough not to be copies."""
    (folder / "normal").mkdir(parents=True)
    Image.fromarray(scan(110, seed=99)).save(folder / "normal" / "normal (1).png")
    (folder / "labels.csv").write_text("file,split_group\nnormal/normal (1).png,n\n")
    for kind, shade, text in (("benign", benign, benign_text), ("malignant", malignant, "")):
        (folder / kind).mkdir()
        for number in range(1, 7):
            name = f"{kind}/{kind} ({number})"
            Image.fromarray(scan(shade, text=text, seed=number)).save(folder / f"{name}.png")
            Image.fromarray(outline()).save(folder / f"{name}_mask.png")
            with (folder / "labels.csv").open("a") as table:
                table.write(f"{name}.png,{name}\n")


def test_text_and_colour_are_found_and_tissue_is_not() -> None:
    assert not breast_marks.burned_in(scan(200)).any()
    found = breast_marks.burned_in(scan(30, text="LT LIQ"))
    white = (scan(30, text="LT LIQ") == 255).all(axis=2)
    assert found[white].all()
    assert not found[:90].any()
    coloured = scan(30)
    coloured[10:12, 10:40] = (250, 220, 20)
    assert breast_marks.burned_in(coloured)[10:12, 10:40].all()


def test_the_hidden_part_takes_the_shade_of_what_is_around_and_the_rest_stays() -> None:
    picture, lesion = scan(30), outline()
    changed = breast_marks.hide(picture, breast_marks.boxes_around(lesion, 4))
    assert changed[LESION].mean() == pytest.approx(110, abs=3)
    assert changed[LESION].std() == pytest.approx(6, abs=2)
    outside = ~breast_marks.boxes_around(lesion, 4)
    np.testing.assert_array_equal(changed[outside], picture[outside])
    np.testing.assert_array_equal(changed, breast_marks.hide(picture, ~outside))


def test_nothing_or_everything_hidden() -> None:
    picture = scan(30)
    np.testing.assert_array_equal(breast_marks.hide(picture, np.zeros(SHAPE, bool)), picture)
    assert np.ptp(breast_marks.hide(picture, np.ones(SHAPE, bool))) == 0


def test_boxes_stay_inside_the_picture_and_apart() -> None:
    lesion = np.zeros(SHAPE, bool)
    lesion[0:5, 0:5] = lesion[100:110, 150:160] = True
    boxes = breast_marks.boxes_around(lesion, 10)
    assert boxes[:15, :15].all()
    assert boxes[90:120, 140:160].all()
    assert boxes.sum() == 15 * 15 + 30 * 20


def test_views_hide_what_they_say() -> None:
    picture = scan(30, text="RT")
    seen = breast_marks.views(picture, outline())
    text = breast_marks.burned_in(picture)
    assert list(seen) == ["whole", "marks hidden", "surroundings blurred", "surroundings hidden", "lesion hidden"]
    for name in ("marks hidden", "surroundings blurred", "surroundings hidden"):
        np.testing.assert_array_equal(seen[name][LESION], picture[LESION])
        assert seen[name][text].max() < 180
    np.testing.assert_array_equal(seen["lesion hidden"][text], picture[text])
    assert seen["lesion hidden"][LESION].mean() > 100


def test_a_model_that_reads_the_lesion_loses_everything_with_it(bundle: Bundle, tmp_path: Path) -> None:
    write_busi(tmp_path / "busi", benign=30, malignant=190)
    rows = breast_marks.measure(bundle, busi.load(tmp_path / "busi"))
    assert {row.auroc.n for row in rows.values()} == {12}
    assert (rows["whole"].area, rows["whole"].change) == (0, 0)
    assert rows["marks hidden"].change < 0.01
    assert rows["surroundings hidden"].auroc.value == 1
    assert rows["lesion hidden"].change > 0.1
    assert rows["lesion hidden"].auroc.value < 0.9


def test_a_model_that_reads_the_text_is_found_out(bundle: Bundle, tmp_path: Path) -> None:
    write_busi(tmp_path / "busi", benign=110, malignant=110, benign_text="LT LIQ 12 MHZ")
    rows = breast_marks.measure(bundle, busi.load(tmp_path / "busi"))
    assert rows["whole"].auroc.value == rows["lesion hidden"].auroc.value == 0
    assert rows["marks hidden"].change > 5 * rows["lesion hidden"].change
    assert rows["marks hidden"].auroc.value > 0.1


def test_the_table_has_a_row_for_each_view(bundle: Bundle, tmp_path: Path) -> None:
    write_busi(tmp_path / "breast_ultrasound", benign=30, malignant=190)
    table = breast_marks.study(bundle.folder, tmp_path)
    assert table.row_count == 5
    assert table.title == "breast 1.0.0: 12 lesions of BUSI"
