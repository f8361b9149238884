"""A selection of NIH ChestX-ray14 (Wang et al. 2017, CVPR): mostly adults, No Finding or Pneumonia.

The labels were mined from reports by text, so they are noisy. Free use with attribution.
"""

from pathlib import Path

from models.serving.bundle import DataSource
from training.datasets.pictures import Sample, check_layout
from training.datasets.tables import read_rows
from training.errors import DatasetError

NAME = "NIH ChestX-ray14 selection"
CLASSES = ("normal", "pneumonia")
FOLDERS = ("NORMAL", "PNEUMONIA")
PUBLISHED_COUNTS = {"normal": 263, "pneumonia": 270}
LAYOUT = """  chest_nih/
    NORMAL/*.jpeg  PNEUMONIA/*.jpeg
    labels.csv            file,label,patient_id,...   (file is relative to chest_nih, label NORMAL or PNEUMONIA)"""
WHERE = "the NIH Clinical Center (ChestX-ray14); list the pictures you chose in labels.csv"
SOURCE = DataSource(
    name=NAME,
    use="trained on, calibrated on and tested on (patients held out)",
    licence="unrestricted, attribution to the NIH Clinical Center",
    citation="Wang X et al. ChestX-ray8: hospital-scale chest X-ray database. CVPR 2017:2097-2106.",
)


def load(folder: Path) -> list[Sample]:
    """Read every picture that labels.csv names; the patient is the group. Raises `DatasetError`."""
    check_layout(folder, ("labels.csv",), layout=LAYOUT, where=WHERE)
    rows = sorted(read_rows(folder / "labels.csv"), key=lambda row: row["file"])
    missing = [row["file"] for row in rows if not (folder / row["file"]).is_file()]
    if missing:
        raise DatasetError(
            f"{folder}: {len(missing)} files of labels.csv missing, the first is {missing[0]}.\n{LAYOUT}"
        )
    return [
        Sample(
            path=folder / row["file"],
            label=FOLDERS.index(row["label"]),
            group=f"nih:{row['patient_id']}",
            source=NAME,
            strata={"set": "nih", "subtype": row["label"].lower()},
        )
        for row in rows
    ]
