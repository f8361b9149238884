"""`medidiagnose sample` lists something to send to each diagnosis, and writes it."""

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from models.command_line import with_examples


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "sample",
        help="write something to send to each diagnosis",
        description="Lists the samples; with names, or `all`, writes them. They are drawn: no patient's.",
        **with_examples(
            "medidiagnose sample", "medidiagnose sample skin ecg-record", "medidiagnose sample all --into samples"
        ),
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="sample, such as skin, or `all`")
    parser.add_argument("--into", type=Path, default=Path(), metavar="FOLDER", help="where to write (here)")
    parser.set_defaults(run=write)


def write(options: Namespace) -> int:
    """List the samples, or write those that are named; the names of the files go to stdout. Exit status 1 where a file
    can't be written, 2 for a name that there is not."""
    from models.samples import SAMPLES

    if not options.names:
        for sample in SAMPLES:
            files = ", ".join(file.name for file in sample.files)
            sys.stdout.write(f"{sample.name:<12}{sample.path:<23}{sample.description}\n{'':<12}{files}\n")
        return 0
    known = {sample.name: sample for sample in SAMPLES}
    if unknown := [name for name in options.names if name not in (*known, "all")]:
        sys.stderr.write(f"There is no sample {', '.join(unknown)}. There are {', '.join(known)}.\n")
        return 2
    chosen = known.values() if "all" in options.names else [known[name] for name in dict.fromkeys(options.names)]
    try:
        options.into.mkdir(parents=True, exist_ok=True)
        for file in (file for sample in chosen for file in sample.files):
            path = options.into / file.name
            path.write_bytes(file.content())
            sys.stdout.write(f"{path}\n")
    except OSError as error:
        sys.stderr.write(f"{options.into} can't be written to: {error.strerror}.\n")
        return 1
    return 0
