"""The queue before a network under stress: cancellation, overload, deadlines, faults, the end. Nobody ever hangs."""

import asyncio
import contextlib
import gc
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.serving import neighbours as neighbours_module
from models.serving import scheduling
from models.serving.neighbours import QUIET_SECONDS, Neighbours, Seat
from models.serving.scheduling import (
    AHEAD,
    LARGEST_BATCH,
    Admission,
    Cores,
    DeadlineError,
    Lane,
    Observe,
    Piece,
    QueueFullError,
    ShuttingDownError,
    StuckError,
    WorkError,
)

pytestmark = pytest.mark.anyio

PATIENCE = 5.0


class GatedNetwork:
    """Answers a tensor's first value, but only while its gate is open; notes what it has computed, and on how many
    cores."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.started = threading.Event()
        self.computed: list[int] = []
        self.batches: list[int] = []
        self.cores: list[int] = []
        self.held = threading.Event()
        self.hold_batches_of: tuple[int, threading.Event] | None = None
        self.note_thread: Callable[[], None] = lambda: None

    def run(self, batch: NDArray[np.uint8], *, cores: int = 1) -> Mapping[str, NDArray[np.float32]]:
        self.started.set()
        self.note_thread()
        assert self.gate.wait(PATIENCE)
        values = [int(tensor.flat[0]) for tensor in batch]
        if self.hold_batches_of and len(values) == self.hold_batches_of[0]:
            self.held.set()
            assert self.hold_batches_of[1].wait(PATIENCE)
        self.computed += values
        self.batches.append(len(values))
        self.cores.append(cores)
        if 13 in values:
            raise RuntimeError("13 is unlucky")
        return {"value": np.asarray(values, np.float32)}


@asynccontextmanager
async def _cores(
    count: int,
    *networks: GatedNetwork,
    deadline: float = PATIENCE,
    observe: Observe = lambda *_: None,
    seat: Seat | None = None,
) -> AsyncIterator[Cores]:
    cores = Cores(count, deadline=deadline, observe=observe, seat=seat)
    try:
        yield cores
    finally:
        for network in networks:
            network.gate.set()
        cores.close()


@asynccontextmanager
async def _lane(network: GatedNetwork) -> AsyncIterator[Lane]:
    async with _cores(1, network) as cores:
        lane = cores.lane(network)
        yield lane
        network.gate.set()
        lane.close()


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


async def test_work_that_comes_one_after_the_other_stays_in_one_thread() -> None:
    async with _cores(2) as cores:
        lane = cores.lane()
        threads = []
        for _ in range(40):
            threads.append(await lane.run(threading.get_ident))
            await asyncio.sleep(0.01)  # until the thread waits again
    assert max(map(threads.count, threads)) > 30  # they would take turns


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
        lane.close()
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


async def test_a_check_refuses_what_entering_would() -> None:
    admission = Admission("test", limit=1, deadline=PATIENCE)
    admission.check()
    async with admission.enter():
        with pytest.raises(QueueFullError):
            admission.check()
    admission.check()
    admission.close()
    with pytest.raises(ShuttingDownError):
        admission.check()


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


async def test_cores_start_no_more_than_they_are() -> None:
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

    async with _cores(2) as cores:
        lanes = [cores.lane() for _ in range(3)]
        tasks = [asyncio.create_task(lane.run(work)) for lane in lanes for _ in range(2)]
        assert await asyncio.to_thread(both_run.wait, PATIENCE)
        gate.set()
        assert await _in_time(*tasks) == [None] * 6
    assert most == [2]


async def test_calls_cancelled_before_they_started_never_start_and_free_what_they_hold() -> None:
    gate = threading.Event()
    started: list[str] = []

    class Upload:
        def read(self) -> None:
            started.append("late")

    upload = Upload()
    kept = weakref.ref(upload)
    async with _cores(1) as cores:
        lane = cores.lane()
        busy = asyncio.create_task(lane.run(gate.wait, PATIENCE))
        await asyncio.sleep(0)
        late = asyncio.create_task(lane.run(upload.read))
        await asyncio.sleep(0)
        late.cancel()
        await _in_time(late)
        del upload, late
        gc.collect()
        assert kept() is None
        gate.set()
        await _in_time(busy)
        await asyncio.wait_for(lane.run(started.append, "next"), PATIENCE)
    assert started == ["next"]


async def test_a_core_is_free_again_only_when_its_cancelled_work_ends() -> None:
    gate = threading.Event()
    async with _cores(1) as cores:
        lane = cores.lane()
        busy = asyncio.create_task(lane.run(gate.wait, PATIENCE))
        await asyncio.sleep(0.01)
        busy.cancel()
        await _in_time(busy)
        following = asyncio.create_task(lane.run(time.perf_counter))
        await asyncio.sleep(0.05)
        assert not following.done()
        gate.set()
        await _in_time(following)
        assert following.done()


async def test_a_failing_call_fails_its_caller_only() -> None:
    async with _cores(1) as cores:
        lane = cores.lane()
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(lane.run(lambda: 1 // 0), PATIENCE)
        assert await asyncio.wait_for(lane.run(lambda: 1), PATIENCE) == 1


async def test_what_queued_while_busy_is_computed_together_up_to_the_largest_batch() -> None:
    network = GatedNetwork()
    async with _lane(network) as lane:
        first = await _busy(lane, network)
        waiting = [asyncio.create_task(_infer(lane, value)) for value in range(1, 7)]
        await asyncio.sleep(0)
        network.gate.set()
        assert await _in_time(first, *waiting) == list(range(7))
    assert network.batches == [1, AHEAD, LARGEST_BATCH, 6 - AHEAD - LARGEST_BATCH]


async def test_free_cores_share_what_has_queued() -> None:
    network = GatedNetwork()
    async with _cores(2, network) as cores:
        lane = cores.lane(network)
        gate = threading.Event()
        busy = [asyncio.create_task(cores.lane().run(gate.wait, PATIENCE)) for _ in range(2)]
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(_infer(lane, value)) for value in (1, 2)]
        await asyncio.sleep(0)
        network.gate.set()
        piece = lane.take(2, cores=1)
        for settle in piece.work(piece):
            settle()
        gate.set()
        assert await _in_time(*busy, *waiting) == [True, True, 1, 2]
    assert network.batches == [1, 1]


async def test_a_caller_that_goes_away_while_its_batch_is_computed_leaves_the_others_their_answers() -> None:
    network = GatedNetwork()
    async with _lane(network) as lane:
        before = [await _busy(lane, network), *(asyncio.create_task(_infer(lane, 9)) for _ in range(AHEAD))]
        await asyncio.sleep(0)
        batch = [asyncio.create_task(_infer(lane, value)) for value in (1, 2, 3)]
        await asyncio.sleep(0)
        holding, opened = threading.Event(), network.gate
        network.hold_batches_of = (3, holding)
        opened.set()
        await _in_time(*before)
        assert await asyncio.to_thread(network.held.wait, PATIENCE)
        batch[1].cancel()
        await _in_time(batch[1])
        holding.set()
        assert await _in_time(batch[0], batch[2]) == [1, 3]
    assert network.batches == [1, *[1] * AHEAD, 3]


async def test_one_that_fails_in_a_batch_fails_alone() -> None:
    network = GatedNetwork()
    async with _lane(network) as lane:
        first = await _busy(lane, network)
        batch = [asyncio.create_task(_infer(lane, value)) for value in (1, 13, 3)]
        await asyncio.sleep(0)
        network.gate.set()
        answers = await _in_time(first, *batch)
    assert [answers[0], answers[1], answers[3]] == [0, 1, 3]
    assert isinstance(answers[2], RuntimeError)


async def test_a_lone_tensor_gets_every_core_and_one_among_others_its_own() -> None:
    network = GatedNetwork()
    network.gate.set()
    async with _cores(2, network) as cores:
        lane = cores.lane(network)
        assert await asyncio.wait_for(_infer(lane, 1), PATIENCE) == 1
        gate = threading.Event()
        busy = asyncio.create_task(cores.lane().run(gate.wait, PATIENCE))
        await asyncio.sleep(0)
        assert await asyncio.wait_for(_infer(lane, 2), PATIENCE) == 2
        gate.set()
        await _in_time(busy)
    assert network.cores == [2, 1]


@dataclass(frozen=True)
class Pieces:
    """A prepared input of these values, a tensor each."""

    tensors: NDArray[np.uint8]
    values: Mapping[str, float | None] = field(default_factory=dict)


def _prepared(*values: int) -> Pieces:
    return Pieces(np.stack([_tensor(value) for value in values]))


async def test_an_input_of_one_piece_is_computed_where_it_was_prepared() -> None:
    network, threads = GatedNetwork(), set()

    def prepare() -> Pieces:
        threads.add(threading.get_ident())
        return _prepared(7)

    told: list[tuple[bool, int]] = []
    network.gate.set()
    network.note_thread = lambda: threads.add(threading.get_ident())
    async with _cores(2, network, observe=lambda piece, inputs: told.append((piece.computes, inputs))) as cores:
        computed = await asyncio.wait_for(cores.lane(network).read(prepare), PATIENCE)
        await asyncio.sleep(0)
    assert [float(row["value"]) for row in computed.rows] == [7]
    assert computed.prepared.tensors.flat[0] == 7
    assert (told, network.batches, len(threads)) == ([(True, 1)], [1], 1)
    assert network.cores == [2]  # nothing else was at work


@pytest.mark.parametrize(("values", "at_once"), [((1, 2), True), ((1,), False)])
async def test_an_input_of_several_pieces_or_for_a_network_elsewhere_is_only_prepared(
    values: tuple[int, ...], at_once: bool
) -> None:
    network = GatedNetwork()
    async with _cores(1, network) as cores:
        lane = cores.lane(network, at_once=at_once)
        computed = await asyncio.wait_for(lane.read(lambda: _prepared(*values)), PATIENCE)
    assert (len(computed.prepared.tensors), list(computed.rows), network.batches) == (len(values), [], [])


async def test_an_input_beside_others_is_computed_on_its_own_core() -> None:
    network, gate = GatedNetwork(), threading.Event()
    network.gate.set()
    async with _cores(2, network) as cores:
        busy = asyncio.create_task(cores.lane().run(gate.wait, PATIENCE))
        await asyncio.sleep(0)
        await asyncio.wait_for(cores.lane(network).read(lambda: _prepared(1)), PATIENCE)
        gate.set()
        await _in_time(busy)
    assert network.cores == [1]


async def test_an_input_whose_caller_goes_while_it_is_prepared_is_not_computed() -> None:
    network, begun, gate = GatedNetwork(), threading.Event(), threading.Event()
    network.gate.set()

    def prepare() -> Pieces:
        begun.set()
        assert gate.wait(PATIENCE)
        return _prepared(1)

    async with _cores(1, network) as cores:
        lane = cores.lane(network)
        reading = asyncio.create_task(lane.read(prepare))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        reading.cancel()
        await _in_time(reading)
        gate.set()
        assert await asyncio.wait_for(_infer(lane, 2), PATIENCE) == 2
    assert network.computed == [2]


@pytest.mark.parametrize("at_fault", ["input", "network"])
async def test_of_a_failed_reading_only_the_networks_fault_is_noted(at_fault: str) -> None:
    network, noted = GatedNetwork(), []
    network.gate.set()

    def prepare() -> Pieces:
        if at_fault == "input":
            raise ZeroDivisionError
        return _prepared(13)

    async with _cores(1, network) as cores:
        with pytest.raises(ZeroDivisionError if at_fault == "input" else RuntimeError):
            await asyncio.wait_for(cores.lane(network).read(prepare, failed=lambda: noted.append(True)), PATIENCE)
    assert noted == [True] * (at_fault == "network")


@pytest.mark.usefixtures("no_collector")
async def test_a_reading_whose_network_fails_keeps_no_tensor() -> None:
    network = FailingNetwork()

    async def read(lane: Lane) -> None:
        with contextlib.suppress(NoAnswerError):
            await lane.read(lambda: _prepared(1))

    async with _cores(1) as cores:
        lane = cores.lane(network)
        await _in_time(*(asyncio.create_task(read(lane)) for _ in range(2)))
        await _until(lambda: len(network.held) == 2 and all(each() is None for each in network.held))


@pytest.mark.usefixtures("soon_long")
@pytest.mark.parametrize("stuck_in", ["preparing", "network"])
async def test_a_reading_stops_its_lane_only_where_the_network_is_stuck(stuck_in: str) -> None:
    network, gate = GatedNetwork(), threading.Event()

    def prepare() -> Pieces:
        assert stuck_in == "network" or gate.wait(PATIENCE)
        return _prepared(1)

    async with _cores(2, network, deadline=0.1) as cores:
        lane = cores.lane(network)
        reading = asyncio.create_task(lane.read(prepare))
        await _until(lambda: lane.stuck == 1)
        assert lane.stopped == (stuck_in == "network")
        gate.set()
        network.gate.set()
        await _in_time(reading)
        await _until(lambda: not lane.stuck)
        assert not lane.stopped


async def test_with_neighbours_a_lone_tensor_gets_every_core_only_while_they_are_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, neighbours = GatedNetwork(), Neighbours(2)
    network.gate.set()
    other = neighbours.seat(1)
    async with _cores(1, network, seat=neighbours.seat(0)) as cores:
        lane = cores.lane(network)
        await asyncio.wait_for(_infer(lane, 1), PATIENCE)
        other.begin()
        await asyncio.wait_for(_infer(lane, 1), PATIENCE)
        other.end()
        await asyncio.wait_for(_infer(lane, 1), PATIENCE)
        later = time.monotonic() + 2 * QUIET_SECONDS
        monkeypatch.setattr(time, "monotonic", lambda: later)
        await asyncio.wait_for(_infer(lane, 1), PATIENCE)
    assert network.cores == [2, 1, 1, 2]


async def test_neighbours_see_work_from_its_start_to_its_end_and_nothing_of_one_that_died(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neighbours_module, "QUIET_SECONDS", 0.0)
    network, neighbours = GatedNetwork(), Neighbours(2)
    other = neighbours.seat(1)
    async with _cores(1, network, seat=neighbours.seat(0)) as cores:
        stuck = await _busy(cores.lane(network), network)
        seen = [other.others_idle]
        network.gate.set()
        await _in_time(stuck)
        until = time.monotonic() + PATIENCE
        while not other.others_idle:
            assert time.monotonic() < until
            await asyncio.sleep(0.001)
    assert seen == [False]
    other.begin()
    neighbours.seat(1)  # of the one that takes its place
    assert neighbours.seat(0).others_idle


async def test_a_lone_tensor_keeps_nobody_from_the_other_cores() -> None:
    network, other = GatedNetwork(), GatedNetwork()
    other.gate.set()
    async with _cores(2, network) as cores:
        stuck = await _busy(cores.lane(network), network)
        assert await asyncio.wait_for(_infer(cores.lane(other), 2), PATIENCE) == 2
        network.gate.set()
        assert await _in_time(stuck) == [0]


async def test_a_free_core_goes_to_the_lane_that_has_had_the_least() -> None:
    order: list[str] = []
    async with _cores(1) as cores:
        greedy, modest = cores.lane(), cores.lane()
        greedy.seconds = 5.0
        gate = threading.Event()
        busy = asyncio.create_task(greedy.run(gate.wait, PATIENCE))
        await asyncio.sleep(0)
        tasks = [asyncio.create_task(greedy.run(order.append, "greedy")) for _ in range(3)]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(modest.run(order.append, "modest"))]
        await asyncio.sleep(0)
        modest.seconds = 0.0
        gate.set()
        await _in_time(busy, *tasks)
    assert order == [*["greedy"] * AHEAD, "modest", *["greedy"] * (3 - AHEAD)]


async def test_a_slow_lane_never_holds_every_core_while_others_wait() -> None:
    gate = threading.Event()
    async with _cores(2) as cores:
        slow, quick = cores.lane(), cores.lane()
        quick.seconds = slow.seconds = 1.0
        stuck = [asyncio.create_task(slow.run(gate.wait, PATIENCE))]
        await asyncio.sleep(0)
        quick.seconds = 100.0
        answers = [asyncio.create_task(quick.run(int, value)) for value in range(8)]
        await asyncio.sleep(0)
        stuck += [asyncio.create_task(slow.run(gate.wait, PATIENCE)) for _ in range(4)]
        assert await _in_time(*answers) == list(range(8))
        assert not any(task.done() for task in stuck)
        gate.set()
        assert await _in_time(*stuck) == [True] * 5


@pytest.mark.parametrize("first", ["greedy", "modest"])
async def test_lanes_that_meet_start_level(first: str) -> None:
    """Who was idle has no claim on the past, and who was alone owes nothing for it."""
    async with _cores(1) as cores:
        lanes = {"greedy": cores.lane(), "modest": cores.lane()}
        lanes["greedy"].seconds = 5.0
        early, late = sorted(lanes, key=lambda name: name != first)
        gate = threading.Event()
        busy = asyncio.create_task(lanes[early].run(gate.wait, PATIENCE))
        await asyncio.sleep(0)
        joined = asyncio.create_task(lanes[late].run(time.perf_counter))
        await asyncio.sleep(0)
        assert lanes["greedy"].seconds == lanes["modest"].seconds == 5.0
        gate.set()
        await _in_time(busy, joined)


async def test_a_lane_without_network_refuses_tensors() -> None:
    async with _cores(1) as cores:
        with pytest.raises(ShuttingDownError):
            await asyncio.wait_for(cores.lane().infer(_tensor(1)), PATIENCE)


class Pixels(bytearray):
    """Something large that work holds; bytearrays themselves take no weak reference."""


class DamagedError(ValueError):
    """Of an input; takes a weak reference."""


class NoAnswerError(RuntimeError):
    """Of a network; takes a weak reference."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Without the garbage collector only what nothing refers to any more goes back."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Failing:
    """Fails while its frames hold pixels, in one of several ways; `held` refers weakly to what they hold."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.held: list[weakref.ref[Pixels]] = []

    def __call__(self, sent: Pixels) -> None:
        pixels = Pixels(8)
        self.held += [weakref.ref(pixels), weakref.ref(sent)]
        match self.way:
            case "plain":
                raise DamagedError
            case "caused":
                try:
                    self._fail_within(pixels)
                except ZeroDivisionError as error:
                    raise DamagedError from error
            case "in a handler":
                try:
                    self._fail_within(pixels)
                except ZeroDivisionError:
                    raise DamagedError from None

    def _fail_within(self, pixels: Pixels) -> None:
        copied = Pixels(pixels)
        self.held.append(weakref.ref(copied))
        _ = 1 // 0


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("way", ["plain", "caused", "in a handler"])
async def test_a_failed_call_keeps_nothing_of_what_it_worked_on(way: str) -> None:
    failing = Failing(way)
    async with _cores(1) as cores:
        lane = cores.lane()
        try:
            await lane.run(failing, Pixels(8))
        except DamagedError as error:
            kept = weakref.ref(error)
            pixels, sent, *copied = failing.held
            assert [each() for each in (pixels, *copied)] == [None] * (1 + len(copied))  # with the error still at hand
        await _until(lambda: sent() is None and kept() is None)


@pytest.mark.usefixtures("no_collector")
async def test_a_failed_call_whose_caller_has_gone_keeps_nothing() -> None:
    gate, failing = threading.Event(), Failing("caused")

    def fail_late(sent: Pixels) -> None:
        gate.wait(PATIENCE)
        failing(sent)

    async with _cores(1) as cores:
        lane = cores.lane()
        late = asyncio.create_task(lane.run(fail_late, Pixels(8)))
        await asyncio.sleep(0.01)
        late.cancel()
        await _in_time(late)
        del late
        gate.set()
        await _until(lambda: len(failing.held) == 3 and all(each() is None for each in failing.held))


class FailingNetwork:
    """Fails on every batch."""

    def __init__(self, failure: type[BaseException] = NoAnswerError) -> None:
        self.failure = failure
        self.held: list[weakref.ref[Any]] = []

    def run(self, batch: NDArray[np.uint8], *, cores: int = 1) -> Mapping[str, NDArray[np.float32]]:
        self.held.append(weakref.ref(batch))
        raise self.failure("no answer")


@pytest.mark.usefixtures("no_collector")
async def test_a_failed_run_keeps_no_tensor() -> None:
    network = FailingNetwork()
    kept: list[weakref.ref[Any]] = []

    async def infer(lane: Lane, value: int) -> None:
        try:
            await lane.infer(_tensor(value))
        except NoAnswerError as error:
            kept.append(weakref.ref(error))

    async with _cores(1) as cores:
        lane, gate = cores.lane(network), threading.Event()
        busy = asyncio.create_task(cores.lane().run(gate.wait, PATIENCE))
        await asyncio.sleep(0)
        batch = [asyncio.create_task(infer(lane, value)) for value in range(AHEAD + 3)]
        await asyncio.sleep(0)
        gate.set()
        await _in_time(busy, *batch)
        assert len(network.held) > len(kept) == AHEAD + 3  # first together, then each by itself
        await _until(lambda: not any(each() is not None for each in (*network.held, *kept)))


@pytest.mark.parametrize(
    "ending", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, asyncio.CancelledError]
)
async def test_work_that_ends_its_thread_costs_neither_the_caller_nor_a_core(ending: type[BaseException]) -> None:
    def end() -> None:
        raise ending

    async with _cores(1) as cores:
        lane, computing = cores.lane(), cores.lane(FailingNetwork(ending))
        for _ in range(3):
            with pytest.raises(WorkError, match=ending.__name__):
                await asyncio.wait_for(lane.run(end), PATIENCE)
            with pytest.raises(WorkError, match=ending.__name__):
                await asyncio.wait_for(computing.infer(_tensor(1)), PATIENCE)
        assert await asyncio.wait_for(lane.run(int, 7), PATIENCE) == 7


async def test_exhausted_memory_fails_its_caller_only() -> None:
    def exhaust() -> None:
        raise MemoryError

    async with _cores(1) as cores:
        lane = cores.lane()
        with pytest.raises(MemoryError):
            await asyncio.wait_for(lane.run(exhaust), PATIENCE)
        assert await asyncio.wait_for(lane.run(int, 7), PATIENCE) == 7


@pytest.fixture
def soon_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work takes long after two hundredths of a second."""
    monkeypatch.setattr(scheduling, "LONG_SECONDS", 0.02)


