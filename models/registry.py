"""The models the service answers with, kept apart from one another.

A bundle that must not be served fails alone: its model is `failed` with the reason, the others serve. Nothing here
blocks the event loop.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle, BundleError, Metadata
from models.engine import NOVELTY, PROBABILITIES, Network, Outputs, Tensor
from models.opening import Opened, Opening
from models.scheduling import Admission, Cores, Observe


class Windows(Protocol):
    """An input that is read piece by piece."""

    @property
    def tensors(self) -> Tensor:
        """The tensors of its pieces, at least one, stacked."""


P = ParamSpec("P")
T = TypeVar("T")
WindowsT = TypeVar("WindowsT", bound=Windows)

State = Literal["absent", "loading", "ready", "failed"]

_LARGEST_BATCHES = {"sheet": 1}
"""By what a network reads, where it is not that of every lane: batches of sheets take a quarter longer than as many
sheets by themselves, since their feature maps outgrow the cache. `python -m benchmarks.tuning`"""

logger = logging.getLogger("medidiagnose.models")


class ModelNotReadyError(RuntimeError):
    """The model is absent, still loading, or its bundle must not be served."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model: `bundle` where it is `ready`, and where it `failed` the reason as `error`."""

    name: str
    state: State
    bundle: Bundle | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer of a network to one input. `seconds` is what its stages, `prepare` and `compute`, took."""

    metadata: Metadata
    outputs: Outputs
    seconds: Mapping[str, float]

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(classes,), 0-1, in the order of `metadata.classes`."""
        return self.outputs[PROBABILITIES]

    @property
    def novelty(self) -> float | None:
        """Higher is less like the training data; None where the bundle doesn't measure it."""
        return float(self.outputs[NOVELTY]) if self.metadata.novelty else None


