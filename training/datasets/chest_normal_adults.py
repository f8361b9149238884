"""Chest X-rays of adults that radiologists read as normal (RSNA 2018), as the COVID-19 Radiography Database holds them.

They are negatives from another place than the sets with pneumonia: without them a network calls most of them ill. One
half, fixed by a hash of each group's name, is held back: nothing is ever trained or chosen on it.
"""

from hashlib import sha256
from pathlib import Path

from models.serving.bundle import DataSource
from training.datasets.pictures import Sample
from training.datasets.tables import read_listed

NAME = "Normal adults (RSNA 2018)"
SET = "normal_adults"
CLASSES = ("normal", "pneumonia")
PUBLISHED_COUNTS = {"normal": 270}
LAYOUT = """  chest_normal_adults/
    Images/*.jpg
    labels.csv            file,label,group,...   (file is relative to chest_normal_adults, label NORMAL)"""
WHERE = "Kaggle (tawsifurrahman/covid19-radiography-database); list the pictures you chose in labels.csv"
SOURCE = DataSource(
    name=NAME,
    use="one half trained on and calibrated on, the other half tested on",
    licence="research with citation (COVID-19 Radiography Database); the pictures are the NIH's",
    citation="Rahman T et al. Exploring the effect of image enhancement techniques on COVID-19 detection using chest "
    "X-ray images. Comput Biol Med 2021;132:104319. Shih G et al. Augmenting the NIH chest radiograph dataset with "
    "expert annotations of possible pneumonia. Radiol Artif Intell 2019;1:e180041.",
)


def load(folder: Path) -> list[Sample]:
    """Read every picture that labels.csv names. Strata: set, subtype, view, age. Raises `DatasetError`."""
    strata = {"set": SET, "cell": SET, "subtype": "normal", "view": "unknown", "age": "unknown"}
    return [
        Sample(path=folder / row["file"], label=0, group=f"{SET}:{row['group']}", source=NAME, strata=dict(strata))
        for row in read_listed(folder, layout=LAYOUT, where=WHERE)
    ]


def held_back(sample: Sample) -> bool:
    """Whether a picture belongs to the half that is only tested on."""
    return sha256(sample.group.encode()).digest()[0] % 2 == 1