@pytest.mark.usefixtures("soon_long")
async def test_work_that_takes_long_holds_no_core_from_other_lanes() -> None:
    gate = threading.Event()
    async with _cores(2) as cores:
        slow, other = cores.lane(), cores.lane()
        held = [asyncio.create_task(slow.run(gate.wait, PATIENCE)) for _ in range(8)]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(other.run(int, 1), PATIENCE) == 1
        assert slow.long >= 2
        assert slow.at_work == 2 + AHEAD  # one lane never has more cores than there are
        assert not slow.stuck
        gate.set()
        assert await _in_time(*held) == [True] * 8
        assert (slow.long, slow.at_work) == (0, 0)


@pytest.mark.usefixtures("soon_long")
async def test_threads_that_took_over_leave_again() -> None:
    async with _cores(2) as cores:
        lanes = [cores.lane() for _ in range(3)]
        before = _core_threads()
        for _ in range(3):
            gate = threading.Event()
            held = [asyncio.create_task(lane.run(gate.wait, PATIENCE)) for lane in lanes for _ in range(2)]
            await _until(lambda: sum(lane.long for lane in lanes) == 6)
            assert _core_threads() == before + 6
            gate.set()
            await _in_time(*held)
            await _until(lambda: _core_threads() == before)
    await _until(lambda: _core_threads() == before - 2)


