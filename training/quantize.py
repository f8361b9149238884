"""An int8 network beside a bundle's own, where it loses no more than half a point.

Weights and activations become 8-bit integers (QDQ, one scale a channel), calibrated on training pictures. Processors
without VNNI add the products of two neighbouring inputs in 16 bits, which saturate (ONNX Runtime, "Quantize ONNX
models", on `reduce_range`); 7-bit weights prevent that and halve the precision of every weight. Here each channel's
step is just large enough that no pair of its weights can saturate, so the same file answers alike everywhere.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.preprocessing.picture import ImagePreprocessing, UInt8Array
from models.serving.bundle import (
    INT8_FILE,
    MODEL_FILE,
    Bundle,
    Estimate,
    NoveltySpec,
    Quantised,
    file_sha256,
    write_bundle,
)
from models.serving.engine import NOVELTY, PROBABILITIES
from training.card import format_estimate
from training.datasets.pictures import Sample, labels_of, load_tensors
from training.diagnoses.picture_task import PictureTask, measure
from training.evaluate import Evaluation, predict
from training.novelty import QUANTILE, fit_gaussian, whitening
from training.splits import Splits

log = logging.getLogger(__name__)

CALIBRATION_PICTURES = 256
TYPICAL_PICTURES = 2048
ALLOWED_LOSS = 0.005
"""The most that any figure may lose, on validation and on test."""
HEADING = "## int8"
_TINY = 1e-7
"""Keeps the logarithm of a probability of 0 finite."""
_LARGEST_PAIR = 127
"""255 times this, and one more for the rounding of either weight, stays below 2^15."""

T = TypeVar("T")
FloatArray = NDArray[np.float32]
Figures = Mapping[str, Callable[[NDArray[np.int64], Mapping[str, FloatArray]], float]]


def add_int8(bundle: Bundle, task: PictureTask, splits: Splits, cache: Path | None = None) -> Bundle:
    """Quantise a picture bundle, write what that loses of `task.int8_figures` into its card, and keep model.int8.onnx
    where that is allowed. With folds there is no validation, and both are asked of what they learned from.

    What is allowed on validation is then measured on the test split, where the bundle has figures of it. Where it loses
    more there, it is taken out again: a veto, which chooses nothing by the test split.
    """
    reference, quantised = bundle.folder / MODEL_FILE, bundle.folder / INT8_FILE
    write_int8(bundle, splits.train)
    checks = splits.validation or splits.train
    labels, pictures = labels_of(checks), load_tensors(checks, _spec(bundle), cache)
    exact, rough = (predict(model, pictures) for model in (reference, quantised))
    losses = {"validation": precision_loss(task.int8_figures, labels, exact, rough)}
    known = bundle.metadata.novelty
    found = Quantised(
        sha256=file_sha256(quantised),
        loss=losses["validation"],
        novelty=comparable_novelty(known, exact[NOVELTY], rough[NOVELTY]) if known else None,
    )
    same = float(np.mean(exact[PROBABILITIES].argmax(axis=1) == rough[PROBABILITIES].argmax(axis=1)))
    tests: list[Evaluation] = []
    if _allowed(losses) and any(name.startswith("test") for name in bundle.metadata.metrics):
        own = bundle.metadata.model_copy(update={"int8": found, "precision": "int8"})
        tests = measure(task, Bundle(bundle.folder, own), "test", splits.test, cache)
        losses |= {test.name: _loss_of(task, test, bundle.metadata.metrics[test.name]) for test in tests}
    allowed = _allowed(losses)
    log.info("int8 against fp32: %s; %s", losses, "kept" if allowed else "not kept")
    lines = [*_verdict(losses, same, quantised.stat().st_size, allowed=allowed), *_measured(tests)]
    if not allowed:
        quantised.unlink()
    metadata = bundle.metadata.model_copy(update={"int8": found if allowed else None})
    return write_bundle(
        bundle.folder,
        model=reference,
        card="\n".join([bundle.card.split(HEADING)[0].rstrip(), "", *lines, ""]),
        metadata=metadata.model_dump(exclude={"sha256"}),
    )


def write_int8(bundle: Bundle, training: Sequence[Sample]) -> None:
    """Write model.int8.onnx beside a bundle's network: calibrated, centred and with a novelty of its own, all by
    training pictures."""
    reference, quantised = bundle.folder / MODEL_FILE, bundle.folder / INT8_FILE
    quantize(reference, quantised, load_tensors(_spread(training, CALIBRATION_PICTURES), _spec(bundle)))
    typical = load_tensors(_spread(training, TYPICAL_PICTURES), _spec(bundle))
    if ends_in_softmax(quantised):
        centre(reference, quantised, typical)
    refit_novelty(quantised, typical)


def ends_in_softmax(model: Path) -> bool:
    """Whether the probabilities of a network are the softmax of logits, which can be centred."""
    nodes = onnx.load(str(model)).graph.node
    return any(node.op_type == "Softmax" and PROBABILITIES in node.output for node in nodes)


def _spec(bundle: Bundle) -> ImagePreprocessing:
    return bundle.metadata.image_preprocessing


def quantize(source: Path, target: Path, pictures: UInt8Array) -> None:
    """Write an int8 copy of a network, calibrated on training pictures (n, size, size, 3)."""

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter(np.array_split(pictures, max(1, len(pictures) // 8)))

        def get_next(self) -> dict[str, UInt8Array] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"image": np.ascontiguousarray(batch)}

    with TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        steps = {
            name: [
                {
                    "quant_type": QuantType.QInt8,
                    "axis": 0,
                    "scale": np.array(step, np.float32),
                    "zero_point": np.array(0, np.int8),
                }
                for step in safe_steps(weights)
            ]
            for name, weights in _dense_weights(onnx.load(str(prepared)))
        }
        logging.disable(logging.INFO)  # it tells of every channel without weight
        try:
            quantize_static(
                str(prepared),
                str(target),
                Reader(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "Add", "Clip"],
                nodes_to_exclude=behind_pooling(onnx.load(str(prepared))),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                extra_options={"TensorQuantOverrides": steps},
            )
        finally:
            logging.disable(logging.NOTSET)


def behind_pooling(model: ModelProto) -> list[str]:
    """The names of the nodes that read what was pooled over a whole map: a head works on few numbers of any size, which
    eight bits would round for nothing."""
    pooled = {"GlobalAveragePool", "ReduceMean"}
    behind, found = set[str](), list[str]()
    for node in model.graph.node:
        if node.op_type in pooled or behind.intersection(node.input):
            behind.update(node.output)
            found.append(node.name)
    return found


def safe_steps(weights: FloatArray) -> FloatArray:
    """The step (channels,) of each channel of convolution weights (channels, inputs, height, width).

    The smallest with which the int8 weights of any two neighbouring inputs add up to 127 at most, those above zero and
    those below apart: an 8-bit activation times either then stays in 16 bits. With 7-bit weights it would be that large
    in every channel, also in one whose largest weights are no neighbours.
    """
    flat = weights.transpose(0, 2, 3, 1).reshape(len(weights), -1)
    pairs = np.pad(flat, ((0, 0), (0, flat.shape[1] % 2))).reshape(len(flat), -1, 2)
    sums = [np.maximum(sign * pairs, 0).sum(axis=2).max(axis=1) for sign in (1, -1)]
    steps = np.maximum(*sums) / _LARGEST_PAIR
    return np.asarray(np.where(steps > 0, steps, 1), dtype=np.float32)


def centre(reference: Path, model: Path, pictures: UInt8Array) -> None:
    """Take the mean difference that rounding makes to the logits of training pictures off those of the int8 `model`."""
    exact, rough = (np.log(predict(each, pictures)[PROBABILITIES] + _TINY) for each in (reference, model))
    graph = onnx.load(str(model))
    softmax = next(node for node in graph.graph.node if PROBABILITIES in node.output)
    if softmax.op_type != "Softmax":
        raise ValueError(f"{PROBABILITIES} is not the output of a softmax but of {softmax.op_type}.")
    shift = numpy_helper.from_array((exact - rough).mean(axis=0, keepdims=True).astype(np.float32), "rounding_shift")
    add = helper.make_node("Add", [softmax.input[0], shift.name], ["centred_logits"], name="centre")
    softmax.input[0] = add.output[0]
    graph.graph.initializer.append(shift)
    graph.graph.node.insert(list(graph.graph.node).index(softmax), add)
    onnx.save(graph, str(model))


def refit_novelty(model: Path, pictures: UInt8Array) -> None:
    """Describe anew, by one Gaussian, the features that the int8 network in `model` makes of training pictures.

    Rounding shifts the features by more than the training pictures spread in their narrowest directions: with the
    Gaussian of fp32 every picture would look like one of another kind.
    """
    graph = onnx.load(str(model))
    if NOVELTY not in {output.name for output in graph.graph.output}:
        return
    whiten = whitening(graph)
    tapped = ModelProto()
    tapped.CopyFrom(graph)
    features, weights, bias = whiten.input
    tapped.graph.output.append(helper.make_tensor_value_info(features, onnx.TensorProto.FLOAT, None))
    with TemporaryDirectory() as folder:
        onnx.save(tapped, f"{folder}/tapped.onnx")
        gaussian = fit_gaussian(predict(Path(folder) / "tapped.onnx", pictures)[features])
    new = {weights: gaussian.whitening, bias: -gaussian.mean @ gaussian.whitening}
    for initializer in graph.graph.initializer:
        if initializer.name in new:
            initializer.CopyFrom(numpy_helper.from_array(new[initializer.name], initializer.name))
    onnx.save(graph, str(model))


def comparable_novelty(reference: NoveltySpec, exact: FloatArray, rough: FloatArray) -> NoveltySpec:
    """The threshold on the int8 scores (n,) of validation pictures that stands where `reference` does on fp32's.

    As far above the 99 % quantile as there.
    """
    threshold = float(reference.threshold * np.quantile(rough, QUANTILE) / np.quantile(exact, QUANTILE))
    return NoveltySpec(threshold=threshold, false_alarms=float(np.mean(rough > threshold)))


def precision_loss(
    figures: Figures, labels: NDArray[np.int64], exact: Mapping[str, FloatArray], rough: Mapping[str, FloatArray]
) -> dict[str, float]:
    """What int8 loses of each figure (positive: worse than fp32), by the outputs for the same pictures."""
    return _differences(*({name: each(labels, found) for name, each in figures.items()} for found in (exact, rough)))


def _spread(items: Sequence[T], n: int) -> list[T]:
    return [items[index] for index in np.linspace(0, len(items) - 1, min(n, len(items)), dtype=int)]


def _dense_weights(model: ModelProto) -> Iterator[tuple[str, FloatArray]]:
    """The weights of each convolution that reads more than one channel: a depthwise one adds in 32 bits."""
    constants = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[1] in constants:
            weights = numpy_helper.to_array(constants[node.input[1]])
            if weights.shape[1] > 1:
                yield node.input[1], weights


def _loss_of(task: PictureTask, test: Evaluation, reference: Mapping[str, Estimate]) -> dict[str, float]:
    exact, rough = ({name: part[name].value for name in task.int8_figures} for part in (reference, test.figures))
    return _differences(exact, rough)


def _differences(exact: Mapping[str, float], rough: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value - rough[name], 4) for name, value in exact.items()}


def _allowed(losses: Mapping[str, Mapping[str, float]]) -> bool:
    return max(loss for part in losses.values() for loss in part.values()) <= ALLOWED_LOSS


def _verdict(losses: Mapping[str, Mapping[str, float]], same: float, size: int, *, allowed: bool) -> Iterator[str]:
    names = list(losses["validation"])
    verdict = (
        "It is part of the bundle, and served unless MEDIDIAGNOSE_PRECISION is fp32"
        if allowed
        else "So it is not part of the bundle, and fp32 is served"
    )
    yield from (
        HEADING,
        "",
        (
            f"An int8 copy of the network ({size / 1e6:.1f} MB), calibrated on training pictures, loses as follows; "
            f"allowed are {ALLOWED_LOSS}. It was chosen on validation, where its leading class is that of fp32 for "
            f"{same:.1%} of the pictures; the test split, measured afterwards, can only take it out. {verdict}."
        ),
        "",
        f"| loss | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        *(f"| {part} | {' | '.join(f'{loss[name]:+.4f}' for name in names)} |" for part, loss in losses.items()),
    )


def _measured(tests: Sequence[Evaluation]) -> Iterator[str]:
    for test in tests:
        yield from (
            "",
            f"Its figures on {test.name}:",
            "",
            "| figure | int8 |",
            "|---|---|",
            *(f"| {name} | {format_estimate(estimate)} |" for name, estimate in test.figures.items()),
        )
