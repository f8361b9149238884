"""From made-up records, drawn as sheets and read, to a bundle that the service would load."""

import csv
from pathlib import Path

import numpy as np
import pytest

from models.preprocessing.ecg_record import LEADS
from models.preprocessing.ecg_sheet.preparation import read
from models.serving.bundle import read_bundle
from tests.fake_bundle import make_bundle
from tests.sheets import ecg, sheet
from training import cli
from training.datasets import ptbxl
from training.diagnoses import heart_image
from training.evaluate import predict
from training.recipe import SheetRecipe

FOLDS = (1, 2, 8, 9)
PER_FOLD = 9


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine ECGs in each of four folds, every class in each; the first of a fold only normalised."""
    folder = tmp_path_factory.mktemp("data") / "ptb-xl"
    rng = np.random.default_rng(0)
    rows, normalised = [], {}
    for number in range(len(FOLDS) * PER_FOLD):
        fold, place = FOLDS[number // PER_FOLD], number % PER_FOLD
        sample = ptbxl.EcgSample(number + 1, number, fold, (0, 0, 0, 0, 0))
        stored = np.rint(1000 * (ecg() + rng.normal(0, 0.01, (1000, 12)))).astype(np.int16)
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
        rows.append({"ecg_id": sample.ecg_id, "patient_id": number, "strat_fold": fold, **labels, "signal": kind})
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
        patch.setattr(heart_image, "RECIPE", SheetRecipe(dilations=(1, 4), mixtures=1, ridges=(1.0,)))
        assert cli.main(["heart-image", "--data", str(data), "--runs", str(folder)]) == 0
    return folder


def test_the_bundle_holds_thresholds_and_validation_figures(runs: Path) -> None:
    metadata = read_bundle(runs / "heart_image" / "bundle").metadata
    assert metadata.classes == ptbxl.CLASSES
    assert [point.code for point in metadata.operating_points] == list(ptbxl.CLASSES)
    assert list(metadata.metrics) == ["validation, damaged sheets", "validation, clean sheets"]
    assert metadata.metrics["validation, damaged sheets"]["macro_auroc"].n == PER_FOLD - 1
    assert metadata.sheet_preprocessing.least_consistency > 0


def test_the_bundle_reads_what_the_service_prepares(runs: Path) -> None:
    bundle = read_bundle(runs / "heart_image" / "bundle")
    found = read(np.asarray(sheet()), bundle.metadata.sheet_preprocessing)
    chances = predict(bundle.model_path, found.tensors)["probabilities"]
    assert chances.shape == (1, 5)
    assert ((chances >= 0) & (chances <= 1)).all()


def test_the_test_fold_is_measured_apart_with_the_round_trip(data: Path, runs: Path, tmp_path: Path) -> None:
    record = make_bundle(tmp_path, "heart_record")
    command = ["heart-image", "--test", "--data", str(data), "--runs", str(runs)]
    assert cli.main([*command, "--record-bundle", str(record.folder)]) == 0
    metrics = read_bundle(runs / "heart_image" / "bundle").metadata.metrics
    assert list(metrics)[2:] == ["test, damaged sheets", "test, clean sheets"]
    agreement = metrics["test, clean sheets"]["agreement_with_record"]
    assert agreement.n == PER_FOLD - 1
    assert 0 <= agreement.low <= agreement.value <= agreement.high <= 1


def test_without_a_record_bundle_there_is_no_round_trip(
    data: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["heart-image", "--test", "--data", str(data), "--runs", str(runs)]) == 1
    assert "model.onnx" in capsys.readouterr().err
