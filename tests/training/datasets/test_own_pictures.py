"""A folder for each class, or a table: what is read, and what is refused in a sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.datasets import own_pictures
from training.errors import DatasetError
from training.splits import assert_no_leak

Writer = Callable[[Path, tuple[int, int]], Path]


@pytest.fixture
def folder(tmp_path: Path, write_picture: Writer) -> Path:
    """Sixteen pictures in each of two classes, one of them twice, one a folder deeper."""
    for name in ("Drusen (dry)", "normal"):
        for number in range(15):
            write_picture(tmp_path / name / f"{number}.png", (8, 8))
        write_picture(tmp_path / name / "more" / "15.JPG", (8, 8))
    (tmp_path / "normal" / "copy.png").write_bytes((tmp_path / "normal" / "0.png").read_bytes())
    (tmp_path / "normal" / "notes.txt").write_text("no picture")
    return tmp_path


def table(folder: Path, rows: list[str], header: str = "file,label,group,split,device") -> Path:
    """Pictures and a labels.csv that names them."""
    rng = np.random.default_rng(0)
    for row in rows:
        Image.fromarray(rng.integers(0, 255, (4, 4, 3), np.uint8)).save(folder / row.split(",")[0])
    (folder / "labels.csv").write_text("\n".join([header, *rows]))
    return folder


def test_folders_are_classes_and_copies_stay_together(folder: Path) -> None:
    found = own_pictures.load(folder)
    assert found.classes == {"drusen_dry": "Drusen (dry)", "normal": "normal"}
    parts = (found.splits.train, found.splits.validation, found.splits.test)
    assert sum(map(len, parts)) == 33
    assert_no_leak(*parts)
    copies = [sample for part in parts for sample in part if sample.path.name in ("0.png", "copy.png")]
    assert len({sample.group for sample in copies}) == 2
    again = own_pictures.load(folder)
    assert again.splits == found.splits


def test_a_table_says_labels_groups_splits_and_attributes(tmp_path: Path) -> None:
    rows = [
        f"{part}{number}.png,{label},{part}{number // 2},{part},A"
        for part in ("train", "validation", "test")
        for number, label in enumerate(("x", "x", "y", "y"))
    ]
    found = own_pictures.load(table(tmp_path, rows))
    assert found.attributes == ("device",)
    assert [len(part) for part in (found.splits.train, found.splits.validation, found.splits.test)] == [4, 4, 4]
    assert {sample.group for sample in found.splits.train} == {"train0", "train1"}
    assert found.splits.test[0].strata == {"device": "A"}
    assert own_pictures.load(tmp_path / "labels.csv").splits == found.splits


def test_the_classes_of_a_shipped_diagnosis_keep_their_order(folder: Path) -> None:
    found = own_pictures.load(folder, ("normal", "drusen_dry"))
    assert list(found.classes) == ["normal", "drusen_dry"]
    with pytest.raises(DatasetError, match="drusen_dry is none of the classes normal, pneumonia"):
        own_pictures.load(folder, ("normal", "pneumonia"))


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        (["a.png,x,1,train", "b.png,y,1,test"], "file,label,group,split", "is of a group.*test and in train"),
        (["a.png,x,1,train", "b.png,y,2,"], "file,label,group,split", "every picture or to none"),
        (["a.png,x,1,dev", "b.png,y,2,"], "file,label,group,split", "train, validation, test or empty, not dev"),
        (["a.png,x", "b.png,y"], "file,diagnosis", "the column label is missing"),
        (["a.png,x", "b.png,x"], "file,label", "at least two are needed"),
        (["a.png,x", "b.png,y"], "file,label", "no picture of .* falls to"),
        (["a.png,A b", "b.png,a_B"], "file,label", "two classes are called alike"),
    ],
)
def test_what_can_not_be_trained_on_is_a_sentence(tmp_path: Path, rows: list[str], header: str, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        own_pictures.load(table(tmp_path, rows, header))


def test_a_file_that_is_missing_or_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Expected layout"):
        own_pictures.load(tmp_path)
    (tmp_path / "labels.csv").write_text("file,label\ngone.png,x")
    with pytest.raises(DatasetError, match=r"1 files are missing, the first is .*gone\.png"):
        own_pictures.load(tmp_path)
    (tmp_path / "labels.csv").write_text("")
    with pytest.raises(DatasetError, match="not a CSV table"):
        own_pictures.load(tmp_path)
