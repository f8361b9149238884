"""Lines of text and of JSON: none can be broken or forged, and none quotes what was sent."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.logs import JsonFormatter, TextFormatter, leave_out_origins, logging_config

SENT = "jane doe"
ROOT = Path(__file__).parents[2]


def written(formatter: logging.Formatter, emit: Callable[[logging.Logger], None], name: str = "medidiagnose.x") -> str:
    """What a logger of this name writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.Logger(name)  # noqa: LOG001 - one of the test's own, which the next test won't find
    logger.addHandler(handler)
    emit(logger)
    return stream.getvalue()


def test_a_line_of_text_says_when_how_grave_who_and_what() -> None:
    line = written(TextFormatter(), lambda log: log.warning("%s of %d", "one", 2))
    when, *rest = line.rstrip("\n").split(" ", 3)
    assert rest == ["WARNING", "medidiagnose.x", "one of 2"]
    assert when.endswith("Z")
    assert datetime.fromisoformat(when).utcoffset() == timedelta(0)


def test_records_are_made_without_what_no_line_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("logThreads", "logProcesses", "logMultiprocessing", "_srcfile"):
        monkeypatch.setattr(logging, name, getattr(logging, name))
    leave_out_origins()
    record = logging.getLogger("medidiagnose.x").makeRecord("x", logging.INFO, "(unknown file)", 0, "said", (), None)
    assert (record.thread, record.threadName, record.process, record.processName) == (None, None, None, None)
    line = written(TextFormatter(), lambda log: log.warning("%s of %d", "one", 2))
    assert line.endswith("WARNING medidiagnose.x one of 2\n")
    trace = written(TextFormatter(), _log_a_fault)
    assert "test_logs.py" in trace


def _log_a_fault(log: logging.Logger) -> None:
    try:
        raise KeyError
    except KeyError:
        log.exception("It failed.")


def test_a_line_of_json_has_the_message_and_its_fields() -> None:
    fields = {"method": "GET", "status": 200, "ms": 1.5}
    line = json.loads(written(JsonFormatter(), lambda log: log.info("%(method)s %(status)d", fields)))
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() == timedelta(0)
    assert line == {"level": "info", "logger": "medidiagnose.x", "message": "GET 200", **fields}


def test_no_field_takes_the_place_of_our_own() -> None:
    line = json.loads(written(JsonFormatter(), lambda log: log.info("%(level)s", {"level": "none", "logger": "me"})))
    assert (line["level"], line["logger"], line["message"]) == ("info", "medidiagnose.x", "none")


def test_a_field_that_json_does_not_know_is_its_text() -> None:
    line = json.loads(written(JsonFormatter(), lambda log: log.info("%(where)s", {"where": timedelta(seconds=1)})))
    assert line["where"] == "0:00:01"


@pytest.mark.parametrize(
    "character", ["\n", "\r", "\x0b", "\x1b[2J", "\x85", "\u2028", "\u202e", "\udc80", "\U000e0001"]
)
@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_no_input_forges_a_line_or_moves_the_cursor(formatter: logging.Formatter, character: str) -> None:
    forged = f"harmless{character}2026-01-01T00:00:00.000Z INFO medidiagnose.access POST /analyze/skin 200"
    line = written(formatter, lambda log: log.warning("%(sent)s", {"sent": forged}))
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    line.encode()


def test_the_lines_of_a_traceback_are_indented() -> None:
    def emit(log: logging.Logger) -> None:
        try:
            raise ValueError("first\n2026-01-01T00:00:00.000Z INFO medidiagnose.access forged")
        except ValueError:
            log.exception("It failed.")

    first, *rest = written(TextFormatter(), emit).splitlines()
    assert first.endswith("It failed.")
    assert rest
    assert all(line.startswith("    ") for line in rest)
    assert json.loads(written(JsonFormatter(), emit))["exception"].startswith("Traceback")


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
@pytest.mark.parametrize("name", ["medidiagnose.fault", "uvicorn.error", "asyncio"])
def test_a_fault_in_a_request_goes_without_the_words_that_may_quote_it(formatter: logging.Formatter, name: str) -> None:
    def emit(log: logging.Logger) -> None:
        try:
            try:
                raise KeyError(SENT)
            except KeyError as cause:
                raise ExceptionGroup(SENT, [ValueError(SENT)]) from cause
        except ExceptionGroup:
            log.exception("Request %(request_id)s failed.", {"request_id": "abc"})

    line = written(formatter, emit, name)
    assert SENT not in line
    for kept in ("Request abc failed.", "builtins.KeyError", "builtins.ValueError", "test_logs.py", "in emit"):
        assert kept in line


def test_at_no_log_level_do_libraries_log_what_they_read() -> None:
    config = logging_config("debug")
    assert config["root"]["level"] == "WARNING"
    assert config["loggers"] == {
        "medidiagnose": {"level": "DEBUG"},
        "uvicorn": {"level": "DEBUG"},
        "python_multipart": {"level": "ERROR"},
    }


_LOGS_AS_THE_SERVER = """
import logging.config, sys
from app.logs import logging_config
logging.config.dictConfig(logging_config("info", sys.argv[1]))
logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
"""


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_server_logs_in_the_same_format(log_format: str) -> None:
    """In a process of its own: whoever configures logging closes the handlers there were, other libraries' among them,
    which may hold the streams of the test run."""
    command = [sys.executable, "-c", _LOGS_AS_THE_SERVER, log_format]
    line = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stderr
    if log_format == "json":
        assert json.loads(line)["message"] == "Started server process [7]"
    else:
        assert line.endswith(" INFO uvicorn.error Started server process [7]\n")
