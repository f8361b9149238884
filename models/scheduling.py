"""How requests reach a network: admitted up to a limit, then prepared and computed on the cores, within a deadline.

One scheduler owns the cores. Work waits on the event loop, each model's in its own lane, and starts the moment a core
is free: an idle service never waits for a batch to fill, a busy one takes together what has queued meanwhile. No timers
are involved. Work that is cancelled or late while it waits is never started and keeps no memory; work that has started
runs to its end in its thread and disturbs nobody.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

import numpy as np

from models.engine import Network, Outputs, Tensor

P = ParamSpec("P")
T = TypeVar("T")

LARGEST_BATCH = 4
"""Inputs computed together at most. Eights are about a tenth faster than fours, but hold 85 MB more:
`python -m benchmarks.tuning`."""
AHEAD = 1
"""Pieces of work handed over beyond one a core, so that a core that ends has its next at hand while the event loop is
busy with requests: with 64 connections over two cores 72 pictures a second instead of 50, medians of eight rounds."""


class SchedulingError(RuntimeError):
    """A request that was not computed, through no fault of its content."""


class QueueFullError(SchedulingError):
    """As many requests as allowed are under way for this model."""


class DeadlineError(SchedulingError):
    """The answer was not there in time."""


class ShuttingDownError(SchedulingError):
    """The service is closing and takes no more requests."""


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
    """Something a caller waits for: a call to make, or a tensor to compute; None as soon as nobody waits any more, so
    that it isn't started even where it was handed over already."""

    work: Any
    outcome: asyncio.Future[Any]

    def succeed(self, result: Any) -> None:
        if not self.outcome.done():
            self.outcome.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)


Settle = Callable[[], None]
"""Tells a caller what became of its work; called on the event loop."""
Work = Callable[[], Sequence[Settle]]
"""What a core does; called in a thread, never raises."""


class Cores:
    """The threads that prepare and compute for every lane, one a core. To be made inside a running event loop.

    A free core goes to a lane that has none at work, or as few as any, and among these to the one whose work has had
    the least processor time so far: no model starves, and one slow input never holds every core while others wait. A
    tensor that finds the service idle is computed with every core; they stay free to whoever comes meanwhile. `AHEAD`
    pieces of work wait for the cores themselves, unless that were one lane's second while others wait.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = count
        self._lanes: list[Lane] = []
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="core")

    def lane(self, network: Network | None = None, *, largest_batch: int = LARGEST_BATCH) -> "Lane":
        """A new lane, which shares the cores with the others."""
        lane = Lane(self, network, largest_batch=largest_batch)
        self._lanes.append(lane)
        return lane

    def close(self) -> None:
        """Take no more work; a thread that is still busy ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def dispatch(self) -> None:
        """Start what waits on the cores that are free."""
        while self._free > -AHEAD:
            waiting = [lane for lane in self._lanes if lane.waiting]
            if not waiting:
                return
            lane = min(waiting, key=lambda each: (each.at_work, each.seconds))
            if lane.at_work and len(waiting) > 1 and self._free <= 0:
                return
            alone = len(waiting) == 1 and lane.waiting == 1 and self._free == self.count
            work = lane.take(max(self._free, 1), alone=alone)
            self._free -= 1
            lane.at_work += 1
            self._executor.submit(self._perform, lane, work)

    def fair_start(self) -> float:
        """The time a lane without work starts from: the least that a lane with work has had.

        Where none has work it is the most that any has had: no lane owes the others what it had while they were idle.
        """
        busy = [lane.seconds for lane in self._lanes if lane.busy]
        return min(busy) if busy else max(lane.seconds for lane in self._lanes)

    def _perform(self, lane: "Lane", work: Work) -> None:
        began = time.thread_time()
        settles = work()
        seconds = time.thread_time() - began
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            self._loop.call_soon_threadsafe(self._end, lane, seconds, settles)

    def _end(self, lane: "Lane", seconds: float, settles: Sequence[Settle]) -> None:
        self._free += 1
        lane.at_work -= 1
        lane.seconds += seconds
        for settle in settles:
            settle()
        self.dispatch()


