"""The registry: bundles are found, checked and kept apart; requests are bounded, timed and drained."""

import asyncio
import gc
import logging
import shutil
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.preprocessing.form import TabularError
from models.preprocessing.picture import UnreadablePictureError
from models.serving.bundle import Bundle, BundleError, Metadata
from models.serving.engine import CLASS_ACTIVATION, NOVELTY, PROBABILITIES, Engine, EngineError, Outputs, Tensor
from models.serving.loading import BundleLoader
from models.serving.registry import FAILURES, LoadUnderWayError, ModelNotReadyError, ModelRegistry, Prediction, Reload
from models.serving.scheduling import DeadlineError, QueueFullError, ShuttingDownError, StuckError
from tests.fake_bundle import NOVELTY_THRESHOLD, make_bundle

pytestmark = pytest.mark.anyio

PATIENCE = 5.0
NAMES = ("skin", "xray", "breast")


@dataclass(frozen=True)
class Pieces:
    """An input that is prepared."""

    tensors: NDArray[Any]


async def one(registry: ModelRegistry, name: str, prepare: Callable[[Metadata], NDArray[Any]]) -> Prediction:
    """Predict from one tensor."""
    prediction, _ = await registry.predict(name, lambda metadata: Pieces(prepare(metadata)[np.newaxis]))
    return prediction


def at_once(registry: ModelRegistry, name: str, prepare: Callable[[Metadata], NDArray[Any]]) -> Prediction:
    """Predict from one row."""
    return registry.predict_at_once(name, lambda metadata: Pieces(prepare(metadata)[np.newaxis]))[0]


class SlowNetwork:
    """Computes only while its gate is open."""

    def __init__(self, classes: int = 7) -> None:
        self.gate = threading.Event()
        self.started = threading.Event()
        self.classes = classes
        self.runs = 0

    def run(self, batch: NDArray[np.uint8], *, cores: int = 1) -> Mapping[str, NDArray[np.float32]]:
        self.started.set()
        assert self.gate.wait(PATIENCE)
        self.runs += 1
        n = len(batch)
        probabilities = np.full((n, self.classes), 1 / self.classes, np.float32)
        return {"probabilities": probabilities, "novelty": np.zeros(n, np.float32)}


@asynccontextmanager
async def loaded(
    folder: Path, *, names: Sequence[str] = NAMES, network: SlowNetwork | None = None, **options: Any
) -> AsyncIterator[ModelRegistry]:
    opens = {key: options.pop(key) for key in ("threads", "precision", "make_network") if key in options}
    if network:
        opens["make_network"] = lambda _: network
    loader = BundleLoader(folder, names, **{"threads": 2, **opens})
    registry = ModelRegistry(loader, **{"queue_size": 8, "deadline": PATIENCE, **options})
    await registry.load()
    try:
        yield registry
    finally:
        if network:
            network.gate.set()
        await asyncio.wait_for(registry.close(), PATIENCE)


def grey(metadata: Metadata) -> NDArray[np.uint8]:
    size = metadata.image_preprocessing.size
    return np.full((size, size, 3), 128, np.uint8)


def zeros(metadata: Metadata) -> NDArray[np.float32]:
    return np.zeros(metadata.preprocessing.tensor_shape, np.float32)


async def _outcomes(*tasks: asyncio.Task[Any]) -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - of what happens in threads
            await asyncio.sleep(0.005)


async def _until_started(network: SlowNetwork) -> None:
    assert await asyncio.to_thread(network.started.wait, PATIENCE)


async def test_serves_what_it_finds(bundles: Path) -> None:
    async with loaded(bundles) as registry:
        assert {model.name: model.state for model in registry.models} == {
            "breast": "absent",
            "skin": "ready",
            "xray": "ready",
        }
        assert registry.ready
        prediction = await one(registry, "skin", grey)
        assert prediction.metadata.version == "1.0.0"
        assert prediction.probabilities.shape == (7,)
        assert prediction.probabilities.sum() == pytest.approx(1)
        assert prediction.novelty is not None
        assert prediction.novelty < NOVELTY_THRESHOLD
        assert set(prediction.seconds) == {"prepare", "compute"}


