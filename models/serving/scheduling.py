"""How requests reach a network: admitted up to a limit, then prepared and computed on the cores, within a deadline.

One scheduler owns the cores. Work waits on the event loop, each model's in its own lane, and starts the moment a core
is free. An input is computed where it was prepared, at once; one of several pieces, and a caller's own tensors, are
computed piece by piece, those that have queued meanwhile together: nobody waits for a batch to fill. Work that
is cancelled or late while it waits is never started and keeps no memory; work that has started runs to its end in its
thread. Where that takes long another thread takes its core over, so that it disturbs nobody; where it takes longer than
a request may, it is stuck, and its lane says so.
"""

import asyncio
import contextlib
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from queue import SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from models.preprocessing.inputs import Prepared
from models.serving.engine import Network, Outputs, Tensor
from models.serving.neighbours import Seat

P = ParamSpec("P")
T = TypeVar("T")
PreparedT = TypeVar("PreparedT", bound=Prepared)

LARGEST_BATCH = 4
"""Pieces of an input, or tensors of a caller, that are computed together at most. Eights hold 85 MB more than fours,
and gain a tenth at best: `python -m benchmarks.tuning`."""
AHEAD = 1
"""Pieces of work handed over beyond one a core, so that a core that ends has its next at hand while the event loop is
busy with requests: with 64 connections over two cores 72 pictures a second instead of 50, medians of eight rounds."""
LONG_SECONDS = 1.0
"""Work that runs longer no longer counts as holding a core. The largest pictures that are accepted take less."""

logger = logging.getLogger("medidiagnose.models")


class SchedulingError(RuntimeError):
    """A request that was not computed, through no fault of its content."""


class QueueFullError(SchedulingError):
    """As many requests as allowed are under way for this model."""


class DeadlineError(SchedulingError):
    """The answer was not there in time."""


class StuckError(SchedulingError):
    """Earlier work of this model has run past the deadline and has not ended."""


class ShuttingDownError(SchedulingError):
    """The service is closing and takes no more requests."""


class WorkError(RuntimeError):
    """Work ended in a way that would end whoever waits for it, such as `SystemExit`; that is the cause."""


class Admission:
    """The requests under way for one model: at most `limit`, each for at most `deadline` seconds."""

    def __init__(self, name: str, *, limit: int, deadline: float) -> None:
        self._name = name
        self._limit = limit
        self._deadline = deadline
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.under_way = 0

    def check(self) -> None:
        """Raises `QueueFullError` or `ShuttingDownError` where no request is admitted; all that one that never waits
        needs."""
        if self._closed:
            raise ShuttingDownError("The service is shutting down.")
        if self.under_way >= self._limit:
            raise QueueFullError(f"{self.under_way} requests are under way for {self._name}, which is the limit.")

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Count a request in and out. Raises `QueueFullError`, `DeadlineError` or `ShuttingDownError`."""
        self.check()
        self.under_way += 1
        self._idle.clear()
        timeout = asyncio.timeout(self._deadline)
        try:
            async with timeout:
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            raise DeadlineError(f"{self._name} did not answer within {self._deadline:g} seconds.") from None
        finally:
            self.under_way -= 1
            if not self.under_way:
                self._idle.set()

    def close(self) -> None:
        """Admit nobody more."""
        self._closed = True

    async def drained(self) -> None:
        """Wait until the last request has left; the deadline bounds the wait."""
        await self._idle.wait()


@dataclass(eq=False, slots=True)
class _Task:
    """Something a caller waits for: a call to make, or a tensor to compute. As soon as nobody waits any more both are
    None, so that it isn't started even where it was handed over already, and keeps nothing wherever it still stands."""

    work: Any
    outcome: asyncio.Future[Any] | None
    queued: float
    """When it began to wait, by the monotonic clock."""
    failed: Callable[[], None] | None = None
    """Of a call whose input is to be computed at once: what to call where the network fails."""

    @property
    def settled(self) -> bool:
        return self.outcome is None or self.outcome.done()

    def succeed(self, result: Any) -> None:
        if self.outcome and not self.outcome.done():
            self.outcome.set_result(result)

    def fail(self, error: Exception) -> None:
        if self.outcome and not self.outcome.done():
            self.outcome.set_exception(error)

    def forget(self) -> None:
        self.work = self.outcome = None


Settle = Callable[[], None]
"""Tells a caller what became of its work; called on the event loop."""
Work = Callable[["Piece"], Sequence[Settle]]
"""What a core does, told which piece of work it is; called in a thread, never raises."""


