"""The tables of the page of explanations, sets and calibration, written from the bundles' measured.json."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.serving.bundle import EXPLANATIONS, RELIABILITY, Estimate
from training.card import format_estimate

CALIBRATED = "ECE of a calibrated model, in 95 of 100 draws at most"
_NO_INTERVAL = (CALIBRATED,)


@dataclass(frozen=True)
class Table:
    """Sets whose names begin so, and the figures that are told of each by the head of their column; of several names
    for a figure the one that is there."""

    begins: str
    columns: Mapping[str, Sequence[str]]

    def of(self, documents: Mapping[str, Mapping[str, Any]]) -> str:
        """The table in Markdown of documents by the name of their model; sets without the first figure have no row."""
        heads = ["model, set", "inputs", *self.columns]
        lines = [_row(heads), "|" + "---|" * len(heads)]
        for name, document in documents.items():
            lines += (_row(cells) for cells in self._rows(f"{name} {document['version']}", document))
        return "\n".join(lines)

    def _rows(self, subject: str, document: Mapping[str, Any]) -> Iterator[list[str]]:
        first, *_ = self.columns.values()
        for title, figures in document["sets"].items():
            if title.startswith(self.begins) and (counted := [figures[key]["n"] for key in first if key in figures]):
                told = [_told(figures, keys) for keys in self.columns.values()]
                yield [f"{subject}, {title.removeprefix(self.begins).strip()}", str(counted[0]), *told]


TABLES: Mapping[str, Table] = {
    "maps": Table(
        EXPLANATIONS,
        {
            "hottest fifth lowers more than a random one": (
                "hiding the hottest fifth lowers more than a random fifth",
            ),
            "hottest place inside the outline": ("hottest place inside the outline",),
            "middle of the picture": ("middle of the picture inside the outline",),
            "outlined share": ("outlined share of the picture (chance)",),
        },
    ),
    "silence": Table(
        EXPLANATIONS,
        {
            "silencing what is named lowers more than a random part": (
                "silencing what is named lowers more than a random part",
            ),
            "probability lost": ("probability lost by silencing what is named",),
            "lost by a random part": ("probability lost by silencing a random part",),
        },
    ),
    "elevation": Table(
        EXPLANATIONS,
        {
            "the lead told first as raised looks at the wall": (
                "the lead told first as raised looks at the wall",
                "the lead told as raised most looks at the wall",
            ),
            "the lead that the network weighs most does": ("the lead that the network weighs most does",),
        },
    ),
    "sets": Table(
        "Prediction sets: ",
        {
            "coverage": ("coverage",),
            "mean size": ("mean size",),
            "the most probable is right": ("accuracy of the most probable", "most probable is true"),
        },
    ),
    "calibration": Table(RELIABILITY, {"ECE": ("ECE",), "a calibrated model's, at most": (CALIBRATED,)}),
}


def with_tables(page: str, documents: Mapping[str, Mapping[str, Any]]) -> str:
    """The page with each table between its two marks. Raises `ValueError` without them."""
    for name, table in TABLES.items():
        begin, end = marks(name)
        before, opened, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not (opened and closed):
            raise ValueError(f"The page of explanations has no {begin} and {end}.")
        page = f"{before}{begin}\n\n{table.of(documents)}\n\n{end}{after}"
    return page


def marks(name: str) -> tuple[str, str]:
    """What stands before and behind a table."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def _told(figures: Mapping[str, Any], keys: Sequence[str]) -> str:
    for key in keys:
        if key in figures:
            return f"{figures[key]['value']:.3f}" if key in _NO_INTERVAL else format_estimate(Estimate(**figures[key]))
    return ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
