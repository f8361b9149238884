"""What ships, measured as it is served: each picture goes through the service's own preparing, judging and reading.

`measured.json` in a bundle's folder holds the figures; the card's section and the page of figures are written from it.
A picture that is refused, or whose answer is not settled, counts as missed in a sensitivity and as a false alarm in a
specificity.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from models.diagnoses.diagnosis import AnyDiagnosis
from models.preprocessing.inputs import Limits
from models.serving.bundle import BIN, BY_GROUP, CARD_FILE, MEASURED_FILE, MISTAKEN, Bundle, Estimate
from models.serving.engine import Engine
from models.serving.registry import Prediction
from training import between_groups, mistakes, trust_tables, versions
from training.card import format_estimate
from training.datasets.pictures import MAX_PIXELS, Sample, for_each
from training.errors import TrainingError
from training.evaluate import bootstrap, share

HEADING, HEADING_HELD_OUT = "## As served", "## Of patients held out"
HELD_OUT = (
    "Models of the same kind that had not seen the patient: what ships has learned from all patients, so it can't be "
    "measured on them."
)
"""The note of a measured.json whose figures are not those of the network that ships."""
TABLE_BEGIN, TABLE_END = "<!-- measured: begin -->", "<!-- measured: end -->"
REPEATS = 400
_AT_ONCE = 16


@dataclass(frozen=True)
class Answer:
    """What was answered for a sample: the reading, the probability of each class by its code, and whether the picture
    was accepted."""

    sample: Sample
    reading: Any
    chances: Mapping[str, float]
    accepted: bool
    possible: tuple[str, ...] | None = None
    """The prediction set, where the bundle states one."""

    @property
    def code(self) -> str | None:
        """The code that is named, where that is settled."""
        prediction = self.reading.prediction
        return str(prediction.code) if self.accepted and prediction.settled else None

    @property
    def routine(self) -> bool:
        """Whether it reassures: nothing to do soon."""
        return bool(self.reading.urgency.color == "green")


Figures = Mapping[str, Estimate]
Figure = Callable[[Sequence[Answer]], float]
"""A figure of some answers; no number where they don't define it."""
Chosen = Callable[[Answer], bool]


@dataclass(frozen=True)
class Share:
    """The figure that says which share of those answers that are `among` is as `of` asks."""

    of: Chosen
    among: Chosen = lambda _: True

    def __call__(self, given: Sequence[Answer]) -> float:
        counted = [self.of(answer) for answer in given if self.among(answer)]
        return float(np.mean(counted)) if counted else float("nan")


@dataclass(frozen=True)
class MeasuredSet:
    """A set by the name it has in the tables, its pictures, and the figures asked of it."""

    name: str
    samples: Sequence[Sample]
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class Computed:
    """What the service computes for a sample before it answers."""

    sample: Sample
    sent: Any
    prepared: Any
    prediction: Prediction


def computed(diagnosis: AnyDiagnosis, bundle: Bundle, engine: Engine, samples: Sequence[Sample]) -> Iterator[Computed]:
    """What the service computes for each sample. Raises a `PictureError` for one that doesn't decode."""
    metadata, limits = bundle.metadata, Limits(max_pixels=MAX_PIXELS)

    def prepare(sample: Sample) -> tuple[Any, Any]:
        sent = replace(diagnosis.example(), image=sample.path.read_bytes())
        return sent, diagnosis.reads.prepare(sent, metadata.preprocessing, limits)

    for start in range(0, len(samples), _AT_ONCE):
        part = samples[start : start + _AT_ONCE]
        prepared = for_each(prepare, part)
        outputs = engine.run(np.concatenate([each.tensors for _, each in prepared]), cores=2)
        for index, (sample, (sent, each)) in enumerate(zip(part, prepared, strict=True)):
            own = {name: values[index] for name, values in outputs.items()}
            yield Computed(sample, sent, each, Prediction(metadata, own, {}))


