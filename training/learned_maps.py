"""Where in a picture a network finds what speaks for its classes, learned from hiding parts of pictures.

Occlusion asks the network anew for every place. Its answer can be learned instead: a small model that reads the
network's own feature maps is fitted to what hiding random parts of training pictures takes from the logits, and then
says it of a new picture in the pass that answers (FastSHAP, Jethani et al. 2021, arXiv:2107.07436). Here that model is
linear in the features of each place and of those around it, fitted by ridge regression; what hiding several places
takes is taken for the sum of what each does. `class_activation` (n, rows, h, w) becomes that map, in logits before the
temperature, its mean over the places what hiding all of them would take. No other output changes by a bit.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper, shape_inference

from models.diagnoses.breast import BREAST
from models.diagnoses.breast.explanation import ROWS
from models.diagnoses.breast.interpretation import MALIGNANCY, NO_LESION
from models.preprocessing.picture import UInt8Array
from models.serving.bundle import Bundle, Metadata
from models.serving.engine import CLASS_ACTIVATION, PROBABILITIES
from training.datasets.pictures import Sample, load_tensors
from training.errors import ExportError
from training.explainable import LearnedMap
from training.explained import SHARE, hide

log = logging.getLogger(__name__)

LEAST = 1e-6
"""What a probability is kept away from 0 and 1."""
GRID = 7
"""Rows and columns of a map."""
PLACES = GRID * GRID
FEATURES = ("stage5_2_add", "stage7_0_project_conv")
"""Parts of the names of the feature maps (n, channels, 7 or 14, 7 or 14) of EfficientNet-Lite0 that are read."""
PICTURES = 1200
"""None of those measured; of a kind of picture as many as the root of how many there are."""
SINGLE, SCATTERED, TOGETHER, SEED = 10, 6, 12, 3
"""Of a picture so many single places are hidden, so many random fifths, and so many fifths that lie together."""
JITTER = 0.6
"""Places by which the edge of what lies together frays."""
RIDGE = 0.03
"""Of the mean square of what is regressed on."""

FloatArray = NDArray[np.float32]
Logits = Callable[[Mapping[str, FloatArray]], NDArray[np.float64]]
"""The logits (n, rows), after the temperature, of a network's outputs."""


@dataclass(frozen=True)
class Trials:
    """Of pictures their feature maps (n, channels, h, w), the places that were hidden (n, times, 49), and what that
    took from the logits (n, times, rows)."""

    features: Sequence[FloatArray]
    hidden: NDArray[np.bool_]
    taken: NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """What the features (rows, channels) of a place say, all maps beside one another, what the mean (rows, channels) of
    it and those around it does, and the constants (rows,)."""

    here: FloatArray
    around: FloatArray
    constants: FloatArray


def learned_map(bundle: Bundle, samples: Sequence[Sample]) -> LearnedMap:
    """What the rows of a picture network's map speak for, and what puts it into the bundle's networks. It is learned of
    the network that is served, from pictures that are none of those measured. Raises `ExportError`."""
    metadata = bundle.metadata
    rows = ROWS if metadata.name == BREAST.name else metadata.classes
    chosen = spread(samples, PICTURES)
    log.info("%s: %d pictures", metadata.name, len(chosen))
    model = onnx.load(str(bundle.model_path))
    trials = hide_parts(model, load_tensors(chosen, metadata.image_preprocessing), logits_of(metadata))
    weights = fit(trials)
    return tuple(rows), partial(add_learned_map, weights=weights, temperature=metadata.temperature)


def logits_of(metadata: Metadata) -> Logits:
    """What a bundle's rows are the logits of: its classes, or of a breast network the lesion and its malignancy."""
    if metadata.name == BREAST.name:
        none = metadata.classes.index(NO_LESION)

        def of_lesion(outputs: Mapping[str, FloatArray]) -> NDArray[np.float64]:
            return np.stack([-_log_odds(outputs[PROBABILITIES][:, none]), _log_odds(outputs[MALIGNANCY])], axis=1)

        return of_lesion

    def of_classes(outputs: Mapping[str, FloatArray]) -> NDArray[np.float64]:
        logs = np.log(np.maximum(outputs[PROBABILITIES].astype(np.float64), LEAST))
        return np.asarray(logs - logs.mean(axis=1, keepdims=True))

    return of_classes


