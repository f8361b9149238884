"""BUSI (Al-Dhabyani et al. 2020, Data in Brief 28:104863): breast ultrasound, normal, benign or malignant.

Nobody assessed the lesions; a normal picture is BI-RADS 1. Many pictures are near-copies of one another (Pawlowska et
al. 2023, Data in Brief 48:109247), so a set of near-copies is the group. Eight groups, 20 pictures of 780, carry two
labels: nobody knows which is right, and they are left out. Text, calipers and outlines are burned into many pictures.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.serving.bundle import DataSource
from training.datasets.pictures import Sample, check_layout
from training.datasets.tables import read_rows
from training.datasets.ultrasound import UNKNOWN
from training.errors import DatasetError

NAME = "BUSI"
CLASSES = ("benign", "malignant")
FOLDERS = ("normal", "benign", "malignant")
PUBLISHED_COUNTS = {"benign": 437 + 133, "malignant": 210}
DEVICE = "GE Logiq E9"
LAYOUT = """  Dataset_BUSI_with_GT/
    benign/benign (1).png     benign/benign (1)_mask.png     benign/benign (1)_mask_1.png ...
    malignant/malignant (1).png ...
    normal/normal (1).png ..."""
WHERE = "Cairo University (scholar.cu.edu.eg) or Kaggle (aryashah2k/breast-ultrasound-images-dataset)"
SOURCE = DataSource(
    name=NAME,
    use="trained on, calibrated on and tested on (groups of near-copies held out)",
    licence="none stated; free for research, citing the paper (the Kaggle copy says CC0)",
    citation="Al-Dhabyani W et al. Dataset of breast ultrasound images. Data Brief 2020;28:104863.",
)

COPY_CORRELATION = 0.975
_THUMBNAIL = (16, 16)
_FLAT = np.float32(1e-6)
_PICTURE = re.compile(r"(?:normal|benign|malignant) \(\d+\)\.(?:png|jpe?g)")


def load(folder: Path) -> list[Sample]:
    """Every picture but those of groups with two labels. Strata: set, origin, pathology, birads, device. Raises
    `DatasetError`."""
    everything = load_all(folder)
    pathologies: dict[str, set[str]] = {}
    for sample in everything:
        pathologies.setdefault(sample.group, set()).add(sample.strata["pathology"])
    return [sample for sample in everything if len(pathologies[sample.group]) == 1]


def load_all(folder: Path) -> list[Sample]:
    """Every picture of the set; a normal one is labelled benign.

    Groups are the `split_group` of a `labels.csv`, where there is one, else what `near_copies` finds. Raises
    `DatasetError`.
    """
    check_layout(folder, FOLDERS, layout=LAYOUT, where=WHERE)
    pictures = [path for name in FOLDERS for path in sorted((folder / name).iterdir()) if _PICTURE.fullmatch(path.name)]
    if not pictures:
        raise DatasetError(f"{folder}: no pictures. Expected layout:\n{LAYOUT}\nGet it from {WHERE}.")
    groups = _listed_groups(folder) or near_copies(pictures)
    if missing := [path for path in pictures if path not in groups]:
        raise DatasetError(
            f"{folder}: labels.csv doesn't list {len(missing)} pictures, the first is {missing[0].name}."
        )
    return [_sample(path, groups[path]) for path in pictures]


def near_copies(pictures: Sequence[Path]) -> dict[Path, str]:
    """The group of each picture, named after its first: pictures that look alike, or like one that does.

    Alike are those whose grey thumbnails of 16 x 16 pixels correlate by at least 0.975: that joins 236 of the 253
    pairs of copies known in BUSI, no other pair, and finds all eight groups with two labels. Raises
    `DatasetError`.
    """
    thumbnails = np.stack([_thumbnail(path) for path in pictures])
    alike = thumbnails @ thumbnails.T >= COPY_CORRELATION
    np.fill_diagonal(alike, val=True)
    return {path: pictures[first].stem for path, first in zip(pictures, first_of_group(alike), strict=True)}


def first_of_group(alike: NDArray[np.bool_]) -> list[int]:
    """The first member of the group of each of n items, where `alike` (n, n), symmetric and true on its diagonal,
    joins items directly."""
    first = np.arange(len(alike))
    while not np.array_equal(first, lower := np.where(alike, first, len(alike)).min(axis=1)):
        first = lower
    return list(first.tolist())


def _thumbnail(path: Path) -> NDArray[np.float32]:
    try:
        with Image.open(path) as picture:
            grey = np.asarray(picture.convert("L").resize(_THUMBNAIL, Image.Resampling.BOX), dtype=np.float32).ravel()
    except OSError as error:
        raise DatasetError(f"{path}: {error}") from error
    centred = grey - grey.mean()
    return np.asarray(centred / np.maximum(np.linalg.norm(centred), _FLAT))


def _listed_groups(folder: Path) -> dict[Path, str]:
    if not (folder / "labels.csv").is_file():
        return {}
    return {folder / row["file"]: row["split_group"] for row in read_rows(folder / "labels.csv")}


def _sample(path: Path, group: str) -> Sample:
    pathology = path.parent.name
    return Sample(
        path=path,
        label=CLASSES.index("malignant" if pathology == "malignant" else "benign"),
        group=f"busi:{group}",
        source=NAME,
        strata={
            "set": "busi",
            "origin": "busi",
            "pathology": pathology,
            "birads": "1" if pathology == "normal" else UNKNOWN,
            "device": DEVICE,
        },
        masks=tuple(sorted(path.parent.glob(f"{path.stem}_mask*.png"))),
    )
