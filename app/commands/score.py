"""`medidiagnose score` reads a great many inputs by many processes, into a folder of Parquet files."""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from importlib.util import find_spec
from typing import Any

from app.commands.options import add_bundles, settings_of

FINISHED, UNFINISHED, WRONG = 0, 1, 2
_BLOCK = 1000
_EXAMPLES = """exit status:
  0 every input has its row, be it one that says what is wrong with it
  1 the run ended before; the same command goes on    2 wrong command, or no such model

examples:
  medidiagnose score skin --input pictures/ --output scores/
  medidiagnose score heart_risk --input forms.parquet --output scores/ --workers 4
  RAY_ADDRESS=auto medidiagnose score xray --input s3://films/2026 --output s3://scores/2026"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser: ArgumentParser = commands.add_parser(
        "score",
        help="read a great many inputs by many processes, or machines",
        description="Writes a row an input, with the answer that the service would give, as Parquet. What was "
        "interrupted goes on where it was. Needs the extra `ray`.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("diagnosis", help="model, as of `predict`")
    parser.add_argument(
        "--input", required=True, metavar="PLACE", help="folder, s3://bucket/folder, or Parquet file of inputs"
    )
    parser.add_argument(
        "--output", required=True, metavar="PLACE", help="folder for the rows; one that every machine sees"
    )
    parser.add_argument(
        "--workers", type=_count, metavar="N", help="processes, each on a core (one a core)", dest="processes"
    )
    parser.add_argument(
        "--block", type=_count, default=_BLOCK, metavar="ROWS", help=f"inputs that make a file of the output ({_BLOCK})"
    )
    parser.add_argument(
        "--with", dest="said", action="append", default=[], metavar="NAME=VALUE", help="what a form says beside each"
    )
    add_bundles(parser)
    parser.set_defaults(run=score)


def score(options: Namespace) -> int:
    """Score the inputs that have no row yet."""
    if not all(map(find_spec, ("ray", "pyarrow"))):
        return _refused("Scoring needs Ray Data: pip install 'medidiagnose-ai[ray]'.")
    from app.from_files import NoModelError, known_names
    from app.scoring.run import Job, UnfinishedError
    from app.scoring.run import score as score_all

    settings = settings_of(options)
    if options.diagnosis not in (names := known_names(settings)):
        return _refused(f"There is no diagnosis {options.diagnosis}. There are {', '.join(names)}.")
    said = dict(pair.split("=", 1) if "=" in pair else (pair, "") for pair in options.said)
    job = Job(options.diagnosis, options.input, options.output, said, options.block, options.processes)
    try:
        tally = score_all(job, settings, _show)
    except (NoModelError, ValueError) as error:
        return _refused(str(error))
    except (UnfinishedError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return UNFINISHED
    sys.stderr.write(
        f"{tally.rows:,} rows in {options.output}: {tally.errors:,} could not be read, {tally.not_accepted:,} were not "
        "accepted.\n"
    )
    return FINISHED


def _count(value: str) -> int:
    if (number := int(value)) < 1:
        raise ValueError
    return number


def _refused(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return WRONG


def _show(done: int, rows: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done:,} of {rows:,} rows" + ("\n" if done == rows else ""))
