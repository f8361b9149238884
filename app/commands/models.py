"""`medidiagnose models` lists the trained models that the service would load."""

import sys
from typing import Any

from app.commands.options import add_bundles, settings_of
from app.settings import Settings


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("models", help="list the trained models")
    add_bundles(parser)
    parser.set_defaults(run=lambda options: list_models(settings_of(options)))


def list_models(settings: Settings) -> int:
    """List each model's newest bundle; exit status 1 where one must not be served."""
    from models.bundle import BundleError
    from models.opening import model_folders, read_newest_bundle

    folders = model_folders(settings.bundles)
    if not folders:
        sys.stdout.write(f"No models in {settings.bundles}; every diagnosis answers in demo mode.\n")
    failed = False
    for folder in folders:
        try:
            metadata = read_newest_bundle(folder, settings.precision).metadata
            line = f"{metadata.name:<14}{metadata.version:<10}{metadata.precision:<6}{len(metadata.classes)} classes"
        except BundleError as error:
            failed, line = True, f"{folder.name:<14}must not be served. {error}"
        sys.stdout.write(f"{line}\n")
    return int(failed)
