"""The process that listens: it accepts every connection and hands it to the worker with the fewest.

It imports what the workers need and starts no thread, so that a worker is a fork of it: their code is in memory once,
and a dead worker has its place taken without an import. It keeps its own copy of a connection until the worker has
taken that over; where the worker dies before, another gets it, so that only what a worker was answering dies with it.

A stop signal goes to this process, or to all of them, as systemd sends it: the workers heed only what it tells them.
"""

import errno
import logging
import os
import selectors
import signal
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

from uvicorn.config import STARTUP_FAILURE

from app.reloading import terminal_is_attached
from app.server import BACKLOG, MARGIN, affordable
from app.settings import Settings
from app.workers import messages
from app.workers.figures import Figures, added, counted
from app.workers.messages import ANSWER, ASK, STOP, Message, taken_from
from app.workers.team import Place, Team
from models.serving.neighbours import Neighbours

SLOWEST_START = 10.0
"""Seconds that pass at most before one that dies again and again at its start is started again; at first 0.2."""
_AT_ONCE = 64
_PAUSE = 0.05
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PIECE = 1 << 16
_HEEDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

logger = logging.getLogger("medidiagnose.workers")


@dataclass(eq=False, slots=True)
class _Worker:
    """A worker as the supervisor sees it. `held` are the connections that were handed to it and that it has not taken
    over yet, `open` counts those and the ones it serves."""

    place: Place
    pid: int
    channel: socket.socket
    handing: socket.socket
    replaces: bool
    up: bool = False
    loaded: bool = False
    open: int = 0
    handed: int = 0
    held: deque[socket.socket] = field(default_factory=deque)
    inbox: bytearray = field(default_factory=bytearray)
    outbox: bytearray = field(default_factory=bytearray)
    figures: Figures = field(default_factory=list)

    @property
    def serves(self) -> bool:
        """Whether connections go to it: one that takes another's place gets none before its models are loaded."""
        return self.loaded or not self.replaces


@dataclass(eq=False, slots=True)
class _Question:
    """A question that these workers have yet to answer, all at once or one after the other."""

    topic: str
    asker: _Worker | None
    ticket: int
    waiting: list[_Worker]
    answers: list[Any] = field(default_factory=list)