@pytest.mark.usefixtures("soon_long")
async def test_where_no_thread_is_to_be_had_work_waits_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    gate = threading.Event()
    async with _cores(1) as cores:
        slow, other = cores.lane(), cores.lane()
        with monkeypatch.context() as exhausted:
            exhausted.setattr(threading.Thread, "start", refuse)
            held = asyncio.create_task(slow.run(gate.wait, PATIENCE))
            await asyncio.sleep(0)
            waiting = asyncio.create_task(other.run(int, 1))
            await asyncio.sleep(0.1)
            assert not waiting.done()
        assert await _in_time(waiting) == [1]  # as soon as there is one
        gate.set()
        await _in_time(held)


@pytest.mark.usefixtures("soon_long")
async def test_a_stuck_run_stops_its_lane_until_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    network, quick = GatedNetwork(), GatedNetwork()
    quick.gate.set()
    async with _cores(2, network, deadline=0.1) as cores:
        lane, other = cores.lane(network, name="skin"), cores.lane(quick)
        stuck = await _busy(lane, network)
        waiting = [asyncio.create_task(lane.run(network.gate.wait, PATIENCE)) for _ in range(3)]
        await _until(lambda: lane.stopped)
        assert [type(each) for each in await _in_time(waiting[-1])] == [StuckError]
        with pytest.raises(StuckError, match=r"skin has run past the deadline of 0\.1 s"):
            await lane.infer(_tensor(1))
        assert await asyncio.wait_for(_infer(other, 2), PATIENCE) == 2
        network.gate.set()
        assert await _in_time(stuck) == [0]
        await _until(lambda: not lane.stuck)
        assert await asyncio.wait_for(_infer(lane, 3), PATIENCE) == 3
    assert "Model skin: a run of its network has run past the deadline" in caplog.text