async def test_a_folder_that_is_not_there_leaves_every_model_absent(tmp_path: Path) -> None:
    async with loaded(tmp_path / "nothing") as registry:
        assert {model.state for model in registry.models} == {"absent"}
        assert registry.ready
        with pytest.raises(ModelNotReadyError, match="skin is absent"):
            await one(registry, "skin", grey)


async def test_a_bad_bundle_fails_alone_and_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_bundle(tmp_path, "xray")
    bad = make_bundle(tmp_path, "skin")
    bad.model_path.write_bytes(b"damaged")
    with caplog.at_level(logging.ERROR, "medidiagnose.models"):
        async with loaded(tmp_path) as registry:
            skin, xray = registry.model("skin"), registry.model("xray")
            assert (skin.state, xray.state) == ("failed", "ready")
            assert not registry.ready
            assert skin.error is not None
            assert skin.error.startswith("Bundle skin/1.0.0: model.onnx has checksum")
            assert str(tmp_path) not in skin.error
            with pytest.raises(ModelNotReadyError, match="skin is failed"):
                await one(registry, "skin", grey)
            assert (await one(registry, "xray", grey)).probabilities.shape == (2,)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert str(bad.folder) in caplog.text


async def test_a_fault_nobody_foresaw_fails_its_model_alone(bundles: Path, caplog: pytest.LogCaptureFixture) -> None:
    def explode(bundle: Any) -> SlowNetwork:
        if bundle.metadata.name == "skin":
            raise MemoryError("no room")
        return SlowNetwork(2)

    async with loaded(bundles, make_network=explode) as registry:
        assert registry.model("skin").state == "failed"
        assert registry.model("skin").error == "The bundle can't be loaded; the log says why."
        assert registry.model("xray").state == "ready"
    assert "no room" in caplog.text


async def test_a_bundle_nobody_can_interpret_is_refused(bundles: Path) -> None:
    def check(bundle: Bundle) -> None:
        if bundle.metadata.name == "xray":
            raise BundleError("Bundle xray: unknown classes.")

    async with loaded(bundles, check=check) as registry:
        assert registry.model("xray").error == "Bundle xray: unknown classes."
        assert registry.model("skin").state == "ready"


async def test_an_unknown_folder_is_ignored_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_bundle(tmp_path, "skin").folder.parent.rename(tmp_path / "knee")
    async with loaded(tmp_path) as registry:
        assert registry.ready
    assert "there is no diagnosis of that name" in caplog.text


async def test_a_failing_preparation_reaches_its_caller_only(bundles: Path) -> None:
    def unreadable(_: Metadata) -> NDArray[np.uint8]:
        raise UnreadablePictureError("truncated")

    async with loaded(bundles) as registry:
        good = [asyncio.create_task(one(registry, "skin", grey)) for _ in range(3)]
        bad = asyncio.create_task(one(registry, "skin", unreadable))
        *answers, failure = await _outcomes(*good, bad)
        assert isinstance(failure, UnreadablePictureError)
        assert all(answer.probabilities.shape == (7,) for answer in answers)
        assert registry.under_way("skin") == 0


def three(metadata: Metadata) -> Pieces:
    shape = metadata.signal_preprocessing.tensor_shape
    return Pieces(np.stack([np.full(shape, value, np.float32) for value in (0.0, 0.1, 0.4)]))


async def test_of_several_windows_the_mean_is_answered_and_the_highest_novelty(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "heart_record")
    alone = Engine(bundle).run(three(bundle.metadata).tensors)
    async with loaded(tmp_path, names=["heart_record"]) as registry:
        prediction, pieces = await registry.predict("heart_record", three)
        assert len(pieces.tensors) == 3
        np.testing.assert_allclose(prediction.probabilities, alone["probabilities"].mean(axis=0), rtol=1e-5)
        assert prediction.probabilities.dtype == np.float32
        assert prediction.novelty == pytest.approx(0.4)
        assert set(prediction.seconds) == {"prepare", "compute"}


