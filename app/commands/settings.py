"""`medidiagnose settings` prints every setting, its value and where that comes from."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr

from app.commands.options import add_bundles, chosen
from app.settings import PREFIX, Settings, key_ring, read_settings
from models.command_line import with_examples


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "settings",
        help="show every setting and where its value comes from; keys stay hidden",
        **with_examples("medidiagnose settings", "medidiagnose settings --config medidiagnose.toml --json"),
    )
    add_bundles(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--markdown", action="store_true", help="names, defaults and meanings as a table")
    parser.set_defaults(run=show)


def show(options: Namespace) -> int:
    """Print the settings in the form that was asked for."""
    if options.markdown:
        sys.stdout.write("\n".join(table()) + "\n")
        return 0
    settings, found = read_settings(**chosen(options))
    rows = {name: (_value(getattr(settings, name)), found.origin_of(name)) for name in Settings.model_fields}
    if options.json:
        document = {name: {"value": value, "origin": origin} for name, (value, origin) in rows.items()}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return 0
    lines = [(name, _text(value), origin) for name, (value, origin) in rows.items()]
    names, values = (max(len(line[column]) for line in lines) for column in (0, 1))
    for name, text, origin in lines:
        sys.stdout.write(f"{name:<{names}}  {text:<{values}}  {origin}\n")
    return 0


def table() -> Iterator[str]:
    """The documentation's table of settings, a line each."""
    yield "| Variable | Default | Meaning |"
    yield "|---|---|---|"
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        default = extra.get("shown") or _text(_value(field.get_default(call_default_factory=True)))
        cell = default if "shown" in extra or default == _NONE else f"`{default}`"
        yield f"| `{PREFIX}{name.upper()}` | {cell} | {field.description} |"


_NONE = "none"


def _value(value: Any) -> Any:
    """A value as JSON has it, without any secret."""
    match value:
        case SecretStr():
            return "hidden"
        case (SecretStr(), *_):
            return [f"{name} (hidden)" for name in key_ring("", *value).names]
        case tuple():
            return list(value)
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def _text(value: Any) -> str:
    match value:
        case None | [] | "":
            return _NONE
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(value)
        case float():
            return f"{value:g}"
        case _:
            return str(value)