def answers(diagnosis: AnyDiagnosis, bundle: Bundle, samples: Sequence[Sample]) -> list[Answer]:
    """What the service would answer for each sample. Raises a `PictureError` for one that doesn't decode."""
    engine = Engine(bundle, threads=2)
    return [_answer(diagnosis, each) for each in computed(diagnosis, bundle, engine, samples)]


def _answer(diagnosis: AnyDiagnosis, found: Computed) -> Answer:
    reliability = diagnosis.reliability_of(found.prediction, found.prepared, found.sent)
    reading: Any = diagnosis.reading_of(found.prediction, found.prepared, found.sent, reliability)
    chances = {each.code: each.probability for each in reading.probabilities}
    possible = diagnosis.prediction_set_of(found.prediction, reading, reliability)
    return Answer(found.sample, reading, chances, reliability.accepted, possible.codes if possible else None)


def estimate(figure: Figure, given: Sequence[Answer]) -> Estimate:
    """A figure with its interval, whole groups drawn with replacement; a share is counted among those it is of."""
    if isinstance(figure, Share) and (counted := [answer for answer in given if figure.among(answer)]):
        return share([figure.of(answer) for answer in counted], [answer.sample.group for answer in counted], REPEATS)
    listed = np.empty(len(given), dtype=object)
    listed[:] = given
    groups = [answer.sample.group for answer in given]
    return bootstrap(lambda drawn, _: figure(drawn), listed, listed, groups, REPEATS)


def measure(diagnosis: AnyDiagnosis, bundle: Bundle, sets: Sequence[MeasuredSet]) -> dict[str, dict[str, Estimate]]:
    """The figures of each set that its answers define, by the set's name."""
    found: dict[str, dict[str, Estimate]] = {}
    for each in sets:
        given = answers(diagnosis, bundle, each.samples)
        measured = {name: estimate(figure, given) for name, figure in each.figures.items()}
        found[each.name] = {name: value for name, value in measured.items() if np.isfinite(value.value)}
    return found


def write_measured(bundle: Bundle, found: Mapping[str, Figures], note: str) -> Path:
    """Write measured.json into the bundle's folder: which network was measured, when, and what was found, before what
    else was measured of the same network."""
    file, sets = bundle.folder / MEASURED_FILE, _listed(found)
    before = read_measured(file) if file.is_file() else {}
    if before.get("sha256") == bundle.metadata.sha256:
        sets |= {title: each for title, each in before["sets"].items() if title not in sets}
    return _write(bundle, {**_subject(bundle), "note": note, "sets": sets})


def add_measured(bundle: Bundle, found: Mapping[str, Figures], note: str = "") -> Path:
    """Put more sets of figures of the same network into the bundle's measured.json, in the place of older ones of the
    same names, and a `note` where there is one. Raises `TrainingError` where that is of another network."""
    file = bundle.folder / MEASURED_FILE
    document = read_measured(file) if file.is_file() else {**_subject(bundle), "note": "", "sets": {}}
    if document["sha256"] != bundle.metadata.sha256:
        raise TrainingError(f"{file} is of another network: measure this one first.")
    document |= {"note": note or document["note"], "sets": document["sets"] | _listed(found)}
    return _write(bundle, document)


def _subject(bundle: Bundle) -> dict[str, Any]:
    metadata = bundle.metadata
    return {
        "version": metadata.version,
        "precision": metadata.precision,
        "sha256": metadata.sha256,
        "measured": date.today().isoformat(),
    }


def _listed(found: Mapping[str, Figures]) -> dict[str, Any]:
    return {name: {key: value.model_dump() for key, value in figures.items()} for name, figures in found.items()}