@dataclass(eq=False, slots=True)
class Piece:
    """Work of a lane that was handed to the threads. `computes` tells a run of the network from a call, also once a
    call that prepares an input has gone on to compute it.

    `queued` is when each of its inputs began to wait, by the monotonic clock, `began` when it started, 0 until then,
    and `seconds` what it took once it has ended, of which `preparing` went by before the network ran. `long` says that
    another thread has taken its core over, `stuck` that it has run past the deadline, `stuck_run` that it was in a run
    of the network then.
    """

    lane: "Lane"
    work: Work
    computes: bool
    queued: Sequence[float]
    began: float = 0.0
    preparing: float = 0.0
    seconds: float = 0.0
    long: bool = False
    stuck: bool = False
    stuck_run: bool = False

    @property
    def running(self) -> float:
        """For how long it has run, seconds; 0 where it has not started."""
        return time.monotonic() - self.began if self.began else 0.0


Observe = Callable[[Piece, int], None]


@dataclass(frozen=True, slots=True)
class Computed(Generic[PreparedT]):
    """What was prepared, `ready` by the performance counter, and the outputs of its one piece; none where it has
    several, or its network is elsewhere: it is still to be computed."""

    prepared: PreparedT
    ready: float
    rows: Sequence[Outputs] = ()


