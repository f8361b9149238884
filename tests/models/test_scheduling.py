"""The queue before a network under stress: cancellation, overload, deadlines, faults, the end. Nobody ever hangs."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.scheduling import Admission, DeadlineError, Lane, QueueFullError, ShuttingDownError, Threads

pytestmark = pytest.mark.anyio

PATIENCE = 5.0


class GatedNetwork:
    """Answers a tensor's first value, but only while its gate is open; notes which it has computed."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.started = threading.Event()
        self.computed: list[int] = []

    def run(self, batch: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        self.started.set()
        assert self.gate.wait(PATIENCE)
        values = [int(tensor.flat[0]) for tensor in batch]
        self.computed += values
        if 13 in values:
            raise RuntimeError("13 is unlucky")
        return {"value": np.asarray(values, np.float32)}


@asynccontextmanager
async def _lane(network: GatedNetwork) -> AsyncIterator[Lane]:
    lane = Lane(network, name="test")
    try:
        yield lane
    finally:
        network.gate.set()
        await lane.close()


def _tensor(value: int) -> NDArray[np.uint8]:
    return np.full((2, 2, 3), value, np.uint8)


async def _infer(lane: Lane, value: int) -> float:
    return float((await lane.infer(_tensor(value)))["value"])


async def _busy(lane: Lane, network: GatedNetwork) -> asyncio.Task[float]:
    """A task whose tensor, 0, the network is computing right now."""
    task = asyncio.create_task(_infer(lane, 0))
    assert await asyncio.to_thread(network.started.wait, PATIENCE)
    return task


async def _in_time(*tasks: asyncio.Future[Any]) -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)


async def test_each_caller_gets_its_own_answer() -> None:
    network = GatedNetwork()
    network.gate.set()
    async with _lane(network) as lane:
        tasks = [asyncio.create_task(_infer(lane, value)) for value in range(20, 60)]
        assert await _in_time(*tasks) == list(range(20, 60))


