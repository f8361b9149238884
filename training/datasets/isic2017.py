"""A part of ISIC 2017 (Codella et al. 2018, ISBI): melanoma, nevus and keratosis from other contributors than HAM10000.

It is the other place that the skin model is measured at: nothing is ever trained on it. Stickers, rulers and round
black frames go with the class here, so what is learned from it would not travel either.
"""

from pathlib import Path

from models.serving.bundle import DataSource
from training.datasets.ham10000 import CLASSES
from training.datasets.pictures import Sample
from training.datasets.tables import read_listed

NAME = "ISIC 2017 selection"
PUBLISHED_COUNTS = {"bkl": 386, "mel": 509, "nv": 603}
LAYOUT = """  isic2017/
    Images/ISIC_*.jpg
    labels.csv            file,label,group,...   (file is relative to isic2017, label bkl, mel or nv)"""
WHERE = "the ISIC archive (challenge.isic-archive.com/data, 2017); list the pictures you chose in labels.csv"
SOURCE = DataSource(
    name=NAME,
    use="recipes were compared on it, and it was measured on; never trained on",
    licence="ISIC archive, CC-0 or CC BY-NC by contributor",
    citation="Codella NCF et al. Skin lesion analysis toward melanoma detection: a challenge at ISBI 2017. "
    "ISBI 2018:168-172.",
)


def load(folder: Path) -> list[Sample]:
    """Read every picture that labels.csv names; labels are indices of HAM10000's classes. Raises `DatasetError`."""
    return [
        Sample(
            path=folder / row["file"],
            label=CLASSES.index(row["label"]),
            group=f"isic2017:{row['group']}",
            source=NAME,
            strata={"set": "isic2017"},
        )
        for row in read_listed(folder, layout=LAYOUT, where=WHERE)
    ]
