from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort

from training import export, novelty
from training.datasets.ptbxl import EcgData
from training.networks.ecg_ensemble import Ensemble, served_model
from training.networks.random_convolutions import fit_convolutions
from training.networks.residual_ecg import RecordChanges, build_network, predict, train_network
from training.recipe import ConvolutionRecipe, RecordRecipe

RNG = np.random.default_rng(0)
RECIPE = RecordRecipe(filters=(8, 8, 8, 8), steps=4, warmup=2, batch_size=8, validate_every=2)
DATA = EcgData(
    RNG.normal(0, 0.3, (24, 1000, 12)).astype(np.float32),
    np.arange(24, dtype=np.float32) % 2,
    np.repeat(np.eye(5, dtype=np.float32), 5, axis=0)[:24],
)


def test_the_voltage_counts_only_where_it_is_known() -> None:
    network = build_network(RECIPE)
    louder = DATA.signals * 3
    for known, changes in ((0.0, False), (1.0, True)):
        flags = np.full(24, known, np.float32)
        quiet = predict(network, EcgData(DATA.signals, flags, DATA.labels))
        loud = predict(network, EcgData(louder, flags, DATA.labels))
        assert bool(np.abs(quiet - loud).max() > 1e-3) == changes


def test_augmentation_repeats_by_its_seed_and_keeps_the_shape() -> None:
    first, again, other = (
        np.asarray(RecordChanges(replace(RECIPE, seed=seed)).change(DATA.signals, DATA.known[:, None])[0])
        for seed in (1, 1, 2)
    )
    assert first.shape == DATA.signals.shape
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_withheld_voltage_is_told() -> None:
    recipe = replace(RECIPE, voltage_loss=1.0, lead_loss=0.0)
    changed = RecordChanges(recipe).change(DATA.signals, np.ones((24, 1), np.float32))
    signals, known = map(np.asarray, changed)
    assert known.max() == 0
    np.testing.assert_allclose(signals.std(axis=1), 1, atol=0.25)


def test_trained_networks_become_one_graph(tmp_path: Path) -> None:
    networks = [train_network(replace(RECIPE, seed=seed), DATA, DATA, tmp_path / str(seed)) for seed in (1, 2)]
    assert (tmp_path / "1" / "model.keras").is_file()
    assert len((tmp_path / "1" / "history.csv").read_text().splitlines()) == 1 + 2
    recipe = ConvolutionRecipe(dilations=(1, 4), thresholds=1)
    ensemble = Ensemble(networks, fit_convolutions(recipe, DATA, [n % 3 for n in range(24)]), share=0.3)
    gaussian = novelty.Gaussian(np.zeros(24, np.float32), np.eye(24, dtype=np.float32))
    served = served_model(ensemble, 1.5, gaussian)
    exported = tmp_path / "model.onnx"
    export.export_onnx(served, exported)
    assert export.check_parity(served, exported, DATA.signals[:4]) < 1e-4
    session = ort.InferenceSession(str(exported))
    probabilities, score = session.run(["probabilities", "novelty"], {"signal": DATA.signals[:3]})
    assert probabilities.shape == (3, 5)
    assert score.shape == (3,)
    voiced = EcgData(DATA.signals, np.ones(24, np.float32), DATA.labels)
    logits = ensemble.predict(voiced)[:3]
    alone = np.mean([predict(network, voiced)[:3] for network in networks], axis=0)
    np.testing.assert_allclose(logits, 0.7 * alone + 0.3 * predict(ensemble.convolutions, voiced)[:3], atol=1e-5)
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits / 1.5)), atol=1e-4)