class Lane:
    """The work of one model, in the order it came: calls that prepare inputs, and tensors for its network."""

    def __init__(self, cores: Cores, network: Network | None, *, largest_batch: int) -> None:
        self.network = network
        self.largest_batch = largest_batch
        self.seconds = 0.0
        """The processor time its work has had, and, for when it was idle, what the others had."""
        self.at_work = 0
        """Pieces of its work that were handed over and have not ended."""
        self._cores = cores
        self._calls: deque[_Task] = deque()
        self._tensors: deque[_Task] = deque()
        self._outcomes: set[asyncio.Future[Any]] = set()
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether anybody waits for an outcome."""
        return bool(self._outcomes)

    @property
    def waiting(self) -> int:
        """How many pieces of work could start; those whose caller has gone are dropped."""
        for tasks in (self._calls, self._tensors):
            while tasks and tasks[0].outcome.done():
                tasks.popleft()
        return len(self._calls) + len(self._tensors)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function on a core. Raises what it raises, or `ShuttingDownError`."""
        outcome: T = await self._enqueue(self._calls, partial(function, *args, **kwargs))
        return outcome

    async def infer(self, tensor: Tensor) -> Outputs:
        """Compute one tensor, without batch axis; each output comes without it too.

        Raises what the network raises, or `ShuttingDownError`.
        """
        outputs: Outputs = await self._enqueue(self._tensors, tensor)
        return outputs

    def close(self) -> None:
        """Start nothing more; whoever still waits gets `ShuttingDownError`."""
        self._closed = True
        for outcome in list(self._outcomes):
            if not outcome.done():
                outcome.set_exception(ShuttingDownError("The model was put out of service."))

    def take(self, free: int, *, alone: bool) -> Work:
        """The next work for one of the `free` cores, or for all of them where it is `alone`; where nothing is
        `waiting` there is none to take.

        Tensors come before calls, so that what has begun ends before more begins, and are shared among the free cores.
        """
        if not self._tensors:
            task = self._calls.popleft()
            return partial(_call, task)
        share = min(self.largest_batch, -(-len(self._tensors) // free))
        batch: list[_Task] = []
        while self._tensors and len(batch) < share:
            task = self._tensors.popleft()
            if not task.outcome.done():
                batch.append(task)
        return partial(self._start, batch, cores=free if alone else 1)

    async def _enqueue(self, tasks: deque[_Task], work: Any) -> Any:
        if self._closed:
            raise ShuttingDownError("The model was put out of service.")
        if not self.busy:
            self.seconds = max(self.seconds, self._cores.fair_start())
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        task = _Task(work, outcome)
        self._outcomes.add(outcome)
        outcome.add_done_callback(lambda _: self._forget(task))
        tasks.append(task)
        self._cores.dispatch()
        return await outcome

    def _forget(self, task: _Task) -> None:
        """Free what a caller sent as soon as it has its outcome or is gone, wherever the task still stands."""
        task.work = None
        self._outcomes.discard(task.outcome)

    def _start(self, tasks: Sequence[_Task], cores: int) -> Sequence[Settle]:
        batch = [(task, tensor) for task in tasks if (tensor := task.work) is not None]
        return self._compute(batch, cores) if batch else []

    def _compute(self, batch: Sequence[tuple[_Task, Tensor]], cores: int) -> Sequence[Settle]:
        """Compute the tensors as one batch; where that fails, each by itself, so that a bad one fails alone."""
        try:
            rows = self._run([tensor for _, tensor in batch], cores)
        except Exception as error:
            if len(batch) == 1:
                return [partial(batch[0][0].fail, error)]
            return [settle for each in batch for settle in self._compute([each], cores)]
        return [partial(task.succeed, row) for (task, _), row in zip(batch, rows, strict=True)]

    def _run(self, tensors: Sequence[Tensor], cores: int) -> list[Outputs]:
        if self.network is None:
            raise ShuttingDownError("The model is not in service.")
        outputs = self.network.run(np.stack(tensors), cores=cores)
        return [{name: values[row] for name, values in outputs.items()} for row in range(len(tensors))]


def _call(task: _Task) -> Sequence[Settle]:
    function = task.work
    if function is None:
        return []
    try:
        return [partial(task.succeed, function())]
    except Exception as error:
        return [partial(task.fail, error)]
