"""The audit log, where the operator asks for one: a JSON line for each request that sent something, and how it ended.

A line holds `time`, `request_id`, `route`, `model`, `version` and `outcome`; never what was sent, the name of a file,
an address, a key or what was found. `outcome` is `settled`, `not-settled`, `not-accepted`, `sample`, `answered` where
no model was asked, `gone` where the client had left, or the type of the error. The file is opened to append, line by
line, so that several workers share it, and opened anew where it was moved away: whoever rotates it need tell nobody.

Lines are written by a thread. Where they can't be, the log says so once, a metric counts them, and answers go on.
"""

import json
import logging
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Full, Queue

logger = logging.getLogger("medidiagnose.audit")

ROOM = 10_000
"""Lines that wait at most: some megabytes."""
GONE, ANSWERED = "gone", "answered"
_CLOSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Audited:
    """What became of what was sent to a model: its name, the version that answered, and `outcome`."""

    model: str
    version: str
    outcome: str


class AuditLog:
    """Writes the lines of one process to `file`. `write` may be called on the event loop: it never waits."""

    def __init__(self, file: Path, *, room: int = ROOM) -> None:
        self._file = file
        self._lines: Queue[bytes | None] = Queue(room)
        self._thread: threading.Thread | None = None
        self._descriptor: int | None = None
        self._failing = False
        self.written = 0
        self.lost = 0

    def write(self, request_id: str, route: str, audited: Audited | None, outcome: str) -> None:
        """Have a line written. `outcome` holds where no model was asked, or its answer didn't go out."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "request_id": request_id,
            "route": route,
            "model": audited.model if audited else None,
            "version": audited.version if audited else None,
            "outcome": audited.outcome if audited and outcome == ANSWERED else outcome,
        }
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="audit", daemon=True)
            self._thread.start()
        try:
            self._lines.put_nowait(json.dumps(line).encode() + b"\n")
        except Full:
            self._lose("as many lines as there is room for wait to be written")

    def close(self) -> None:
        """Write what waits, for at most two seconds."""
        if self._thread is None:
            return
        try:
            self._lines.put(None, timeout=_CLOSE_SECONDS)
        except Full:
            return
        self._thread.join(_CLOSE_SECONDS)
        self._thread = None

    def _serve(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._append(line)
            except OSError as error:
                self._release()
                self._lose(error.strerror or "the system says no more")
            else:
                self.written += 1
                if self._failing:
                    self._failing = False
                    logger.warning("The audit log is written again; %d lines were lost so far.", self.lost)
        self._release()

    def _append(self, line: bytes) -> None:
        """Write a line whole at the end of the file of that name. Raises `OSError`."""
        if self._descriptor is not None and self._was_moved(self._descriptor):
            self._release()
        if self._descriptor is None:
            self._descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if os.write(self._descriptor, line) < len(line):
            raise OSError(None, "only part of a line was written")

    def _was_moved(self, descriptor: int) -> bool:
        try:
            return not os.path.samestat(os.fstat(descriptor), self._file.stat())
        except FileNotFoundError:
            return True

    def _release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _lose(self, reason: str) -> None:
        self.lost += 1
        if not self._failing:
            self._failing = True
            logger.error("The audit log can't be written: %s. Answers go on without it.", reason)
