"""The image's health check: it tells the service's own state, whatever proxy the hospital's network asks for."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

HEALTHCHECK = Path(__file__).parents[2] / "docker" / "healthcheck"
CLOSED = "http://127.0.0.1:9"
PROXIES = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"), CLOSED)


def check(port: int, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(HEALTHCHECK)],
        env={"PATH": os.environ["PATH"], "MEDIDIAGNOSE_PORT": str(port), **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server on a free port of the loopback that answers /health/ready with this status; yields the port."""

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health/ready" else 404)
            self.end_headers()
            self.wfile.write(b"loading")

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "environment",
    [{}, PROXIES, {**PROXIES, "no_proxy": "example.org"}, {"MEDIDIAGNOSE_HOST": "0.0.0.0"}],  # noqa: S104
    ids=["plain", "behind a proxy", "a proxy and its exceptions", "listening everywhere"],
)
def test_it_asks_the_service_and_no_proxy(environment: Mapping[str, str]) -> None:
    with answering(200) as port:
        done = check(port, **environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_fails_with_the_answer_while_models_load() -> None:
    with answering(503) as port:
        done = check(port)
    assert done.returncode == 1
    assert done.stderr == "not ready: 503 loading\n"


def test_it_fails_where_nobody_listens() -> None:
    with answering(200) as port:
        pass
    done = check(port)
    assert done.returncode == 1
    assert "ConnectionRefusedError" in done.stderr
