"""The whole way from pictures to a bundle that the service would load, on made-up pictures."""

import csv
import json
import os
from pathlib import Path

import keras
import numpy as np
import onnxruntime as ort
import pytest

from models.bundle import read_bundle
from training import cli, pipeline
from training.evaluate import bootstrap
from training.metrics import balanced_accuracy
from training.tasks import TASKS
from training.two_phase import sampling_weights


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    assert cli.main(["skin", "--smoke", "--runs", str(folder), "--install", str(folder / "bundles")]) == 0
    return folder


def test_smoke_run_writes_a_bundle_that_answers(runs: Path) -> None:
    bundle = read_bundle(runs / "bundles" / "skin" / f"{TASKS['skin'].version}.dev0")
    session = ort.InferenceSession(str(bundle.model_path))
    size = bundle.metadata.image_preprocessing.size
    pictures = np.zeros((3, size, size, 3), np.uint8)
    probabilities, novelty = session.run(["probabilities", "novelty"], {"image": pictures})
    assert probabilities.shape == (3, 7)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert novelty.shape == (3,)
    assert {point.code for point in bundle.metadata.operating_points} == {"mel", "bcc", "akiec"}
    assert set(bundle.metadata.metrics) == {"validation"}
    assert "Not a medical device" in bundle.card


def test_smoke_run_writes_a_report_and_a_keras_model(runs: Path) -> None:
    report = runs / "skin-smoke" / "report"
    assert "<img" in (report / "index.html").read_text()
    assert {path.name for path in report.glob("*.png")} == {"training.png", "validation.png"}
    assert (runs / "skin-smoke" / "model.keras").is_file()
    assert len((runs / "skin-smoke" / "history.jsonl").read_text().splitlines()) == 2


def test_resume_goes_on_where_the_checkpoint_stands(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = len((runs / "skin-smoke" / "history.jsonl").read_text().splitlines())
    assert cli.main(["skin", "--smoke", "--runs", str(runs), "--resume", "--steps", "6"]) == 0
    entries = [json.loads(line) for line in (runs / "skin-smoke" / "history.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries[before:]] == [6]


def test_averaged_weights_lie_in_the_middle(tmp_path: Path) -> None:
    for name, value in (("one", 1.0), ("other", 3.0)):
        layer = keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(value))
        (tmp_path / name).mkdir()
        keras.Sequential([keras.Input((2,)), layer]).save(tmp_path / name / "model.keras")
    arguments = ["average", "skin", str(tmp_path / "one"), str(tmp_path / "other"), "--runs", str(tmp_path)]
    assert cli.main(arguments) == 0
    averaged = keras.models.load_model(tmp_path / "skin" / "model.keras")
    np.testing.assert_array_equal(averaged.get_weights()[0], [[2.0], [2.0]])


def test_sampling_breaks_the_tie_between_class_and_stratum(tmp_path: Path) -> None:
    from training.smoke import smoke_splits

    task = TASKS["skin"]
    samples = [
        sample
        for number, sample in enumerate(smoke_splits(task, tmp_path).train)
        if sample.label or sample.strata["resolution"] == "soft" or number % 3 == 0
    ]
    weights = sampling_weights(samples, task.recipe)
    assert weights.sum() == pytest.approx(1)
    for label in range(7):
        mine = [i for i, sample in enumerate(samples) if sample.label == label]
        sharp = sum(weights[i] for i in mine if samples[i].strata["resolution"] == "sharp")
        assert sharp / weights[mine].sum() == pytest.approx(0.6)


def test_bootstrap_draws_whole_groups() -> None:
    labels = np.array([0, 0, 1, 1] * 25)
    probabilities = np.eye(2, dtype=np.float32)[np.where(np.arange(100) % 10 == 0, 1 - labels, labels)]
    apart = bootstrap(balanced_accuracy, labels, probabilities, [str(i) for i in range(100)], 200)
    together = bootstrap(balanced_accuracy, labels, probabilities, [str(i // 20) for i in range(100)], 200)
    assert apart.low < apart.value < apart.high
    assert together.value == apart.value
    assert together.high - together.low < apart.high - apart.low


def test_set_weights_give_each_set_the_same_total(tmp_path: Path) -> None:
    from training.smoke import smoke_splits

    task = TASKS["xray"]
    samples = smoke_splits(task, tmp_path).train[:5]
    weights = pipeline.set_weights(samples, "set")
    totals = {
        value: sum(w for w, s in zip(weights, samples, strict=True) if s.strata["set"] == value)
        for value in ("kermany", "nih")
    }
    assert totals["kermany"] == pytest.approx(totals["nih"])
    assert weights.mean() == pytest.approx(1)


def test_each_way_to_meet_imbalance_is_compared(tmp_path: Path) -> None:
    from training.compare import VARIANTS, compare
    from training.smoke import smoke_splits, smoke_task

    task = smoke_task(TASKS["skin"])
    table = compare(pipeline.Run(task, tmp_path / "run"), smoke_splits(task, tmp_path / "pictures"))
    assert list(table.columns[0].cells) == [variant.name for variant in VARIANTS]
    assert all(0 <= float(cell) <= 1 for column in table.columns[1:] for cell in column.cells)


def test_verify_says_what_differs(ham10000: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "verify", "ham10000", str(ham10000)]) == 1
    assert "nv: 2 pictures, published 6705" in capsys.readouterr().out


def test_a_missing_set_is_one_sentence_not_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["skin", "--data", str(tmp_path), "--runs", str(tmp_path / "runs")]) == 1
    assert "Expected layout" in capsys.readouterr().err


DATA = Path(os.environ.get("MEDIDIAGNOSE_DATA", "../shared/data"))


@pytest.mark.skipif(not (DATA / "chest_nih").is_dir(), reason="needs the real data sets (MEDIDIAGNOSE_DATA)")
def test_predictions_of_the_shipped_bundle_are_written(tmp_path: Path) -> None:
    bundles = Path("models/bundles/xray")
    if not bundles.is_dir():
        pytest.skip("no xray bundle yet")
    file = tmp_path / "predictions.csv"
    [newest] = sorted(bundles.iterdir())[-1:]
    arguments = ["evaluate", "xray", "--bundle", str(newest), "--data", str(DATA), "--runs", str(tmp_path)]
    assert cli.main([*arguments, "--predictions", str(file)]) == 0
    with file.open() as stream:
        row = next(csv.DictReader(stream))
    assert float(row["prob_normal"]) + float(row["prob_pneumonia"]) == pytest.approx(1, abs=1e-5)
