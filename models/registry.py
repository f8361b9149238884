"""The models the service answers with: found on disk, verified, loaded, warmed and kept apart from one another.

A bundle that must not be served fails alone: its model is `failed` with the reason, the others serve. Nothing here
blocks the event loop.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from packaging.version import InvalidVersion, Version

from models.bundle import Bundle, BundleError, Metadata, Precision, read_bundle
from models.engine import NOVELTY, PROBABILITIES, Engine, Network, Outputs, Tensor
from models.scheduling import Admission, Cores


class Windows(Protocol):
    """An input that is read piece by piece."""

    @property
    def tensors(self) -> Tensor:
        """The tensors of its pieces, at least one, stacked."""


P = ParamSpec("P")
T = TypeVar("T")
WindowsT = TypeVar("WindowsT", bound=Windows)

State = Literal["absent", "loading", "ready", "failed"]
MakeNetwork = Callable[[Bundle], Network]

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
    """Serves the newest `<folder>/<name>/<version>/` of each name. To be made inside a running event loop.

    `queue_size` bounds the requests under way for each model, `deadline` (seconds) the time of each request. `threads`
    is how many cores prepare inputs and compute. `precision` `int8` uses the int8 network of each bundle that has one.
    `check` refuses, with a `BundleError`, a bundle whose answers can't be interpreted.
    """

    def __init__(
        self,
        folder: Path,
        names: Iterable[str],
        *,
        queue_size: int,
        deadline: float,
        threads: int,
        precision: Precision = "fp32",
        check: Callable[[Metadata], None] = lambda _: None,
        make_network: MakeNetwork | None = None,
    ) -> None:
        self._folder = folder
        self._check = check
        self._precision = precision
        self._make_network = make_network or (lambda bundle: Engine(bundle, threads=threads))
        self._loading = ThreadPoolExecutor(threads, thread_name_prefix="load")
        self._cores = Cores(threads)
        self._row_networks: dict[str, Network] = {}
        found = model_folders(folder)
        self._models = {
            name: Model(name, "loading" if (folder / name) in found else "absent") for name in sorted(names)
        }
        self._lanes = {name: self._cores.lane() for name in self._models}
        self._admissions = {name: Admission(name, limit=queue_size, deadline=deadline) for name in self._models}
        for unknown in [entry for entry in found if entry.name not in self._models]:
            logger.warning("Folder %s is ignored: there is no diagnosis of that name.", unknown)

    @property
    def models(self) -> list[Model]:
        """Every model, also the absent ones, by name."""
        return list(self._models.values())

    @property
    def ready(self) -> bool:
        """Whether every model that has a bundle is loaded and warmed."""
        return all(model.state in ("ready", "absent") for model in self._models.values())

    def model(self, name: str) -> Model:
        """Raises `KeyError` where the registry was not given that name."""
        return self._models[name]

    def under_way(self, name: str) -> int:
        """How many requests wait for that model or use it."""
        return self._admissions[name].under_way

    async def load(self) -> None:
        """Verify, load and warm every model that has a bundle, on every core at once. A bad bundle is logged and kept
        as its model's error."""
        await asyncio.gather(*(self._load(model.name) for model in self.models if model.state == "loading"))

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
        self._loading.shutdown(wait=False, cancel_futures=True)

    async def _load(self, name: str) -> None:
        self._models[name] = await self._loaded(name)

    async def _loaded(self, name: str) -> Model:
        began = time.perf_counter()
        try:
            bundle, network = await asyncio.get_running_loop().run_in_executor(self._loading, self._open, name)
        except BundleError as error:
            logger.error("Model %s is not served. %s", name, error)
            return Model(name, "failed", error=str(error).replace(f"{self._folder}/", ""))
        except Exception:
            logger.exception("Model %s is not served.", name)
            return Model(name, "failed", error="The bundle can't be loaded; the log says why.")
        if bundle.metadata.preprocessing.kind == "tabular":
            self._row_networks[name] = network
        else:
            self._lanes[name].network = network
        logger.info("Model %s %s loaded in %.2f s.", name, bundle.metadata.version, time.perf_counter() - began)
        return Model(name, "ready", bundle)

    def _open(self, name: str) -> tuple[Bundle, Network]:
        bundle = read_newest_bundle(self._folder / name, self._precision)
        self._check(bundle.metadata)
        return bundle, self._make_network(bundle)


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


def model_folders(bundles: Path) -> list[Path]:
    """The folder of each model that has a bundle, by name; none where there is no bundles folder."""
    return sorted(entry for entry in _subfolders(bundles) if _subfolders(entry))


def read_newest_bundle(folder: Path, precision: Precision = "fp32") -> Bundle:
    """Read and verify the newest version (by PEP 440) in a model's folder; see `read_bundle`. Raises `BundleError`."""
    try:
        newest = max(_subfolders(folder), key=lambda version: Version(version.name))
    except InvalidVersion as error:
        raise BundleError(f"Bundle {folder}: {error}. Name each folder after its version, like 1.0.0.") from error
    bundle = read_bundle(newest, precision)
    if (bundle.metadata.name, bundle.metadata.version) != (folder.name, newest.name):
        raise BundleError(
            f"Bundle {newest}: metadata.json is that of {bundle.metadata.name} {bundle.metadata.version}. "
            "A bundle's folder must be <name>/<version>."
        )
    return bundle


def _subfolders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return [entry for entry in parent.iterdir() if entry.is_dir() and not entry.name.startswith((".", "_"))]
