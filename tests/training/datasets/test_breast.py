"""BUSI and BUS-BRA, made up in their published layouts, and as they are where they are at hand."""

import csv
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.datasets import bus_bra, busi
from training.datasets.pictures import Sample, verify_counts
from training.datasets.ultrasound import assessment_of, lesion_of
from training.errors import DatasetError

DATA = Path(os.environ.get("MEDIDIAGNOSE_DATA", "data"))
SCENES = np.random.default_rng(3).integers(0, 256, (8, 6, 6), dtype=np.uint8)
ROW = {
    "ID": "bus_0001-l",
    "Case": "1",
    "Histology": "fibroadenoma",
    "Pathology": "benign",
    "BIRADS": "3",
    "Device": "GE Logiq 5",
}


def write_scan(path: Path, scene: int, size: tuple[int, int] = (96, 80), *, brighter: int = 0) -> None:
    """A smooth picture of (width, height); the same `scene` looks alike at any size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    smooth = np.asarray(Image.fromarray(SCENES[scene]).resize(size, Image.Resampling.BICUBIC), dtype=np.int16)
    Image.fromarray(np.clip(smooth + brighter, 0, 255).astype(np.uint8)).save(path)


def write_mask(path: Path, rows: slice, size: tuple[int, int] = (96, 80)) -> None:
    mask = np.zeros(size[::-1], np.uint8)
    mask[rows] = 255
    Image.fromarray(mask).convert("1").save(path)


def write_table(path: Path, *rows: Mapping[str, str]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)


@pytest.fixture
def busi_folder(tmp_path: Path) -> Path:
    """Two copies of a benign lesion, two malignant ones, one of them a copy of a normal picture."""
    write_scan(tmp_path / "benign" / "benign (1).png", 0)
    write_mask(tmp_path / "benign" / "benign (1)_mask.png", slice(0, 20))
    write_mask(tmp_path / "benign" / "benign (1)_mask_1.png", slice(60, 80))
    write_scan(tmp_path / "benign" / "benign (2).png", 0, (120, 90), brighter=8)
    write_scan(tmp_path / "malignant" / "malignant (1).png", 1)
    write_scan(tmp_path / "malignant" / "malignant (2).png", 2)
    write_scan(tmp_path / "normal" / "normal (1).png", 2, brighter=-8)
    write_scan(tmp_path / "normal" / "normal (2).png", 3)
    write_mask(tmp_path / "normal" / "normal (2)_mask.png", slice(0, 0))
    return tmp_path


@pytest.fixture
def bus_bra_folder(tmp_path: Path) -> Path:
    """Two patients, one of them on two pictures."""
    for name in ("0001-l", "0001-r", "0002-s"):
        write_scan(tmp_path / "Images" / f"bus_{name}.png", 0)
    (tmp_path / "Masks").mkdir()
    write_mask(tmp_path / "Masks" / "mask_0001-l.png", slice(10, 20))
    second = {"ID": "bus_0002-s", "Case": "2", "Pathology": "malignant", "BIRADS": "5"}
    write_table(tmp_path / "bus_data.csv", ROW | second, ROW | {"ID": "bus_0001-r"}, ROW)
    return tmp_path


def groups_of(samples: list[Sample]) -> dict[str, str]:
    return {sample.path.stem: sample.group for sample in samples}


def test_masks_are_not_read_as_pictures(busi_folder: Path) -> None:
    assert [sample.path.name for sample in busi.load_all(busi_folder)] == [
        "normal (1).png",
        "normal (2).png",
        "benign (1).png",
        "benign (2).png",
        "malignant (1).png",
        "malignant (2).png",
    ]


def test_copies_are_one_group_and_a_group_with_two_labels_is_left_out(busi_folder: Path) -> None:
    assert groups_of(busi.load(busi_folder)) == {
        "normal (2)": "busi:normal (2)",
        "benign (1)": "busi:benign (1)",
        "benign (2)": "busi:benign (1)",
        "malignant (1)": "busi:malignant (1)",
    }


def test_alike_is_passed_on() -> None:
    alike = np.array([[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1]], dtype=bool)
    assert busi.first_of_group(alike) == [0, 1, 1, 1]


def test_groups_that_are_listed_are_taken_as_they_are(busi_folder: Path) -> None:
    names = [path.relative_to(busi_folder).as_posix() for path in busi_folder.rglob("*).png")]
    rows = [{"file": name, "split_group": f"s{number}"} for number, name in enumerate(names)]
    write_table(busi_folder / "labels.csv", *rows)
    assert len(set(groups_of(busi.load(busi_folder)).values())) == 6
    write_table(busi_folder / "labels.csv", *rows[1:])
    with pytest.raises(DatasetError, match="doesn't list 1 pictures"):
        busi.load(busi_folder)


def test_a_normal_picture_is_benign_and_birads_1_and_a_lesion_is_not_assessed(busi_folder: Path) -> None:
    found = {
        sample.path.stem: (sample.label, sample.strata["pathology"], assessment_of(sample))
        for sample in busi.load_all(busi_folder)
    }
    assert found["normal (1)"] == (0, "normal", 1)
    assert found["benign (1)"] == (0, "benign", None)
    assert found["malignant (1)"] == (1, "malignant", None)


def test_a_lesion_is_all_that_its_masks_outline(busi_folder: Path) -> None:
    samples = {sample.path.stem: sample for sample in busi.load_all(busi_folder)}
    lesions = lesion_of(samples["benign (1)"])
    assert lesions is not None
    assert lesions.shape == (80, 96)
    assert lesions[:20].all()
    assert not lesions[20:60].any()
    assert lesions[60:].all()
    nothing = lesion_of(samples["normal (2)"])
    assert nothing is not None
    assert not nothing.any()
    assert lesion_of(samples["malignant (1)"]) is None


def test_busi_missing_or_empty_shows_the_layout(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"(?s)normal, benign, malignant missing.*Expected layout.*Kaggle"):
        busi.load(tmp_path)
    for name in ("benign", "malignant", "normal"):
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match=r"(?s)no pictures.*Expected layout"):
        busi.load(tmp_path)


def test_a_damaged_busi_picture_is_named(busi_folder: Path) -> None:
    (busi_folder / "benign" / "benign (2).png").write_bytes(b"\x89PNG")
    with pytest.raises(DatasetError, match=r"benign \(2\)\.png"):
        busi.load(busi_folder)


def test_bus_bra_groups_by_patient_with_both_labels(bus_bra_folder: Path) -> None:
    samples = bus_bra.load(bus_bra_folder)
    assert [(sample.path.stem, sample.label, sample.group, assessment_of(sample)) for sample in samples] == [
        ("bus_0001-l", 0, "bus_bra:1", 3),
        ("bus_0001-r", 0, "bus_bra:1", 3),
        ("bus_0002-s", 1, "bus_bra:2", 5),
    ]
    assert (samples[0].strata["device"], samples[0].strata["histology"]) == ("GE Logiq 5", "fibroadenoma")
    assert [[mask.name for mask in sample.masks] for sample in samples] == [["mask_0001-l.png"], [], []]


def test_bus_bra_reads_a_labels_table_alike(bus_bra_folder: Path) -> None:
    published = bus_bra.load(bus_bra_folder)
    (bus_bra_folder / "bus_data.csv").unlink()
    row = {
        "file": "Images/bus_0001-l.png",
        "patient_id": "busbra_1",
        "pathology": "benign",
        "birads": "3",
        "note": "histology=fibroadenoma; device=GE Logiq 5",
    }
    second = {"file": "Images/bus_0002-s.png", "patient_id": "busbra_2", "pathology": "malignant", "birads": "5"}
    write_table(bus_bra_folder / "labels.csv", row, row | {"file": "Images/bus_0001-r.png"}, row | second)
    assert bus_bra.load(bus_bra_folder) == published


def test_a_picture_missing_from_bus_bra_is_named(bus_bra_folder: Path) -> None:
    (bus_bra_folder / "Images" / "bus_0001-r.png").unlink()
    with pytest.raises(DatasetError, match=r"1 pictures of bus_data\.csv missing, the first is bus_0001-r"):
        bus_bra.load(bus_bra_folder)


@pytest.mark.parametrize("change", [{"BIRADS": "6"}, {"BIRADS": ""}, {"Pathology": "unclear"}])
def test_a_bus_bra_table_that_tells_something_else_is_refused(bus_bra_folder: Path, change: dict[str, str]) -> None:
    write_table(bus_bra_folder / "bus_data.csv", ROW | change)
    with pytest.raises(DatasetError, match=r"(?s)bus_data\.csv is not as published.*Expected layout"):
        bus_bra.load(bus_bra_folder)


def test_bus_bra_without_a_column_or_a_table_shows_the_layout(bus_bra_folder: Path) -> None:
    write_table(bus_bra_folder / "bus_data.csv", {"ID": "bus_0001-l"})
    with pytest.raises(DatasetError, match="Case"):
        bus_bra.load(bus_bra_folder)
    (bus_bra_folder / "bus_data.csv").unlink()
    with pytest.raises(DatasetError, match=r"(?s)bus_data\.csv missing.*Zenodo"):
        bus_bra.load(bus_bra_folder)


@pytest.mark.skipif(not (DATA / "breast_ultrasound").is_dir(), reason="BUSI is not at hand")
def test_busi_as_published() -> None:
    everything = busi.load_all(DATA / "breast_ultrasound")
    assert verify_counts(everything, busi.CLASSES, busi.PUBLISHED_COUNTS) == []
    kept = busi.load(DATA / "breast_ultrasound")
    assert Counter(sample.strata["pathology"] for sample in kept) == {"benign": 426, "malignant": 203, "normal": 131}
    assert all(sample.masks for sample in everything)


@pytest.mark.skipif(not (DATA / "breast_ultrasound" / "labels.csv").is_file(), reason="BUSI is not at hand")
def test_near_copies_are_those_listed() -> None:
    everything = busi.load_all(DATA / "breast_ultrasound")
    found = busi.near_copies([sample.path for sample in everything])
    listed = np.array([sample.group for sample in everything])
    looked = np.array([found[sample.path] for sample in everything])
    pairs = np.triu_indices(len(everything), 1)
    listed_pairs, looked_pairs = [(names[:, None] == names)[pairs] for names in (listed, looked)]
    assert (listed_pairs.sum(), (listed_pairs & looked_pairs).sum(), (looked_pairs & ~listed_pairs).sum()) == (
        253,
        236,
        0,
    )


@pytest.mark.skipif(not (DATA / "bus_bra").is_dir(), reason="BUS-BRA is not at hand")
def test_bus_bra_as_published() -> None:
    samples = bus_bra.load(DATA / "bus_bra")
    assert verify_counts(samples, bus_bra.CLASSES, bus_bra.PUBLISHED_COUNTS) == []
    assert len({sample.group for sample in samples}) == 1064
    assert Counter(assessment_of(sample) for sample in samples) == {2: 562, 3: 463, 4: 693, 5: 157}
