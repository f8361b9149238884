"""`medidiagnose serve` starts the service."""

import gc
import logging.config
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.commands.options import add_bundles, settings_of
from app.logs import leave_out_origins, logging_config
from app.settings import Settings, key_ring
from models.command_line import with_examples

LONGEST_TURN = 0.001
"""Seconds that a thread computes in Python while the event loop waits for its turn. While two read the longest lists of
symptoms on a busy machine, 99 % of the answers of /health/live came within 29 ms, with Python's own 5 ms within 190."""

log = logging.getLogger("medidiagnose")


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "serve",
        help="start the service",
        **with_examples(
            "medidiagnose serve",
            "medidiagnose serve --port 5001      # on macOS, where AirPlay holds 5000",
            "medidiagnose serve --host 0.0.0.0 --config /etc/medidiagnose.toml",
        ),
    )
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (5000)")
    parser.add_argument("--root-path", metavar="PREFIX", help="prefix under which a proxy shows the service")
    parser.add_argument("--workers", metavar="N", help="processes that share the port, or auto (1)")
    add_bundles(parser)
    parser.set_defaults(run=lambda options: serve(settings_of(options)))


def serve(settings: Settings) -> int:
    """Serve until a stop signal."""
    return _serve_alone(settings) if settings.workers == 1 else _serve_with_workers(settings)


def _serve_alone(settings: Settings, told: str = "") -> int:
    with _without_looking_for_garbage():
        from app.loading import start_loading

        _set_up_logs(settings, told)
        loader = start_loading(settings)

        from app.main import create_app
        from app.server import serve as serve_app
        from app.tracing import open_tracing

        app = create_app(settings, loader=loader, tracing=open_tracing())
        gc.freeze()  # what is there now stays: to look through it would stop the event loop for 50 ms each time
    sys.setswitchinterval(LONGEST_TURN)
    serve_app(app, settings)
    return 0


def _serve_with_workers(settings: Settings) -> int:
    from app.workers.count import workers_of

    count, why = workers_of(settings)
    told = f"Workers: {count} ({why})."
    if count == 1:
        return _serve_alone(settings, told)
    with _without_looking_for_garbage():
        from app.workers.serving import serve_with_workers

        gc.freeze()  # as above; and what nobody looks through stays shared with the workers
    _set_up_logs(settings, told)
    sys.setswitchinterval(LONGEST_TURN)
    return serve_with_workers(settings, count)


def _set_up_logs(settings: Settings, told: str) -> None:
    logging.config.dictConfig(logging_config(settings.log_level, settings.log_format))
    logging.captureWarnings(capture=True)
    leave_out_origins()
    if told:
        log.info(told)
    _warn_of_risks(settings)


@contextmanager
def _without_looking_for_garbage() -> Iterator[None]:
    """While modules are imported hardly anything becomes garbage, and looking for it takes a tenth of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _warn_of_risks(settings: Settings) -> None:
    if not settings.api_keys and settings.host not in ("127.0.0.1", "::1", "localhost"):
        log.warning("Listening on %s without API keys: whoever reaches this port may use the service.", settings.host)
    keys = (*settings.api_keys, settings.metrics_key, settings.admin_key)
    if plain := sum(key_ring("", key).plain for key in keys):
        log.warning(
            "%d of the keys in the settings can be read by whoever reads the settings. `medidiagnose keys hash` turns "
            "each into a form that can stand there instead; clients go on sending the same.",
            plain,
        )
