"""An int8 network joins a bundle only where it loses little enough, and the card says what it loses either way."""

from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
from onnx import helper
from PIL import Image

from models.serving.bundle import INT8_FILE, Bundle, Estimate, NoveltySpec, read_bundle, write_bundle
from tests.fake_bundle import make_bundle
from training import export, quantize
from training.datasets.pictures import Sample
from training.diagnoses import skin
from training.diagnoses.picture_task import FIGURES
from training.evaluate import Evaluation, predict, tensor_specs
from training.novelty import Gaussian
from training.splits import Splits

SIZE = 32


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small convolution network, exported; its classes lean to colours."""
    keras.utils.set_random_seed(3)
    image = keras.Input((SIZE, SIZE, 3))
    tap = keras.layers.Conv2D(8, 3, activation="relu", name="tap")(image / 127.5 - 1.0)
    logits = keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(tap))
    model = keras.Model(image, 4.0 * logits)
    gaussian = Gaussian(np.full(8, 0.1, np.float32), np.eye(8, dtype=np.float32))
    target = tmp_path_factory.mktemp("network") / "model.onnx"
    export.export_onnx(export.served_model(model, 1.0, gaussian, ("tap",)), target)
    return target


@pytest.fixture
def bundle(tmp_path: Path, network: Path) -> Bundle:
    template = make_bundle(tmp_path, "skin").metadata
    entry, outputs = tensor_specs(network)
    spec = template.image_preprocessing.model_copy(update={"size": SIZE})
    metadata = template.model_dump(exclude={"sha256"}) | {"input": entry, "outputs": outputs, "preprocessing": spec}
    return write_bundle(tmp_path / "bundle", model=network, card="# A card\n\n## int8\n\nold\n", metadata=metadata)


@pytest.fixture
def splits(tmp_path: Path, bundle: Bundle) -> Splits:
    """Plain pictures with grain, labelled as the network itself reads them."""
    rng = np.random.default_rng(1)
    samples = []
    for number in range(80):
        pixels = np.clip(rng.uniform(0, 255, 3) + rng.normal(0, 20, (SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels).save(path)
        label = int(predict(bundle.model_path, pixels[None])["probabilities"].argmax())
        samples.append(Sample(path, label, str(number), "made up"))
    return Splits(samples[:40], samples[40:], [])


def test_weights_and_activations_keep_close_to_fp32(bundle: Bundle, rounded: Path, pictures: np.ndarray) -> None:
    exact, rough = (predict(path, pictures)["probabilities"] for path in (bundle.model_path, rounded))
    assert 0 < np.abs(exact - rough).mean() < 0.02


@pytest.fixture
def pictures(splits: Splits) -> np.ndarray:
    return np.stack([np.asarray(Image.open(sample.path)) for sample in splits.train])


@pytest.fixture
def rounded(tmp_path: Path, bundle: Bundle, pictures: np.ndarray) -> Path:
    """An int8 copy of the network."""
    quantize.quantize(bundle.model_path, tmp_path / "int8.onnx", pictures)
    return tmp_path / "int8.onnx"


def test_no_two_neighbouring_weights_saturate_and_no_step_is_larger_than_it_must_be() -> None:
    weights = np.random.default_rng(2).normal(0, 1, (16, 9, 1, 1)).astype(np.float32)
    weights[0, :2] = 5.0
    weights[1, :2] = [[[5.0]], [[-5.0]]]
    weights[2] = 0.0
    steps = quantize.safe_steps(weights)
    integers = np.rint(weights[:, :, 0, 0] / steps[:, None])
    pairs = np.pad(integers, ((0, 0), (0, 1))).reshape(16, 5, 2)
    for sign in (1, -1):
        assert 255 * np.maximum(sign * pairs, 0).sum(axis=2).max() < 2**15
    assert steps[0] == pytest.approx(10 / 127)
    assert steps[1] == pytest.approx(5 / 127)
    assert np.isfinite(steps).all()


def test_integer_arithmetic_answers_as_rounded_floats_do(rounded: Path, pictures: np.ndarray) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    floats = onnxruntime.InferenceSession(str(rounded), options, providers=["CPUExecutionProvider"])
    expected = floats.run(["probabilities"], {"image": pictures})[0]
    np.testing.assert_allclose(predict(rounded, pictures)["probabilities"], expected, atol=0.01)


def test_the_logits_of_training_pictures_keep_their_mean(bundle: Bundle, rounded: Path, pictures: np.ndarray) -> None:
    quantize.centre(bundle.model_path, rounded, pictures)
    exact, rough = (np.log(predict(path, pictures)["probabilities"]) for path in (bundle.model_path, rounded))
    shift = (exact - rough).mean(axis=0)
    np.testing.assert_allclose(shift - shift.mean(), 0, atol=0.002)


def test_novelty_is_that_of_the_features_the_int8_network_makes(rounded: Path, pictures: np.ndarray) -> None:
    assert predict(rounded, pictures)["novelty"].mean() < 0.5
    quantize.refit_novelty(rounded, pictures)
    assert predict(rounded, pictures)["novelty"].mean() == pytest.approx(1, abs=0.2)


def test_the_threshold_stands_as_far_above_validation_as_that_of_fp32() -> None:
    exact = np.linspace(0, 1, 101, dtype=np.float32)
    found = quantize.comparable_novelty(NoveltySpec(threshold=1.98, false_alarms=0.0), exact, 2 * exact)
    assert found.threshold == pytest.approx(3.96)
    assert found.false_alarms == 0


@pytest.mark.parametrize(("allowed", "kept"), [(1.0, True), (-1.0, False)])
def test_it_is_kept_only_where_the_loss_is_allowed(
    bundle: Bundle, splits: Splits, monkeypatch: pytest.MonkeyPatch, allowed: float, kept: bool
) -> None:
    monkeypatch.setattr(quantize, "ALLOWED_LOSS", allowed)
    found = quantize.add_int8(bundle, skin.TASK, splits)
    assert (found.folder / INT8_FILE).is_file() == kept
    assert bool(found.metadata.int8) == kept
    assert read_bundle(found.folder, "int8").metadata.precision == ("int8" if kept else "fp32")
    assert found.card.startswith("# A card")
    assert found.card.count("## int8") == 1
    assert "| loss | balanced_accuracy | macro_auroc |" in found.card
    assert "old" not in found.card


def test_what_int8_loses_is_counted_as_worse() -> None:
    exact, rough = np.eye(7, dtype=np.float32), np.full((7, 7), 1 / 7, np.float32)
    loss = quantize.precision_loss(FIGURES, np.arange(7), {"probabilities": exact}, {"probabilities": rough})
    assert loss["balanced_accuracy"] == pytest.approx(1 - 1 / 7, abs=1e-3)
    assert loss["macro_auroc"] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(("loss", "kept"), [(0.0, True), (0.1, False)])
def test_a_test_split_that_loses_more_takes_it_out_again(
    bundle: Bundle, splits: Splits, monkeypatch: pytest.MonkeyPatch, loss: float, kept: bool
) -> None:
    figures = {name: Estimate(value=0.9 - loss, low=0, high=1, n=7) for name in ("balanced_accuracy", "macro_auroc")}
    test = Evaluation("test", figures, {}, (), np.arange(7), np.eye(7, dtype=np.float32))
    monkeypatch.setattr(quantize, "precision_loss", lambda *_: {"balanced_accuracy": 0.0, "macro_auroc": 0.0})
    monkeypatch.setattr(quantize, "measure", lambda *_: [test])
    reference = {name: Estimate(value=0.9, low=0, high=1, n=7) for name in figures}
    known = bundle.metadata.model_copy(update={"metrics": {"test": reference}}).model_dump(exclude={"sha256"})
    measured = write_bundle(bundle.folder, model=bundle.model_path, card="# A card", metadata=known)
    found = quantize.add_int8(measured, skin.TASK, splits)
    assert bool(found.metadata.int8) == kept
    assert f"| test | {loss:+.4f} | {loss:+.4f} |" in found.card


def test_a_head_stays_exact() -> None:
    nodes = [
        helper.make_node("Add", ["maps", "maps"], ["doubled"], name="residual"),
        helper.make_node("GlobalAveragePool", ["doubled"], ["means"], name="pool"),
        helper.make_node("Add", ["means", "bias"], ["shifted"], name="head"),
        helper.make_node("Relu", ["doubled"], ["kept"], name="beside"),
    ]
    graph = helper.make_graph(nodes, "made-up", [], [])
    assert quantize.behind_pooling(helper.make_model(graph)) == ["pool", "head"]
