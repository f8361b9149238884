"""`medidiagnose models` lists the trained models; `verify` tries each as the service would, `activate` chooses one."""

import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.commands.options import add_bundles, settings_of
from app.settings import PREFIX, Settings
from models.command_line import with_examples

NEWEST = "newest"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "models",
        help="list, verify and choose the trained models",
        **with_examples(
            "medidiagnose models",
            "medidiagnose models verify --bundles my_bundles",
            "medidiagnose models activate skin 1.0.0",
            "medidiagnose models activate skin newest",
        ),
    )
    add_bundles(parser)
    parser.set_defaults(run=lambda options: list_models(settings_of(options)))
    actions = parser.add_subparsers(dest="action", metavar="ACTION")

    def action(name: str, run: Callable[[Namespace], int], help_: str) -> ArgumentParser:
        added: ArgumentParser = actions.add_parser(name, help=help_, argument_default=SUPPRESS)
        add_bundles(added)
        added.set_defaults(run=run)
        return added

    action("list", lambda options: list_models(settings_of(options)), "list every version; a star marks the active one")
    action("verify", lambda options: verify_models(settings_of(options)), "load and run every version as the service")
    activate = action("activate", activate_model, "choose the version that is served from the next reload on")
    activate.add_argument("name", help="model, such as skin")
    activate.add_argument("version", help=f"version, such as 1.0.0, or `{NEWEST}` for whichever that is")


def list_models(settings: Settings) -> int:
    """List every version of each model; exit status 1 where an active one must not be served."""
    failed = False
    for name, versions, active, trouble in _found(settings):
        if trouble:
            failed = True
            sys.stdout.write(f"  {name:<14}must not be served. {trouble}\n")
        for version in versions:
            line, fit = _line(version, settings)
            failed |= version == active and not fit
            sys.stdout.write(f"{'*' if version == active else ' '} {name:<14}{version.name:<10}{line}\n")
    return int(failed)


def verify_models(settings: Settings) -> int:
    """Load every version of each model as the service would: checksum, metadata, graph, one run, and whether its
    answers can be interpreted. Exit status 1 where one must not be served, or there is none."""
    from models.diagnoses.catalogue import Catalogue
    from models.serving.bundle import BundleError
    from models.serving.engine import Engine
    from models.serving.loading import read_version

    catalogue = Catalogue()
    failed, count = False, 0
    for name, versions, _, trouble in _found(settings):
        if trouble:
            failed = True
            sys.stdout.write(f"{name:<14}must not be served. {trouble}\n")
        for version in versions:
            count += 1
            try:
                bundle = read_version(version, settings.precision)
                Engine(bundle, threads=settings.threads)
                catalogue.check(bundle)
                line = f"{bundle.metadata.precision:<6}can be served."
            except BundleError as error:
                failed, line = True, f"must not be served. {error}"
            sys.stdout.write(f"{name:<14}{version.name:<10}{line}\n")
    return int(failed or not count)


def activate_model(options: Namespace) -> int:
    """Choose the version of a model that is served. Exit status 1 where it isn't there, must not be served, or the
    choice can't be written down."""
    from models.serving.bundle import BundleError
    from models.serving.loading import active_version, read_pins, read_version, write_pins

    settings = settings_of(options)
    file = _active_file(settings)
    try:
        pins = {name: version for name, version in read_pins(file).items() if name != options.name}
        if options.version != NEWEST:
            pins[options.name] = options.version
        version = active_version(settings.bundles / options.name, pins)
        read_version(version, settings.precision)
        write_pins(file, pins)
    except BundleError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(
            f"{file} can't be written ({error.strerror}). Set {PREFIX}ACTIVE_MODELS, for this command and for the "
            "service, to a file that can.\n"
        )
        return 1
    sys.stdout.write(
        f"{options.name} {version.name} is active. A service that runs takes it over when it reloads: on SIGHUP, or "
        "POST /admin/reload.\n"
    )
    return 0


def _found(settings: Settings) -> list[tuple[str, list[Path], Path | None, str | None]]:
    """Each model's name, its version folders, the active one of them, and why there is none."""
    from models.serving.bundle import BundleError
    from models.serving.loading import active_version, model_entries, read_pins, versions

    found: list[tuple[str, list[Path], Path | None, str | None]] = []
    for folder in model_entries(settings.bundles):
        ordered: list[Path] = []
        try:
            ordered = versions(folder)
            found.append((folder.name, ordered, active_version(folder, read_pins(_active_file(settings))), None))
        except BundleError as error:
            found.append((folder.name, ordered, None, str(error)))
    if not found:
        sys.stdout.write(f"No models in {settings.bundles}; in demo mode every diagnosis answers a fixed sample.\n")
    return found


def _active_file(settings: Settings) -> Path:
    from models.serving.loading import ACTIVE_FILE

    return settings.active_models or settings.bundles / ACTIVE_FILE


def _line(version: Path, settings: Settings) -> tuple[str, bool]:
    """What to say of a version, with the path it is served at, and whether it can be."""
    from models.diagnoses.catalogue import Catalogue
    from models.serving.bundle import BundleError
    from models.serving.loading import read_version

    catalogue = Catalogue()
    try:
        bundle = read_version(version, settings.precision)
        catalogue.check(bundle)
        mebibytes = bundle.model_path.stat().st_size / 1024**2
    except (BundleError, OSError) as error:
        return f"must not be served. {error}", False
    metadata = bundle.metadata
    path = next(each.path for each in catalogue.all if each.name == metadata.name)
    return f"{metadata.precision:<6}{mebibytes:6.1f} MiB  {len(metadata.classes):3} classes  {path}", True