async def test_a_cancelled_caller_is_not_computed_and_disturbs_nobody() -> None:
    network = GatedNetwork()
    async with _lane(network) as lane:
        first = await _busy(lane, network)
        waiting = [asyncio.create_task(_infer(lane, value)) for value in (1, 2, 3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        network.gate.set()
        answers = await _in_time(first, *waiting)
    assert [answers[0], answers[1], answers[3]] == [0, 1, 3]
    assert isinstance(answers[2], asyncio.CancelledError)
    assert network.computed == [0, 1, 3]


async def test_a_caller_cancelled_while_computed_disturbs_nobody() -> None:
    network = GatedNetwork()
    async with _lane(network) as lane:
        first = await _busy(lane, network)
        second = asyncio.create_task(_infer(lane, 2))
        await asyncio.sleep(0)
        first.cancel()
        await _in_time(first)
        network.gate.set()
        assert await _in_time(second) == [2]


async def test_a_failing_run_fails_its_caller_only() -> None:
    network = GatedNetwork()
    network.gate.set()
    async with _lane(network) as lane:
        tasks = [asyncio.create_task(_infer(lane, value)) for value in (1, 13, 2)]
        first, unlucky, last = await _in_time(*tasks)
    assert (first, last) == (1, 2)
    assert isinstance(unlucky, RuntimeError)


async def test_a_tensor_that_does_not_stack_fails_its_caller_only() -> None:
    network = GatedNetwork()
    network.gate.set()
    async with _lane(network) as lane:
        with pytest.raises(IndexError):
            await asyncio.wait_for(lane.infer(np.zeros((0,), np.uint8)), PATIENCE)
        assert await _infer(lane, 7) == 7


async def test_closing_while_busy_releases_every_caller() -> None:
    network = GatedNetwork()
    async with _lane(network) as lane:
        first = await _busy(lane, network)
        waiting = [asyncio.create_task(_infer(lane, value)) for value in (1, 2)]
        await asyncio.sleep(0)
        await asyncio.wait_for(lane.close(), PATIENCE)
        answers = await _in_time(first, *waiting)
        assert [type(answer) for answer in answers] == [ShuttingDownError] * 3
        with pytest.raises(ShuttingDownError):
            await asyncio.wait_for(lane.infer(_tensor(1)), PATIENCE)


async def test_admission_refuses_over_its_limit_and_admits_again_afterwards() -> None:
    admission = Admission("test", limit=2, deadline=PATIENCE)
    async with admission.enter(), admission.enter():
        with pytest.raises(QueueFullError, match="2 requests are under way for test"):
            async with admission.enter():
                pytest.fail("admitted a third")
    async with admission.enter():
        assert admission.under_way == 1
    assert admission.under_way == 0


async def test_a_deadline_that_passes_while_queued_drops_the_work() -> None:
    network = GatedNetwork()
    async with _lane(network) as lane:
        first = await _busy(lane, network)
        admission = Admission("test", limit=8, deadline=0.02)
        with pytest.raises(DeadlineError, match=r"test did not answer within 0.02 seconds"):
            async with admission.enter():
                await lane.infer(_tensor(5))
        assert admission.under_way == 0
        network.gate.set()
        assert await _in_time(first) == [0]
        assert await _infer(lane, 6) == 6
    assert network.computed == [0, 6]


async def test_a_timeout_of_the_work_itself_is_not_taken_for_the_deadline() -> None:
    admission = Admission("test", limit=1, deadline=PATIENCE)
    with pytest.raises(TimeoutError, match="from within"):
        async with admission.enter():
            raise TimeoutError("from within")


async def test_cancelled_requests_leave_the_admission() -> None:
    admission = Admission("test", limit=1, deadline=PATIENCE)

    async def request() -> None:
        async with admission.enter():
            await asyncio.sleep(PATIENCE)

    for _ in range(3):
        task = asyncio.create_task(request())
        await asyncio.sleep(0)
        task.cancel()
        await _in_time(task)
    assert admission.under_way == 0


async def test_a_closing_admission_waits_for_those_inside_and_admits_nobody() -> None:
    admission = Admission("test", limit=2, deadline=PATIENCE)
    leave = asyncio.Event()

    async def request() -> None:
        async with admission.enter():
            await leave.wait()

    inside = asyncio.create_task(request())
    await asyncio.sleep(0)
    admission.close()
    drained = asyncio.create_task(admission.drained())
    await asyncio.sleep(0.01)
    assert not drained.done()
    with pytest.raises(ShuttingDownError):
        async with admission.enter():
            pytest.fail("admitted while closing")
    leave.set()
    await _in_time(inside, drained)
    assert drained.done()


async def test_threads_never_hold_more_than_they_can_start() -> None:
    threads = Threads(2, name="test")
    gate, both_run = threading.Event(), threading.Event()
    running, most = [0], [0]
    lock = threading.Lock()

    def work() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            if running[0] == 2:
                both_run.set()
        gate.wait(PATIENCE)
        with lock:
            running[0] -= 1

    tasks = [asyncio.create_task(threads.run(work)) for _ in range(6)]
    assert await asyncio.to_thread(both_run.wait, PATIENCE)
    gate.set()
    await _in_time(*tasks)
    assert most == [2]
    threads.close()


async def test_work_cancelled_before_it_started_never_starts() -> None:
    threads = Threads(1, name="test")
    gate = threading.Event()
    started: list[str] = []
    busy = asyncio.create_task(threads.run(gate.wait, PATIENCE))
    await asyncio.sleep(0.01)
    late = asyncio.create_task(threads.run(started.append, "late"))
    await asyncio.sleep(0.01)
    late.cancel()
    await _in_time(late)
    gate.set()
    await _in_time(busy)
    await asyncio.wait_for(threads.run(started.append, "next"), PATIENCE)
    assert started == ["next"]
    threads.close()


async def test_a_thread_is_free_again_only_when_its_cancelled_work_ends() -> None:
    threads = Threads(1, name="test")
    gate = threading.Event()
    busy = asyncio.create_task(threads.run(gate.wait, PATIENCE))
    await asyncio.sleep(0.01)
    busy.cancel()
    await _in_time(busy)
    following = asyncio.create_task(threads.run(time.perf_counter))
    await asyncio.sleep(0.05)
    assert not following.done()
    gate.set()
    await _in_time(following)
    assert following.done()
    threads.close()
