"""`medidiagnose knowledge` lists every clinical sentence with its source, year and state, for whoever reviews them."""

import csv
import json
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from models.command_line import with_examples

if TYPE_CHECKING:
    from models.diagnoses.review import Sentence

_STATES = ("looked up", "own rule", "unconfirmed")


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "knowledge",
        help="list every clinical sentence with its source, year and state",
        description="Lists what answers say of medicine: where it comes from, of which year that is, and whether a "
        "page or paper was looked up for it, it is a rule of this project's own, or it is unconfirmed.",
        **with_examples(
            "medidiagnose knowledge",
            "medidiagnose knowledge --state unconfirmed --csv > to_review.csv",
            "medidiagnose knowledge --file heart --json",
        ),
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--table", dest="form", action="store_const", const="table", help="lines to look at (usual)")
    form.add_argument("--json", dest="form", action="store_const", const="json", help="a JSON object a line")
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="a row a sentence")
    parser.add_argument("--state", choices=_STATES, help="only those of this state")
    parser.add_argument("--file", help="only those of this file, such as heart, disease or red_flags")
    parser.set_defaults(run=list_sentences, form="table")


def list_sentences(options: Namespace) -> int:
    """Write the sentences; exit status 1 where none is of that file and state."""
    from models.diagnoses.review import sentences

    found = [each for each in sentences() if options.state in (None, each.state) and options.file in (None, each.file)]
    {"table": _write_table, "json": _write_json, "csv": _write_csv}[options.form](found)
    return int(not found)


def _write_table(found: Sequence["Sentence"]) -> None:
    for each in found:
        sys.stdout.write(f"{each.file}: {each.place}\n  {each.text}\n")
        sys.stdout.write(f"  [{each.state}, {each.year}] {'; '.join(each.citations)}\n")
    counted: Counter[str] = Counter(each.state for each in found)
    told = ", ".join(f"{counted[state]} {state}" for state in _STATES if counted[state])
    sys.stdout.write(f"{len(found)} sentences" + (f": {told}\n" if told else "\n"))


def _write_json(found: Sequence["Sentence"]) -> None:
    for each in found:
        sys.stdout.write(json.dumps(asdict(each), ensure_ascii=False) + "\n")


def _write_csv(found: Sequence["Sentence"]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(["file", "place", "text", "source", "year", "state"])
    for each in found:
        writer.writerow([each.file, each.place, each.text, "; ".join(each.citations), each.year, each.state])
