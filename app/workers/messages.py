"""What the supervisor and its workers say to one another over a stream: a kind, a ticket and a value of JSON."""

import json
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

UP, LOADED, ADOPTED, CLOSED, ASK, ANSWER, STOP = b"U", b"L", b"+", b"-", b"Q", b"A", b"S"
"""Of a worker: it serves; its models are loaded, these versions; it took over a connection, in the order in which they
were handed over; one has ended. Of both: a question on a topic, an answer. Of the supervisor: stop."""

_HEAD = struct.Struct("!cII")


class Message(NamedTuple):
    """`ticket` is that of the question an answer belongs to."""

    kind: bytes
    content: Any = None
    ticket: int = 0

    def packed(self) -> bytes:
        """As bytes."""
        body = b"" if self.content is None else json.dumps(self.content).encode()
        return _HEAD.pack(self.kind, self.ticket, len(body)) + body


def taken_from(buffer: bytearray) -> Iterator[Message]:
    """The messages that are complete, taken off the buffer."""
    while len(buffer) >= _HEAD.size:
        kind, ticket, size = _HEAD.unpack_from(buffer)
        end = _HEAD.size + size
        if len(buffer) < end:
            return
        body = bytes(buffer[_HEAD.size : end])
        del buffer[:end]
        yield Message(kind, json.loads(body) if body else None, ticket)