def _log_odds(chances: FloatArray) -> NDArray[np.float64]:
    inside = np.clip(chances.astype(np.float64), LEAST, 1 - LEAST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """About so many of the samples, evenly over each kind, by label and set, in proportion to the root of its size."""
    kinds: dict[tuple[int, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        kinds[sample.label, sample.strata.get("set", "")].append(sample)
    roots = {kind: len(own) ** 0.5 for kind, own in kinds.items()}
    found = list[Sample]()
    for kind, own in sorted(kinds.items()):
        wanted = min(len(own), max(1, round(count * roots[kind] / sum(roots.values()))))
        found += [own[place] for place in np.linspace(0, len(own) - 1, wanted).astype(int).tolist()]
    return found


def features_of(model: ModelProto) -> list[str]:
    """The names of the feature maps that are read, as a consumer gets them: of an int8 network after rounding. Raises
    `ExportError` where the network has none of that name."""
    maps = [name for name, shape in _shapes(model).items() if shape[-2:] in ([GRID] * 2, [2 * GRID] * 2)]
    found = []
    for part in FEATURES:
        own = [name for name in maps if f"/{part}" in name]
        rounded = [name for name in own if name.endswith("DequantizeLinear_Output")]
        if not own:
            raise ExportError(f"The network has no feature map {part}.")
        found.append((rounded or own)[-1])
    return found


def hide_parts(model: ModelProto, pictures: UInt8Array, logits: Logits) -> Trials:
    """Hide parts of each of the pictures (n, size, size, 3), and see what becomes of the logits."""
    names, rng = features_of(model), np.random.default_rng(SEED)
    session = _session(_with_outputs(model, names))
    entry = session.get_inputs()[0].name
    outputs = [output.name for output in session.get_outputs()]
    features: list[list[FloatArray]] = [[] for _ in names]
    hidden, taken = [], []
    for picture in pictures:
        parts = _parts(rng)
        whole = dict(zip(outputs, session.run(outputs, {entry: picture[None]}), strict=True))
        for own, name in zip(features, names, strict=True):
            own.append(whole[name][0].astype(np.float16))
        asked = [name for name in outputs if name not in names]
        shown = np.stack([hide(picture, np.flatnonzero(part), (GRID, GRID)) for part in parts])
        after = dict(zip(asked, session.run(asked, {entry: shown}), strict=True))
        hidden.append(parts)
        taken.append(logits(whole) - logits(after))
    return Trials([np.stack(own).astype(np.float32) for own in features], np.stack(hidden), np.stack(taken))


def fit(trials: Trials, ridge: float = RIDGE) -> Weights:
    """The weights of least squared error, those of standardised features kept small."""
    places = np.concatenate([_pooled(each) for each in trials.features], axis=1)
    read = np.concatenate([places, _around(places)], axis=1).reshape(len(places), -1, PLACES)
    spread = np.maximum(read.std(axis=(0, 2)), 1e-6)
    read = np.concatenate([read / spread[None, :, None], np.ones((len(read), 1, PLACES), np.float32)], axis=1)
    summed = np.einsum("nfp,ntp->ntf", read, trials.hidden.astype(np.float32)).reshape(-1, read.shape[1])
    squares = summed.T @ summed
    squares[np.diag_indices_from(squares)] += ridge * np.trace(squares) / len(squares)
    found = np.linalg.solve(squares, summed.T @ trials.taken.reshape(-1, trials.taken.shape[-1])).T
    of_features = (found[:, :-1] / spread).astype(np.float32)
    here, around = np.split(of_features, 2, axis=1)
    return Weights(here, around, found[:, -1].astype(np.float32))


def add_learned_map(model: ModelProto, weights: Weights, temperature: float) -> ModelProto:
    """A copy of a network whose `class_activation` is the learned map, in the place of the one that it had."""
    found = ModelProto()
    found.CopyFrom(model)
    graph, names, rows = found.graph, features_of(model), len(weights.constants)
    shapes = _shapes(model)
    _take_away(graph)
    scale = temperature * PLACES
    constants = {
        "map_weights": (np.concatenate([weights.here, weights.around]) * scale).astype(np.float32),
        "map_flat": np.array([0, weights.here.shape[1], PLACES], np.int64),
        "map_shape": np.array([0, 2 * rows, GRID, GRID], np.int64),
        "map_parts": np.array([rows, rows], np.int64),
        "map_constants": (weights.constants * scale).astype(np.float32)[None, :, None, None],
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    pooled = []
    for place, name in enumerate(names):
        step = shapes[name][-1] // GRID
        if step > 1:
            given = {"kernel_shape": [step] * 2, "strides": [step] * 2}
            graph.node.append(helper.make_node("AveragePool", [name], [f"map_pooled_{place}"], **given))
        pooled.append(f"map_pooled_{place}" if step > 1 else name)
    mean = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1] * 4, "count_include_pad": 1}
    graph.node.extend(
        [
            helper.make_node("Concat", pooled, ["map_features"], axis=1),
            helper.make_node("Reshape", ["map_features", "map_flat"], ["map_columns"]),
            helper.make_node("MatMul", ["map_weights", "map_columns"], ["map_said"]),
            helper.make_node("Reshape", ["map_said", "map_shape"], ["map_places"]),
            helper.make_node("Split", ["map_places", "map_parts"], ["map_here", "map_beside"], axis=1),
            helper.make_node("AveragePool", ["map_beside"], ["map_around"], **mean),
            helper.make_node("Sum", ["map_here", "map_around", "map_constants"], [CLASS_ACTIVATION]),
        ]
    )
    graph.output.append(helper.make_tensor_value_info(CLASS_ACTIVATION, TensorProto.FLOAT, ["batch", rows, GRID, GRID]))
    onnx.checker.check_model(found)
    return found


def _take_away(graph: onnx.GraphProto) -> None:
    """Take the output `class_activation` from a graph, with what makes nothing else."""
    for output in [each for each in graph.output if each.name == CLASS_ACTIVATION]:
        graph.output.remove(output)
    while True:
        needed = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
        idle = [node for node in graph.node if not needed & set(node.output)]
        if not idle:
            break
        for node in idle:
            graph.node.remove(node)
    for each in [each for each in graph.initializer if each.name not in needed]:
        graph.initializer.remove(each)


def _pooled(features: FloatArray) -> FloatArray:
    """Features (n, channels, h, w) as (n, channels, 7, 7): the mean of each place."""
    count, channels, height, _ = features.shape
    step = height // GRID
    return np.asarray(features.reshape(count, channels, GRID, step, GRID, step).mean(axis=(3, 5)))


def _around(features: FloatArray) -> FloatArray:
    """The mean of each place (n, channels, 7, 7) and the eight around it, which are 0 beyond the edge."""
    padded = np.pad(features, ((0, 0), (0, 0), (1, 1), (1, 1)))
    parts = [padded[:, :, row : row + GRID, column : column + GRID] for row in range(3) for column in range(3)]
    return np.asarray(np.mean(parts, axis=0))


def _parts(rng: np.random.Generator) -> NDArray[np.bool_]:
    """What is hidden of a picture, (times, 49)."""
    fifth = max(1, round(SHARE * PLACES))
    places = np.stack(np.unravel_index(np.arange(PLACES), (GRID, GRID)), axis=1) + 0.5
    chosen = [rng.choice(PLACES, 1) for _ in range(SINGLE)]
    chosen += [rng.choice(PLACES, fifth, replace=False) for _ in range(SCATTERED)]
    for _ in range(TOGETHER):
        far = np.linalg.norm(places - rng.uniform(0, GRID, 2), axis=1) + rng.normal(0, JITTER, PLACES)
        chosen.append(np.argsort(far)[:fifth])
    parts = np.zeros((len(chosen), PLACES), bool)
    for part, own in zip(parts, chosen, strict=True):
        part[own] = True
    return parts


def _shapes(model: ModelProto) -> dict[str, list[int]]:
    """The shape of each tensor that a network makes, in the order of its nodes; 0 where an edge is not fixed."""
    values = {value.name: value for value in shape_inference.infer_shapes(model).graph.value_info}
    made = [name for node in model.graph.node for name in node.output if name in values]
    return {name: [edge.dim_value for edge in values[name].type.tensor_type.shape.dim] for name in made}


def _with_outputs(model: ModelProto, names: Sequence[str]) -> ModelProto:
    found = ModelProto()
    found.CopyFrom(model)
    known = {value.name: value for value in shape_inference.infer_shapes(found).graph.value_info}
    found.graph.output.extend(known[name] for name in names)
    return found


def _session(model: ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
