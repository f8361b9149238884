"""The command `medidiagnose`: `serve` starts the service, `models` lists the trained models it would load."""

import argparse
import logging.config
import sys
from collections.abc import Sequence
from typing import Any

from app.settings import LogLevel, Settings, SettingsError, load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings(**{name: getattr(options, name, None) for name in ("host", "port", "bundles")})
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return serve(settings) if options.command == "serve" else list_models(settings)


def serve(settings: Settings) -> int:
    """Serve until a stop signal; requests under way get their deadline to finish."""
    from app.opening import open_models

    logging.config.dictConfig(logging_config(settings.log_level))
    if not settings.api_keys and settings.host not in ("127.0.0.1", "::1", "localhost"):
        logging.getLogger("medidiagnose").warning(
            "Listening on %s without API keys: whoever reaches this port may use the service.", settings.host
        )
    opening = open_models(settings)

    import uvicorn

    from app.main import create_app

    uvicorn.run(
        create_app(settings, opening=opening),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=int(settings.deadline_seconds) + 1,
    )
    return 0


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medidiagnose", description="MediDiagnose-AI. Every setting is also a MEDIDIAGNOSE_* variable."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="start the service")
    serving.add_argument("--host", help="address to listen on (127.0.0.1)")
    serving.add_argument("--port", type=int, help="port to listen on (5000)")
    listing = commands.add_parser("models", help="list the trained models")
    for command in (serving, listing):
        command.add_argument("--bundles", help="folder of the trained models")
    return parser


def logging_config(level: LogLevel) -> dict[str, Any]:
    """Our messages and the server's from `level` on, to standard error. Libraries only warn, since at finer levels
    they log what they read, such as the tags of a picture."""
    own = {"level": level.upper()}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {"medidiagnose": own, "uvicorn": own},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
    }


if __name__ == "__main__":
    sys.exit(main())
