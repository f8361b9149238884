"""One network in ONNX Runtime on the CPU: the graph is checked against its bundle's metadata, then warmed and run."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.preprocessing.inputs import KINDS
from models.serving.bundle import Bundle, BundleError, Metadata, TensorSpec

Tensor = NDArray[Any]
Outputs = Mapping[str, NDArray[np.float32]]

PROBABILITIES = "probabilities"
NOVELTY = "novelty"
RHYTHM = "rhythm"
CLASS_ACTIVATION = "class_activation"

_ONLY_ERRORS = 3
_POWER_OF_TWO = 0
_SIGNAL_AXES = 3
"""Of (n, samples, channels). Their networks keep the order of channels that the graph has: the blocks of channels that
convolutions of pictures gain by cost those of records a tenth and of sheets a fifth more, for the same answers to the
last bit."""
_ELEMENTS: Mapping[str, type[np.generic]] = {"uint8": np.uint8, "float": np.float32}

_SHRINKING = onnxruntime.RunOptions()
_SHRINKING.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

onnxruntime.set_default_logger_severity(_ONLY_ERRORS)


def _share_arena() -> None:
    """Make the memory arena that every session of this process takes its tensors from.

    Without one each run of a network maps its feature maps anew, which makes it take a tenth to a quarter longer. With
    one a session the arenas of five networks hold 550 MB; a shared one holds what the cores use at once, of whichever
    networks.
    """
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg({"arena_extend_strategy": _POWER_OF_TWO}))


_share_arena()


class EngineError(RuntimeError):
    """The network failed on a valid input, or answered something that is not a number."""


class Network(Protocol):
    """What the queue needs of an engine; tests put a fake in its place."""

    def run(self, batch: Tensor, *, cores: int = 1) -> Outputs:
        """Compute a batch; see `Engine.run`."""


class _GraphTensor(Protocol):
    name: str
    type: str
    shape: Sequence[int | str | None]


class Engine:
    """The network of one bundle. `run` may be called from any thread.

    Runs on one core each are faster together than one run on all, which is faster for a lone request; so there is a
    session for either. `threads` is how many cores the second uses, which `share` opens where that is to come `later`;
    a row of values is too little work to share. Raises `BundleError`, which names the bundle, where the graph can't be
    loaded, differs from metadata.json, or fails its first run.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 1, later: bool = False) -> None:
        self._bundle = bundle
        shared = threads > 1 and not KINDS[bundle.metadata.preprocessing.kind].immediate
        self._open_shared: Callable[[], onnxruntime.InferenceSession] | None = None
        try:
            graph, of_signals = bundle.model_path.read_bytes(), len(bundle.metadata.input.shape) == _SIGNAL_AXES
            self._session = self._lone_session = _open(graph, threads=1, of_signals=of_signals)
            if shared:
                self._open_shared = partial(_open, graph, threads=threads, of_signals=of_signals)
            if not later:
                self.share()
        except Exception as error:
            raise BundleError(f"Bundle {bundle.folder}: ONNX Runtime can't load the graph: {error}") from error
        self._input = bundle.metadata.input.name
        self._outputs = [output.name for output in bundle.metadata.outputs]
        self._check_graph()
        self._warm_up()

    def run(self, batch: Tensor, *, cores: int = 1) -> Outputs:
        """Compute, on one core or on all, a batch of what preprocessing makes: (n, height, width, 3) uint8 pictures,
        0-255, (n, samples, leads) float32 signals, mV, (n, samples, channels) float32 sheets, or (n, features) float32
        rows.

        Returns each output of metadata.json by name, its first axis n: `probabilities` (n, classes), 0-1, `novelty`
        (n,), `rhythm` (n, rhythms), 0-1, and `class_activation` (n, rows, h, w), of ECGs (n, classes, leads,
        seconds). Raises `EngineError`.
        """
        session = self._session if cores == 1 else self._lone_session
        try:
            arrays = session.run(self._outputs, {self._input: batch})
        except Exception as error:
            raise EngineError(f"Bundle {self._bundle.folder}: the network failed: {error}") from error
        outputs = dict(zip(self._outputs, arrays, strict=True))
        for name, values in outputs.items():
            if not np.isfinite(values).all():
                raise EngineError(f"Bundle {self._bundle.folder}: output {name} is not finite.")
        return outputs

    def share(self) -> None:
        """Open the session for a lone run on all cores, where there is to be one and is not yet. In a thread."""
        if self._open_shared:
            self._lone_session = self._open_shared()
            self._open_shared = None

    def give_arena_back(self) -> None:
        """Compute an input of zeros, after which the arena that all sessions share keeps only what is in use.

        It grows to what runs took side by side, at a reload one more than there are cores, and doubles each time: 24
        requests during each of eight reloads left 40 MB. The next run maps its feature maps anew. Raises `EngineError`.
        """
        try:
            self._session.run(None, {self._input: blank(self._bundle.metadata)[np.newaxis]}, _SHRINKING)
        except Exception as error:
            raise EngineError(f"Bundle {self._bundle.folder}: the network failed: {error}") from error

    def _check_graph(self) -> None:
        metadata = self._bundle.metadata
        self._check_tensors("inputs", self._session.get_inputs(), [metadata.input])
        self._check_tensors("outputs", self._session.get_outputs(), metadata.outputs)
        promised = {
            PROBABILITIES: True,
            NOVELTY: metadata.novelty,
            RHYTHM: metadata.rhythm,
            CLASS_ACTIVATION: metadata.explains,
        }
        wanted = {name for name, described in promised.items() if described}
        if absent := wanted - set(self._outputs):
            raise BundleError(f"Bundle {self._bundle.folder}: the graph has no output {', '.join(sorted(absent))}.")
        prepared = metadata.input.model_copy(
            update={
                "dtype": KINDS[metadata.preprocessing.kind].dtype,
                "shape": (None, *metadata.preprocessing.tensor_shape),
            }
        )
        if metadata.input != prepared:
            raise BundleError(
                f"Bundle {self._bundle.folder}: the graph reads {_listing([metadata.input])}, "
                f"preprocessing makes {_listing([prepared])}."
            )
        probabilities = next(output for output in metadata.outputs if output.name == PROBABILITIES)
        if probabilities.shape != (None, len(metadata.classes)):
            raise BundleError(
                f"Bundle {self._bundle.folder}: probabilities has shape {probabilities.shape} "
                f"for {len(metadata.classes)} classes."
            )
        activation = next((output for output in metadata.outputs if output.name == CLASS_ACTIVATION), None)
        if activation and (len(activation.shape) != 4 or activation.shape[1] != len(metadata.explains)):
            raise BundleError(
                f"Bundle {self._bundle.folder}: {CLASS_ACTIVATION} has shape {activation.shape} for the rows "
                f"{', '.join(metadata.explains) or 'that metadata.json does not name'}."
            )

    def _check_tensors(self, kind: str, graph: Sequence[_GraphTensor], expected: Sequence[TensorSpec]) -> None:
        found_specs = {_spec(tensor) for tensor in graph}
        if found_specs != set(expected):
            raise BundleError(
                f"Bundle {self._bundle.folder}: the graph's {kind} are {_listing(found_specs)}, "
                f"metadata.json says {_listing(expected)}."
            )

    def _warm_up(self) -> None:
        """Run one input, so that the first request finds a proven network.

        On one core: where bundles open on every core, threads that spin would hold up the others for longer than a
        first run on every core takes more than a second one.
        """
        try:
            probabilities = self.run(blank(self._bundle.metadata)[np.newaxis])[PROBABILITIES]
        except EngineError as error:
            raise BundleError(f"{error} This was its first run.") from error
        in_range = bool(np.all((probabilities >= 0) & (probabilities <= 1)))
        sums_to_one = np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)
        if not in_range or (self._bundle.metadata.task == "multiclass" and not sums_to_one):
            raise BundleError(f"Bundle {self._bundle.folder}: the outputs {PROBABILITIES} are not probabilities.")