async def test_the_maps_of_several_windows_stand_beside_one_another(tmp_path: Path) -> None:
    class Mapped:
        def run(self, batch: Tensor, *, cores: int = 1) -> Outputs:
            chances = np.full((len(batch), 5), 0.5, np.float32)
            level = batch[:, 0, 0, None, None, None] * np.ones((1, 5, 12, 2), np.float32)
            return {PROBABILITIES: chances, NOVELTY: chances[:, 0], CLASS_ACTIVATION: level}

    make_bundle(tmp_path, "heart_record")
    async with loaded(tmp_path, names=["heart_record"], make_network=lambda _: Mapped()) as registry:
        prediction, _ = await registry.predict("heart_record", three)
    assert prediction.outputs[CLASS_ACTIVATION].shape == (5, 12, 6)
    assert prediction.outputs[CLASS_ACTIVATION][0, 0] * 3 == pytest.approx([0, 0, 0.1, 0.1, 0.4, 0.4])


async def test_the_windows_of_a_request_are_one_admission_and_one_deadline(tmp_path: Path) -> None:
    make_bundle(tmp_path, "heart_record")
    network = SlowNetwork(5)
    async with loaded(tmp_path, names=["heart_record"], network=network, queue_size=1, deadline=0.2) as registry:
        task = asyncio.create_task(registry.predict("heart_record", three))
        await _until_started(network)
        assert registry.under_way("heart_record") == 1
        assert [type(outcome) for outcome in await _outcomes(task)] == [DeadlineError]
        network.gate.set()
        await registry.predict("heart_record", three)
        assert network.runs <= 5  # two that had begun when the deadline passed, and three windows that came in time


async def test_overload_is_refused_at_once_and_passes(bundles: Path) -> None:
    network = SlowNetwork()
    async with loaded(bundles, network=network, queue_size=3) as registry:
        tasks = [asyncio.create_task(one(registry, "skin", grey)) for _ in range(3)]
        await asyncio.sleep(0)
        assert registry.under_way("skin") == 3
        for _ in range(10):
            with pytest.raises(QueueFullError):
                await one(registry, "skin", grey)
        network.gate.set()
        answers = await _outcomes(*tasks)
        assert [answer.probabilities.shape for answer in answers] == [(7,)] * 3
        await one(registry, "skin", grey)


async def test_one_models_overload_is_not_anothers(bundles: Path) -> None:
    slow = SlowNetwork()
    networks = {"skin": slow, "xray": SlowNetwork(2)}
    networks["xray"].gate.set()
    async with loaded(bundles, make_network=lambda bundle: networks[bundle.metadata.name], queue_size=1) as registry:
        stuck = asyncio.create_task(one(registry, "skin", grey))
        await _until_started(slow)
        answer = await asyncio.wait_for(one(registry, "xray", grey), PATIENCE)
        assert answer.probabilities.shape == (2,)
        slow.gate.set()
        await _outcomes(stuck)


async def test_deadlines_pass_for_the_one_computed_and_those_queued(bundles: Path) -> None:
    network = SlowNetwork()
    async with loaded(bundles, network=network, deadline=0.5, threads=1) as registry:
        tasks = [asyncio.create_task(one(registry, "skin", grey)) for _ in range(4)]
        outcomes = await _outcomes(*tasks)
        assert [type(outcome) for outcome in outcomes] == [DeadlineError] * 4
        network.gate.set()
        answer = await one(registry, "skin", grey)
        assert answer.probabilities.shape == (7,)
        assert network.runs == 2


async def test_a_deadline_covers_preparation(bundles: Path) -> None:
    gate = threading.Event()

    def stuck(metadata: Metadata) -> NDArray[np.uint8]:
        gate.wait(PATIENCE)
        return grey(metadata)

    async with loaded(bundles, deadline=0.05) as registry:
        with pytest.raises(DeadlineError):
            await one(registry, "skin", stuck)
        gate.set()