class Supervisor:
    """Keeps `count` workers, each of which does `work`."""

    def __init__(self, settings: Settings, count: int, work: Callable[[Team], None]) -> None:
        self._settings = settings
        self._count = count
        self._work = work
        self._selector = selectors.DefaultSelector()
        self._listeners: list[socket.socket] = []
        self._listening = False
        self._life, self._our_life = os.pipe()
        self._woken, self._waking = socket.socketpair()
        self._signals: deque[int] = deque()
        self._workers: list[_Worker] = []
        self._neighbours = Neighbours(count)
        self._due: list[tuple[float, int]] = []
        self._failures: Counter[int] = Counter()
        self._waiting: deque[socket.socket] = deque()
        self._questions: dict[int, _Question] = {}
        self._tickets = 0
        self._past: Figures = []
        self._versions: dict[str, str] = {}
        self._started = False
        self._status = 0
        self._close_at = self._kill_at = float("inf")

    def run(self) -> int:
        """Serve until a stop signal; the exit status, 3 where the service can't start."""
        try:
            self._listeners = _bound(self._settings.host, self._settings.port)
        except OSError as error:
            logger.error("Can't listen on %s, port %d: %s", self._settings.host, self._settings.port, error)
            return STARTUP_FAILURE
        affordable(self._settings.max_connections)
        self._heed_signals()
        for number in range(self._count):
            self._start(number, replaces=False)
        self._listen(True)
        while self._workers or self._due:
            self._turn()
        return self._status

    def _turn(self) -> None:
        now = time.monotonic()
        until = min([now + 1, self._close_at, self._kill_at, *(moment for moment, _ in self._due)])
        for key, _ in self._selector.select(max(until - now, 0)):
            key.data()
        while self._signals:
            self._receive(self._signals.popleft())
        now = time.monotonic()
        for each in [each for each in self._due if each[0] <= now]:
            self._due.remove(each)
            self._start(each[1], replaces=True)
        if now >= self._close_at:
            self._close_at = float("inf")
            self._close()
        if now >= self._kill_at:
            self._kill("Stopped, with work that does not end.")
        self._hand_over_waiting()

    # Connections

    def _listen(self, on: bool) -> None:
        if on == self._listening:
            return
        self._listening = on
        for listener in self._listeners:
            if on:
                self._selector.register(listener, selectors.EVENT_READ, partial(self._accept, listener))
            else:
                self._selector.unregister(listener)

    def _accept(self, listener: socket.socket) -> None:
        """Take in whoever waits, some at a time while the service runs, so that others get their turn."""
        with suppress(BlockingIOError, ConnectionAbortedError):
            for _ in range(_AT_ONCE):
                try:
                    self._waiting.append(listener.accept()[0])
                except OSError as error:
                    if error.errno not in _SCARCE:
                        raise
                    logger.warning("No connection can be accepted for now: %s", error)
                    time.sleep(_PAUSE)
                    return
                self._hand_over_waiting()
                if self._waiting:
                    return

    def _hand_over_waiting(self) -> None:
        while self._waiting and self._hand_over(self._waiting[0]):
            self._waiting.popleft()
        if self._listeners:
            self._listen(not self._waiting)

    def _hand_over(self, connection: socket.socket) -> bool:
        serving = [each for each in self._workers if each.serves] or self._workers
        for worker in sorted(serving, key=lambda each: (each.open, each.handed)):
            try:
                socket.send_fds(worker.handing, [b"c"], [connection.fileno()])
            except OSError:  # it is full, or its end has come and we have not heard of it yet
                continue
            worker.held.append(connection)
            worker.open += 1
            worker.handed += 1
            return True
        return False

    def _close(self) -> None:
        """Let nobody in but those who have connected already, and tell the workers that these were all."""
        self._listen(False)
        for listener in self._listeners:
            with suppress(OSError):
                while True:
                    self._waiting.append(listener.accept()[0])
            listener.close()
        self._listeners = []
        self._hand_over_waiting()
        for connection in self._waiting:
            connection.close()
        self._waiting.clear()
        for worker in self._workers:
            with suppress(OSError):  # it has gone already
                worker.handing.shutdown(socket.SHUT_WR)

    # Workers

    def _start(self, number: int, *, replaces: bool) -> None:
        (channel, theirs), (handing, taken) = socket.socketpair(), socket.socketpair()
        for end in (channel, handing, taken):
            end.setblocking(False)
        place, seat = Place(number, self._count), self._neighbours.seat(number)
        pid = os.fork()
        if not pid:
            self._become(Team(place, theirs, taken, self._life, dict(self._versions), seat), channel, handing)
        theirs.close()
        taken.close()
        worker = _Worker(place, pid, channel, handing, replaces)
        self._workers.append(worker)
        self._selector.register(channel, selectors.EVENT_READ, partial(self._hear, worker))

    def _become(self, team: Team, *ours: socket.socket) -> NoReturn:
        """Be a worker from now on, with nothing of what the supervisor holds."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number in _HEEDED:
                signal.signal(number, signal.SIG_IGN)
            self._selector.close()
            os.close(self._our_life)
            others = (end for each in self._workers for end in (each.channel, each.handing, *each.held))
            for end in (*ours, *others, *self._waiting, *self._listeners, self._woken, self._waking):
                end.close()
            self._work(team)
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            logger.exception("%s failed.", team.place)
        finally:
            logging.shutdown()
            os._exit(status)

    def _hear(self, worker: _Worker) -> None:
        self._flush(worker)
        try:
            while piece := worker.channel.recv(_PIECE):
                worker.inbox += piece
            self._forget(worker)
        except BlockingIOError:
            pass
        except ConnectionError:
            self._forget(worker)
        for message in taken_from(worker.inbox):
            self._heed(worker, message)

    def _heed(self, worker: _Worker, message: Message) -> None:
        match message.kind:
            case messages.ADOPTED:
                worker.held.popleft().close()
            case messages.CLOSED:
                worker.open -= 1
            case messages.UP:
                worker.up = self._started = True
            case messages.LOADED:
                worker.loaded = True
                self._versions = message.content
                self._failures[worker.place.number] = 0
            case messages.ASK:
                self._ask(message.content, worker, message.ticket)
            case messages.ANSWER:
                self._answered(worker, message)

    def _tell(self, worker: _Worker, message: Message) -> None:
        worker.outbox += message.packed()
        self._flush(worker)

    def _flush(self, worker: _Worker) -> None:
        with suppress(BlockingIOError, ConnectionError):
            while worker.outbox:
                del worker.outbox[: worker.channel.send(worker.outbox)]
        if worker.channel in self._selector.get_map():
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.outbox else 0)
            self._selector.modify(worker.channel, events, partial(self._hear, worker))

    def _forget(self, worker: _Worker) -> None:
        if worker.channel in self._selector.get_map():
            self._selector.unregister(worker.channel)

    def _reap(self) -> None:
        for worker in list(self._workers):
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                self._lost(worker, os.waitstatus_to_exitcode(status))

    def _lost(self, worker: _Worker, status: int) -> None:
        """A worker has ended: what it had not taken over goes to others, and unless we stop another takes its place."""
        self._hear(worker)
        self._forget(worker)
        self._workers.remove(worker)
        worker.channel.close()
        worker.handing.close()
        self._waiting.extendleft(reversed(worker.held))
        self._past = added([self._past, counted(worker.figures)])
        for question in list(self._questions.values()):
            self._go_on(question, worker)
        if self._stopping:
            return
        number = worker.place.number
        self._failures[number] += not worker.loaded
        told = f"by signal {-status}" if status < 0 else f"with status {status}"
        if not self._started:
            self._status = STARTUP_FAILURE
            self._kill(f"{worker.place} ended {told} at its start. The service can't start.")
            return
        delay = min(0.1 * 2 ** self._failures[number], SLOWEST_START) if self._failures[number] else 0.0
        logger.warning("%s ended %s. Another takes its place in %g s.", worker.place, told, delay)
        self._due.append((time.monotonic() + delay, number))

    # Questions

    def _ask(self, topic: str, asker: _Worker | None, ticket: int = 0) -> None:
        """Ask every worker that can tell, and in the end the asker gets all answers. The models are reloaded by one
        after the other; where they are being reloaded already the answer is none at once."""
        if topic == "reload" and any(question.topic == topic for question in self._questions.values()):
            if asker:
                self._tell(asker, Message(ANSWER, None, ticket))
            return
        asked = {
            "metrics": [each for each in self._workers if each.up],
            "ready": [each for each in self._workers if each.serves] or self._workers,
        }.get(topic, self._workers)
        self._tickets += 1
        question = _Question(topic, asker, ticket, list(asked))
        self._questions[self._tickets] = question
        for worker in question.waiting[:1] if topic == "reload" else question.waiting:
            self._tell(worker, Message(ASK, topic, self._tickets))

    def _answered(self, worker: _Worker, message: Message) -> None:
        question = self._questions.get(message.ticket)
        if question and worker in question.waiting:
            question.answers.append(message.content)
            if question.topic == "metrics":
                worker.figures = message.content or worker.figures
            self._go_on(question, worker)

    def _go_on(self, question: _Question, done: _Worker) -> None:
        """That worker has answered, or never will."""
        if done not in question.waiting:
            return
        first = question.waiting[0] is done
        question.waiting.remove(done)
        ticket = next(key for key, value in self._questions.items() if value is question)
        if question.waiting:
            if question.topic == "reload" and first:
                self._tell(question.waiting[0], Message(ASK, question.topic, ticket))
            return
        del self._questions[ticket]
        if question.topic == "metrics":
            question.answers.append(self._past)
        if question.asker in self._workers:
            self._tell(question.asker, Message(ANSWER, question.answers, question.ticket))

    # The end

    @property
    def _stopping(self) -> bool:
        return self._kill_at < float("inf")

    def _heed_signals(self) -> None:
        self._woken.setblocking(False)
        self._waking.setblocking(False)
        for number in (*_HEEDED, signal.SIGCHLD):
            signal.signal(number, lambda number, _: self._signals.append(number))
        signal.set_wakeup_fd(self._waking.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._woken, selectors.EVENT_READ, partial(self._woken.recv, _PIECE))

    def _receive(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP:
            if terminal_is_attached():
                logger.info("SIGHUP is ignored, since a terminal is attached.")
            else:
                self._ask("reload", None)
        elif self._stopping:
            self._kill("Stopped at once, as asked by a second signal.")
        else:
            self._stop()

    def _stop(self) -> None:
        logger.info("Stopping %d workers.", len(self._workers))
        self._due.clear()
        self._close_at = time.monotonic() + self._settings.drain_seconds
        self._kill_at = self._close_at + self._settings.stop_seconds + 2 * MARGIN
        for worker in self._workers:
            self._tell(worker, Message(STOP))

    def _kill(self, message: str) -> None:
        logger.warning(message)
        self._due.clear()
        self._close_at = float("inf")
        self._kill_at = time.monotonic() + SLOWEST_START
        for worker in self._workers:
            os.kill(worker.pid, signal.SIGKILL)


def _bound(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on every address of the host. Raises `OSError`."""
    listeners = []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, address in dict.fromkeys(found):
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        listeners.append(listener)
    return listeners
