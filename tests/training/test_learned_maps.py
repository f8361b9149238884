"""A map learned from hiding parts: what it says is what hiding takes, and nothing else of the network changes."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.diagnoses.xray import XRAY
from models.serving.bundle import LEARNED_OCCLUSION, MEASURED_FILE
from models.serving.engine import CLASS_ACTIVATION
from models.serving.loading import read_newest_bundle
from tests.fake_bundle import make_bundle
from training import learned_maps
from training.datasets.pictures import Sample
from training.errors import ExportError
from training.explainable import add_class_activation, make_explainable
from training.learned_maps import (
    PLACES,
    Trials,
    Weights,
    add_learned_map,
    features_of,
    fit,
    hide_parts,
    logits_of,
    spread,
)

SIZE = 14
WEIGHTS = np.array([[2.0, -1.0, 0.5], [-1.0, 0.5, 1.0]], np.float32)


@pytest.fixture
def network() -> onnx.ModelProto:
    """Pictures of 14 pixels: the mean of each 2 x 2 pixels is its feature map, the weighed mean of that its logits."""
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["f/stage5_2_add/x:0"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["f/stage5_2_add/x:0"], ["pooled_by_2"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Identity", ["pooled_by_2"], ["f/stage7_0_project_conv/x:0"]),
        helper.make_node("GlobalAveragePool", ["f/stage7_0_project_conv/x:0"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("Reshape", ["pooled_by_2", "old_shape"], [CLASS_ACTIVATION]),
    ]
    graph = helper.make_graph(
        nodes,
        "made up",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2]),
            helper.make_tensor_value_info(CLASS_ACTIVATION, TensorProto.FLOAT, ["batch", 3, 7, 7]),
        ],
        [
            numpy_helper.from_array(WEIGHTS.T / 100, "weights"),
            numpy_helper.from_array(np.array([0, 3, 7, 7], np.int64), "old_shape"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def pictures() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (30, SIZE, SIZE, 3)).astype(np.uint8)


def _logits(outputs: object) -> NDArray[np.float64]:
    chances = np.log(outputs["probabilities"].astype(np.float64))  # type: ignore[index]
    return np.asarray(chances - chances.mean(axis=1, keepdims=True))


def _run(model: onnx.ModelProto, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": pictures}), strict=True))


def test_the_map_says_what_hiding_takes_of_pictures_it_was_not_fitted_to(
    network: onnx.ModelProto, pictures: NDArray[np.uint8]
) -> None:
    trials = hide_parts(network, pictures[:25], _logits)
    assert trials.hidden.shape == (25, 28, PLACES)
    assert set(trials.hidden.sum(axis=2).ravel().tolist()) == {1, 10}
    mapped = add_learned_map(network, fit(trials, 1e-6), temperature=2.0)
    found = _run(mapped, pictures[25:])
    maps = found[CLASS_ACTIVATION].reshape(5, 2, PLACES) / (2.0 * PLACES)
    unseen = hide_parts(network, pictures[25:], _logits)
    said = np.einsum("nrp,ntp->ntr", maps, unseen.hidden.astype(np.float32))
    assert np.corrcoef(said.ravel(), unseen.taken.ravel())[0, 1] > 0.9
    before = _run(network, pictures[25:])
    assert found["probabilities"].tobytes() == before["probabilities"].tobytes()


def test_the_graph_reads_each_place_and_those_around_it_as_the_fit_does(
    network: onnx.ModelProto, pictures: NDArray[np.uint8]
) -> None:
    trials = hide_parts(network, pictures[:6], _logits)
    weights = fit(trials)
    maps = _run(add_learned_map(network, weights, 1.0), pictures[:6])[CLASS_ACTIVATION] / PLACES
    half, whole = trials.features
    pooled = np.concatenate([half.reshape(6, 3, 7, 2, 7, 2).mean(axis=(3, 5)), whole], axis=1)
    padded = np.pad(pooled, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for row, column in ((0, 0), (3, 4), (6, 2)):
        around = padded[:, :, row : row + 3, column : column + 3].sum(axis=(2, 3)) / 9
        said = pooled[:, :, row, column] @ weights.here.T + around @ weights.around.T + weights.constants
        np.testing.assert_allclose(maps[:, :, row, column], said, rtol=1e-3, atol=2e-3)


def test_the_old_map_leaves_nothing_behind(network: onnx.ModelProto) -> None:
    nothing = np.zeros((2, 6), np.float32)
    weights = Weights(nothing, nothing, np.ones(2, np.float32))
    mapped = add_learned_map(network, weights, 1.0)
    assert [output.name for output in mapped.graph.output] == ["probabilities", CLASS_ACTIVATION]
    assert not [each for each in mapped.graph.initializer if each.name == "old_shape"]
    assert np.all(_run(mapped, np.zeros((1, SIZE, SIZE, 3), np.uint8))[CLASS_ACTIVATION] == PLACES)
    again = add_learned_map(mapped, weights, 1.0)
    assert len(again.graph.node) == len(mapped.graph.node)


def test_an_int8_network_is_read_after_rounding(network: onnx.ModelProto) -> None:
    name = "f/stage7_0_project_conv/x:0_DequantizeLinear_Output"
    network.graph.node.insert(4, helper.make_node("Identity", ["f/stage7_0_project_conv/x:0"], [name]))
    assert features_of(network) == ["f/stage5_2_add/x:0", name]


def test_a_network_of_another_kind_is_refused(network: onnx.ModelProto) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned_maps, "FEATURES", ("stage9",))
        with pytest.raises(ExportError, match="no feature map stage9"):
            features_of(network)


def test_what_never_mattered_gets_no_weight() -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(40, 2, 7, 7)).astype(np.float32)
    hidden = rng.random((40, 12, PLACES)) < 0.2
    taken = np.einsum("np,ntp->nt", features[:, 0].reshape(40, PLACES), hidden.astype(np.float32))[..., None]
    weights = fit(Trials([features], hidden, taken), 1e-4)
    assert weights.here[0] == pytest.approx([1, 0], abs=0.05)
    assert weights.around[0] == pytest.approx([0, 0], abs=0.1)


def test_rare_kinds_are_shown_more_often_than_they_come_and_common_ones_spread() -> None:
    samples = [Sample(Path(f"{place}.png"), int(place >= 400), "", "", {"set": "a"}) for place in range(500)]
    chosen = spread(samples, 90)
    assert [sum(sample.label == label for sample in chosen) for label in (0, 1)] == [60, 30]
    assert (chosen[0], chosen[59], chosen[-1]) == (samples[0], samples[399], samples[499])
    assert len(spread(samples, 5000)) == 500


def test_the_logits_of_a_breast_network_are_those_of_a_lesion_and_of_malignancy() -> None:
    outputs = {
        "probabilities": np.array([[0.2, 0.2, 0.2, 0.2, 0.2]], np.float32),
        "malignancy": np.array([0.5], np.float32),
    }
    metadata = read_newest_bundle(Path("models/bundles/breast")).metadata
    assert logits_of(metadata)(outputs)[0] == pytest.approx([np.log(4), 0])
    skin = read_newest_bundle(Path("models/bundles/skin")).metadata
    chances = np.array([[0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.1]], np.float32)
    found = logits_of(skin)({"probabilities": chances})[0]
    assert found[5] - found[0] == pytest.approx(np.log(4), abs=1e-5)


def test_the_map_that_a_new_bundle_begins_with_adds_up_to_the_logits(
    network: onnx.ModelProto, pictures: NDArray[np.uint8]
) -> None:
    """A class activation map: its mean and a constant are what the network weighs."""
    del network.graph.node[8:], network.graph.output[1:]
    found = _run(add_class_activation(network, np.eye(2, dtype=np.float32)), pictures)
    weighed = found[CLASS_ACTIVATION].mean(axis=(2, 3))
    logits = np.log(found["probabilities"])
    np.testing.assert_allclose(weighed[:, 1] - weighed[:, 0], logits[:, 1] - logits[:, 0], atol=1e-4)


def _with_even_map(model: onnx.ModelProto) -> onnx.ModelProto:
    """A network with one more output, 7 x 7 places of its probabilities."""
    found = onnx.ModelProto()
    found.CopyFrom(model)
    found.graph.initializer.append(numpy_helper.from_array(np.ones((1, 1, 7, 7), np.float32), "even"))
    found.graph.initializer.append(numpy_helper.from_array(np.array([2, 3], np.int64), "axes_of_places"))
    found.graph.node.append(helper.make_node("Unsqueeze", ["probabilities", "axes_of_places"], ["one_place"]))
    found.graph.node.append(helper.make_node("Mul", ["one_place", "even"], [CLASS_ACTIVATION]))
    found.graph.output.append(helper.make_tensor_value_info(CLASS_ACTIVATION, TensorProto.FLOAT, ["batch", 2, 7, 7]))
    return found


def test_a_bundle_gets_a_learned_map_as_another_version(tmp_path: Path) -> None:
    bundle, add = make_bundle(tmp_path, "xray"), _with_even_map
    before: dict[str, dict[str, object]] = {"Explanations: a set": {}, "a set": {}}
    document = {"version": "0.0.0", "precision": "fp32", "sha256": bundle.metadata.sha256, "note": "", "sets": before}
    (bundle.folder / MEASURED_FILE).write_text(json.dumps({**document, "measured": "2026-11-28"}))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3)).astype(np.uint8)
    made = make_explainable(bundle, "9.9.9", pictures, (bundle.metadata.classes, add))
    assert made.metadata.map_method == LEARNED_OCCLUSION
    assert made.metadata.explains == bundle.metadata.classes
    assert made.metadata.version == "9.9.9"
    XRAY.check(made.metadata)
    carried = json.loads((made.folder / MEASURED_FILE).read_text())
    assert (carried["sha256"], carried["sets"]) == (made.metadata.sha256, {"a set": {}}), "the old map was measured"