async def test_a_stuck_network_makes_its_model_unready_until_it_ends(bundles: Path) -> None:
    network = SlowNetwork()
    networks = {"skin": network, "xray": SlowNetwork(2)}
    networks["xray"].gate.set()
    async with loaded(bundles, make_network=lambda bundle: networks[bundle.metadata.name], deadline=0.1) as registry:
        with pytest.raises(DeadlineError):
            await one(registry, "skin", grey)
        await until(lambda: not registry.ready)
        fault = registry.fault("skin")
        assert fault
        assert fault.state == "stuck"
        assert fault.reason.startswith("A run of its network has run past the deadline of 0.1 s and has not ended")
        with pytest.raises(StuckError, match="the model skin"):
            await one(registry, "skin", grey)
        assert (await one(registry, "xray", grey)).probabilities.shape == (2,)
        assert (registry.stuck("skin"), registry.stuck("xray"), registry.fault("xray")) == (1, 0, None)
        network.gate.set()
        await until(lambda: registry.ready)
        assert (await one(registry, "skin", grey)).probabilities.shape == (7,)


async def test_the_loop_turns_while_a_model_loads(bundles: Path) -> None:
    gate = threading.Event()

    def load_slowly(_: Any) -> SlowNetwork:
        assert gate.wait(PATIENCE)
        return SlowNetwork()

    loader = BundleLoader(bundles, NAMES, threads=1, make_network=load_slowly)
    registry = ModelRegistry(loader, queue_size=1, deadline=1)
    loading = asyncio.create_task(registry.load())
    await asyncio.sleep(0.02)
    assert {model.name: model.state for model in registry.models}["skin"] == "loading"
    assert registry.ready is False
    with pytest.raises(ModelNotReadyError, match="skin is loading"):
        await one(registry, "skin", grey)
    gate.set()
    await asyncio.wait_for(loading, PATIENCE)
    assert {model.state for model in registry.models} == {"absent", "ready"}
    await registry.close()


async def test_sheets_are_computed_one_by_one(tmp_path: Path) -> None:
    make_bundle(tmp_path, "heart_image")
    network = SlowNetwork(5)
    async with loaded(tmp_path, names=("heart_image",), network=network, threads=1) as registry:
        tasks = [asyncio.create_task(one(registry, "heart_image", zeros)) for _ in range(6)]
        await _until_started(network)
        network.gate.set()
        await _outcomes(*tasks)
    assert network.runs == 6


async def test_models_load_on_every_core_at_once(bundles: Path) -> None:
    both = threading.Barrier(2, timeout=PATIENCE)

    def load_together(_: Any) -> SlowNetwork:
        both.wait()
        return SlowNetwork()

    loader = BundleLoader(bundles, ("skin", "xray"), threads=2, make_network=load_together)
    registry = ModelRegistry(loader, queue_size=1, deadline=1)
    await registry.load()
    assert [model.state for model in registry.models] == ["ready", "ready"]
    await registry.close()


async def test_closing_lets_those_under_way_finish_and_takes_no_more(bundles: Path) -> None:
    network = SlowNetwork()
    async with loaded(bundles, network=network) as registry:
        tasks = [asyncio.create_task(one(registry, "skin", grey)) for _ in range(3)]
        await _until_started(network)
        closing = asyncio.create_task(registry.close())
        await asyncio.sleep(0)
        with pytest.raises(ShuttingDownError):
            await one(registry, "skin", grey)
        network.gate.set()
        *answers, _ = await _outcomes(*tasks, closing)
        assert [answer.probabilities.shape for answer in answers] == [(7,)] * 3


async def test_closing_is_bounded_by_the_deadline_when_a_network_is_stuck(bundles: Path) -> None:
    network = SlowNetwork()
    async with loaded(bundles, network=network, deadline=0.05) as registry:
        tasks = [asyncio.create_task(one(registry, "skin", grey)) for _ in range(3)]
        await _until_started(network)
        await asyncio.wait_for(registry.close(), PATIENCE / 2)
        assert [type(outcome) for outcome in await _outcomes(*tasks)] == [DeadlineError] * 3


FORM = {"age": 55, "sex": 1, "blood_pressure": 145, "cholesterol": 250, "chest_pain": 2, "max_heart_rate": 140}


def form(metadata: Metadata) -> NDArray[np.float32]:
    return metadata.tabular_preprocessing.row(FORM)


async def test_a_row_is_computed_without_a_batch_axis(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "heart_risk")
    async with loaded(tmp_path, names=["heart_risk"]) as registry:
        prediction = at_once(registry, "heart_risk", form)
        alone = Engine(bundle).run(form(bundle.metadata)[np.newaxis])
        np.testing.assert_array_equal(prediction.probabilities, alone["probabilities"][0])
        assert prediction.novelty is None
        assert set(prediction.seconds) == {"prepare", "compute"}
        assert registry.under_way("heart_risk") == 0


