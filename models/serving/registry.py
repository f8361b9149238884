"""The models the service answers with, kept apart from one another.

A bundle that must not be served fails alone: its model is `failed` with the reason, the others serve. A bundle that is
loaded while another of its model serves takes over when it is ready. Nothing here blocks the event loop.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.memory import give_memory_back
from models.preprocessing.inputs import KINDS, Prepared
from models.serving.bundle import Bundle, BundleError, Metadata
from models.serving.engine import (
    CLASS_ACTIVATION,
    NOVELTY,
    PROBABILITIES,
    Engine,
    EngineError,
    Network,
    Outputs,
    Tensor,
    blank,
)
from models.serving.loading import BundleLoader, LoadedModel
from models.serving.neighbours import Seat
from models.serving.scheduling import LARGEST_BATCH, Admission, Cores, Lane, Observe, SchedulingError

P = ParamSpec("P")
T = TypeVar("T")
LoadedT = TypeVar("LoadedT", LoadedModel, LoadedModel | None)
PreparedT = TypeVar("PreparedT", bound=Prepared)

State = Literal["absent", "loading", "ready", "failed"]
Reloaded = Literal["loaded", "unchanged", "refused", "kept", "absent"]

FAILURES = 3
"""So many failed runs one after the other, with no good one between them, put a network to the test."""
TEST_SECONDS = 5.0
"""Between two tests of a network that fails."""

logger = logging.getLogger("medidiagnose.models")


class ModelNotReadyError(RuntimeError):
    """The model is absent, still loading, or its bundle must not be served."""


class LoadUnderWayError(RuntimeError):
    """The models are being loaded already."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model: `bundle` where it is `ready`, and where it `failed` the reason as `error`."""

    name: str
    state: State
    bundle: Bundle | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a model in service, as a sentence: work of it is `stuck`, or its network is `failing`."""

    state: Literal["stuck", "failing"]
    reason: str


@dataclass(frozen=True, slots=True)
class Reload:
    """What became of a model when the bundles were looked for again.

    `loaded`: `version` serves from now on. `unchanged`: so does what served. `refused`: its active bundle must not be
    served, for that `reason`. `kept`: it has no bundle any more. In both cases what served goes on. `absent`: it never
    had one. Versions are None where none served or serves.
    """

    name: str
    outcome: Reloaded
    old_version: str | None
    version: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer of a network to one input. `seconds` is what its stages, `prepare` and `compute`, took; `explanation`
    what `predict` was asked to make of it besides."""

    metadata: Metadata
    outputs: Outputs
    seconds: Mapping[str, float]
    explanation: Any = None

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(classes,), 0-1, in the order of `metadata.classes`."""
        return self.outputs[PROBABILITIES]

    @property
    def novelty(self) -> float | None:
        """Higher is less like the training data; None where the bundle doesn't measure it."""
        return float(self.outputs[NOVELTY]) if self.metadata.novelty else None


Explain = Callable[[Prediction, PreparedT, Callable[[Tensor], Outputs]], object]
"""What makes something of a prediction, of what was prepared for it, and of the network, which computes more."""


@dataclass(eq=False, slots=True)
class _Service:
    """A model in service: whoever holds it computes with this bundle and its network, whatever is loaded meanwhile.

    `network` is that of a model of rows, which needs no lane. `failures` counts its failed runs since the last good
    one, `failing` says what the last of them was where a test failed too.
    """

    model: Model
    lane: Lane
    network: Network | None = None
    failures: int = 0
    failing: str | None = None
    test: asyncio.Task[None] | None = None

    def retire(self) -> None:
        """Let those who hold it finish."""
        if self.test:
            self.test.cancel()
        self.lane.retire()