def blank(metadata: Metadata) -> Tensor:
    """The input of zeros, without batch axis, that every network of this metadata computes."""
    preprocessing = metadata.preprocessing
    return np.zeros(preprocessing.tensor_shape, _ELEMENTS[KINDS[preprocessing.kind].dtype])


def _open(graph: bytes, *, threads: int, of_signals: bool) -> onnxruntime.InferenceSession:
    options = _session_options(threads)
    if of_signals:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _session_options(threads: int) -> onnxruntime.SessionOptions:
    """The threads of a run on every core spin while they wait for one another: a picture takes 11.4 ms, with sleeping
    ones 14.7, hardly less than on one core. Only a request that finds the service idle is computed so. They stop when
    the run ends: spinning on, they would take a core from the next request.

    Weights in files beside the graph, which the checksum does not cover and whose paths may lead anywhere, are looked
    for where there is no file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ONLY_ERRORS
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    return options


def _spec(tensor: _GraphTensor) -> TensorSpec:
    shape = tuple(edge if isinstance(edge, int) else None for edge in tensor.shape)
    return TensorSpec(name=tensor.name, dtype=tensor.type.removeprefix("tensor(").removesuffix(")"), shape=shape)


def _listing(tensors: Sequence[TensorSpec] | set[TensorSpec]) -> str:
    return ", ".join(sorted(f"{tensor.name} {tensor.dtype}{list(tensor.shape)}" for tensor in tensors))