async def test_a_row_is_refused_by_a_model_that_is_absent_or_failed(tmp_path: Path) -> None:
    make_bundle(tmp_path, "heart_risk").model_path.write_bytes(b"damaged")
    async with loaded(tmp_path, names=["disease", "heart_risk"]) as registry:
        with pytest.raises(ModelNotReadyError, match="disease is absent"):
            at_once(registry, "disease", form)
        with pytest.raises(ModelNotReadyError, match="heart_risk is failed"):
            at_once(registry, "heart_risk", form)


async def test_what_makes_no_row_reaches_its_caller_only(tmp_path: Path) -> None:
    make_bundle(tmp_path, "heart_risk")
    async with loaded(tmp_path, names=["heart_risk"]) as registry:
        with pytest.raises(TabularError, match="max_heart_rate: a finite number is required"):
            at_once(registry, "heart_risk", lambda metadata: metadata.tabular_preprocessing.row({}))
        assert registry.under_way("heart_risk") == 0
        assert (at_once(registry, "heart_risk", form)).probabilities.shape == (2,)


async def test_no_row_is_taken_while_closing(tmp_path: Path) -> None:
    make_bundle(tmp_path, "heart_risk")
    async with loaded(tmp_path, names=["heart_risk"]) as registry:
        await registry.close()
        with pytest.raises(ShuttingDownError):
            at_once(registry, "heart_risk", form)


async def test_a_storm_of_cancellations_leaves_nothing_behind(bundles: Path) -> None:
    async with loaded(bundles, queue_size=64) as registry:
        tasks = [asyncio.create_task(one(registry, "skin", grey)) for _ in range(60)]
        for index, task in enumerate(tasks):
            if index % 3 == 0:
                await asyncio.sleep(0)
            if index % 2:
                task.cancel()
        outcomes = await _outcomes(*tasks)
        assert all(outcome.probabilities.shape == (7,) for outcome in outcomes[::2])
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[1::2])
        assert registry.under_way("skin") == 0


async def test_a_newer_version_takes_over_and_the_old_one_goes(tmp_path: Path) -> None:
    make_bundle(tmp_path, "skin")
    networks: list[weakref.ref[Engine]] = []

    def make(bundle: Bundle) -> Engine:
        engine = Engine(bundle)
        networks.append(weakref.ref(engine))
        return engine

    async with loaded(tmp_path, make_network=make) as registry:
        assert await registry.reload() == [
            Reload("breast", "absent", None, None),
            Reload("skin", "unchanged", "1.0.0", "1.0.0"),
            Reload("xray", "absent", None, None),
        ]
        make_bundle(tmp_path, "skin", "1.1.0")
        make_bundle(tmp_path, "xray")
        _, skin, xray = await registry.reload()
        assert skin == Reload("skin", "loaded", "1.0.0", "1.1.0")
        assert xray == Reload("xray", "loaded", None, "1.0.0")
        assert (await one(registry, "skin", grey)).metadata.version == "1.1.0"
        assert (await one(registry, "xray", grey)).metadata.version == "1.0.0"
        gc.collect()
        assert [network() is None for network in networks] == [True, False, False]


async def test_requests_under_way_finish_with_the_bundle_they_began_with(tmp_path: Path) -> None:
    make_bundle(tmp_path, "skin")
    computed: list[str] = []

    class Noting(SlowNetwork):
        def __init__(self, version: str) -> None:
            super().__init__()
            self.gate.set()
            self.version = version

        def run(self, batch: NDArray[np.uint8], *, cores: int = 1) -> Mapping[str, NDArray[np.float32]]:
            computed.append(self.version)
            return super().run(batch, cores=cores)

    gate = threading.Event()

    def prepare_late(metadata: Metadata) -> NDArray[np.uint8]:
        assert gate.wait(PATIENCE)
        return grey(metadata)

    async with loaded(tmp_path, make_network=lambda bundle: Noting(bundle.metadata.version)) as registry:
        before = asyncio.create_task(one(registry, "skin", prepare_late))
        await asyncio.sleep(0.01)
        make_bundle(tmp_path, "skin", "2.0.0")
        await registry.reload()
        assert (await one(registry, "skin", grey)).metadata.version == "2.0.0"
        gate.set()
        assert (await before).metadata.version == "1.0.0"
        assert computed == ["2.0.0", "1.0.0"]


