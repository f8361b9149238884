"""Pictures of one's own: a folder for each class, or a CSV table with the columns file, label and optionally group and
split; any other column is an attribute that figures are reported by.

Pictures of one group (a patient, a lesion) never stand on both sides of a split. Without a group, byte-identical files
are one group. `split` is train, validation or test; where the table has none, a fifth of the groups is held out for the
test and an eighth of the rest for validation, by the same seeds as everywhere.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pandas as pd

from training.datasets.pictures import Sample
from training.datasets.tables import read_table
from training.errors import DatasetError
from training.splits import TEST_SEED, VALIDATION_SEED, Splits, split_groups

TABLE = "labels.csv"
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
PARTS = ("train", "validation", "test")
LEAST_GROUPS = 8
LAYOUT = """  FOLDER/
    <class>/*.jpg *.png ...   <another class>/*.jpg ...
or a table, FOLDER/labels.csv or any .csv file, with files relative to it:
    file,label[,group][,split]"""

_KNOWN = ("file", "label", "group", "split")


@dataclass(frozen=True)
class OwnPictures:
    """`classes` maps the code of each class, in output order, to its name as it stands in folders or table; `splits`
    hold the pictures; `attributes` are the further columns of the table."""

    classes: dict[str, str]
    splits: Splits
    attributes: tuple[str, ...]


def load(source: Path, expected: Sequence[str] = ()) -> OwnPictures:
    """Read a folder or a table. With `expected`, the codes of the classes in output order, there must be no other.

    Raises `DatasetError`, which says what was expected.
    """
    table = _read(source)
    names = sorted(table["label"].unique())
    codes = {name: code_of(name) for name in names}
    if len(set(codes.values())) < len(names) or "" in codes.values():
        raise DatasetError(
            f"{source}: two classes are called alike, or one has no letter or digit: {', '.join(names)}."
        )
    if expected and (unknown := sorted(set(codes.values()) - set(expected))):
        raise DatasetError(f"{source}: {', '.join(unknown)} is none of the classes {', '.join(expected)}.")
    if len(names) < 2:
        raise DatasetError(f"{source}: {len(names)} class found, at least two are needed. Expected layout:\n{LAYOUT}")
    order = list(expected) or list(codes.values())
    attributes = tuple(column for column in table.columns if column not in _KNOWN)
    samples = [
        Sample(
            path=Path(row["path"]),
            label=order.index(codes[row["label"]]),
            group=row["group"] or _fingerprint(Path(row["path"])),
            source="own pictures",
            strata={column: row[column] for column in attributes},
        )
        for row in table.assign(path=table["file"]).to_dict("records")
    ]
    splits = _split(source, samples, table["split"].tolist())
    _check(source, splits, order)
    spelled = {code: name for name, code in codes.items()}
    return OwnPictures({code: spelled.get(code, code) for code in order}, splits, attributes)


def code_of(name: str) -> str:
    """A class's code: its name in lower case, with underscores for what is no letter or digit."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _read(source: Path) -> "pd.DataFrame":
    """A row for each picture: file (absolute), label, group and split, both empty where unknown, and attributes."""
    file = source if source.suffix.lower() == ".csv" else source / TABLE
    if file.is_file():
        return _listed(file)
    folders = sorted(path for path in source.iterdir() if path.is_dir()) if source.is_dir() else []
    rows = [
        {"file": str(path), "label": folder.name, "group": "", "split": ""}
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if not rows:
        raise DatasetError(f"{source}: no pictures. Expected layout:\n{LAYOUT}")
    return pd.DataFrame(rows)


def _listed(file: Path) -> "pd.DataFrame":
    table = read_table(file)
    if missing := [name for name in ("file", "label") if name not in table.columns]:
        raise DatasetError(f"{file}: the column {' and '.join(missing)} is missing. Expected layout:\n{LAYOUT}")
    table = table.reindex(
        columns=[*table.columns, *(name for name in _KNOWN if name not in table.columns)], fill_value=""
    )
    table["file"] = [str(file.parent / name) for name in table["file"]]
    if absent := [name for name in table["file"] if not Path(name).is_file()]:
        raise DatasetError(f"{file}: {len(absent)} files are missing, the first is {absent[0]}.")
    if wrong := sorted(set(table["split"]) - {"", *PARTS}):
        raise DatasetError(f"{file}: split is {', '.join(PARTS)} or empty, not {wrong[0]}.")
    return table


def _split(source: Path, samples: Sequence[Sample], parts: Sequence[str]) -> Splits:
    if not any(parts):
        development, test = split_groups(samples, 0.2, TEST_SEED)
        train, validation = split_groups(development, 0.125, VALIDATION_SEED)
        return Splits(train, validation, test)
    if not all(parts):
        raise DatasetError(f"{source}: give a split to every picture or to none.")
    chosen = {part: [s for s, each in zip(samples, parts, strict=True) if each == part] for part in PARTS}
    owner: dict[str, str] = {}
    for part, members in chosen.items():
        for sample in members:
            if owner.setdefault(sample.group, part) != part:
                raise DatasetError(
                    f"{source}: {sample.path.name} is of a group, or the same file as one, that stands in "
                    f"{part} and in {owner[sample.group]}; a group belongs to one split."
                )
    return Splits(chosen["train"], chosen["validation"], chosen["test"])


def _check(source: Path, splits: Splits, classes: Sequence[str]) -> None:
    for part in PARTS:
        present = {sample.label for sample in getattr(splits, part)}
        if absent := [code for label, code in enumerate(classes) if label not in present]:
            raise DatasetError(
                f"{source}: no picture of {', '.join(absent)} falls to {part}. Give each class at least {LEAST_GROUPS} "
                "groups of pictures, or say in a table which split each picture belongs to."
            )


def _fingerprint(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
