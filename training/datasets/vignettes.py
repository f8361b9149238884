"""Clinical vignettes with the right diagnosis, the honest measure of a symptom checker.

Avey's (H. Hammoud et al.) and Semigran's (BMJ 351:h3480, 2015), in the JSON lines of `medaks/symptomcheck-bench`.
`vignette_diagnoses.yaml` says which of our diseases count as right.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from models.diagnoses.knowledge import Document, Sourced, parse
from models.serving.bundle import DataSource
from training.errors import DatasetError

SETS = {"avey": "avey_vignettes.jsonl", "semigran": "semigran_vignettes.jsonl"}
SOURCE = DataSource(
    name="Avey and Semigran vignettes",
    use="choice of the model's constants by cross-validation, and measurement",
    licence="MIT (symptomcheck-bench); the vignettes themselves as published by their authors",
    citation="H. L. Semigran et al. BMJ 351:h3480, 2015, doi:10.1136/bmj.h3480; Avey vignettes, "
    "github.com/medaks/symptomcheck-bench, commit 36c80b44.",
)
_FIELDS = (
    "demographics", "chief_complaints", "presentation", "absent_findings", "physical_history", "family_history",
    "social_history",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Vignette:
    """One case: `text` as it would be typed in, the `diagnosis` of the authors, and its `urgency` where they give it
    (`em` emergency, `ne` not an emergency, `sc` self-care)."""

    set: str
    text: str
    diagnosis: str
    urgency: str | None = None


class Diagnoses(Document):
    """vignette_diagnoses.yaml: for a diagnosis of a vignette, the diseases of the model that are right."""

    same: Sourced[dict[str, tuple[str, ...]]]


@cache
def same_diseases() -> Mapping[str, tuple[str, ...]]:
    """The file, checked. Raises `KnowledgeError`."""
    name = "vignette_diagnoses.yaml"
    return parse(name, files(__package__).joinpath(name).read_bytes(), Diagnoses).same.value


def load(folder: Path) -> list[Vignette]:
    """The vignettes of both sets. Raises `DatasetError` where a file is missing or not in its published layout."""
    return [vignette for name, file in SETS.items() for vignette in _read(name, folder / file)]


def _read(name: str, file: Path) -> Iterator[Vignette]:
    if not file.is_file():
        raise DatasetError(f"{file} is missing. Put the vignettes of symptomcheck-bench there.")
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            diagnosis = " ".join(record["correct_diagnosis"].split())
            text = record.get("case_description") or "\n".join(
                f"{record[field]}." for field in _FIELDS if record[field].strip(" -")
            )
        except (json.JSONDecodeError, KeyError) as error:
            raise DatasetError(f"{file}, line {number}: not a vignette of symptomcheck-bench: {error!r}.") from error
        yield Vignette(name, text, diagnosis, record.get("urgency_level"))