class ModelRegistry:
    """Serves the models that `loader` loads. To be made inside a running event loop.

    `queue_size` bounds the requests under way for each model, `deadline` (seconds) the time of each request. `check`
    refuses, with a `BundleError`, a bundle whose answers can't be interpreted; `observe` is told of the work that was
    done, and `seat` is that among other processes (`Cores`).
    """

    def __init__(
        self,
        loader: BundleLoader,
        *,
        queue_size: int,
        deadline: float,
        check: Callable[[Bundle], None] = lambda _: None,
        observe: Observe = lambda *_: None,
        seat: Seat | None = None,
    ) -> None:
        self._loader = loader
        self._check = check
        self._cores = Cores(loader.threads, deadline=deadline, observe=observe, seat=seat)
        self._admit = partial(Admission, limit=queue_size, deadline=deadline)
        self._services: dict[str, _Service] = {}
        self._admissions: dict[str, Admission] = {}
        for name in loader.names:
            self._add(name, "loading" if name in loader.models else "absent")
        self._loading = asyncio.Lock()
        self._two_were_there = False

    @property
    def models(self) -> list[Model]:
        """Every model, also the absent ones, by name."""
        return [service.model for service in self._services.values()]

    @property
    def ready(self) -> bool:
        """Whether every model that has a bundle is loaded and warmed, and nothing is wrong with it since."""
        return all(model.state in ("ready", "absent") and not self.fault(model.name) for model in self.models)

    def model(self, name: str) -> Model:
        """Raises `KeyError` where the registry was not given that name."""
        return self._services[name].model

    def fault(self, name: str) -> Fault | None:
        """What is wrong with a model although it was loaded; None where nothing is."""
        service = self._services[name]
        if stuck := service.lane.fault:
            return Fault("stuck", stuck)
        return Fault("failing", service.failing) if service.failing else None

    def stuck(self, name: str) -> int:
        """How many pieces of that model's work have run past the deadline and have not ended."""
        return self._services[name].lane.stuck

    def under_way(self, name: str) -> int:
        """How many requests wait for that model or use it."""
        return self._admissions[name].under_way

    def check_room(self, name: str) -> None:
        """Raises what `predict` would, for want of a model or of room for one more request, before it is prepared."""
        service = self._services[name]
        if service.model.state not in ("ready", "absent"):
            raise ModelNotReadyError(f"The model {name} is {service.model.state}.")
        service.lane.check()
        self._admissions[name].check()

    async def load(self) -> None:
        """Put every model in service as soon as it is loaded. A bad bundle is logged and kept as its model's error."""
        async with self._loading:
            await asyncio.gather(*(self._load(name) for name in list(self._loader.models)))
        await asyncio.to_thread(give_memory_back)

    async def reload(self) -> list[Reload]:
        """Look for the bundles again, and put in service, one after the other, those that have changed.

        The new network is checked and warmed before it takes over from the old one, with which requests under way
        finish. Where a bundle must not be served, or is no longer there, the old one goes on. A model of which
        something is wrong is loaded even where its bundle is the same. Raises `LoadUnderWayError`.
        """
        if self._loading.locked():
            raise LoadUnderWayError("The models are being loaded already. Try again when that has ended.")
        async with self._loading:
            for name in await asyncio.to_thread(self._loader.find):
                self._add(name, "absent")
            reloads = [await self._reload(name) for name in self._services]
        if any(reload.outcome == "loaded" for reload in reloads):
            self._two_were_there = True
            await self.share()
            await asyncio.to_thread(self.give_memory_back)
        return reloads

    async def share(self) -> None:
        """Open what lone requests are computed with on every core, where that was left for later; nobody waits for
        it."""
        for service in list(self._services.values()):
            if isinstance(network := service.lane.network, Engine):
                await asyncio.to_thread(network.share)

    def give_memory_back(self) -> None:
        """Give back what is free; to be called in a thread, best when nothing is in progress.

        After a reload that is also what networks computed in while the old one and the new one were there: at once what
        no request holds, and the rest at the first time that none is under way.
        """
        if self._two_were_there:
            self._two_were_there = any(admission.under_way for admission in self._admissions.values())
            self._give_arena_back()
        give_memory_back()

    def _give_arena_back(self) -> None:
        """By any sound network, since all share one."""
        for name, service in self._services.items():
            network = service.lane.network
            if isinstance(network, Engine) and not self.fault(name):
                with suppress(EngineError):
                    network.give_arena_back()
                    return

    async def predict(
        self,
        name: str,
        prepare: Callable[[Metadata], PreparedT],
        explain: Explain[PreparedT] | None = None,
    ) -> tuple[Prediction, PreparedT]:
        """Prepare an input in a thread and compute it there; one of several pieces piece by piece, each in its turn.

        `prepare` makes the tensors the metadata asks for; what it made is returned too. Every output is the mean over
        the pieces but `novelty`, which is the highest, and `class_activation`, whose pieces stand beside one another,
        each with its share. `explain` is called in a thread too, with a function that computes more tensors on one
        core, and what it makes becomes the prediction's `explanation`. Raises
        `ModelNotReadyError`, a `SchedulingError`, `EngineError`, or what `prepare` or `explain` raises.
        """
        service = self._services[name]
        if not service.model.bundle:
            raise ModelNotReadyError(f"The model {name} is {service.model.state}.")
        metadata, lane = service.model.bundle.metadata, service.lane
        async with self._admissions[name].enter():
            began = time.perf_counter()
            computed = await lane.read(partial(prepare, metadata), failed=partial(self._failed, service))
            prepared, ready = computed.prepared, computed.ready
            outputs = _summarise(computed.rows or await self._computed(service, prepared.tensors))
            service.failures = 0
            seconds = {"prepare": ready - began, "compute": time.perf_counter() - ready}
            prediction = Prediction(metadata, outputs, seconds)
            if explain:
                said = await lane.run(explain, prediction, prepared, lane.compute)
                prediction = replace(prediction, explanation=said)
        return prediction, prepared

    async def _computed(self, service: _Service, tensors: Tensor) -> list[Outputs]:
        """The outputs of each piece of an input. Raises what the network raises, which is noted."""
        try:
            return await _in_groups(service.lane, tensors)
        except SchedulingError:
            raise
        except Exception:
            self._failed(service)
            raise

    async def compute(self, name: str, read: Callable[[Metadata], Tensor]) -> tuple[Metadata, Outputs]:
        """Compute a batch that `read` makes in a thread, each input in its turn, and nothing else; every output with
        the batch axis. Raises `ModelNotReadyError`, a `SchedulingError`, `EngineError`, or what `read` raises.
        """
        service = self._services[name]
        if not service.model.bundle:
            raise ModelNotReadyError(f"The model {name} is {service.model.state}.")
        metadata, lane = service.model.bundle.metadata, service.lane
        async with self._admissions[name].enter():
            rows = await _in_groups(lane, await lane.run(read, metadata))
        return metadata, {key: np.stack([row[key] for row in rows]) for key in rows[0]}

    def predict_at_once(
        self,
        name: str,
        prepare: Callable[[Metadata], PreparedT],
        explain: Explain[PreparedT] | None = None,
    ) -> tuple[Prediction, PreparedT]:
        """Prepare an input of an immediate kind, compute its one piece and explain it, all on the event loop.

        Together they take some tens of microseconds, explained some hundreds, as long as the ways to a thread and back
        would. Raises as `predict` does.
        """
        service = self._services[name]
        if not service.model.bundle or not service.network:
            raise ModelNotReadyError(f"The model {name} is {service.model.state}.")
        metadata, network = service.model.bundle.metadata, service.network
        self._admissions[name].check()
        began = time.perf_counter()
        prepared = prepare(metadata)
        ready = time.perf_counter()
        try:
            outputs = {key: values[0] for key, values in network.run(prepared.tensors).items()}
        except Exception:
            self._failed(service)
            raise
        service.failures = 0
        seconds = {"prepare": ready - began, "compute": time.perf_counter() - ready}
        prediction = Prediction(metadata, outputs, seconds)
        if explain:
            prediction = replace(prediction, explanation=explain(prediction, prepared, network.run))
        return prediction, prepared

    async def run(self, name: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a thread as a request of that model, which may be absent.

        Raises a `SchedulingError` or what the function raises.
        """
        async with self._admissions[name].enter():
            return await self._services[name].lane.run(function, *args, **kwargs)

    async def close(self) -> None:
        """Admit no more requests, let those under way finish within their deadlines, then stop."""
        for admission in self._admissions.values():
            admission.close()
        await asyncio.gather(*(admission.drained() for admission in self._admissions.values()))
        for service in self._services.values():
            service.retire()
            service.lane.close()
        self._cores.close()
        self._loader.close()

    def _add(self, name: str, state: State) -> None:
        self._services[name] = _Service(Model(name, state), self._cores.lane(name=name))
        self._admissions[name] = self._admit(name)

    async def _load(self, name: str) -> None:
        try:
            self._put_in_service(await self._checked(name, asyncio.wrap_future(self._loader.models.pop(name))))
        except BundleError as error:
            self._services[name].model = Model(name, "failed", error=self._said(error))

    async def _reload(self, name: str) -> Reload:
        model, fault = self._services[name].model, self.fault(name)
        old = model.bundle.metadata.version if model.bundle else None
        if not await asyncio.to_thread(self._loader.has, name):
            if model.state == "absent":
                return Reload(name, "absent", None, None)
            reason = f"Bundle {name}: there is no such folder any more."
            logger.warning("%s What was loaded goes on.", reason)
            return Reload(name, "kept", old, old, reason)
        try:
            serving = None if fault else model.bundle
            loaded = await self._checked(name, asyncio.to_thread(self._loader.load_again, name, serving))
        except BundleError as error:
            if not model.bundle:
                self._services[name].model = Model(name, "failed", error=self._said(error))
            return Reload(name, "refused", old, old, self._said(error))
        if loaded is None:
            return Reload(name, "unchanged", old, old)
        self._put_in_service(loaded)
        return Reload(name, "loaded", old, loaded.bundle.metadata.version)

    async def _checked(self, name: str, loading: Awaitable[LoadedT]) -> LoadedT:
        """What was loaded, fit to be put in service. Raises `BundleError`, which has been logged."""
        try:
            loaded = await loading
            if loaded is not None:
                await asyncio.to_thread(self._check, loaded.bundle)
        except BundleError as error:
            logger.error("Model %s is not put in service. %s", name, error)
            raise
        except Exception as error:
            logger.exception("Model %s is not put in service.", name)
            raise BundleError("The bundle can't be loaded; the log says why.") from error
        return loaded

    def _put_in_service(self, loaded: LoadedModel) -> None:
        """From now on requests find the new service; those that hold the old one finish with it."""
        metadata = loaded.bundle.metadata
        kind, name = KINDS[metadata.preprocessing.kind], metadata.name
        lane = self._cores.lane(
            loaded.network,
            name=name,
            largest_batch=kind.largest_batch or LARGEST_BATCH,
            at_once=isinstance(loaded.network, Engine),
        )
        service = _Service(Model(name, "ready", loaded.bundle), lane)
        if kind.immediate:
            service.network = loaded.network
        self._services[name].retire()
        self._services[name] = service
        logger.info("Model %s %s loaded in %.2f s.", name, metadata.version, loaded.seconds)

    def _said(self, error: BundleError) -> str:
        return str(error).replace(f"{self._loader.folder}/", "")

    def _failed(self, service: _Service) -> None:
        """Note a failed run. After a few it is the input of zeros that tells whether the network is at fault, or those
        inputs were."""
        service.failures += 1
        if service.failures >= FAILURES and service.test is None:
            service.test = asyncio.create_task(self._test(service), name=f"test {service.model.name}")

    async def _test(self, service: _Service) -> None:
        """Compute zeros; where that fails say so, and again until it works."""
        bundle = service.model.bundle
        while bundle:
            try:
                if service.network:
                    service.network.run(blank(bundle.metadata)[np.newaxis])
                else:
                    await service.lane.infer(blank(bundle.metadata))
            except Exception:
                if service.failing is None:
                    logger.exception("Model %s fails on every input.", service.model.name)
                service.failing = "Its network fails on every input, also on one that it computed when it was loaded."
            else:
                if service.failing:
                    logger.info("Model %s computes again.", service.model.name)
                service.failures, service.failing, service.test = 0, None, None
                return
            await asyncio.sleep(TEST_SECONDS)


async def _in_groups(lane: Lane, tensors: Tensor) -> list[Outputs]:
    """Compute the pieces of one input, as many at once as the lane takes together: in fours those of an ECG record
    take half the time, and others still get their turn between them."""
    outputs: list[Outputs] = []
    for start in range(0, len(tensors), lane.largest_batch):
        group = tensors[start : start + lane.largest_batch]
        outputs += await asyncio.gather(*(lane.infer(tensor) for tensor in group))
    return outputs


def _summarise(windows: Sequence[Outputs]) -> Outputs:
    if len(windows) == 1:
        return windows[0]
    stacked = {name: np.stack([outputs[name] for outputs in windows]) for name in windows[0]}
    means = {name: values.mean(axis=0, dtype=np.float32) for name, values in stacked.items()}
    if NOVELTY in stacked:
        means[NOVELTY] = stacked[NOVELTY].max(axis=0)
    if CLASS_ACTIVATION in stacked:
        means[CLASS_ACTIVATION] = np.concatenate(stacked[CLASS_ACTIVATION], axis=-1) / np.float32(len(windows))
    return means