class Cores:
    """The threads that prepare and compute for every lane, one a core. To be made inside a running event loop.

    A free core goes to a lane that has none at work, or as few as any, and among these to the one whose work has had
    the least processor time so far: no model starves, and one slow input never holds every core while others wait. A
    tensor that finds the service idle is computed with every core; they stay free to whoever comes meanwhile. Where
    processes share the machine each has its part of the cores, and its `seat` tells whether the others are idle: then a
    lone tensor has theirs too. `AHEAD` pieces of work wait for the cores themselves, unless that were one lane's second
    while others wait.

    The core of a piece that runs longer than `LONG_SECONDS` goes to a further thread, which one thread leaves again
    when that piece ends. Until then its lane gets no more cores than there are, which bounds the threads too. A piece
    that has run for `deadline` seconds is stuck. The threads end with the process, whatever they do.

    `observe` is told of every piece that has ended, and of how many inputs it was: those whose callers had not gone.
    """

    def __init__(
        self, count: int, *, deadline: float, observe: Observe = lambda *_: None, seat: Seat | None = None
    ) -> None:
        self.count = count
        self._seat = seat
        self._observe = observe
        self.deadline = deadline
        self._free = count
        self._lanes: list[Lane] = []
        self._pieces: set[Piece] = set()
        self._watch: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._handing = threading.Lock()
        self._handed_over: deque[Piece | None] = deque()
        self._idle: list[SimpleQueue[Piece | None]] = []
        self._threads = 0
        for _ in range(count):
            self._add_thread()

    def lane(
        self,
        network: Network | None = None,
        *,
        name: str = "the model",
        largest_batch: int = LARGEST_BATCH,
        at_once: bool = True,
    ) -> "Lane":
        """A new lane, which shares the cores with the others. Without `at_once` no input is computed where it was
        prepared, but with whatever has queued meanwhile: where the network is another process's."""
        lane = Lane(self, network, name=name, largest_batch=largest_batch, at_once=at_once)
        self._lanes.append(lane)
        return lane

    def close(self) -> None:
        """Take no more work; a thread that is still busy ends by itself."""
        if self._watch:
            self._watch.cancel()
        with self._handing:
            self._handed_over.clear()
        for _ in range(self._threads):
            self._hand_over(None)

    def dispatch(self) -> None:
        """Start what waits on the cores that are free."""
        while self._free > -AHEAD:
            waiting = [lane for lane in self._lanes if lane.waiting and lane.may_start]
            if not waiting:
                return
            lane = min(waiting, key=lambda each: (each.at_work, each.seconds))
            if lane.at_work and len(waiting) > 1 and self._free <= 0:
                return
            alone = len(waiting) == 1 and lane.waiting == 1 and self._free == self.count
            piece = lane.take(max(self._free, 1), cores=self._cores_of_a_lone_run if alone else 1)
            if self._seat and not self._pieces:
                self._seat.begin()
            self._free -= 1
            lane.at_work += 1
            self._pieces.add(piece)
            self._hand_over(piece)
            if self._watch is None:
                self._watch = self._loop.call_later(LONG_SECONDS, self._look)

    def enter(self, lane: "Lane") -> None:
        """A lane without work gets some. It starts from the least time that a lane with work has had.

        Where none has work it is the most that any has had: no lane owes the others what it had while they were idle.
        """
        if lane not in self._lanes:
            self._lanes.append(lane)
        busy = [each.seconds for each in self._lanes if each.busy]
        lane.seconds = max(lane.seconds, min(busy) if busy else max(each.seconds for each in self._lanes))

    def leave(self, lane: "Lane") -> None:
        """A lane that is retired, and has no work, is forgotten."""
        if lane in self._lanes:
            self._lanes.remove(lane)

    def cores_of_the_one_at_work(self) -> int:
        """On how many cores a piece that has prepared an input may compute it: on all where nothing else is at work or
        waits. To be asked in its thread."""
        alone = len(self._pieces) == 1 and not any(lane.has_work for lane in self._lanes)
        return self._cores_of_a_lone_run if alone else 1

    @property
    def _cores_of_a_lone_run(self) -> int:
        if not self._seat:
            return self.count
        return self.count * self._seat.count if self._seat.others_idle else 1

    def _add_thread(self) -> None:
        threading.Thread(target=self._serve, name="core", daemon=True).start()
        self._threads += 1

    def _hand_over(self, piece: Piece | None) -> None:
        """Have a thread do a piece of work, or end: of those that wait the one that has waited for the shortest. What
        it needs is still in the caches of its core; threads that took turns made a lone picture a tenth slower."""
        with self._handing:
            if not self._idle:
                self._handed_over.append(piece)
                return
            inbox = self._idle.pop()
        inbox.put(piece)

    def _next(self, inbox: SimpleQueue[Piece | None]) -> Piece | None:
        with self._handing:
            if self._handed_over:
                return self._handed_over.popleft()
            self._idle.append(inbox)
        return inbox.get()

    def _serve(self) -> None:
        inbox: SimpleQueue[Piece | None] = SimpleQueue()
        while (piece := self._next(inbox)) is not None:
            self._perform(piece)
            del piece  # while it waits for the next it keeps nothing of this one

    def _perform(self, piece: Piece) -> None:
        piece.began = time.monotonic()
        began = time.thread_time()
        settles = piece.work(piece)
        seconds = time.thread_time() - began
        piece.seconds = time.monotonic() - piece.began
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            self._loop.call_soon_threadsafe(self._end, piece, seconds, settles)
        del settles  # see `_failure`

    def _end(self, piece: Piece, seconds: float, settles: Sequence[Settle]) -> None:
        lane = piece.lane
        self._pieces.discard(piece)
        if self._seat and not self._pieces:
            self._seat.end()
        if piece.long:
            self._hand_over(None)
            self._threads -= 1
        else:
            self._free += 1
        lane.ended(piece, seconds)
        for settle in settles:
            settle()
        self.dispatch()
        if settles:
            self._observe(piece, len(settles))

    def _look(self) -> None:
        """Note the pieces that have run for long, or are stuck; come back as soon as another may be."""
        long = min(LONG_SECONDS, self.deadline)
        wait = long
        for piece in self._pieces:
            running = piece.running
            if running >= long and not piece.long:
                self._replace(piece)
            if running >= self.deadline and not piece.stuck:
                piece.stuck = True
                piece.lane.stall(piece)
            wait = min(wait, *(limit - running for limit in (long, self.deadline) if limit > running), wait)
        self._watch = self._loop.call_later(max(wait, 0.01), self._look) if self._pieces else None
        self.dispatch()

    def _replace(self, piece: Piece) -> None:
        """Give the core of a piece to a further thread."""
        try:
            self._add_thread()
        except RuntimeError:  # no thread is to be had: look again later
            return
        piece.long = True
        piece.lane.long += 1
        self._free += 1


