"""The command `medidiagnose`. Each of its commands is a module of `app.commands`."""

import argparse
import sys
from collections.abc import Sequence

from app.commands import keys, knowledge, models, openapi, predict, sample, score, serve, settings
from app.settings import SettingsError
from app.version import installed_version
from models.command_line import add_completion, with_examples

COMMANDS = (serve, predict, score, models, knowledge, sample, settings, keys, openapi)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status, 2 where the command or a setting is refused."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        status: int = options.run(options)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return status


def build_parser() -> argparse.ArgumentParser:
    """The command line; `run` of the parsed options is the function to call."""
    parser = argparse.ArgumentParser(
        prog="medidiagnose",
        description="MediDiagnose-AI. Every setting is also a MEDIDIAGNOSE_* variable.",
        **with_examples(
            "medidiagnose serve",
            "medidiagnose sample all --into samples",
            "medidiagnose predict skin samples/skin-lesion.jpg",
        ),
    )
    parser.add_argument("--version", action="version", version=f"medidiagnose {installed_version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    add_completion(commands, build_parser, "medidiagnose")
    return parser


if __name__ == "__main__":
    sys.exit(main())
