"""UCI Heart Disease (Janosi, Steinbrunn, Pfisterer, Detrano 1988): angiography patients of four hospitals.

Read from the four `processed.*.data` files; a value of -9 or `?` is missing, and so are a cholesterol and a blood
pressure of 0. The label is a diameter narrowing of more than 50 % in a major vessel. Licence CC BY 4.0.
"""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.serving.bundle import DataSource
from training.datasets.pictures import check_layout
from training.errors import DatasetError

NAME = "UCI Heart Disease"
SITES = ("cleveland", "hungarian", "switzerland", "va")
PUBLISHED_COUNTS = {"cleveland": 303, "hungarian": 294, "switzerland": 123, "va": 200}
LAYOUT = """  uci/
    processed.cleveland.data  processed.hungarian.data  processed.switzerland.data  processed.va.data"""
WHERE = "the UCI Machine Learning Repository (doi:10.24432/C52P4X)"
SOURCE = DataSource(
    name=NAME,
    use="trained on and tested on (cross-validation, and each hospital left out in turn)",
    licence="CC BY 4.0",
    citation="Janosi A, Steinbrunn W, Pfisterer M, Detrano R. Heart Disease. UCI Machine Learning Repository, 1988. "
    "Described in Detrano R et al. Am J Cardiol 1989;64:304-310.",
)

_COLUMNS: Sequence[str | None] = (
    "age",
    "sex",
    "chest_pain",
    "blood_pressure",
    "cholesterol",
    "fasting_blood_sugar",
    "resting_ecg",
    "max_heart_rate",
    "exercise_angina",
    "st_depression",
    None,
    None,
    None,
    "narrowed",
)
_ZERO_IS_MISSING = ("blood_pressure", "cholesterol")
_MISSING = -9.0


@dataclass(frozen=True)
class Patient:
    """One patient: `values` by feature name in the units and codes of POST /predict-heart, None where missing."""

    site: str
    values: Mapping[str, float | None]
    narrowed: bool


def load(folder: Path) -> list[Patient]:
    """Every patient, site by site. Raises `DatasetError`."""
    files = {site: f"processed.{site}.data" for site in SITES}
    check_layout(folder, tuple(files.values()), layout=LAYOUT, where=WHERE)
    return [patient for site, name in files.items() for patient in _read(folder / name, site)]


def verify(folder: Path) -> tuple[int, list[str]]:
    """The number of patients at hand, and sentences that say how they differ from what was published."""
    patients = load(folder)
    found = Counter(patient.site for patient in patients)
    problems = [
        f"{site}: {found[site]} patients, published {count}"
        for site, count in PUBLISHED_COUNTS.items()
        if found[site] != count
    ]
    return len(patients), problems


def _read(path: Path, site: str) -> list[Patient]:
    patients = []
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if not row or (number == 1 and row[0].isidentifier()):
                continue
            patients.append(_patient(row, site, f"{path}:{number}"))
    return patients


def _patient(row: Sequence[str], site: str, place: str) -> Patient:
    if len(row) != len(_COLUMNS):
        raise DatasetError(f"{place}: {len(row)} values instead of {len(_COLUMNS)}. Get the file again from {WHERE}.")
    try:
        values = {name: _number(text) for name, text in zip(_COLUMNS, row, strict=True) if name}
    except ValueError as error:
        raise DatasetError(f"{place}: {error}. Get the file again from {WHERE}.") from error
    for name in _ZERO_IS_MISSING:
        values[name] = values[name] or None
    narrowed, pain = values.pop("narrowed"), values["chest_pain"]
    if narrowed is None or pain is None:
        raise DatasetError(f"{place}: the label or the chest pain is missing. Get the file again from {WHERE}.")
    values["chest_pain"] = pain - 1
    return Patient(site, values, narrowed > 0)


def _number(text: str) -> float | None:
    value = _MISSING if text.strip() in ("?", "") else float(text)
    return None if value == _MISSING else value
