"""What is logged: one line each, of text or of JSON, that no input can break or forge.

A message whose only argument is a mapping, `log.info("%(method)s %(status)d", {...})`, has the mapping's entries as
fields of the JSON line.
"""

import json
import logging
import time
import traceback
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from app.settings import LogFormat, LogLevel

_HANDLE_REQUESTS = ("medidiagnose.fault", "uvicorn.error", "asyncio")
_encode = json.JSONEncoder(default=str).encode


def logging_config(level: LogLevel, log_format: LogFormat = "text") -> dict[str, Any]:
    """For `logging.config.dictConfig`: our messages and the server's from `level` on, to standard error.

    Libraries only warn, since at finer levels they log what they read, such as the tags of a picture; the parser of
    forms does so even in its warnings.
    """
    own = {"level": level.upper()}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"text": {"()": TextFormatter}, "json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": log_format}},
        "loggers": {"medidiagnose": own, "uvicorn": own, "python_multipart": {"level": "ERROR"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
    }


def leave_out_origins() -> None:
    """Make records without what no line of ours says, which takes time to find out: place in the code, thread and
    process. That is how Python's "Logging HOWTO" does it, under Optimization."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # the HOWTO's own words


class _Formatter(logging.Formatter):
    def format_fault(self, record: logging.LogRecord) -> str | None:
        """The traceback of a record, or None. Where a request was being handled it goes without the exceptions' own
        words, which may quote what was sent."""
        if not record.exc_info or record.exc_info[1] is None:
            return None
        if record.name in _HANDLE_REQUESTS:
            return "".join(_without_words(record.exc_info[1]))
        return self.formatException(record.exc_info)


class TextFormatter(_Formatter):
    """`2026-11-26T20:44:05.123Z INFO logger message`; a traceback follows, indented so that it can't pass for lines."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        line = _printable(f"{_timestamp(record.created)} {record.levelname} {record.name} {record.getMessage()}")
        if trace := self.format_fault(record):
            line += "".join(f"\n    {_printable(each)}" for each in trace.splitlines())
        return line


class JsonFormatter(_Formatter):
    """One JSON object a line: `timestamp` (UTC, RFC 3339), `level`, `logger`, `message`, `exception` where there is
    one, and the fields of the message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        line: dict[str, Any] = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if isinstance(record.args, Mapping):
            line = {**line, **record.args, **line}
        if trace := self.format_fault(record):
            line["exception"] = trace
        return _encode(line)


def _without_words(fault: BaseException) -> Iterator[str]:
    """Its causes first, each with its frames and its type."""
    cause = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)
    if cause:
        yield from _without_words(cause)
        yield "\nwhich led to:\n\n"
    for member in fault.exceptions if isinstance(fault, BaseExceptionGroup) else ():
        yield from _without_words(member)
        yield "\nin a group:\n\n"
    yield from traceback.format_tb(fault.__traceback__)
    yield f"{type(fault).__module__}.{type(fault).__qualname__}\n"


def _printable(text: str) -> str:
    """The text with `\\n` and the like for every character that moves the cursor, ends a line or can't be encoded."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _timestamp(seconds: float) -> str:
    return f"{_second(int(seconds))}.{int(seconds % 1 * 1000):03d}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