async def test_a_bad_bundle_leaves_the_old_one_serving_and_says_why(tmp_path: Path) -> None:
    make_bundle(tmp_path, "skin")
    async with loaded(tmp_path, names=["skin"]) as registry:
        bad = make_bundle(tmp_path, "skin", "1.1.0")
        bad.model_path.write_bytes(b"damaged")
        [skin] = await registry.reload()
        assert (skin.outcome, skin.old_version, skin.version) == ("refused", "1.0.0", "1.0.0")
        assert (skin.reason or "").startswith("Bundle skin/1.1.0: model.onnx has checksum")
        assert registry.ready
        assert (await one(registry, "skin", grey)).metadata.version == "1.0.0"
        shutil.rmtree(bad.folder)
        (tmp_path / "skin" / "1.0.0" / "model.onnx").write_bytes(b"damaged meanwhile")
        [skin] = await registry.reload()
        assert skin.outcome == "refused"
        assert (await one(registry, "skin", grey)).metadata.version == "1.0.0"
        shutil.rmtree(tmp_path / "skin")
        [skin] = await registry.reload()
        assert (skin.outcome, skin.version) == ("kept", "1.0.0")
        assert (await one(registry, "skin", grey)).metadata.version == "1.0.0"


async def test_a_model_that_failed_serves_once_its_bundle_is_mended(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "skin")
    content = bundle.model_path.read_bytes()
    bundle.model_path.write_bytes(b"damaged")
    async with loaded(tmp_path, names=["skin"]) as registry:
        assert registry.model("skin").state == "failed"
        bundle.model_path.write_bytes(content)
        assert await registry.reload() == [Reload("skin", "loaded", None, "1.0.0")]
        assert registry.ready
        assert (await one(registry, "skin", grey)).metadata.version == "1.0.0"


async def test_a_reload_replaces_a_stuck_network(tmp_path: Path) -> None:
    make_bundle(tmp_path, "skin")
    networks = [SlowNetwork(), SlowNetwork()]
    networks[1].gate.set()
    made = iter(networks)
    async with loaded(tmp_path, names=["skin"], make_network=lambda _: next(made), deadline=0.1) as registry:
        with pytest.raises(DeadlineError):
            await one(registry, "skin", grey)
        await until(lambda: not registry.ready)
        assert await registry.reload() == [Reload("skin", "loaded", "1.0.0", "1.0.0")]
        assert registry.ready
        assert (await one(registry, "skin", grey)).probabilities.shape == (7,)
        networks[0].gate.set()


async def test_a_model_of_rows_is_reloaded_too(tmp_path: Path) -> None:
    make_bundle(tmp_path, "heart_risk")
    async with loaded(tmp_path, names=["heart_risk"]) as registry:
        make_bundle(tmp_path, "heart_risk", "1.1.0")
        assert await registry.reload() == [Reload("heart_risk", "loaded", "1.0.0", "1.1.0")]
        assert (at_once(registry, "heart_risk", form)).metadata.version == "1.1.0"


async def test_after_a_reload_the_memory_of_two_networks_goes_back_once_nothing_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, started, given = threading.Event(), threading.Event(), list[bool]()
    monkeypatch.setattr(Engine, "give_arena_back", lambda _: given.append(gate.is_set()))
    make_bundle(tmp_path, "skin")
    async with loaded(tmp_path) as registry:
        registry.give_memory_back()
        assert given == []

        def held(metadata: Metadata) -> NDArray[np.uint8]:
            started.set()
            gate.wait(PATIENCE)
            return grey(metadata)

        waiting = asyncio.create_task(one(registry, "skin", held))
        await asyncio.to_thread(started.wait, PATIENCE)
        make_bundle(tmp_path, "skin", version="1.1.0")
        await registry.reload()
        assert given == [False]
        gate.set()
        await waiting
        for _ in range(3):
            registry.give_memory_back()
        assert given == [False, True]


