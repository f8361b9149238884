"""From made-up PTB-XL records to a bundle that the service would load."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.preprocessing.ecg_record import LEADS, preprocess
from models.serving.bundle import read_bundle
from tests.sheets import ecg
from training import cli
from training.datasets import ptbxl
from training.diagnoses import heart_record
from training.evaluate import predict
from training.recipe import ConvolutionRecipe

FEW = ConvolutionRecipe(dilations=(1, 4), thresholds=1)
PER_FOLD = 10


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten ECGs in each of nine folds, every class in each, loud in a lead of its own; the first of a fold only
    normalised."""
    folder = tmp_path_factory.mktemp("data") / "ptb-xl"
    rng = np.random.default_rng(0)
    rows, normalised = [], {}
    for number in range(9 * PER_FOLD):
        fold, place = number // PER_FOLD + 1, number % PER_FOLD
        sample = ptbxl.EcgSample(number + 1, number, fold, (0, 0, 0, 0, 0))
        loud = np.where(np.arange(12) == place % 5 * 2, 2.0, 1.0)
        stored = np.rint(1000 * (loud * ecg() + rng.normal(0, 0.02, (1000, 12)))).astype(np.int16)
        if place == 0:
            normalised[sample.ecg_id] = stored // 5
        else:
            path = folder / sample.record
            path.parent.mkdir(parents=True, exist_ok=True)
            stored.astype("<i2").tofile(path.with_suffix(".dat"))
            lines = [f"{path.name} 12 100 1000", *(f"{path.name}.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS)]
            path.with_suffix(".hea").write_text("\n".join(lines) + "\n")
        labels = {code: int(place % 5 == index) for index, code in enumerate(ptbxl.CLASSES)}
        kind = "normalised100" if place == 0 else "records100"
        rhythm = ("['SR']", "['AFIB']", "['SR']")[place % 3]
        said = {
            "sub_class": "['NORM']" if place % 5 == 0 else "",
            "form": "['PVC']" if place % 4 else "",
            "rhythm": rhythm,
        }
        known = {"ecg_id": sample.ecg_id, "patient_id": number, "strat_fold": fold}
        rows.append({**known, **said, **labels, "signal": kind})
    with (folder / "superclass_folds.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    np.savez(folder / "normalised100.npz", ecg_id=list(normalised), signal=np.stack(list(normalised.values())))
    return folder.parent


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heart_record, "CONVOLUTIONS", FEW)
        patch.setattr(heart_record, "BEAT_CONVOLUTIONS", replace(FEW, voltage_ridge=1.0, parts=(8, 40, 112)))
        patch.setattr("training.networks.random_convolutions.SLOPE_PENALTY", 1.0)  # noise separates so few records
        assert cli.main(["heart-record", "--data", str(data), "--runs", str(folder)]) == 0
    return folder


def test_the_bundle_holds_thresholds_and_figures_out_of_fold(runs: Path) -> None:
    metadata = read_bundle(runs / "heart_record" / "bundle").metadata
    assert metadata.classes == ptbxl.CLASSES
    assert [point.code for point in metadata.operating_points] == list(ptbxl.CLASSES)
    assert [point.code for point in metadata.rhythm] == ["AFIB_AFLT", "SINUS", "EXTRASYSTOLES"]
    assert list(metadata.metrics) == [heart_record.OUT_OF_FOLD]
    figures = metadata.metrics[heart_record.OUT_OF_FOLD]
    assert figures["macro_auroc"].n == 8 * (PER_FOLD - 1)
    assert figures["infarction_named_normal"].value <= 0.05
    assert {"normal_not_named", "ece_MI", "sensitivity_AFIB_AFLT"} <= set(figures)


def test_the_bundle_reads_what_the_service_prepares(data: Path, runs: Path) -> None:
    bundle = read_bundle(runs / "heart_record" / "bundle")
    path = data / "ptb-xl" / "records100" / "00000" / "00002_lr"
    header, signal = (path.with_suffix(suffix).read_bytes() for suffix in (".hea", ".dat"))
    windows = preprocess(header, signal, bundle.metadata.signal_preprocessing)
    outputs = predict(bundle.model_path, windows.tensors)
    assert outputs["probabilities"].shape == (1, 5)
    assert outputs["rhythm"].shape == (1, 3)
    splits = ptbxl.split(ptbxl.load(data / "ptb-xl"))
    sample = next(sample for sample in splits.train if sample.ecg_id == 2)
    trained_on = heart_record.tensors_of(heart_record.load_data(data / "ptb-xl", [sample]).signals)
    np.testing.assert_allclose(windows.tensors, trained_on, atol=1e-5)


def test_the_test_fold_is_measured_apart_and_once_asked(data: Path, runs: Path) -> None:
    assert cli.main(["heart-record", "--test", "--data", str(data), "--runs", str(runs)]) == 0
    metrics = read_bundle(runs / "heart_record" / "bundle").metadata.metrics
    assert list(metrics) == [heart_record.OUT_OF_FOLD, heart_record.TEST]
    assert metrics[heart_record.TEST]["macro_auroc"].n == PER_FOLD - 1
