"""`medidiagnose predict` reads files without a server, with the answers that the service would give."""

import asyncio
import csv
import json
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.commands.options import add_bundles, settings_of
from app.loading import loading_one
from app.rows import COLUMNS, row_of, sentence_of
from app.settings import Settings
from models.serving.loading import BundleLoader

if TYPE_CHECKING:
    from app.from_files import ReadFile

Write = Callable[["ReadFile"], None]

READ, FAILED, NOT_ACCEPTED = 0, 1, 3
_EXAMPLES = """exit status:
  0 every file was read and accepted    1 one could not be read
  3 one was not accepted                2 wrong command, or no such model

examples:
  medidiagnose predict skin *.jpg
  medidiagnose predict xray films/ --csv > films.csv
  medidiagnose predict heart_record ecg.hea --with age=61 --with sex=female --json
  medidiagnose predict disease symptoms.json"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser: ArgumentParser = commands.add_parser(
        "predict",
        help="read files without a server",
        description="Reads files, and those in folders, with the answers that the service would give.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("diagnosis", help="model, such as skin, heart_image, heart_record, breast, xray, disease")
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="picture, .hea or .dcm of a record, .json, or folder"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--table", dest="form", action="store_const", const="table", help="lines to look at (usual)")
    form.add_argument(
        "--json", dest="form", action="store_const", const="json", help="a JSON object a line, whole answers"
    )
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="a row a file")
    parser.add_argument(
        "--with", dest="said", action="append", default=[], metavar="NAME=VALUE", help="what a form says beside a file"
    )
    parser.add_argument("--explain", action="store_true", help="as ?explain=true, in JSON")
    add_bundles(parser)
    parser.set_defaults(run=predict, form="table")


def predict(options: Namespace) -> int:
    """Read the files and write what became of each, in their order."""
    settings = settings_of(options)
    with loading_one(settings, options.diagnosis) as loader:
        from app.from_files import NoModelError  # takes as long as the model does, beside it

        try:
            return asyncio.run(_read(options, settings, loader))
        except (NoModelError, ValueError) as error:
            sys.stderr.write(f"{error}\n")
            return 2
        except BrokenPipeError:  # as of `| head`
            sys.stderr.close()
            return FAILED


async def _read(options: Namespace, settings: Settings, loader: BundleLoader) -> int:
    from app.from_files import files_of, known_names, open_reader

    if options.diagnosis not in (names := known_names(settings)):
        raise ValueError(f"There is no diagnosis {options.diagnosis}. There are {', '.join(names)}.")
    said = dict(pair.split("=", 1) if "=" in pair else (pair, "") for pair in options.said)
    status, progress = READ, _Progress()
    async with open_reader(loader, settings, said, explain=options.explain) as reader:
        write = _WRITERS[options.form](reader.classes)
        files = files_of(options.paths, reader.diagnosis.reads.subject)
        async for read in reader.read_all(files):
            write(read)
            progress.step(len(files))
            status = _worse(status, read)
    return status


def _worse(status: int, read: "ReadFile") -> int:
    if read.answer is None:
        return FAILED
    return status or (READ if read.answer["reliability"]["accepted"] else NOT_ACCEPTED)


class _Progress:
    """A bar on a terminal, where the results go elsewhere."""

    _WIDTH = 30

    def __init__(self) -> None:
        self._done = 0
        self._shown = sys.stderr.isatty() and not sys.stdout.isatty()

    def step(self, count: int) -> None:
        """One more is done."""
        self._done += 1
        if self._shown:
            bar = "#" * (self._WIDTH * self._done // count)
            end = "\n" if self._done == count else ""
            sys.stderr.write(f"\r[{bar:<{self._WIDTH}}] {self._done} of {count}{end}")


def _json_writer(_: Sequence[str]) -> Write:
    def write(read: "ReadFile") -> None:
        told = read.answer if read.answer is not None else {"success": False, "error": sentence_of(read.error)}
        sys.stdout.write(json.dumps({"file": read.name, **told}, ensure_ascii=False) + "\n")

    return write


def _csv_writer(classes: Sequence[str]) -> Write:
    columns = ["file", *COLUMNS, *(f"p_{code}" for code in classes)]
    rows = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    rows.writeheader()

    def write(read: "ReadFile") -> None:
        likely = {f"p_{each['code']}": each["probability"] for each in (read.answer or {}).get("probabilities", ())}
        row = row_of(read)
        rows.writerow({"file": read.name, **row, "alerts": "; ".join(row["alerts"]), **likely})

    return write


def _table_writer(_: Sequence[str]) -> Write:
    def write(read: "ReadFile") -> None:
        row = row_of(read)
        likely = "" if row["probability"] is None else f"{100 * row['probability']:5.1f} %"
        told = row["error"] or (row["name"] if row["accepted"] else f"Not read. {row['reason']}")
        sys.stdout.write(f"{read.name:<32} {likely if row['accepted'] else '':>8}  {told}\n")
        if row["timeline"]:
            sys.stdout.write(f"{'':<43}{row['timeline']}\n")
        for flag in row["alerts"]:
            sys.stdout.write(f"{'':<43}! {flag}\n")

    return write


_WRITERS: Mapping[str, Callable[[Sequence[str]], Write]] = {
    "json": _json_writer,
    "csv": _csv_writer,
    "table": _table_writer,
}
