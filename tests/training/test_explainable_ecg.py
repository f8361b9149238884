"""Networks of ECGs that also say which leads and seconds speak for each finding."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from models.preprocessing.ecg_beat import with_beat
from models.serving.engine import CLASS_ACTIVATION
from models.serving.loading import versions
from training.explainable_ecg import NoLeadsError, add_lead_activation

BUNDLES = Path("models/bundles")
COLUMNS = np.repeat(np.arange(4), 3)


def _run(model: ModelProto, signals: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([each.name for each in session.get_outputs()], session.run(None, {"signal": signals}), strict=True))


def _without_map(name: str) -> ModelProto:
    """The shipped network as it was before it said which leads speak."""
    model = onnx.load(str(versions(BUNDLES / name)[0] / "model.onnx"))
    for output in [each for each in model.graph.output if each.name == CLASS_ACTIVATION]:
        model.graph.output.remove(output)
    return model


def _signals(count: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(3)
    time = np.arange(1000)
    beats = np.exp(-(((((time + 40) % 80) - 40) / 3.0) ** 2))[:, None] * rng.normal(0, 0.8, (count, 1, 12))
    return (beats + rng.normal(0, 0.03, (count, 1000, 12))).astype(np.float32)


def _sheets(signals: NDArray[np.float32]) -> NDArray[np.float32]:
    """As sheets of four columns show them."""
    shown = (np.arange(1000)[:, None] // 250 == COLUMNS).astype(np.float32)
    return np.concatenate([signals * shown, np.broadcast_to(shown, signals.shape)], axis=2)


def _log_odds(chances: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = chances.astype(np.float64)
    return np.asarray(np.log(wide) - np.log1p(-wide))


def test_what_the_leads_of_a_sheet_add_is_what_leaving_them_out_takes() -> None:
    model = _without_map("heart_image")
    if any(CLASS_ACTIVATION in node.output for node in model.graph.node):
        mapped = onnx.load(str(versions(BUNDLES / "heart_image")[0] / "model.onnx"))
    else:
        mapped = add_lead_activation(model, 5)
    whole = _sheets(_signals(3))
    without = whole.copy()
    without[:, :, np.tile(COLUMNS == 2, 2)] = 0
    before, after = _run(mapped, whole), _run(mapped, without)
    assert before[CLASS_ACTIVATION].shape == (3, 5, 12, 1)
    lost = _log_odds(before["probabilities"]) - _log_odds(after["probabilities"])
    added = before[CLASS_ACTIVATION][:, :, 6:9].sum(axis=(2, 3))
    scale = (lost * added).sum() / (added * added).sum()
    assert lost == pytest.approx(scale * added, abs=1e-3)
    assert np.abs(after[CLASS_ACTIVATION][:, :, 6:9]).max() < 1e-6


def test_a_record_in_which_one_lead_is_silent_owes_it_nothing_by_its_own_convolutions() -> None:
    mapped = onnx.load(str(versions(BUNDLES / "heart_record")[0] / "model.onnx"))
    signals = _signals(2)
    silent = signals.copy()
    silent[1] = 0
    cells = _run(mapped, np.stack([with_beat(each) for each in silent]))[CLASS_ACTIVATION]
    assert cells.shape == (2, 5, 12, 10)
    assert np.abs(cells[0]).max() > 0.05
    assert np.abs(cells[1]).max() < 2e-3


def test_no_network_gets_the_map_twice_and_none_of_pictures_gets_it() -> None:
    mapped = onnx.load(str(versions(BUNDLES / "heart_record")[0] / "model.onnx"))
    with pytest.raises(NoLeadsError, match="already"):
        add_lead_activation(mapped, 5)
    graph = helper.make_graph(
        [
            helper.make_node("Concat", ["signal", "signal"], ["two"], axis=1),
            helper.make_node("MatMul", ["two", "w"], ["probabilities"]),
        ],
        "other",
        [helper.make_tensor_value_info("signal", TensorProto.FLOAT, ["batch", 4, 12])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones((12, 5), np.float32), "w")],
    )
    with pytest.raises(NoLeadsError, match="no readings"):
        add_lead_activation(helper.make_model(graph), 5)
