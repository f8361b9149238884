"""`medidiagnose openapi` prints the OpenAPI document of what ships, so that clients can be made without a server."""

import json
import sys
from argparse import Namespace
from typing import Any

from models.command_line import with_examples


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "openapi",
        help="print the OpenAPI document of what ships",
        **with_examples("medidiagnose openapi > openapi.json"),
    )
    parser.set_defaults(run=show)


def show(_: Namespace) -> int:
    """Print the document, which neither settings nor installed bundles change."""
    sys.stdout.write(json.dumps(shipped_document(), indent=2, ensure_ascii=False) + "\n")
    return 0


def shipped_document() -> dict[str, Any]:
    """The OpenAPI document with the default settings and no bundle of one's own."""
    from app.main import create_app
    from app.settings import Settings

    return create_app(Settings.model_construct()).openapi()