async def test_a_network_that_came_by_a_reload_is_shared_too(tmp_path: Path) -> None:
    make_bundle(tmp_path, "skin", version="1.0.0")
    loader = BundleLoader(
        tmp_path, ["skin"], threads=1, make_network=lambda bundle: Engine(bundle, threads=2, later=True)
    )
    registry = ModelRegistry(loader, queue_size=4, deadline=5)

    def threads() -> int:
        network = registry._services["skin"].lane.network
        assert isinstance(network, Engine)
        return int(network._lone_session.get_session_options().intra_op_num_threads)

    await registry.load()
    found = [threads()]
    await registry.share()
    found.append(threads())
    make_bundle(tmp_path, "skin", version="1.1.0")
    await registry.reload()
    found.append(threads())
    await registry.close()
    assert found == [1, 2, 2]


async def test_two_reloads_at_once_are_refused(tmp_path: Path) -> None:
    make_bundle(tmp_path, "skin")
    async with loaded(tmp_path) as registry:
        first = asyncio.create_task(registry.reload())
        await asyncio.sleep(0)
        with pytest.raises(LoadUnderWayError):
            await registry.reload()
        assert len(await first) == 3


async def test_reloads_under_load_lose_nothing(tmp_path: Path) -> None:
    make_bundle(tmp_path, "skin")
    async with loaded(tmp_path, names=["skin"], queue_size=64) as registry:
        done, seen = asyncio.Event(), set[str]()

        async def client() -> int:
            answers = 0
            while not done.is_set():
                prediction = await one(registry, "skin", grey)
                seen.add(prediction.metadata.version)
                answers += 1
            return answers

        clients = [asyncio.create_task(client()) for _ in range(16)]
        for minor in range(1, 6):
            make_bundle(tmp_path, "skin", f"1.{minor}.0")
            assert [each.outcome for each in await registry.reload()] == ["loaded"]
            await asyncio.sleep(0.02)
        done.set()
        assert all(await asyncio.gather(*clients))
        assert "1.5.0" in seen


class FailingNetwork(SlowNetwork):
    """Fails while it is told to: on every batch, or on those of other inputs than zeros."""

    def __init__(self, classes: int = 7) -> None:
        super().__init__(classes)
        self.gate.set()
        self.fails_on: Callable[[NDArray[Any]], bool] = lambda _: False

    def run(self, batch: NDArray[np.uint8], *, cores: int = 1) -> Mapping[str, NDArray[np.float32]]:
        if self.fails_on(batch):
            raise EngineError("no answer")
        return super().run(batch, cores=cores)


@pytest.mark.parametrize("name", ["skin", "heart_risk"])
async def test_a_network_that_fails_on_every_input_is_named_until_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("models.serving.registry.TEST_SECONDS", 0.01)
    make_bundle(tmp_path, name)
    network = FailingNetwork()

    async def predict(registry: ModelRegistry) -> None:
        if name == "skin":
            await one(registry, "skin", grey)
        else:
            at_once(registry, "heart_risk", form)

    async with loaded(tmp_path, names=[name], make_network=lambda _: network) as registry:
        network.fails_on = lambda _: True
        for _ in range(FAILURES):
            assert registry.ready
            with pytest.raises(EngineError):
                await predict(registry)
        await until(lambda: not registry.ready)
        fault = registry.fault(name)
        assert fault
        assert fault.state == "failing"
        network.fails_on = lambda _: False
        await until(lambda: registry.ready)
        await predict(registry)


async def test_inputs_that_fail_do_not_make_the_model_unready(tmp_path: Path) -> None:
    make_bundle(tmp_path, "skin")
    network = FailingNetwork()
    network.fails_on = lambda batch: bool(batch.any())
    async with loaded(tmp_path, names=["skin"], make_network=lambda _: network) as registry:
        for _ in range(3 * FAILURES):
            with pytest.raises(EngineError):
                await one(registry, "skin", grey)
            await asyncio.sleep(0)
        await until(lambda: network.runs > 0)  # the input of zeros
        assert registry.ready
