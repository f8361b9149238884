"""What the command lines of `app` and `training` share, both of which import `models`: examples and completion."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHELLS = ("bash", "zsh", "fish", "powershell")
_EXAMPLES = (
    "{command} completion bash > ~/.local/share/bash-completion/completions/{command}",
    "{command} completion zsh > ~/.zfunc/_{command}      # with fpath+=~/.zfunc before compinit in ~/.zshrc",
    "{command} completion fish > ~/.config/fish/completions/{command}.fish",
    "{command} completion powershell >> $PROFILE",
)


def with_examples(*commands: str) -> dict[str, Any]:
    """Keywords of a parser whose help ends with these commands."""
    lines = "".join(f"\n  {command}" for command in commands)
    return {"epilog": f"examples:{lines}", "formatter_class": argparse.RawDescriptionHelpFormatter}


def add_completion(commands: Any, whole: Callable[[], argparse.ArgumentParser], command: str) -> None:
    """Declare it among the commands of `command`; `whole` makes the parser of all of them."""
    parser = commands.add_parser(
        "completion",
        help="print what makes a shell complete this command",
        description="Prints a script that makes a shell complete commands, options and files.",
        **with_examples(*(example.format(command=command) for example in _EXAMPLES)),
    )
    parser.add_argument("shell", choices=SHELLS, help="which shell")
    parser.set_defaults(run=lambda options: _show(whole(), options.shell))


def _show(parser: argparse.ArgumentParser, shell: str) -> int:
    import shtab

    _complete_files(parser, shtab.FILE)
    sys.stdout.write(shtab.complete(parser, shell))
    return 0


def _complete_files(parser: argparse.ArgumentParser, files: Any) -> None:
    """Let every argument that is a path be completed as one."""
    for action in parser._actions:
        if action.type is Path:
            action.complete = files  # type: ignore[attr-defined]  # as shtab asks for it
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                _complete_files(each, files)