class ModelRegistry:
    """Serves the models that `opening` opens. To be made inside a running event loop.

    `queue_size` bounds the requests under way for each model, `deadline` (seconds) the time of each request. `check`
    refuses, with a `BundleError`, a bundle whose answers can't be interpreted;
    `observe` is told of the work that was done (`Cores`).
    """

    def __init__(
        self,
        opening: Opening,
        *,
        queue_size: int,
        deadline: float,
        check: Callable[[Metadata], None] = lambda _: None,
        observe: Observe = lambda *_: None,
    ) -> None:
        self._opening = opening
        self._check = check
        self._cores = Cores(opening.threads, deadline=deadline, observe=observe)
        self._row_networks: dict[str, Network] = {}
        self._models = {name: Model(name, "loading" if name in opening.models else "absent") for name in opening.names}
        self._lanes = {name: self._cores.lane(name=name) for name in self._models}
        self._admissions = {name: Admission(name, limit=queue_size, deadline=deadline) for name in self._models}

    @property
    def models(self) -> list[Model]:
        """Every model, also the absent ones, by name."""
        return list(self._models.values())

    @property
    def ready(self) -> bool:
        """Whether every model that has a bundle is loaded and warmed, and no work is stuck."""
        return all(model.state in ("ready", "absent") and not self.fault(model.name) for model in self.models)

    def model(self, name: str) -> Model:
        """Raises `KeyError` where the registry was not given that name."""
        return self._models[name]

    def fault(self, name: str) -> str | None:
        """What is wrong with a model that is in service, a sentence; None where nothing is."""
        return self._lanes[name].fault

    def stuck(self, name: str) -> int:
        """How many pieces of that model's work have run past the deadline and have not ended."""
        return self._lanes[name].stuck

    def under_way(self, name: str) -> int:
        """How many requests wait for that model or use it."""
        return self._admissions[name].under_way

    def check_room(self, name: str) -> None:
        """Raises what `predict` would, for want of a model or of room for one more request, before it is prepared."""
        if (state := self._models[name].state) not in ("ready", "absent"):
            raise ModelNotReadyError(f"The model {name} is {state}.")
        self._admissions[name].check()

    async def load(self) -> None:
        """Put every model in service as soon as it is open. A bad bundle is logged and kept as its model's error."""
        await asyncio.gather(*(self._load(name, future) for name, future in self._opening.models.items()))

    async def predict(self, name: str, prepare: Callable[[Metadata], Tensor]) -> Prediction:
        """Prepare an input in a thread, then compute it in its turn. `prepare` makes the tensor the metadata asks for.

        Raises `ModelNotReadyError`, a `SchedulingError`, `EngineError`, or what `prepare` raises.
        """
        prediction, _ = await self.predict_windows(name, lambda metadata: _Whole(prepare(metadata)[np.newaxis]))
        return prediction

    async def predict_windows(self, name: str, prepare: Callable[[Metadata], WindowsT]) -> tuple[Prediction, WindowsT]:
        """Prepare an input in a thread, then compute its windows one after the other, each in its turn.

        Every output is the mean over the windows but `novelty`, which is the highest. Returns also what `prepare` made.
        Raises as `predict` does.
        """
        model = self._models[name]
        if not model.bundle:
            raise ModelNotReadyError(f"The model {name} is {model.state}.")
        metadata, lane = model.bundle.metadata, self._lanes[name]
        async with self._admissions[name].enter():
            began = time.perf_counter()
            windows = await lane.run(prepare, metadata)
            prepared = time.perf_counter()
            outputs = _summarise([await lane.infer(tensor) for tensor in windows.tensors])
        seconds = {"prepare": prepared - began, "compute": time.perf_counter() - prepared}
        return Prediction(metadata, outputs, seconds), windows

    async def predict_row(self, name: str, prepare: Callable[[Metadata], Tensor]) -> Prediction:
        """Make a row of values and compute it, both at once on the event loop.

        Together they take some tens of microseconds, less than the way to a thread and back. Raises as `predict` does.
        """
        model = self._models[name]
        if not model.bundle:
            raise ModelNotReadyError(f"The model {name} is {model.state}.")
        metadata, network = model.bundle.metadata, self._row_networks[name]
        self._admissions[name].check()
        began = time.perf_counter()
        row = prepare(metadata)
        prepared = time.perf_counter()
        outputs = {key: values[0] for key, values in network.run(row[np.newaxis]).items()}
        seconds = {"prepare": prepared - began, "compute": time.perf_counter() - prepared}
        return Prediction(metadata, outputs, seconds)

    async def run(self, name: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a thread as a request of that model, which may be absent.

        Raises a `SchedulingError` or what the function raises.
        """
        async with self._admissions[name].enter():
            return await self._lanes[name].run(function, *args, **kwargs)

    async def close(self) -> None:
        """Admit no more requests, let those under way finish within their deadlines, then stop."""
        for admission in self._admissions.values():
            admission.close()
        await asyncio.gather(*(admission.drained() for admission in self._admissions.values()))
        for lane in self._lanes.values():
            lane.close()
        self._cores.close()
        self._opening.close()

    async def _load(self, name: str, future: Future[Opened]) -> None:
        self._models[name] = await self._loaded(name, future)

    async def _loaded(self, name: str, future: Future[Opened]) -> Model:
        try:
            opened = await asyncio.wrap_future(future)
            await asyncio.to_thread(self._check, opened.bundle.metadata)
        except BundleError as error:
            logger.error("Model %s is not served. %s", name, error)
            return Model(name, "failed", error=str(error).replace(f"{self._opening.folder}/", ""))
        except Exception:
            logger.exception("Model %s is not served.", name)
            return Model(name, "failed", error="The bundle can't be loaded; the log says why.")
        metadata = opened.bundle.metadata
        if metadata.preprocessing.kind == "tabular":
            self._row_networks[name] = opened.network
        else:
            lane = self._lanes[name]
            lane.network = opened.network
            lane.largest_batch = _LARGEST_BATCHES.get(metadata.preprocessing.kind, lane.largest_batch)
        logger.info("Model %s %s loaded in %.2f s.", name, metadata.version, opened.seconds)
        return Model(name, "ready", opened.bundle)


@dataclass(frozen=True, slots=True)
class _Whole:
    """An input that is one tensor."""

    tensors: Tensor


def _summarise(windows: Sequence[Outputs]) -> Outputs:
    if len(windows) == 1:
        return windows[0]
    stacked = {name: np.stack([outputs[name] for outputs in windows]) for name in windows[0]}
    return {
        name: values.max(axis=0) if name == NOVELTY else values.mean(axis=0, dtype=np.float32)
        for name, values in stacked.items()
    }
