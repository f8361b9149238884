"""Every clinical sentence with where it comes from, for whoever reviews them: source, year and state.

`looked up`: a page or paper that says so was read. `own rule`: this project's, which no publication says.
`unconfirmed`: nothing was read that says so; its source says that. Of a page that bears no date the year is that in
which it was read, of what no publication says that in which it was written.
Words by which texts are understood are no clinical sentences; danger signs and the urgency of each disease are.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from models.diagnoses.catalogue import DIAGNOSES
from models.diagnoses.disease.knowledge import (
    disease_knowledge,
    red_flag_knowledge,
    unconfirmed_urgencies,
)
from models.diagnoses.heart_risk.knowledge import prevent_knowledge
from models.diagnoses.knowledge import Document, common_knowledge

State = Literal["looked up", "own rule", "unconfirmed"]
STATES: tuple[State, ...] = get_args(State)

READ, WRITTEN = "read 2026", "written 2026"
"""The year of a page without a date, and of what rests on none."""

_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_PAGE = re.compile(
    r"\b[a-z0-9-]+\.(?:org|com|uk|net|gov|edu|au|ca|nz|scot|info)\b|\bPMC\d+|\bread in 2026\b", re.IGNORECASE
)
_OWN = ("This project", "Written for this project", "What the model was trained on", "Set by hand", "Graded by hand")
_SENTENCE = re.compile(r"\S+\s+\S+\s+\S")
_NOT_SAID = ("sources", "fires", "silent", "said", "all_of", "unless", "unless_said", "silenced_by", "means", "rules")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, the place in the file where it stands, and the citations it rests on. `year` is that of the newest,
    None where a page or paper is cited without."""

    file: str
    place: str
    text: str
    citations: tuple[str, ...]
    year: str | None
    state: State


def sentences() -> Iterator[Sentence]:
    """All of them, file by file."""
    for file, document in _documents().items():
        for place, text, keys in _texts(document.model_dump(mode="json"), "", None):
            yield _sentence(file, place, text, [document.sources[key] for key in keys])
    yield from _danger_signs()
    yield from _urgencies()


def _documents() -> Mapping[str, Document]:
    found = {"common": common_knowledge(), "prevent": prevent_knowledge()}
    for diagnosis in DIAGNOSES:
        if diagnosis.knowledge not in found.values():
            found[diagnosis.name.removesuffix("_image")] = diagnosis.knowledge
    return found


def _texts(node: Any, place: str, keys: Sequence[str] | None) -> Iterator[tuple[str, str, Sequence[str]]]:
    """What a part of a file says: place, text and the keys of its sources, where it has any."""
    if isinstance(node, str):
        if keys is not None and _SENTENCE.match(node):
            yield place, node, keys
    elif isinstance(node, Mapping):
        source = node.get("source")
        own = source.split(", ") if isinstance(source, str) else keys
        for name, child in node.items():
            if name != "source" and name not in _NOT_SAID:
                yield from _texts(child, f"{place}.{name}" if place else str(name), own)
    elif isinstance(node, list):
        for number, child in enumerate(node):
            code = child.get("code") if isinstance(child, Mapping) else None
            yield from _texts(child, f"{place}[{code or number}]", keys)


def _danger_signs() -> Iterator[Sentence]:
    document = red_flag_knowledge()
    for rule in document.rules:
        cited = [document.sources[key] for key in rule.source.split(", ")]
        yield _sentence("red_flags", rule.name, f"{rule.name}: {rule.urgency}", cited)


def _urgencies() -> Iterator[Sentence]:
    """How urgent each disease is, and what says so: pages that name it, danger signs that stand for it, else nobody."""
    document, flags = disease_knowledge(), red_flag_knowledge()
    saying: dict[str, list[str]] = {}
    for names in document.confirmed.values():
        for name in names.value:
            saying.setdefault(name, []).extend(document.sources[key] for key in names.source.split(", "))
    for rule in flags.rules:
        for name in rule.suspects:
            if rule.urgency == document.diseases.value[name].urgency:
                saying.setdefault(name, []).extend(flags.sources[key] for key in rule.source.split(", "))
    unconfirmed = set(unconfirmed_urgencies())
    graded = document.sources["grades"]
    for name, care in document.diseases.value.items():
        cited = [each for each in saying.get(name, ()) if state_of([each]) == "looked up"]
        known = cited and name not in unconfirmed
        yield _sentence("disease", f"diseases.{name}", f"{name}: {care.urgency}", cited if known else [graded])


def _sentence(file: str, place: str, text: str, citations: Sequence[str]) -> Sentence:
    state = state_of(citations)
    year = year_of(citations) or (None if state == "looked up" else WRITTEN)
    return Sentence(file, place, text, tuple(citations), year, state)


def state_of(citations: Sequence[str]) -> State:
    """The state of a sentence that rests on these."""
    if any("unconfirmed" in citation for citation in citations):
        return "unconfirmed"
    return "own rule" if all(citation.startswith(_OWN) for citation in citations) else "looked up"


def year_of(citations: Sequence[str]) -> str | None:
    """The newest year that a citation names; that of the reading where one names a page without a date."""
    years: list[str] = [year for citation in citations for year in _YEAR.findall(citation) if "read in" not in citation]
    if years:
        return max(years)
    return READ if any(_PAGE.search(citation) for citation in citations) else None
