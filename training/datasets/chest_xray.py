"""Chest X-rays of children (Kermany et al. 2018, Cell 172:1122): normal or pneumonia, split as published.

The published validation split has 16 pictures, too few to choose anything on: it is joined to train, and validation is
taken from there by group. Licence CC BY 4.0.
"""

import re
from pathlib import Path
from typing import Literal

from models.serving.bundle import DataSource
from training.datasets.pictures import Sample, check_layout
from training.datasets.tables import read_rows

NAME = "Kermany chest X-rays"
CLASSES = ("normal", "pneumonia")
FOLDERS = ("NORMAL", "PNEUMONIA")
PUBLISHED_COUNTS = {"normal": 1341 + 8 + 234, "pneumonia": 3875 + 8 + 390}
LAYOUT = """  chest_xray/
    train/NORMAL/*.jpeg  train/PNEUMONIA/*.jpeg
    val/NORMAL/*.jpeg    val/PNEUMONIA/*.jpeg
    test/NORMAL/*.jpeg   test/PNEUMONIA/*.jpeg"""
WHERE = "Mendeley Data (doi:10.17632/rscbjbr9sj) or Kaggle (paultimothymooney/chest-xray-pneumonia)"
SOURCE = DataSource(
    name=NAME,
    use="trained on, calibrated on and tested on (published test split, patients held out)",
    licence="CC BY 4.0",
    citation="Kermany DS et al. Identifying medical diagnoses and treatable diseases by image-based deep learning. "
    "Cell 2018;172:1122-1131.",
)

_SPLITS = ("train", "val", "test")


def load(folder: Path, part: Literal["development", "test"]) -> list[Sample]:
    """Read the development part (published train and val) or the test part. Byte-identical copies are left out
    where a `manifest.csv` names them. Strata: subtype. Raises `DatasetError`."""
    everything = load_all(folder)
    if part == "test":
        return [sample for sample in everything if sample.path.parent.parent.name == "test"]
    copies = {name for name, row in _manifest(folder).items() if row.get("dup_of")}
    return [
        sample
        for sample in everything
        if sample.path.parent.parent.name != "test" and sample.path.relative_to(folder).as_posix() not in copies
    ]


def load_all(folder: Path) -> list[Sample]:
    """Every picture of the set, byte-identical copies too. Raises `DatasetError`."""
    check_layout(folder, [f"{split}/{name}" for split in _SPLITS for name in FOLDERS], layout=LAYOUT, where=WHERE)
    known = _manifest(folder)
    pictures = [
        path for split in _SPLITS for name in FOLDERS for path in sorted((folder / split / name).glob("*.jp*g"))
    ]
    return [_sample(path, known.get(path.relative_to(folder).as_posix(), {})) for path in pictures]


def patient_group(file_name: str) -> str:
    """The patient a published file name stands for. Numbers start anew for each kind of picture, so
    `person12_bacteria_3` is person12_bacteria and not the person12 of `person12_virus_8`."""
    if match := re.match(r"(person\d+_(?:bacteria|virus))", file_name):
        return match[1]
    if match := re.match(r"(NORMAL2-)?(IM-\d+)", file_name):
        return f"{'N2-' if match[1] else ''}{match[2]}_normal"
    return file_name


def _sample(path: Path, row: dict[str, str]) -> Sample:
    infection = next((kind for kind in ("bacteria", "virus") if kind in path.name), "normal")
    return Sample(
        path=path,
        label=FOLDERS.index(path.parent.name),
        group=f"kermany:{row.get('group_id') or patient_group(path.name)}",
        source=NAME,
        strata={
            "set": "kermany",
            "cell": "kermany",
            "subtype": row.get("subtype") or infection,
            "view": "unknown",
            "age": "child",
        },
    )


def _manifest(folder: Path) -> dict[str, dict[str, str]]:
    if not (folder / "manifest.csv").is_file():
        return {}
    return {row["file"]: row for row in read_rows(folder / "manifest.csv")}
