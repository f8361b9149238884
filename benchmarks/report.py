"""A table on the console and a JSON file in build/benchmarks/, with the machine it was measured on."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path("build/benchmarks")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value and its unit."""

    name: str
    value: float
    unit: str


def report(benchmark: str, figures: Sequence[Figure]) -> Path:
    """Print the figures and write them to build/benchmarks/<benchmark>.json, whose path is returned."""
    width = max(len(figure.name) for figure in figures)
    print(f"\n{benchmark}")
    for figure in figures:
        print(f"  {figure.name:<{width}}  {figure.value:9.2f} {figure.unit}")
    return save(
        benchmark, {"figures": {figure.name: {"value": figure.value, "unit": figure.unit} for figure in figures}}
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first to the left and the others to the right."""
    widths = [max(len(row[index]) for row in (header, *rows)) for index in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def save(benchmark: str, content: Mapping[str, Any]) -> Path:
    """Write what was measured, with the machine, to build/benchmarks/<benchmark>.json, whose path is returned."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{benchmark}.json"
    result = {
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "onnxruntime": version("onnxruntime"),
        },
        **content,
    }
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return path


SHORT_PATIENCE = 4.0
"""How much longer anything may take in a short form: it runs with every change, beside whatever else a machine does."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A measured value that must not be over (`most`) or under (`least`) a figure."""

    name: str
    value: float
    unit: str = ""
    most: float | None = None
    least: float | None = None

    @property
    def holds(self) -> bool:
        """Whether it is within its bounds; what was not measured is not."""
        above = self.most is None or self.value <= self.most
        below = self.least is None or self.value >= self.least
        return above and below

    @property
    def text(self) -> str:
        """The value, with two decimals at most."""
        return f"{self.value:,.2f}".rstrip("0").rstrip(".")

    @property
    def bound(self) -> str:
        """Its bounds in words, empty where there is none."""
        words = [f"at most {self.most:g}"] if self.most is not None else []
        return ", ".join([*words, *([f"at least {self.least:g}"] if self.least is not None else [])])


def judge(benchmark: str, bars: Sequence[Bar], *, whole: bool = True) -> int:
    """Print the bars, write them to build/benchmarks/<benchmark>.json, or <benchmark>-part.json where not the `whole`
    was measured; exit status 1 where one doesn't hold."""
    rows = [[bar.name, bar.text, bar.unit, bar.bound, "" if bar.holds else "MISSED"] for bar in bars]
    print(f"\n{benchmark}", table(["", "measured", "", "bar", ""], rows), sep="\n")
    save(
        benchmark if whole else f"{benchmark}-part",
        {"bars": {bar.name: {**asdict(bar), "holds": bar.holds} for bar in bars}},
    )
    return int(not all(bar.holds for bar in bars))