@pytest.mark.usefixtures("soon_long")
async def test_one_stuck_input_leaves_its_lane_the_other_cores() -> None:
    gate = threading.Event()
    async with _cores(2, deadline=0.1) as cores:
        lane = cores.lane()
        stuck = [asyncio.create_task(lane.run(gate.wait, PATIENCE))]
        await _until(lambda: lane.stuck == 1)
        assert not lane.stopped
        assert await asyncio.wait_for(lane.run(int, 1), PATIENCE) == 1
        stuck.append(asyncio.create_task(lane.run(gate.wait, PATIENCE)))
        await _until(lambda: lane.stopped)
        with pytest.raises(StuckError):
            await lane.run(int, 1)
        gate.set()
        await _in_time(*stuck)
        assert await asyncio.wait_for(lane.run(int, 1), PATIENCE) == 1


async def test_a_retired_lane_is_forgotten_when_its_last_work_has_ended() -> None:
    network = GatedNetwork()
    forgotten = weakref.ref(network)
    async with _cores(1, network) as cores:
        lane = cores.lane(network)
        busy = await _busy(lane, network)
        lane.retire()
        network.gate.set()
        assert await _in_time(busy) == [0]
        assert await asyncio.wait_for(_infer(lane, 1), PATIENCE) == 1  # who had begun with it ends with it
        idle = cores.lane(network)
        idle.retire()
    del lane, idle, busy, network
    gc.collect()
    assert forgotten() is None
    cores.dispatch()


