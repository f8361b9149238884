"""BUS-BRA (Gomez-Flores et al. 2024, Med Phys 51:3110): breast ultrasound of 1064 patients, four scanners.

Every lesion is proven by biopsy and was assessed BI-RADS 2 to 5 by a senior ultrasonographer. Most patients have two
pictures, so a patient is the group. Licence CC BY 4.0.
"""

from pathlib import Path

from models.serving.bundle import DataSource
from training.datasets.pictures import Sample, check_layout
from training.datasets.tables import read_rows
from training.errors import DatasetError

NAME = "BUS-BRA"
CLASSES = ("benign", "malignant")
PUBLISHED_COUNTS = {"benign": 1268, "malignant": 607}
LAYOUT = """  BUSBRA/
    Images/bus_0001-l.png  Images/bus_0001-r.png ...
    Masks/mask_0001-l.png ...
    bus_data.csv             ID,Case,Histology,Pathology,BIRADS,Device,..."""
WHERE = "Zenodo (doi:10.5281/zenodo.8231412)"
SOURCE = DataSource(
    name=NAME,
    use="trained on, calibrated on and tested on (patients held out)",
    licence="CC BY 4.0",
    citation="Gomez-Flores W et al. BUS-BRA: A breast ultrasound dataset for assessing computer-aided diagnosis "
    "systems. Med Phys 2024;51:3110-3123.",
)

_COLUMNS = {
    "picture": "ID",
    "patient": "Case",
    "pathology": "Pathology",
    "birads": "BIRADS",
    "device": "Device",
    "histology": "Histology",
}
_BIRADS = ("2", "3", "4", "5")


def load(folder: Path) -> list[Sample]:
    """Every picture of the set, by bus_data.csv or, where that is absent, by a labels.csv that tells the same.

    Strata: set, origin, pathology, birads, device, histology. Raises `DatasetError`.
    """
    listed = (folder / "labels.csv").is_file() and not (folder / "bus_data.csv").is_file()
    table, read = ("labels.csv", _listed) if listed else ("bus_data.csv", _published)
    check_layout(folder, ("Images", table), layout=LAYOUT, where=WHERE)
    pictures = {path.stem: path for path in (folder / "Images").iterdir() if path.suffix in (".png", ".jpg")}
    try:
        rows = sorted((read(row) for row in read_rows(folder / table)), key=lambda row: row["picture"])
        if missing := [row["picture"] for row in rows if row["picture"] not in pictures]:
            raise DatasetError(
                f"{folder}: {len(missing)} pictures of {table} missing, the first is {missing[0]}. "
                f"Expected layout:\n{LAYOUT}\nGet it from {WHERE}."
            )
        return [_sample(row, pictures[row["picture"]]) for row in rows]
    except (KeyError, ValueError) as error:
        raise DatasetError(f"{folder}: {table} is not as published: {error!r}. Expected layout:\n{LAYOUT}") from error


def _published(row: dict[str, str]) -> dict[str, str]:
    return {name: row[column] for name, column in _COLUMNS.items()}


def _listed(row: dict[str, str]) -> dict[str, str]:
    noted = dict(part.split("=", maxsplit=1) for part in row["note"].split("; "))
    return {
        "picture": Path(row["file"]).stem,
        "patient": row["patient_id"].removeprefix("busbra_"),
        "pathology": row["pathology"],
        "birads": row["birads"],
        "device": noted["device"],
        "histology": noted["histology"],
    }


def _sample(row: dict[str, str], path: Path) -> Sample:
    if row["birads"] not in _BIRADS:
        raise ValueError(f"{row['picture']} has the BI-RADS category {row['birads']}")
    mask = path.parent.parent / "Masks" / f"{path.stem.replace('bus_', 'mask_')}.png"
    return Sample(
        path=path,
        label=CLASSES.index(row["pathology"]),
        group=f"bus_bra:{row['patient']}",
        source=NAME,
        strata={
            "set": "bus_bra",
            "origin": "bus_bra",
            "pathology": row["pathology"],
            "birads": row["birads"],
            "device": row["device"],
            "histology": row["histology"],
        },
        masks=(mask,) if mask.is_file() else (),
    )
