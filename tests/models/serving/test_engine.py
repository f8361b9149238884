"""The engine: a graph that is not what its metadata says is refused, and a good one computes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from models.serving.bundle import BundleError, write_bundle
from models.serving.engine import Engine, EngineError
from tests.fake_bundle import FEATURES, SIZE, make_bundle, make_graph, make_metadata


def _batch(*values: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.stack([np.full((SIZE, SIZE, 3), value, np.uint8) for value in values])


def test_computes_every_output_for_each_picture(tmp_path: Path) -> None:
    engine = Engine(make_bundle(tmp_path, "skin"))
    outputs = engine.run(_batch(0, 128, 255))
    assert outputs["probabilities"].shape == (3, 7)
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(outputs["novelty"], [0.5 * 3**0.5, 0.5 / 255 * 3**0.5, 0.5 * 3**0.5], rtol=1e-3)


def test_a_picture_gets_the_same_answer_alone_and_in_a_batch(tmp_path: Path) -> None:
    engine = Engine(make_bundle(tmp_path, "skin"))
    alone, together = engine.run(_batch(40)), engine.run(_batch(200, 40))
    np.testing.assert_allclose(alone["probabilities"][0], together["probabilities"][1], atol=1e-6)


def test_threads_may_run_it_at_once(tmp_path: Path) -> None:
    engine = Engine(make_bundle(tmp_path, "skin"), threads=2)
    values = [value % 256 for value in range(64)]
    expected = engine.run(_batch(*values))["probabilities"]
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda value: engine.run(_batch(value))["probabilities"][0], values))
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_what_a_lone_run_needs_may_come_later_and_gives_the_same_answers(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "skin")
    at_once, later = Engine(bundle, threads=2), Engine(bundle, threads=2, later=True)
    assert later._lone_session is later._session
    before = later.run(_batch(40), cores=2)["probabilities"]
    later.share()
    shared = later._lone_session
    assert shared.get_session_options().intra_op_num_threads == 2
    later.share()
    assert later._lone_session is shared
    for engine in (at_once, later):
        np.testing.assert_allclose(engine.run(_batch(40), cores=2)["probabilities"], before, atol=1e-6)


@pytest.mark.parametrize(("name", "blocks"), [("skin", True), ("heart_record", False), ("heart_image", False)])
def test_networks_of_signals_are_not_laid_out_as_those_of_pictures(tmp_path: Path, name: str, blocks: bool) -> None:
    engine = Engine(make_bundle(tmp_path, name), threads=2)
    for session in (engine._session, engine._lone_session):
        level = session.get_session_options().graph_optimization_level
        assert (level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL) is blocks


def _renamed_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "picture"
    model.graph.node[0].input[0] = "picture"


def _float_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def _fixed_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def _no_novelty(model: onnx.ModelProto) -> None:
    del model.graph.output[1]


def _eight_classes(model: onnx.ModelProto) -> None:
    model.CopyFrom(make_graph(8))


@pytest.mark.parametrize("change", [_renamed_input, _float_input, _fixed_batch, _no_novelty, _eight_classes])
def test_refuses_a_graph_unlike_its_metadata(tmp_path: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    graph = make_graph(7)
    change(graph)
    bundle = make_bundle(tmp_path, "skin", graph=graph)
    with pytest.raises(BundleError, match=rf"{bundle.folder}: the graph's (inputs|outputs) are .*metadata.json says"):
        Engine(bundle)


def test_refuses_a_picture_size_other_than_preprocessing_makes(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "skin", preprocessing={"size": 192, "framing": "squash"})
    with pytest.raises(BundleError, match=rf"{bundle.folder}: the graph reads .*224.* preprocessing makes .*192"):
        Engine(bundle)


def test_a_bundle_of_signals_is_warmed_and_run_with_signals(tmp_path: Path) -> None:
    outputs = Engine(make_bundle(tmp_path, "heart_record")).run(np.ones((3, 1000, 12), np.float32))
    assert outputs["probabilities"].shape == (3, 5)
    np.testing.assert_allclose(outputs["novelty"], [1, 1, 1])


def test_a_bundle_of_rows_is_warmed_and_run_with_rows(tmp_path: Path) -> None:
    outputs = Engine(make_bundle(tmp_path, "heart_risk"), threads=8).run(np.ones((3, 10), np.float32))
    assert outputs["probabilities"].shape == (3, 2)


def test_refuses_a_row_other_than_preprocessing_makes(tmp_path: Path) -> None:
    features = FEATURES["heart_risk"][:5]
    bundle = make_bundle(tmp_path, "heart_risk", preprocessing={"kind": "tabular", "features": features})
    with pytest.raises(BundleError, match=r"the graph reads row float.*10.* preprocessing makes .*5"):
        Engine(bundle)


def test_refuses_a_window_other_than_preprocessing_makes(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "heart_record", preprocessing={"kind": "signal", "seconds": 5})
    with pytest.raises(BundleError, match=r"the graph reads .*1000, 12.* preprocessing makes .*500, 12"):
        Engine(bundle)


def test_refuses_pictures_for_a_graph_of_signals(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "heart_record", preprocessing={"size": 224, "framing": "squash"})
    with pytest.raises(BundleError, match=r"the graph reads signal float.* preprocessing makes signal uint8"):
        Engine(bundle)


def test_refuses_classes_other_than_the_graph_has(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "skin", classes=("mel", "nv"))
    with pytest.raises(BundleError, match=r"probabilities has shape .*7.* for 2 classes"):
        Engine(bundle)


def test_refuses_a_novelty_threshold_without_the_output(tmp_path: Path) -> None:
    graph = make_graph(7)
    _no_novelty(graph)
    bundle = make_bundle(tmp_path, "skin", graph=graph, outputs=make_metadata("skin")["outputs"][:1])
    with pytest.raises(BundleError, match="has no output novelty"):
        Engine(bundle)


def test_refuses_a_file_that_is_no_network(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "skin")
    bundle.model_path.write_bytes(b"not a graph")
    with pytest.raises(BundleError, match=f"{bundle.folder}: ONNX Runtime can't load the graph"):
        Engine(bundle)


def test_refuses_outputs_that_are_no_probabilities(tmp_path: Path) -> None:
    graph = make_graph(7)
    softmax = next(node for node in graph.graph.node if node.op_type == "Softmax")
    softmax.CopyFrom(helper.make_node("Sigmoid", ["logits"], ["probabilities"]))
    with pytest.raises(BundleError, match="are not probabilities"):
        Engine(make_bundle(tmp_path, "skin", graph=graph))


def test_independent_probabilities_are_fine_for_a_multilabel_task(tmp_path: Path) -> None:
    graph = make_graph(7)
    softmax = next(node for node in graph.graph.node if node.op_type == "Softmax")
    softmax.CopyFrom(helper.make_node("Sigmoid", ["logits"], ["probabilities"]))
    engine = Engine(make_bundle(tmp_path, "skin", graph=graph, task="multilabel"))
    assert engine.run(_batch(10))["probabilities"].shape == (1, 7)


def _log_of_colour(model: onnx.ModelProto) -> None:
    lean = next(node for node in model.graph.node if node.op_type == "Sub")
    lean.CopyFrom(helper.make_node("Log", ["colour"], ["lean"]))


def test_refuses_a_network_that_answers_nan_when_warmed(tmp_path: Path) -> None:
    graph = make_graph(7)
    _log_of_colour(graph)
    with pytest.raises(BundleError, match=r"is not finite.*first run"):
        Engine(make_bundle(tmp_path, "skin", graph=graph))


def test_a_failing_run_is_an_engine_error_that_names_the_bundle(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "skin")
    engine = Engine(bundle)
    with pytest.raises(EngineError, match=f"{bundle.folder}: the network failed"):
        engine.run(np.zeros((1, 7, 7, 3), np.uint8))
    assert engine.run(_batch(1))["probabilities"].shape == (1, 7)


@pytest.mark.parametrize("place", ["beside.bin", "../outside.bin", "/etc/hostname"])
def test_weights_in_another_file_are_never_read(tmp_path: Path, place: str) -> None:
    graph = make_graph(7)
    weights = next(each for each in graph.graph.initializer if each.name == "weights")
    for outside in (tmp_path / "skin" / "outside.bin", tmp_path / "skin" / "1.0.0" / "beside.bin"):
        outside.parent.mkdir(parents=True, exist_ok=True)
        outside.write_bytes(weights.raw_data)
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": place, "length": str(3 * 7 * 4)}.items():
        weights.external_data.add(key=key, value=value)
    folder = tmp_path / "skin" / "1.0.0"
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    card, metadata = "# A card", make_metadata("skin")
    with pytest.raises(BundleError, match="ONNX Runtime can't load the graph"):
        Engine(write_bundle(folder, model=folder / "model.onnx", card=card, metadata=metadata))
