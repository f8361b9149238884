"""A selection of NIH ChestX-ray14 (Wang et al. 2017, CVPR): mostly adults, No Finding or Pneumonia.

The labels were mined from reports by text, so they are noisy. Free use with attribution.
"""

from pathlib import Path

from models.serving.bundle import DataSource
from training.datasets.pictures import Sample, age_band, check_layout
from training.datasets.tables import read_rows
from training.errors import DatasetError

NAME = "NIH ChestX-ray14 selection"
CLASSES = ("normal", "pneumonia")
FOLDERS = ("NORMAL", "PNEUMONIA")
PUBLISHED_COUNTS = {"normal": 263, "pneumonia": 270}
LAYOUT = """  chest_nih/
    NORMAL/*.jpeg  PNEUMONIA/*.jpeg
    labels.csv            file,label,patient_id,...   (file is relative to chest_nih, label NORMAL or PNEUMONIA)
    views.csv             file,view,age,...           (view PA or AP; may be absent)"""
WHERE = "the NIH Clinical Center (ChestX-ray14); list the pictures you chose in labels.csv"
SOURCE = DataSource(
    name=NAME,
    use="trained on, calibrated on and tested on (patients held out)",
    licence="unrestricted, attribution to the NIH Clinical Center",
    citation="Wang X et al. ChestX-ray8: hospital-scale chest X-ray database. CVPR 2017:2097-2106.",
)


def load(folder: Path) -> list[Sample]:
    """Read every picture that labels.csv names; the patient is the group.

    Strata: set, subtype, view (`PA`, `AP` or `unknown`), age, and cell, which is set and view. Raises `DatasetError`.
    """
    check_layout(folder, ("labels.csv",), layout=LAYOUT, where=WHERE)
    rows = sorted(read_rows(folder / "labels.csv"), key=lambda row: row["file"])
    missing = [row["file"] for row in rows if not (folder / row["file"]).is_file()]
    if missing:
        raise DatasetError(
            f"{folder}: {len(missing)} files of labels.csv missing, the first is {missing[0]}.\n{LAYOUT}"
        )
    views = _views(folder)
    return [_sample(folder, row, views.get(row["file"], {})) for row in rows]


def _sample(folder: Path, row: dict[str, str], viewed: dict[str, str]) -> Sample:
    view = viewed.get("view", "unknown")
    return Sample(
        path=folder / row["file"],
        label=FOLDERS.index(row["label"]),
        group=f"nih:{row['patient_id']}",
        source=NAME,
        strata={
            "set": "nih",
            "cell": "nih_pa" if view == "PA" else "nih_ap",
            "subtype": row["label"].lower(),
            "view": view,
            "age": age_band(viewed.get("age", "")),
        },
    )


def _views(folder: Path) -> dict[str, dict[str, str]]:
    if not (folder / "views.csv").is_file():
        return {}
    return {row["file"]: row for row in read_rows(folder / "views.csv")}
