"""An int8 network joins a bundle only where it loses little enough, and the card says what it loses either way."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from models.bundle import INT8_FILE, Bundle, read_bundle, write_bundle
from tests.fake_bundle import make_bundle
from training import export, quantize
from training.datasets.pictures import Sample
from training.evaluate import predict
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
    gaussian = Gaussian(np.zeros(8, np.float32), np.eye(8, dtype=np.float32))
    target = tmp_path_factory.mktemp("network") / "model.onnx"
    export.export_onnx(export.served_model(model, 1.0, gaussian, ("tap",)), target)
    return target


@pytest.fixture
def bundle(tmp_path: Path, network: Path) -> Bundle:
    template = make_bundle(tmp_path, "skin").metadata
    entry, outputs = export.tensor_specs(network)
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


def test_weights_and_activations_keep_close_to_fp32(tmp_path: Path, bundle: Bundle, splits: Splits) -> None:
    pictures = np.stack([np.asarray(Image.open(sample.path)) for sample in splits.train])
    quantize.quantize(bundle.model_path, tmp_path / "int8.onnx", pictures)
    exact, rough = (predict(path, pictures)["probabilities"] for path in (bundle.model_path, tmp_path / "int8.onnx"))
    assert 0 < np.abs(exact - rough).mean() < 0.02


@pytest.mark.parametrize(("allowed", "kept"), [(1.0, True), (-1.0, False)])
def test_it_is_kept_only_where_the_loss_is_allowed(
    bundle: Bundle, splits: Splits, monkeypatch: pytest.MonkeyPatch, allowed: float, kept: bool
) -> None:
    monkeypatch.setattr(quantize, "ALLOWED_LOSS", allowed)
    found = quantize.add_int8(bundle, splits)
    assert (found.folder / INT8_FILE).is_file() == kept
    assert bool(found.metadata.int8) == kept
    assert read_bundle(found.folder, "int8").metadata.precision == ("int8" if kept else "fp32")
    assert found.card.startswith("# A card")
    assert found.card.count("## int8") == 1
    assert "| macro_auroc |" in found.card
    assert "old" not in found.card


def test_what_int8_loses_is_counted_as_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, rough = Path("exact"), Path("rough")
    answers = {exact: np.eye(7), rough: np.full((7, 7), 1 / 7)}

    def answer(model: Path, _: np.ndarray) -> dict[str, np.ndarray]:
        return {"probabilities": answers[model]}

    monkeypatch.setattr(quantize, "predict", answer)
    loss = quantize.precision_loss(exact, rough, np.zeros((7, SIZE, SIZE, 3), np.uint8), np.arange(7))
    assert loss["balanced_accuracy"] == pytest.approx(1 - 1 / 7, abs=1e-3)
    assert loss["macro_auroc"] == pytest.approx(0.5, abs=1e-3)
