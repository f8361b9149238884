"""`medidiagnose keys new` makes a key, `keys hash` the form of one that the settings hold."""

import sys
from argparse import ArgumentTypeError, Namespace
from getpass import getpass
from typing import Any

from app.keys import hashed, new_key, parse_key
from models.command_line import with_examples


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "keys",
        help="make keys for clients",
        **with_examples("medidiagnose keys new --name ward3", "medidiagnose keys hash --name ward3 < key.txt"),
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser("new", help="print a fresh key, once, and its hash for the settings")
    new.add_argument("--name", type=_name, help="what logs and rate limits call the key, such as ward3")
    new.set_defaults(run=show_new_key)
    existing = actions.add_parser("hash", help="ask for a key, or read it from standard input, and print its hash")
    existing.add_argument("--name", type=_name, help="what logs and rate limits call the key")
    existing.set_defaults(run=show_hash)


def show_new_key(options: Namespace) -> int:
    """Print a fresh key for the client and its hashed form for the settings; nothing is kept."""
    key = new_key()
    sys.stdout.write(
        f"Key, for the client; it is shown this once:\n{key}\n\n"
        f"Hash, for MEDIDIAGNOSE_API_KEYS, MEDIDIAGNOSE_METRICS_KEY or MEDIDIAGNOSE_ADMIN_KEY:\n"
        f"{hashed(key, options.name)}\n"
    )
    return 0


def show_hash(options: Namespace) -> int:
    """Print the hashed form of a key that clients have already; it is typed unseen or piped, never an argument, which
    other users of the machine could read. Exit status 2 for what is no plain key."""
    key = (getpass("Key: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    try:
        if not parse_key(key).is_plain:
            raise ValueError("this is a hash already.")
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{hashed(key, options.name)}\n")
    return 0


def _name(text: str) -> str:
    try:
        parse_key(hashed("", text))
    except ValueError:
        raise ArgumentTypeError("a name has up to 32 letters, digits, dots, dashes and underscores") from None
    return text