def _write(bundle: Bundle, document: Mapping[str, Any]) -> Path:
    file = bundle.folder / MEASURED_FILE
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def read_measured(file: Path) -> dict[str, Any]:
    """What measured.json holds."""
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def card_section(document: Mapping[str, Any]) -> str:
    """The card's section of a measured.json."""
    if document["note"] == HELD_OUT:
        lines = [HEADING_HELD_OUT, "", f"{HELD_OUT} On {document['measured']}."]
    else:
        way = f"The {document['precision']} network through the service's own preparing, judging and reading, once, on"
        counted = "Refused or not settled counts as missed and as a false alarm."
        lines = [HEADING, "", f"{way} {document['measured']}. {counted}"]
        lines += ["", document["note"]] if document["note"] else []
    for name, figures in document["sets"].items():
        if name.startswith(MISTAKEN):
            continue
        lines += ["", f"### {name}", "", "| figure | value | pictures |", "|---|---|---|"]
        lines += [f"| {key} | {format_estimate(Estimate(**value))} | {value['n']} |" for key, value in figures.items()]
    return "\n".join([*lines, ""])


def with_section(card: str, section: str) -> str:
    """A card with a section, which begins with its heading, in the place of an older one or at its end."""
    heading = section.partition("\n")[0]
    before, found, after = card.partition(f"{heading}\n")
    if found:
        rest = after.find("\n## ")
        after = after[rest + 1 :] if rest >= 0 else ""
        return f"{before.rstrip()}\n\n{section}\n{after}".rstrip() + "\n"
    return f"{card.rstrip()}\n\n{section}"


def page_rows(name: str, document: Mapping[str, Any]) -> list[str]:
    """Rows of the page of figures: model, set, and each figure in words, but for the bins of diagrams and for what the
    card tells of groups and mistakes."""
    rows = list[str]()
    subject = f"`{name}` {document['version']} ({document['precision']})"
    if document["note"] == HELD_OUT:
        subject = f"{subject}, not itself but models like it, of patients held out"
    for title, figures in document["sets"].items():
        if title.startswith((BY_GROUP, MISTAKEN)):
            continue
        listed = {key: Estimate(**value) for key, value in figures.items() if not key.startswith(BIN)}
        told = "; ".join(f"{key} {format_estimate(value)}" for key, value in listed.items())
        rows.append(f"| {subject}, {title} | {told} |")
    return rows


def with_table(page: str, rows: Sequence[str]) -> str:
    """The page with its table of what was served, between its two marks. Raises `ValueError` without them."""
    before, opened, rest = page.partition(TABLE_BEGIN)
    _, closed, after = rest.partition(TABLE_END)
    if not (opened and closed):
        raise ValueError(f"The page of figures has no {TABLE_BEGIN} and {TABLE_END}.")
    table = "\n".join(["| Model, test set | As served |", "|---|---|", *rows])
    return f"{before}{TABLE_BEGIN}\n\n{table}\n\n{TABLE_END}{after}"


def write_tables(bundles: Path, page: Path, explanations: Path) -> list[Path]:
    """Write the section of each card, the page of figures and that of explanations, from what was measured; the files
    that were written."""
    rows, written = list[str](), list[Path]()
    documents: dict[str, dict[str, Any]] = {}
    for card in sorted(bundles.glob(f"*/*/{CARD_FILE}")):
        name, text = card.parent.parent.name, card.read_text(encoding="utf-8")
        file = card.with_name(MEASURED_FILE)
        if file.is_file():
            documents[name] = document = read_measured(file)
            text = with_section(text, card_section(document))
            if told := mistakes.section_of(name, document):
                text = with_section(text, told)
            rows += page_rows(name, document)
        for section in (between_groups.section_of(name, text), versions.section_of(name)):
            text = with_section(text, section) if section else text
        card.write_text(text, encoding="utf-8")
        written.append(card)
    page.write_text(with_table(page.read_text(encoding="utf-8"), rows), encoding="utf-8")
    told = trust_tables.with_tables(explanations.read_text(encoding="utf-8"), documents)
    explanations.write_text(told, encoding="utf-8")
    return [*written, page, explanations]
