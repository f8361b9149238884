"""Put the figures that were measured last into docs/reliability.md.

    python -m benchmarks.figures

Each table stands between `<!-- name -->` and `<!-- end -->` and comes from build/benchmarks/<name>.json; one whose file
is absent stays as it is.
"""

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.report import RESULTS, Bar

PAGE = Path("docs/reliability.md")
_TABLE = re.compile(r"<!-- ([a-z-]+) -->\n.*?<!-- end -->", re.DOTALL)


def main() -> None:
    PAGE.write_text(_TABLE.sub(_renewed, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _renewed(match: re.Match[str]) -> str:
    name = match[1]
    file = RESULTS / f"{name}.json"
    if not file.is_file():
        return match[0]
    return f"<!-- {name} -->\n{as_table(json.loads(file.read_text(encoding='utf-8'))['bars'])}\n<!-- end -->"


def as_table(bars: dict[str, dict[str, Any]]) -> str:
    """Bars as a table in Markdown."""
    rows = ["| | measured | bar |", "|---|---|---|"]
    for values in bars.values():
        bar = Bar(**{key: value for key, value in values.items() if key != "holds"})
        missed = "" if bar.holds else " **missed**"
        rows.append(f"| {bar.name} | {bar.text} {bar.unit}".rstrip() + f"{missed} | {bar.bound} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