def _core_threads() -> int:
    return sum(thread.name == "core" for thread in threading.enumerate())


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - of what happens in threads
            await asyncio.sleep(0.005)


async def test_work_that_was_done_is_told_and_none_that_was_not() -> None:
    told: list[tuple[bool, int]] = []

    def observe(piece: Piece, inputs: int) -> None:
        assert all(0 < queued <= piece.began for queued in piece.queued)
        assert 0 < piece.seconds < PATIENCE
        told.append((piece.computes, inputs))

    network = GatedNetwork()
    async with _cores(1, network, observe=observe) as cores:
        lane = cores.lane(network)
        first = await _busy(lane, network)
        ahead = asyncio.create_task(_infer(lane, 1))
        await asyncio.sleep(0)
        gone = [asyncio.create_task(_infer(lane, value)) for value in range(2, 2 + LARGEST_BATCH)]
        await asyncio.sleep(0)
        kept = [asyncio.create_task(_infer(lane, 7)), asyncio.create_task(_infer(lane, 8))]
        await asyncio.sleep(0)
        for task in (ahead, *gone):
            task.cancel()
        await asyncio.sleep(0)
        network.gate.set()
        await _in_time(first, ahead, *gone, *kept)
        await lane.run(int, 5)
        await asyncio.sleep(0)
    assert told == [(True, 1), (True, 2), (False, 1)]
