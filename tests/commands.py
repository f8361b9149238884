"""Commands of our own, as texts and help show them, and what shells make of their completion."""

import re
import shlex
import shutil
import subprocess
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

import pytest


def parsed(parser: ArgumentParser, command: str) -> Namespace | None:
    """The options of a command as a shell would hand them over; None where it is refused."""
    plain = re.split(r"\s(?:\d?>|<|\||#|&)", re.sub(r"^(?:nohup |nice -n \d+ |\.venv/bin/)*", "", command))[0]
    try:
        return parser.parse_args(shlex.split(plain)[1:])
    except SystemExit:
        return None


def examples(parser: ArgumentParser) -> Iterator[str]:
    """The commands that its help, and that of each of its commands, ends with."""
    yield from re.findall(r"^  (medidiagnose.*)$", parser.epilog or "", re.MULTILINE)
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for each in dict.fromkeys(action.choices.values()):
                yield from examples(each)


def completions(script: str, line: str, folder: Path) -> list[str]:
    """What bash offers for the last word of a line, in a folder."""
    words = line.split(" ")
    told = f"""
        COMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}
        "$(complete -p {words[0]} | sed 's/.*-F \\([^ ]*\\).*/\\1/')" {words[0]} "${{COMP_WORDS[-1]}}" ""
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash on this machine")
    done = subprocess.run([bash, "-c", script + told], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return sorted(done.stdout.split())
