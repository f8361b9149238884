"""HAM10000 (Tschandl et al. 2018, Sci Data 5:180161): dermoscopy of pigmented lesions, seven classes.

Several pictures show one lesion, so a lesion is the group. Where only a small frame of a picture is at hand, a sharp
middle square from elsewhere may stand in for it. Licence CC BY-NC 4.0.
"""

from pathlib import Path

from PIL import Image

from models.serving.bundle import DataSource
from training.datasets.pictures import Sample, age_band, check_layout
from training.datasets.tables import read_rows
from training.errors import DatasetError

NAME = "HAM10000"
CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
PUBLISHED_COUNTS = {"nv": 6705, "mel": 1113, "bkl": 1099, "bcc": 514, "akiec": 327, "vasc": 142, "df": 115}
SOFT_BELOW = 200
LAYOUT = """  HAM10000/
    HAM10000_images_part_1/ISIC_*.jpg
    HAM10000_images_part_2/ISIC_*.jpg
    HAM10000_metadata.csv"""
WHERE = "the Harvard Dataverse (doi:10.7910/DVN/DBW86T) or Kaggle (kmader/skin-cancer-mnist-ham10000)"
SOURCE = DataSource(
    name=NAME,
    use="trained on, calibrated on and tested on (lesions held out)",
    licence="CC BY-NC 4.0",
    citation="Tschandl P, Rosendahl C, Kittler H. The HAM10000 dataset. Sci Data 2018;5:180161.",
)


def load(folder: Path, sharp: Path | None = None) -> list[Sample]:
    """Read the set in its published layout. Strata: sex, age, resolution (`sharp` or `soft`), confirmation, site.

    A picture whose middle square has an edge under 200 pixels is `soft`. Pictures in `sharp`/Images, where there are
    any, replace those of the same name; they add none. Raises `DatasetError`.
    """
    parts = ("HAM10000_images_part_1", "HAM10000_images_part_2")
    check_layout(folder, (*parts, "HAM10000_metadata.csv"), layout=LAYOUT, where=WHERE)
    pictures = {path.stem: path for part in parts for path in (folder / part).glob("*.jpg")}
    known = set(pictures)
    if sharp:
        pictures |= {path.stem: path for path in (sharp / "Images").glob("*.jpg") if path.stem in known}
    rows = sorted(read_rows(folder / "HAM10000_metadata.csv"), key=lambda row: row["image_id"])
    missing = [row["image_id"] for row in rows if row["image_id"] not in pictures]
    if missing:
        raise DatasetError(
            f"{folder}: {len(missing)} pictures of HAM10000_metadata.csv missing, the first is {missing[0]}.jpg. "
            f"Expected layout:\n{LAYOUT}\nGet it from {WHERE}."
        )
    return [_sample(row, pictures[row["image_id"]]) for row in rows]


def _sample(row: dict[str, str], path: Path) -> Sample:
    with Image.open(path) as picture:
        edge = min(picture.size)
    return Sample(
        path=path,
        label=CLASSES.index(row["dx"]),
        group=row["lesion_id"],
        source=NAME,
        strata={
            "sex": row["sex"],
            "age": age_band(row["age"]),
            "resolution": "soft" if edge < SOFT_BELOW else "sharp",
            "confirmation": row["dx_type"],
            "site": row["localization"],
        },
    )
