"""The command line: what it lists, what it refuses, and that it serves until it is told to stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from app.cli import main
from app.keys import parse_key
from app.version import installed_version
from tests.fake_bundle import make_bundle

ROOT = Path(__file__).parents[2]


def test_models_lists_each_with_its_version(bundles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--bundles", str(bundles)]) == 0
    skin, xray = capsys.readouterr().out.splitlines()
    assert skin.split() == ["skin", "1.0.0", "fp32", "7", "classes"]
    assert xray.split() == ["xray", "1.0.0", "fp32", "2", "classes"]


def test_models_names_a_bad_bundle_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_bundle(tmp_path, "xray")
    make_bundle(tmp_path, "skin").model_path.unlink()
    assert main(["models", "--bundles", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert "skin          must not be served." in output
    assert "model.onnx missing" in output
    assert "xray          1.0.0" in output


def test_models_says_where_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--bundles", str(tmp_path)]) == 0
    assert "demo mode" in capsys.readouterr().out


def test_a_refused_setting_is_a_sentence_not_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "70000"]) == 2
    assert capsys.readouterr().err == "MEDIDIAGNOSE_PORT: Input should be less than or equal to 65535\n"


@pytest.mark.parametrize(
    "arguments", [["fly"], ["serve", "--port", "http"], ["keys"], ["keys", "new", "--name", "a,b"]]
)
def test_a_wrong_command_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)


def test_no_command_shows_what_there_is_and_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr().err
    for command in ("serve", "models", "keys"):
        assert f"  {command} " in shown


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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_serve_answers_and_stops_cleanly(bundles: Path) -> None:
    port = _free_port()
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--bundles", str(bundles)]
    server = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stderr=subprocess.PIPE, text=True)
    try:
        answer = _first_answer(f"http://127.0.0.1:{port}/health/ready", server)
    finally:
        server.send_signal(signal.SIGTERM)
        _, log = server.communicate(timeout=20)
    assert answer["models"]["skin"]["state"] in ("loading", "ready")
    assert server.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in log
    assert "Model skin 1.0.0 loaded" in log


def _first_answer(url: str, server: "subprocess.Popen[str]") -> dict[str, dict[str, dict[str, str]]]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - a local address
                body: dict[str, dict[str, dict[str, str]]] = json.load(answer)
                return body
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the server did not answer")
