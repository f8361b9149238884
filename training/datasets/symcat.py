"""The SymCat tables: P(symptom | condition), and how age and sex change the odds of a condition.

SymCat (symcat.com, closed) published percentages from US health surveys. The tables are read in the layout of
`teliov/symcat-to-synthea` (`conditions.json`), with a prior recovered from its own posteriors (`recovered_prior.csv`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.serving.bundle import DataSource
from training.datasets.tables import read_rows
from training.errors import DatasetError

AGE_BANDS = ("<1", "1-4", "5-14", "15-29", "30-44", "45-59", "60-74", "75+")
SEXES = ("female", "male")
SOURCE = DataSource(
    name="SymCat conditions and symptoms",
    use="P(symptom | condition), age and sex odds, relative priors",
    licence="none stated; the site is closed and the right to redistribute the tables is unclear",
    citation="SymCat (symcat.com), as scraped by github.com/teliov/symcat-to-synthea, commit c896c84.",
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A row of the tables. `rates` maps a symptom in words to P(symptom | condition), 0-1; `age_odds` and `sex_odds`
    are relative to the population, by `AGE_BANDS` and `SEXES`, 1 where not given; `prior` is None where it could not be
    recovered."""

    name: str
    rates: Mapping[str, float]
    age_odds: tuple[float, ...]
    sex_odds: tuple[float, ...]
    prior: float | None


def load(folder: Path) -> dict[str, Condition]:
    """The conditions by slug. Raises `DatasetError` where a file is missing or not in its published layout."""
    tables, priors = folder / "conditions.json", folder / "recovered_prior.csv"
    for file in (tables, priors):
        if not file.is_file():
            raise DatasetError(f"{file} is missing. Put SymCat's conditions.json and recovered_prior.csv there.")
    known = {row["condition"]: float(row["recovered_prior"]) for row in read_rows(priors) if row["from_data"] == "True"}
    try:
        conditions = json.loads(tables.read_text(encoding="utf-8"))
        return {slug: _condition(record, known.get(slug)) for slug, record in conditions.items()}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DatasetError(f"{tables} is not SymCat's conditions.json: {error!r}.") from error


def _condition(record: Mapping[str, Any], prior: float | None) -> Condition:
    rates = {slug.replace("-", " "): symptom["probability"] / 100 for slug, symptom in record["symptoms"].items()}
    ages, sexes = record.get("age") or {}, record.get("sex") or {}
    by_age = {entry["name"].removesuffix(" years").replace(" ", ""): entry["odds"] for entry in ages.values()}
    by_sex = {entry["name"].lower(): entry["odds"] for entry in sexes.values()}
    return Condition(
        name=record["condition_name"],
        rates=rates,
        age_odds=tuple(float(by_age.get(band, 1.0)) for band in AGE_BANDS),
        sex_odds=tuple(float(by_sex.get(sex, 1.0)) for sex in SEXES),
        prior=prior,
    )
