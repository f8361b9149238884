"""The readings of an ECG and the graph they become."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from models.preprocessing.ecg_beat import with_beat
from models.serving.engine import CLASS_ACTIVATION
from training import export, novelty
from training.datasets.ecg_beats import read_data
from training.datasets.ptbxl import CLASSES, EcgData
from training.explainable_ecg import explain_leads
from training.metrics import auroc
from training.networks import ecg_ensemble
from training.networks.beat_reading import BeatReading, fit_beat_reading
from training.networks.random_convolutions import fit_convolutions
from training.recipe import ConvolutionRecipe

COUNT = 48


def _signals() -> tuple[np.ndarray, np.ndarray]:
    """Beats of each ECG's own size; where the first target holds, of irregular times, where the second does, broad."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, (COUNT, 8)).astype(np.float32)
    signals = rng.normal(0, 0.02, (COUNT, 1000, 12)).astype(np.float32)
    time = np.arange(1000)[:, None]
    for signal, target in zip(signals, targets, strict=True):
        size = rng.uniform(0.5, 1.5, 12) * np.where(np.arange(12) % 2, 1, -1)
        steps = rng.integers(50, 120, 20) if target[0] else np.full(20, 80)
        for place in np.cumsum(steps)[np.cumsum(steps) < 960]:
            signal += size * np.exp(-(((time - place) / (5 if target[1] else 2)) ** 2))
    return signals, targets


SIGNALS, TARGETS = _signals()
BEATS = read_data(SIGNALS)


@pytest.fixture(scope="module")
def reading() -> BeatReading:
    return fit_beat_reading(BEATS, TARGETS[:, :3], np.arange(COUNT) % 4)


def test_the_beat_tells_what_is_broad_and_what_is_irregular_out_of_fold(reading: BeatReading) -> None:
    for target in (0, 1):
        assert auroc(TARGETS[:, target] > 0, reading.answers[:, target]) > 0.9


def test_a_level_that_is_added_or_a_gain_changes_nothing_that_the_beat_says(reading: BeatReading) -> None:
    first, second = (
        reading.model.predict([beat, BEATS.rhythm], verbose=0) for beat in (BEATS.median, 2 * BEATS.median + 0.3)
    )
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_weights_of_the_other_groups_make_the_log_odds_of_a_group() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, (200, 1)).astype(np.float32)
    answers = [labels + rng.normal(0, 1, (200, 1)).astype(np.float32)]
    groups = np.arange(200) % 4
    own = np.ones((1, 1), np.bool_)
    found = ecg_ensemble.cross_fitted(answers, labels, own, groups)
    apart = ecg_ensemble.fit_weights([answers[0][groups != 2]], labels[groups != 2], own)
    np.testing.assert_allclose(found[groups == 2], apart.combine([answers[0][groups == 2]]), rtol=1e-5)


def test_what_speaks_for_a_finding_speaks_against_normal_and_for_no_other_finding() -> None:
    rng = np.random.default_rng(2)
    finding = rng.integers(0, 2, (300, 1)).astype(np.float32)
    labels = np.concatenate([1 - finding, finding, rng.integers(0, 2, (300, 3))], axis=1).astype(np.float32)
    told = labels + rng.normal(0, 1, labels.shape).astype(np.float32)
    slopes = ecg_ensemble.fit_weights([told], labels, ecg_ensemble.EACH_CLASS).slopes[0]
    assert slopes[1, 0] < -0.3 < 0.3 < slopes[0, 0]
    np.testing.assert_array_equal(slopes[:, 1:] != 0, np.eye(5, dtype=bool)[:, 1:])


def test_the_readings_become_one_graph(tmp_path: Path, reading: BeatReading) -> None:
    ecgs, groups = EcgData(SIGNALS, np.ones(COUNT, np.float32), TARGETS), [n % 4 for n in range(COUNT)]
    few = ConvolutionRecipe(dilations=(1, 4), thresholds=1)
    convolutions = fit_convolutions(few, ecgs, groups)
    of_beat = fit_convolutions(
        replace(few, voltage_ridge=1.0, parts=(8, 40, 112)), replace(ecgs, signals=BEATS.median), groups
    )
    rng = np.random.default_rng(1)
    classes, rhythms = (
        ecg_ensemble.Weights(
            rng.normal(size=(readings, columns, columns)).astype(np.float32), np.ones(columns, np.float32)
        )
        for readings, columns in ((3, 5), (2, 3))
    )
    together = ecg_ensemble.Ensemble(convolutions.model, of_beat.model, reading.model, classes, rhythms)
    gaussian = novelty.fit_gaussian(ecg_ensemble.familiar_features(BEATS.median))
    tensors = np.stack([with_beat(signal) for signal in SIGNALS[:3]])
    served, exported = ecg_ensemble.served_model(together, gaussian), tmp_path / "model.onnx"
    export.export_onnx(served, exported)
    assert export.check_parity(served, exported, tensors) < 1e-4
    names = ["probabilities", "rhythm", "novelty"]
    found = dict(zip(names, ort.InferenceSession(str(exported)).run(names, {"signal": tensors}), strict=True))
    shape = convolutions.model.predict(SIGNALS[:3], verbose=0)
    beat_shape, beat_voltage = np.split(of_beat.model.predict(BEATS.median[:3], verbose=0), 2, axis=1)
    rhythm = reading.model.predict([BEATS.median[:3], BEATS.rhythm[:3]], verbose=0)
    expected = (
        classes.combine([each[:, :5] for each in (shape, beat_shape, beat_voltage)]),
        rhythms.combine([shape[:, 5:], rhythm]),
    )
    for name, log_odds in zip(names, expected, strict=False):
        np.testing.assert_allclose(found[name], 1 / (1 + np.exp(-log_odds)), atol=1e-4)
    assert found["novelty"].shape == (3,)
    explain_leads(exported, CLASSES)
    silence = np.zeros_like(tensors[:1])
    cells, chances = ort.InferenceSession(str(exported)).run(
        [CLASS_ACTIVATION, "probabilities"], {"signal": np.concatenate([tensors, silence])}
    )
    log_odds = np.log(chances) - np.log1p(-chances)
    np.testing.assert_allclose(cells.sum(axis=(2, 3)), log_odds - log_odds[3], atol=0.02)
