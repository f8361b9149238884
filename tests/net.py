"""HTTP on bare sockets, for what a client library would not send."""

import contextlib
import json
import secrets
import select
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; names of headers in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Its body, read as JSON."""
        return json.loads(self.body)


class Client:
    """A connection to a local server."""

    def __init__(self, port: int, *, address: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE, (address, 0))
        self._read = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._read.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def answer(self) -> Answer:
        """The next answer."""
        line = self._read.readline()
        if not line:
            raise ConnectionError("the server closed the connection without an answer")
        headers = {}
        while (header := self._read.readline().strip()) != b"":
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return Answer(int(line.split()[1]), headers, self._read.read(int(headers.get("content-length", 0))))

    def has_answer(self) -> bool:
        """Whether the server has sent anything, or closed the connection."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def is_closed(self, patience: float = PATIENCE) -> bool:
        """Whether the server closes the connection in that many seconds, and sends nothing before."""
        self.socket.settimeout(patience)
        try:
            return self.socket.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)


def free_port() -> int:
    """A port nobody listens on, below those that the system gives to connections: none takes it meanwhile."""
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
