"""The command line: what it lists, what it refuses, and that it serves until it is told to stop."""

import csv
import gc
import io
import json
import logging
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.cli import main
from app.keys import hashed, parse_key
from app.version import installed_version
from tests.net import Client, free_port
from tests.processes import begun, command

ROOT = Path(__file__).parents[2]


def test_a_refused_setting_is_a_sentence_not_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "70000"]) == 2
    assert capsys.readouterr().err == "--port: Input should be less than or equal to 65535\n"


@pytest.mark.parametrize(
    "arguments", [["fly"], ["serve", "--port", "http"], ["keys"], ["keys", "new", "--name", "a,b"]]
)
def test_a_wrong_command_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)


def test_no_command_shows_what_there_is_and_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr().err
    for name in ("serve", "models", "keys"):
        assert f"  {name} " in shown


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"medidiagnose {installed_version()}\n"


@pytest.mark.parametrize("arguments", [[], ["--name", "ward3"]])
def test_a_new_key_and_its_hash_fit_each_other(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "new", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    key, setting = lines[1], lines[-1]
    assert parse_key(setting).digest == parse_key(key).digest
    assert parse_key(setting).name == (arguments[-1] if arguments else None)
    assert main(["keys", "new"]) == 0
    assert key not in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--name", "ward3"]])
def test_a_key_that_clients_have_is_hashed_from_standard_input(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "a-key-of-sixteen-characters"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{key}\n"))
    assert main(["keys", "hash", *arguments]) == 0
    assert capsys.readouterr().out.strip() == hashed(key, arguments[-1] if arguments else None)


@pytest.mark.parametrize("typed", ["", "short", hashed("a-key-of-sixteen-characters")])
def test_what_is_no_key_is_not_hashed(
    typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert main(["keys", "hash"]) == 2
    assert capsys.readouterr().out == ""


@dataclass
class Served:
    """A service under its address, whose log can be read once it has ended."""

    url: str
    log: Path

    def first_answer(self, path: str) -> dict[str, Any]:
        """What it answers as soon as it answers."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:  # noqa: S310 - a local address
                    body: dict[str, Any] = json.load(answer)
                    return body
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"the server did not answer: {self.log.read_text()}")

    def status(self, path: str, headers: dict[str, str] | None = None) -> int:
        """The status of an answer."""
        request = urllib.request.Request(f"{self.url}{path}", headers=headers or {})  # noqa: S310 - a local address
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - a local address
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            return error.code


Serve = Callable[..., AbstractContextManager[Served]]


@pytest.fixture
def served(bundles: Path, tmp_path: Path) -> Serve:
    """How to begin a service that is stopped in the end, with status 0."""

    @contextmanager
    def served(*arguments: str, **environment: str) -> Iterator[Served]:
        port, log = free_port(), tmp_path / "log"
        settings = {f"MEDIDIAGNOSE_{name.upper()}": value for name, value in environment.items()}
        line = ["serve", "--port", str(port), "--bundles", str(bundles), *arguments]
        with begun(command, line, settings, log=log) as process:
            yield Served(f"http://127.0.0.1:{port}", log)
            process.signal(signal.SIGTERM)
            process.end()

    return served


def test_serve_answers_and_stops_cleanly(bundles: Path, tmp_path: Path) -> None:
    port = free_port()
    served = Served(f"http://127.0.0.1:{port}", tmp_path / "log")
    line = [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--bundles", str(bundles)]
    with served.log.open("w") as log, subprocess.Popen(line, cwd=ROOT, stderr=log) as server:
        try:
            answer = served.first_answer("/health/ready")
        finally:
            server.send_signal(signal.SIGTERM)
    assert answer["models"]["skin"]["state"] in ("loading", "ready")
    assert server.returncode == 0
    assert "Traceback" not in served.log.read_text()
    assert "Model skin 1.0.0 loaded" in served.log.read_text()


def test_every_line_of_the_log_is_json(served: Serve) -> None:
    with served(log_format="json") as service:
        service.first_answer("/health/live")
        with Client(urlsplit(service.url).port or 0) as client:
            client.send(b"jane\r\ndoe\r\n\r\n")
            client.socket.recv(1024)
    log = service.log.read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"medidiagnose.access", "medidiagnose.models", "uvicorn.error"} <= {line["logger"] for line in lines}
    assert "jane" not in log


def test_behind_a_proxy_with_a_prefix_addresses_carry_it_and_paths_do_not(served: Serve) -> None:
    with served("--root-path", "/diagnose/", api_keys=hashed("k" * 16)) as service:
        document = service.first_answer("/openapi.json")
        with urllib.request.urlopen(f"{service.url}/docs", timeout=5) as page:  # noqa: S310 - a local address
            html = page.read().decode()
        assert service.status("/health") == 200
        assert service.status("/models") == 401
        assert service.status("/models", {"X-API-Key": "k" * 16}) == 200
    assert document["servers"] == [{"url": "/diagnose"}]
    assert 'src="docs/start.js"' in html, "an address relative to /diagnose/docs"
    assert '="/' not in html


@pytest.mark.parametrize(("trusted", "status"), [({}, 429), ({"trusted_proxies": "127.0.0.0/8"}, 200)])
def test_a_forwarded_address_is_believed_from_a_named_proxy_only(
    served: Serve, trusted: dict[str, str], status: int
) -> None:
    with served(rate_limit="1/hour", **trusted) as service:
        service.first_answer("/health")
        assert service.status("/symptoms", {"X-Forwarded-For": "192.0.2.1"}) == 200
        assert service.status("/symptoms", {"X-Forwarded-For": "192.0.2.2"}) == status
        assert service.status("/symptoms", {"X-Forwarded-For": "192.0.2.1"}) == 429


def test_keys_that_can_be_read_in_the_settings_are_warned_of_without_being_shown(served: Serve) -> None:
    key = "a-key-of-sixteen-characters"
    with served(api_keys=f"{key},{hashed('x' * 16, 'ward3')}", metrics_key=key) as service:
        service.first_answer("/health")
    log = service.log.read_text()
    assert "2 of the keys in the settings can be read" in log
    assert key not in log


def test_what_is_there_before_the_first_request_is_not_searched_for_garbage_again(
    bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen: list[int] = []
    monkeypatch.setattr("sys.setswitchinterval", lambda seconds: None)
    monkeypatch.setattr("app.server.serve", lambda app, settings: frozen.append(gc.get_freeze_count()))
    monkeypatch.setattr("logging.config.dictConfig", lambda config: None)
    try:
        assert main(["serve", "--bundles", str(bundles)]) == 0
    finally:
        gc.unfreeze()
        logging.captureWarnings(capture=False)
    assert frozen[0] > 10_000


def test_knowledge_lists_each_clinical_sentence_in_three_forms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["knowledge", "--file", "heart", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {tuple(row) for row in rows} == {("file", "place", "text", "citations", "year", "state")}
    assert {row["file"] for row in rows} == {"heart"}
    assert main(["knowledge", "--state", "unconfirmed", "--csv"]) == 0
    listed = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert listed
    assert {row["state"] for row in listed} == {"unconfirmed"}
    assert all(row["source"] and row["year"] for row in listed)
    assert main(["knowledge", "--file", "skin"]) == 0
    assert "sentences: " in capsys.readouterr().out.splitlines()[-1]
    assert main(["knowledge", "--file", "nothing"]) == 1
