"""The diseases of the model and their profiles: SymCat's rates, completed and corrected by disease_profiles.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field

from models.diagnoses.disease.findings import read
from models.diagnoses.disease.vocabulary import vocabulary
from models.diagnoses.knowledge import Document, Sourced, parse
from models.serving.bundle import DataSource
from schemas.common import Part
from training.datasets import symcat
from training.errors import DatasetError

Band = Literal["very_frequent", "frequent", "occasional"]
Frequency = Literal["common", "uncommon", "rare", "very_rare"]

SOURCE = DataSource(
    name="Profiles of 647 diseases",
    use="P(finding | disease), priors and usual ages where SymCat has none or poor ones",
    licence="MIT (written for this project from the references it names; not checked by a clinician)",
    citation="training/datasets/disease_profiles.yaml",
)

_YEARS = ((0, 1), (1, 5), (5, 15), (15, 30), (30, 45), (45, 60), (60, 75), (75, 120))
_OUTSIDE_AGES = 0.1
_OTHER_SEX = 0.01
_LESS_USUAL_SEX = 0.35


class Profile(Part):
    """What disease_profiles.yaml says of a disease. `ages` in years; `rates` are P(finding | disease), 0-1, where a
    study gives them, in the place of a band."""

    source: str | None = None
    symcat: str | None = None
    frequency: Frequency | None = None
    prior: float | None = None
    ages: tuple[float, float] | None = None
    sex: Literal["female", "male", "mostly female", "mostly male"] | None = None
    rates: dict[str, float] = Field(default_factory=dict)
    very_frequent: tuple[str, ...] = ()
    frequent: tuple[str, ...] = ()
    occasional: tuple[str, ...] = ()


class Profiles(Document):
    """disease_profiles.yaml."""

    bands: Sourced[dict[Band, float]]
    priors: Sourced[dict[Frequency, float]]
    profiles: Sourced[dict[str, Profile]]


@dataclass(frozen=True, slots=True)
class Disease:
    """P(finding | disease), 0-1, by vocabulary name: `written` by hand or from a study, and `tabled` by SymCat alone;
    a relative `prior`; odds by `symcat.AGE_BANDS` and `symcat.SEXES`, 1 where age or sex say nothing."""

    name: str
    written: Mapping[str, float]
    tabled: Mapping[str, float]
    prior: float
    age_odds: tuple[float, ...]
    sex_odds: tuple[float, ...]


@cache
def profiles() -> Profiles:
    """The file, checked. Raises `KnowledgeError`."""
    name = "disease_profiles.yaml"
    return parse(name, files(__package__).joinpath(name).read_bytes(), Profiles)


def load(folder: Path) -> tuple[Disease, ...]:
    """Every disease in the file's order, with the SymCat tables of `folder`.

    Raises `DatasetError` for a condition or a finding that does not exist, or where the tables are missing.
    """
    tables, document = symcat.load(folder), profiles()
    return tuple(_disease(name, profile, tables, document) for name, profile in document.profiles.value.items())


def _disease(name: str, profile: Profile, tables: Mapping[str, symcat.Condition], document: Profiles) -> Disease:
    condition = None
    if profile.symcat is not None:
        if profile.symcat not in tables:
            raise DatasetError(f"{name}: SymCat has no condition {profile.symcat}.")
        condition = tables[profile.symcat]
    written = _written(name, profile, document)
    tabled = _in_vocabulary(condition.rates) if condition else {}
    prior = profile.prior or (condition.prior if condition else None)
    if profile.frequency is not None:
        prior = document.priors.value[profile.frequency]
    return Disease(
        name=name,
        written=written,
        tabled={finding: rate for finding, rate in tabled.items() if finding not in written},
        prior=prior if prior is not None else document.priors.value["rare"],
        age_odds=_age_odds(profile, condition),
        sex_odds=_sex_odds(profile, condition),
    )


def _written(name: str, profile: Profile, document: Profiles) -> dict[str, float]:
    bands: dict[Band, tuple[str, ...]] = {
        "very_frequent": profile.very_frequent,
        "frequent": profile.frequent,
        "occasional": profile.occasional,
    }
    rates = {finding: document.bands.value[band] for band, findings in bands.items() for finding in findings}
    rates |= profile.rates
    if unknown := rates.keys() - set(vocabulary().names):
        raise DatasetError(f"{name}: {', '.join(sorted(unknown))} is not in the vocabulary.")
    return rates


def _in_vocabulary(rates: Mapping[str, float]) -> dict[str, float]:
    """SymCat's symptoms by vocabulary name; of several that mean the same the highest rate."""
    named: dict[str, float] = {}
    for symptom, rate in rates.items():
        for name in _understood(symptom):
            named[name] = max(rate, named.get(name, 0.0))
    return named


@cache
def _understood(symptom: str) -> tuple[str, ...]:
    return read([symptom]).present


def _age_odds(profile: Profile, condition: symcat.Condition | None) -> tuple[float, ...]:
    if profile.ages is None:
        return condition.age_odds if condition else (1.0,) * len(_YEARS)
    first, last = profile.ages
    return tuple(
        max(_OUTSIDE_AGES, max(0.0, min(high, last) - max(low, first)) / (min(high, 100) - low)) for low, high in _YEARS
    )


def _sex_odds(profile: Profile, condition: symcat.Condition | None) -> tuple[float, ...]:
    usual = {
        "female": (1.0, _OTHER_SEX),
        "male": (_OTHER_SEX, 1.0),
        "mostly female": (1.0, _LESS_USUAL_SEX),
        "mostly male": (_LESS_USUAL_SEX, 1.0),
    }
    if profile.sex is not None:
        return usual[profile.sex]
    return condition.sex_odds if condition else (1.0, 1.0)
