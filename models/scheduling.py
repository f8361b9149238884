"""How requests reach a network: admitted up to a limit, prepared in threads, queued, computed, each within a deadline.

Waiting happens on the event loop. Work that is cancelled or late while it waits is therefore never started and keeps no
memory; work that has started runs to its end in its thread and disturbs nobody.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import numpy as np

from models.engine import Network, Outputs, Tensor

P = ParamSpec("P")
T = TypeVar("T")


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

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Count a request in and out. Raises `QueueFullError`, `DeadlineError` or `ShuttingDownError`."""
        if self._closed:
            raise ShuttingDownError("The service is shutting down.")
        if self.under_way >= self._limit:
            raise QueueFullError(f"{self.under_way} requests are under way for {self._name}, which is the limit.")
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


class Threads:
    """A pool of `count` threads that is never given more than it can start at once."""

    def __init__(self, count: int, *, name: str) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._free = asyncio.Semaphore(count)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in a thread as soon as one is free. Raises what it raises."""
        loop = asyncio.get_running_loop()
        await self._free.acquire()
        work = self._executor.submit(function, *args, **kwargs)
        work.add_done_callback(lambda _: loop.is_closed() or loop.call_soon_threadsafe(self._free.release))
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Take no more work; a thread that is still busy ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)


@dataclass(eq=False, slots=True)
class _Job:
    tensor: Tensor
    outcome: asyncio.Future[Outputs] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Lane:
    """The queue before one network, and the task and the thread that empty it."""

    def __init__(self, network: Network, *, name: str) -> None:
        self._network = network
        self._thread = Threads(1, name=name)
        self._queue: asyncio.Queue[_Job] = asyncio.Queue()
        self._worker = asyncio.create_task(self._work(), name=name)

    async def infer(self, tensor: Tensor) -> Outputs:
        """Compute one tensor, without batch axis, in its turn; each output comes without it too.

        Raises what the network raises, or `ShuttingDownError`.
        """
        if self._worker.done():
            raise ShuttingDownError("The model was put out of service.")
        job = _Job(tensor)
        self._queue.put_nowait(job)
        return await job.outcome

    async def close(self) -> None:
        """Stop the worker; whoever still waits gets `ShuttingDownError`."""
        self._worker.cancel()
        await asyncio.wait([self._worker])
        self._thread.close()
        while not self._queue.empty():
            _fail([self._queue.get_nowait()], ShuttingDownError("The model was put out of service."))

    async def _work(self) -> None:
        while True:
            await self._compute([await self._queue.get()])

    async def _compute(self, jobs: Sequence[_Job]) -> None:
        """Compute the jobs as one batch, without those whose caller is gone. Micro-batching hands in several."""
        jobs = [job for job in jobs if not job.outcome.done()]
        if not jobs:
            return
        try:
            outputs = await self._thread.run(self._network.run, np.stack([job.tensor for job in jobs]))
            rows = [{name: values[row] for name, values in outputs.items()} for row in range(len(jobs))]
        except Exception as error:
            _fail(jobs, error)
        except asyncio.CancelledError:
            _fail(jobs, ShuttingDownError("The model was put out of service."))
            raise
        else:
            for job, row in zip(jobs, rows, strict=True):
                if not job.outcome.done():
                    job.outcome.set_result(row)


def _fail(jobs: Sequence[_Job], error: Exception) -> None:
    for job in jobs:
        if not job.outcome.done():
            job.outcome.set_exception(error)
