"""A worker's ties to its supervisor and, by way of that, to the other workers."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from app.workers.messages import ADOPTED, ANSWER, ASK, CLOSED, LOADED, STOP, UP, Message, taken_from
from models.serving.neighbours import Seat

PATIENCE = 3.0
"""Seconds that the other workers have for an answer; docker/healthcheck waits for four."""
_AT_ONCE = 64
_PIECE = 1 << 16

logger = logging.getLogger("medidiagnose.workers")

Adopt = Callable[[socket.socket], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Place:
    """Which of how many workers, from 0."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"Worker {self.number + 1} of {self.count}"


class Team:
    """What a worker has of its supervisor: a `channel` for messages, a socket over which connections come, the end of a
    pipe that ends with the supervisor, the `versions` that the other workers serve, and a `seat` among them."""

    def __init__(
        self,
        place: Place,
        channel: socket.socket,
        handed: socket.socket,
        life: int,
        versions: Mapping[str, str],
        seat: Seat,
    ) -> None:
        self.place = place
        self.seat = seat
        self.versions = versions
        self._channel = channel
        self._handed = handed
        self._life = life
        self._answerers: dict[str, Callable[[], Awaitable[Any]]] = {}
        self._questions: dict[int, asyncio.Future[Any]] = {}
        self._tickets = 0
        self._tasks: set[asyncio.Future[Any]] = set()
        self._adopting: set[asyncio.Future[Any]] = set()
        self._no_more = asyncio.Event()

    def answer(self, topic: str, answerer: Callable[[], Awaitable[Any]]) -> None:
        """Answer questions on a topic, with something that JSON can hold."""
        self._answerers[topic] = answerer

    async def join(self, adopt: Adopt, stop: Callable[[], None]) -> None:
        """Take connections over from now on, and stop when told to."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._channel)
        self._begin(self._listen(reader, stop))
        asyncio.get_running_loop().add_reader(self._handed.fileno(), self._take_over, adopt)
        self._say(Message(UP))

    def wait_for_the_end(self) -> None:
        """Return when there is no supervisor any more; to be called in a thread."""
        os.read(self._life, 1)

    def loaded(self, versions: Mapping[str, str]) -> None:
        """The models are loaded, in these versions."""
        self._say(Message(LOADED, dict(versions)))

    def closed(self) -> None:
        """One of the connections has ended."""
        self._say(Message(CLOSED))

    async def ask(self, topic: str, patience: float | None = PATIENCE) -> Any:
        """The answers of every worker, this one's among them. Raises `TimeoutError`."""
        self._tickets += 1
        ticket, answers = self._tickets, asyncio.get_running_loop().create_future()
        self._questions[ticket] = answers
        self._say(Message(ASK, topic, ticket))
        try:
            return await asyncio.wait_for(answers, patience)
        finally:
            del self._questions[ticket]

    async def everybody_is_in(self, patience: float) -> None:
        """Wait until every connection is taken over that there will be."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._no_more.wait(), patience)
        while self._adopting:
            await asyncio.wait(self._adopting)

    def _say(self, message: Message) -> None:
        self._writer.write(message.packed())

    async def _listen(self, reader: asyncio.StreamReader, stop: Callable[[], None]) -> None:
        buffer = bytearray()
        while piece := await reader.read(_PIECE):
            buffer += piece
            for message in taken_from(buffer):
                if message.kind == STOP:
                    stop()
                elif message.kind == ASK:
                    self._begin(self._reply(message))
                elif message.kind == ANSWER and (asked := self._questions.get(message.ticket)) and not asked.done():
                    asked.set_result(message.content)

    async def _reply(self, question: Message) -> None:
        try:
            content = await self._answerers[question.content]()
        except Exception:
            logger.exception("%s can't answer the others.", self.place)
            content = None
        self._say(Message(ANSWER, content, question.ticket))

    def _take_over(self, adopt: Adopt) -> None:
        with suppress(BlockingIOError):
            for _ in range(_AT_ONCE):
                data, files, _, _ = socket.recv_fds(self._handed, 1, 1)
                if not data:
                    asyncio.get_running_loop().remove_reader(self._handed.fileno())
                    self._no_more.set()
                    return
                self._say(Message(ADOPTED))
                for file in files:
                    self._begin(self._adopt(socket.socket(fileno=file), adopt), self._adopting)
                if not files:  # we may have no more files open; whoever it was finds the connection closed
                    self.closed()

    async def _adopt(self, connection: socket.socket, adopt: Adopt) -> None:
        connection.setblocking(False)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await adopt(connection)
        except OSError:
            connection.close()
            self.closed()

    def _begin(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Future[Any]] | None = None) -> None:
        kept = self._tasks if tasks is None else tasks
        task = asyncio.ensure_future(work)
        kept.add(task)
        task.add_done_callback(kept.discard)
