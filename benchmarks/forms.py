"""Requests a second of the two forms through HTTP, over 32 connections, one process of the service.

The load comes from a process of its own, which takes a core while it runs. On a machine that does other work too, the
processor time of a request tells more than the requests a second: one core answers 1000 / ms of them. With
`--profile ROUTE` the application is called in this process, without HTTP, and the functions that take the most time are
listed.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import statistics
import subprocess
import sys
from typing import Any

from starlette.types import Message, Scope

from app.main import create_app
from benchmarks.report import Figure, report
from benchmarks.server import running_server
from benchmarks.traffic import FORMS

CONNECTIONS = 32
PROFILED_REQUESTS = 3000
LISTED = 40


def main() -> None:
    options = _parser().parse_args()
    if options.profile:
        asyncio.run(profile(options.profile))
        return
    figures = []
    with running_server() as server:
        for route, body in FORMS.items():
            before = server.cpu_seconds
            load = loaded(server.url, route, body, options.seconds)
            spent = server.cpu_seconds - before
            if load["failures"]:
                sys.exit(f"{route}: {load['failures']} of {load['requests']} requests failed")
            times = sorted(load["milliseconds"])
            figures += [
                Figure(f"{route}, requests a second", load["requests"] / load["seconds"], ""),
                Figure(f"{route}, CPU of the service for each", 1e3 * spent / load["answered"], "ms"),
                Figure(f"{route}, median", statistics.median(times), "ms"),
                Figure(f"{route}, 99 % within", times[int(0.99 * len(times))], "ms"),
            ]
    report("forms", figures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure the two forms under load.")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load")
    parser.add_argument("--profile", choices=FORMS, help="list where the time of one route goes instead")
    return parser


def loaded(url: str, route: str, body: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What `benchmarks.load` measured."""
    command = [sys.executable, "-m", "benchmarks.load", url, route, json.dumps(body)]
    command += ["--connections", str(CONNECTIONS), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


async def profile(route: str) -> None:
    """Call the application `PROFILED_REQUESTS` times and list where the time went."""
    app, content = create_app(), json.dumps(FORMS[route]).encode()
    async with app.router.lifespan_context(app) as state:
        await (state or {})["registry"].load()
        scope = _scope(route, len(content))

        async def receive() -> Message:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] != 200:
                sys.exit(f"{route} answered {message['status']}")

        profiler = cProfile.Profile()
        profiler.enable()
        for _ in range(PROFILED_REQUESTS):
            await app({**scope, "state": dict(state or {})}, receive, send)
        profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(LISTED)


def _scope(route: str, length: int) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": route,
        "raw_path": route.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(length).encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 5000),
    }


if __name__ == "__main__":
    main()
