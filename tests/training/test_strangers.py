"""Strangers: drawn ones repeat by their seed, and a network that is taught tells them while its answers stay."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.serving.bundle import read_bundle
from training.diagnoses import skin
from training.evaluate import predict
from training.strangers import (
    OWN,
    SOURCES,
    add_classifier,
    bare_skin,
    corner,
    ct_slice,
    doppler,
    features_of,
    fit_classifier,
    inverted,
    part_of,
    side_by_side,
    sources_of,
    turned,
    with_classifier,
)
from training.strangers_told import changed

PICTURE = np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)


def network(file: Path) -> Path:
    """uint8 `image` (n, 8, 8, 3) to `novelty` (n,), the squared distance of the mean colour from grey, and
    `probabilities` (n, 2)."""
    weights, bias = np.eye(3, dtype=np.float32) / 100, np.full(3, -1.27, np.float32)
    constants = {"axes": np.array([1, 2], np.int64), "w": weights, "b": bias, "one": np.array([1], np.int64)}
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values", "axes"], ["features"], keepdims=0),
        helper.make_node("Gemm", ["features", "w", "b"], ["whitened"]),
        helper.make_node("Mul", ["whitened", "whitened"], ["squared"]),
        helper.make_node("ReduceMean", ["squared", "one"], ["novelty"], keepdims=0),
        helper.make_node("Softmax", ["whitened"], ["probabilities"], axis=1),
    ]
    outputs = [("probabilities", ["n", 3]), ("novelty", ["n"])]
    graph = helper.make_graph(
        nodes,
        "made-up",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 8, 8, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, file)
    return file


def of_colour(colour: tuple[int, int, int], count: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 12, (count, 1, 1, 3))
    return np.clip(np.array(colour) + noise + np.zeros((count, 8, 8, 3)), 0, 255).astype(np.uint8)


def test_a_taught_network_tells_strangers_and_answers_as_before(tmp_path: Path) -> None:
    file, threshold = network(tmp_path / "model.onnx"), 3.0
    own, strange = of_colour((150, 110, 100), 300, 1), of_colour((100, 110, 150), 300, 2)
    before = predict(file, own)
    assert predict(file, strange)["novelty"].max() < threshold
    for _ in range(2):
        add_classifier(file, threshold, own, strange, of_colour((150, 110, 100), 400, 3), 0.015)
    onnx.checker.check_model(onnx.load(file))
    after = predict(file, own)
    np.testing.assert_array_equal(after["probabilities"], before["probabilities"])
    assert (after["novelty"] >= before["novelty"]).all()
    assert np.mean(after["novelty"] > threshold) < 0.05
    assert np.mean(predict(file, of_colour((100, 110, 150), 200, 4))["novelty"] > threshold) > 0.97
    assert len([node for node in onnx.load(file).graph.node if node.op_type == "Max"]) == 1


def test_the_classifier_scores_above_0_where_asked_to(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    own, others, checked = rng.normal(0, 1, (500, 4)), rng.normal(1, 1, (500, 4)), rng.normal(0, 1, (1000, 4))
    found = fit_classifier(own.astype(np.float32), others.astype(np.float32), checked.astype(np.float32), 0.05)
    assert np.mean(checked @ found.weights + found.bias > 0) == pytest.approx(0.05, abs=0.002)
    model = onnx.load(network(tmp_path / "model.onnx"))
    assert features_of(model, of_colour((1, 2, 3), 5, 0)).shape == (5, 3)
    assert len(with_classifier(model, found, 1.0).graph.node) == len(model.graph.node) + 6


@pytest.mark.parametrize("draw", [bare_skin, ct_slice])
def test_drawings_repeat_by_their_seed(draw) -> None:  # type: ignore[no-untyped-def]
    first, again, other = (draw(np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first.dtype, first.shape[2]) == (np.uint8, 3)
    assert (first != other).any()


def test_changes_make_of_a_picture_what_they_say() -> None:
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(inverted(inverted(PICTURE, rng), rng), PICTURE)
    assert corner(PICTURE, rng).shape[0] < 26
    assert side_by_side(PICTURE, rng).shape[1] >= 200
    assert turned(PICTURE, rng).shape == (100, 80, 3)
    grey = np.repeat(PICTURE[..., :1], 3, axis=2)
    coloured = np.ptp(doppler(grey, rng).astype(int), axis=2)
    assert 0.005 < np.mean(coloured > 60) < 0.3


def test_halves_are_fixed_by_name() -> None:
    parts = [part_of(f"picture {number}") for number in range(200)]
    assert parts[:4] == [part_of(f"picture {number}") for number in range(4)]
    assert 70 < parts.count("learn") < 130


def test_own_pictures_teach_as_other_places_would_take_them_too() -> None:
    pictures = np.random.default_rng(0).integers(90, 170, (20, 64, 64, 3), np.uint8)
    found = changed(pictures, skin.TASK.recipe)
    assert found.shape == pictures.shape
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, changed(pictures, skin.TASK.recipe))
    colours = found.mean(axis=(1, 2)) - pictures.mean(axis=(1, 2))
    assert np.ptp(colours, axis=0).min() > 20
    as_they_are = replace(skin.TASK.recipe, augmentation="none")
    np.testing.assert_array_equal(changed(pictures, as_they_are), pictures)


@pytest.mark.parametrize("name", OWN)
def test_every_set_that_taught_a_shipped_model_is_named_with_its_terms(name: str) -> None:
    [folder] = Path("models/bundles", name).iterdir()
    metadata = read_bundle(folder).metadata
    named = {source.name for source in metadata.data}
    own = {SOURCES[kind].terms.name for kind in OWN[metadata.name]}
    assert named >= own | {source.name for source in sources_of(metadata.name)}
    assert ("CC BY-NC 4.0" in {source.licence for source in metadata.data}) == ("CC BY-NC 4.0" in metadata.licence)