class Lane:
    """The work of one model, in the order it came: calls that prepare inputs, and tensors for its network."""

    def __init__(self, cores: Cores, network: Network | None, *, name: str, largest_batch: int, at_once: bool) -> None:
        self.name = name
        self.network = network
        self.largest_batch = largest_batch
        self._at_once = at_once
        self.seconds = 0.0
        """The processor time its work has had, and, for when it was idle, what the others had."""
        self.at_work = 0
        """Pieces of its work that were handed over and have not ended."""
        self.long = 0
        """Those of them whose core another thread has taken over."""
        self.stuck = 0
        """Those of them that have run past the deadline."""
        self._stuck_runs = 0
        self._cores = cores
        self._calls: deque[_Task] = deque()
        self._tensors: deque[_Task] = deque()
        self._outcomes: set[asyncio.Future[Any]] = set()
        self._closed = False
        self._retired = False

    @property
    def busy(self) -> bool:
        """Whether anybody waits for an outcome."""
        return bool(self._outcomes)

    @property
    def waiting(self) -> int:
        """How many pieces of work could start; those whose caller has gone are dropped."""
        for tasks in (self._calls, self._tensors):
            while tasks and tasks[0].settled:
                tasks.popleft()
        return len(self._calls) + len(self._tensors)

    @property
    def has_work(self) -> bool:
        """Whether anything waits, be it for a caller who has gone; to be asked in any thread."""
        return bool(self._calls or self._tensors)

    @property
    def may_start(self) -> bool:
        """Whether it may have a further core: with work that takes long, only as many as there are."""
        return not self.long or self.at_work < self._cores.count

    @property
    def stopped(self) -> bool:
        """Whether it takes no work until some has ended: a run of its network is stuck, as the next one would be, or
        as many inputs as there are cores."""
        return self._stuck_runs > 0 or self.stuck >= self._cores.count

    @property
    def fault(self) -> str | None:
        """What is stuck, a sentence; None where nothing is."""
        if not self.stuck:
            return None
        what = "A run of its network" if self._stuck_runs else "The preparation of an input"
        stopped = "it takes no request until that ends" if self.stopped else "others of its requests are answered"
        return f"{what} has run past the deadline of {self._cores.deadline:g} s and has not ended; {stopped}."

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function on a core. Raises what it raises, `StuckError` or `ShuttingDownError`."""
        outcome: T = await self._enqueue(self._calls, partial(function, *args, **kwargs))
        return outcome

    async def read(
        self, prepare: Callable[[], PreparedT], *, failed: Callable[[], None] = lambda: None
    ) -> Computed[PreparedT]:
        """Prepare an input on a core and, where it is one piece, compute it there at once. To come back to the event
        loop for that took a picture 0.2 ms, and being computed with three others gains it nothing
        (`python -m benchmarks.tuning`).

        Raises what `prepare` raises, `StuckError`, `ShuttingDownError`, or, once `failed` has been called, what the
        network raises.
        """
        computed: Computed[PreparedT] = await self._enqueue(self._calls, prepare, failed)
        return computed

    async def infer(self, tensor: Tensor) -> Outputs:
        """Compute one tensor, without batch axis; each output comes without it too.

        Raises what the network raises, `StuckError` or `ShuttingDownError`.
        """
        outputs: Outputs = await self._enqueue(self._tensors, tensor)
        return outputs

    def compute(self, batch: Tensor) -> Outputs:
        """Run the network on a batch, in the thread that calls: to be called by work that this lane runs."""
        if self.network is None:
            raise ShuttingDownError("The model is not in service.")
        return self.network.run(batch)

    def close(self) -> None:
        """Start nothing more; whoever still waits gets `ShuttingDownError`."""
        self._closed = True
        for outcome in list(self._outcomes):
            if not outcome.done():
                outcome.set_exception(ShuttingDownError("The model was put out of service."))

    def check(self) -> None:
        """Raises `StuckError` or `ShuttingDownError` where it takes no work."""
        if self._closed:
            raise ShuttingDownError("The model was put out of service.")
        if self.stuck and self.stopped:
            raise self._stuck_error()

    def retire(self) -> None:
        """Let those who hold it finish; then the cores forget it, and with it its network."""
        self._retired = True
        self._leave()

    def stall(self, piece: Piece) -> None:
        """A piece of its work is stuck. Where that stops the lane, nobody waits for a core in vain."""
        piece.stuck_run = piece.computes
        self.stuck += 1
        self._stuck_runs += piece.stuck_run
        logger.error("Model %s: %s has run past the deadline and has not ended.", self.name, _named(piece))
        if self.stopped:
            for task in (*self._calls, *self._tensors):
                task.fail(self._stuck_error())

    def ended(self, piece: Piece, seconds: float) -> None:
        """A piece of its work has ended, after so much processor time."""
        self.at_work -= 1
        self.seconds += seconds
        self.long -= piece.long
        if piece.stuck:
            self.stuck -= 1
            self._stuck_runs -= piece.stuck_run
            logger.info("Model %s: %s has ended, %.0f s after it began.", self.name, _named(piece), piece.running)
        self._leave()

    def take(self, free: int, *, cores: int) -> Piece:
        """The next work for one of the `free` cores, to be computed on so many `cores`; where nothing is `waiting`
        there is none to take.

        Tensors come before calls, so that what has begun ends before more begins, and are shared among the free cores.
        """
        if not self._tensors:
            task = self._calls.popleft()
            work = partial(self._read if task.failed else _call, task)
            return Piece(self, work, computes=False, queued=[task.queued])
        share = min(self.largest_batch, -(-len(self._tensors) // free))
        batch: list[_Task] = []
        while self._tensors and len(batch) < share:
            task = self._tensors.popleft()
            if not task.settled:
                batch.append(task)
        return Piece(self, partial(self._start, batch, cores), computes=True, queued=[task.queued for task in batch])

    async def _enqueue(self, tasks: deque[_Task], work: Any, failed: Callable[[], None] | None = None) -> Any:
        self.check()
        if not self.busy:
            self._cores.enter(self)
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        task = _Task(work, outcome, time.monotonic(), failed)
        self._outcomes.add(outcome)
        outcome.add_done_callback(partial(self._forget, task))
        tasks.append(task)
        self._cores.dispatch()
        try:
            return await outcome
        finally:
            del outcome  # see `_failure`

    def _forget(self, task: _Task, outcome: asyncio.Future[Any]) -> None:
        task.forget()
        self._outcomes.discard(outcome)
        self._leave()

    def _leave(self) -> None:
        if self._retired and not self.busy and not self.at_work:
            self._cores.leave(self)

    def _stuck_error(self) -> StuckError:
        return StuckError(
            f"Earlier work of the model {self.name} has run past the deadline of {self._cores.deadline:g} s and has "
            "not ended. Others are not affected. Try again later."
        )

    def _read(self, task: _Task, piece: Piece) -> Sequence[Settle]:
        """Make a call and compute the one piece that it makes, unless nobody waits for it any more."""
        prepare = task.work
        if prepare is None:
            return []
        try:
            prepared = prepare()
        except BaseException as error:
            return [partial(task.fail, _failure(error))]
        ready = time.perf_counter()
        if len(prepared.tensors) != 1 or not self._at_once:
            return [partial(task.succeed, Computed(prepared, ready))]
        if task.work is None:
            return []
        piece.preparing, piece.computes = time.monotonic() - piece.began, True
        try:
            rows = self._run(prepared.tensors, self._cores.cores_of_the_one_at_work())
        except BaseException as error:
            return [partial(_fail, task, _failure(error))]
        return [partial(task.succeed, Computed(prepared, ready, rows))]

    def _start(self, tasks: Sequence[_Task], cores: int, _: Piece) -> Sequence[Settle]:
        return self._compute([(task, tensor) for task in tasks if (tensor := task.work) is not None], cores)

    def _compute(self, batch: Sequence[tuple[_Task, Tensor]], cores: int) -> Sequence[Settle]:
        """Compute the tensors as one batch; where that fails, each by itself, so that a bad one fails alone."""
        if not batch:
            return []
        try:
            rows = self._run(np.stack([tensor for _, tensor in batch]), cores)
        except BaseException as error:
            if len(batch) == 1:
                return [partial(batch[0][0].fail, _failure(error))]
            _empty_frames(error)
            return list(chain.from_iterable(self._compute([each], cores) for each in batch))
        return [partial(task.succeed, row) for (task, _), row in zip(batch, rows, strict=True)]

    def _run(self, tensors: Tensor, cores: int) -> list[Outputs]:
        if self.network is None:
            raise ShuttingDownError("The model is not in service.")
        outputs = self.network.run(tensors, cores=cores)
        return [{name: values[row] for name, values in outputs.items()} for row in range(len(tensors))]


def _call(task: _Task, _: Piece) -> Sequence[Settle]:
    function = task.work
    if function is None:
        return []
    try:
        return [partial(task.succeed, function())]
    except BaseException as error:
        return [partial(task.fail, _failure(error))]


def _fail(task: _Task, error: Exception) -> None:
    """Tell whoever made a call to be computed that the network failed."""
    if task.failed and not isinstance(error, SchedulingError):
        task.failed()
    task.fail(error)


def _failure(error: BaseException) -> Exception:
    """What to tell the caller of work that failed.

    Its traceback keeps every frame that it went through, and those that called them, so what they worked on: pixels,
    tensors. Frames that have ended are emptied here. Those that tell the caller let go of the error themselves: it
    would keep itself, and all of them, until the garbage collector comes.
    """
    _empty_frames(error)
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    failure = WorkError(f"The work ended with {type(error).__name__}.")
    failure.__cause__ = error
    return failure


def _empty_frames(error: BaseException) -> None:
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            traceback.clear_frames(each.__traceback__)
            pending += [each.__cause__, each.__context__]


def _named(piece: Piece) -> str:
    return "a run of its network" if piece.computes else "the preparation of an input"
