"""The whole way from pictures to a bundle that the service would load, on made-up pictures."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import onnxruntime as ort
import pandas as pd
import pytest

from benchmarks import parity
from benchmarks.server import running_server
from models.serving.bundle import read_bundle
from tests.documents import written
from tests.training.made_up_sets import write_sets
from training import cli, strangers
from training.diagnoses import Job, skin, xray
from training.diagnoses.picture_task import Run, hold_some_outside, match, open_run, set_weights, shift_of
from training.errors import TrainingError
from training.networks.predecessor import network_of
from training.smoke import smoke_splits, smoke_task
from training.splits import assert_no_leak


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    command = written("medidiagnose-train skin --data /path/to/data", {"--data /path/to/data": "--smoke"})
    assert cli.main([*command, "--runs", str(folder), "--install", str(folder / "bundles")]) == 0
    return folder


def test_smoke_run_writes_a_bundle_that_answers(runs: Path) -> None:
    bundle = read_bundle(runs / "bundles" / "skin" / f"{skin.TASK.version}.dev0")
    session = ort.InferenceSession(str(bundle.model_path))
    size = bundle.metadata.image_preprocessing.size
    pictures = np.zeros((3, size, size, 3), np.uint8)
    probabilities, novelty = session.run(["probabilities", "novelty"], {"image": pictures})
    assert probabilities.shape == (3, 7)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert novelty.shape == (3,)
    assert {point.code for point in bundle.metadata.operating_points} == {
        "mel",
        "bcc",
        "akiec",
        "suspicious",
    }
    assert set(bundle.metadata.metrics) == {"validation"}
    assert "Not a medical device" in bundle.card
    assert bundle.card.startswith("# Skin lesions from dermoscopy, seven classes")


def test_smoke_run_writes_a_report_and_a_keras_model(runs: Path) -> None:
    report = runs / "skin-smoke" / "report"
    assert "<img" in (report / "index.html").read_text()
    assert {path.name for path in report.glob("*.png")} == {"training.png", "validation.png"}
    assert (runs / "skin-smoke" / "model.keras").is_file()
    assert pd.read_csv(runs / "skin-smoke" / "history.csv")["step"].tolist() == [2, 4]


def test_resume_goes_on_where_the_backup_stands(runs: Path) -> None:
    command = written("medidiagnose-train skin --data /path/to/data --resume", {"--data /path/to/data": "--smoke"})
    assert cli.main([*command, "--runs", str(runs), "--steps", "6", "--bundle-only"]) == 0
    assert len(pd.read_csv(runs / "skin-smoke" / "history.csv")) == 2
    asked = written(
        'make train-skin DATA=/path/to/data ARGS="--steps 2000 --loss focal"',
        {"--data /path/to/data": "--smoke --resume", "--steps 2000": "--steps 6"},
    )
    assert cli.main([*asked, "--runs", str(runs)]) == 0
    assert pd.read_csv(runs / "skin-smoke" / "history.csv")["step"].tolist() == [2, 4, 6]


def test_the_test_split_is_measured_when_asked(runs: Path) -> None:
    assert cli.main(["skin", "--smoke", "--runs", str(runs), "--test", "--bundle-only"]) == 0
    metadata = json.loads((runs / "skin-smoke" / "bundle" / "metadata.json").read_text())
    assert list(metadata["metrics"]) == ["validation", "test"]


def test_a_service_answers_what_was_measured(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "predictions.csv"
    asked = written(
        "medidiagnose-train evaluate skin --data /path/to/data --split test --predictions predictions.csv",
        {"--data /path/to/data": "--smoke", "predictions.csv": file},
    )
    bundle = runs / "bundles" / "skin" / f"{skin.TASK.version}.dev0"
    assert cli.main([*asked, "--runs", str(runs), "--bundle", str(bundle)]) == 0
    assert len(pd.read_csv(file)) > 10
    asked = written(
        "python -m benchmarks.parity --predictions predictions.csv --route /analyze/skin", {"predictions.csv": file}
    )
    with running_server({"MEDIDIAGNOSE_BUNDLES": str(runs / "bundles")}) as server:
        monkeypatch.setattr("sys.argv", ["parity", *asked, "--url", server.url, "--count", "5"])
        parity.main()


def test_a_network_that_was_trained_is_quantised(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = written(
        "medidiagnose-train quantize skin models/bundles/skin/1.2.0",
        {"models/bundles/skin/1.2.0": runs / "skin-smoke" / "bundle"},
    )
    assert cli.main([*asked, "--smoke", "--runs", str(runs)]) == 0
    assert "An int8 copy of the network" in capsys.readouterr().out


def test_the_network_of_a_bundle_can_be_had_back_to_teach_another(runs: Path) -> None:
    run = open_run(skin.TASK, Job(runs, runs, False, {"smoke": True}))
    found = network_of(read_bundle(run.folder / "bundle"), run.task.recipe)
    trained = keras.models.load_model(run.folder / "model.keras")
    pictures = np.random.default_rng(5).integers(0, 256, (2, *found.input.shape[1:])).astype(np.float32)
    expected = np.asarray(trained(pictures)) + shift_of(run)
    np.testing.assert_allclose(np.asarray(found(pictures)), expected, atol=1e-3)
    with pytest.raises(TrainingError, match="other classes"):
        network_of(read_bundle(run.folder / "bundle"), replace(run.task.recipe, classes=("a", "b")))
    with pytest.raises(TrainingError, match="another network"):
        network_of(read_bundle(run.folder / "bundle"), replace(run.task.recipe, backbone="mobilenet_v2"))


def test_the_network_of_a_bundle_teaches_a_student_beside_the_folds(runs: Path, tmp_path: Path) -> None:
    taught = ["--student", "--predecessor", str(runs / "skin-smoke" / "bundle")]
    asked = ["skin", "--smoke", "--runs", str(tmp_path), "--folds", "2", "--steps", "2", "--sizes", "64"]
    assert cli.main([*asked, *taught]) == 0
    folder = tmp_path / "skin-smoke"
    mean, student = (
        keras.models.load_model(folder / name / "model.keras").get_weights()[-2] for name in (".", "student")
    )
    assert np.abs(student - mean).max() > 0
    assert (folder / "student" / "teachers.npy").is_file()


def test_balance_is_taken_back_where_classes_were_balanced_and_nowhere_else(tmp_path: Path) -> None:
    options = {"smoke": True, "balance": 0.5, "balance_undone": 1.0}
    run = open_run(skin.TASK.chosen(options), Job(tmp_path, tmp_path, False, options))
    counts = np.bincount([sample.label for sample in run.splits.train])
    np.testing.assert_allclose(np.diff(shift_of(run)), 0.5 * np.diff(np.log(counts)), atol=1e-5)
    with pytest.raises(TrainingError, match="taken back"):
        shift_of(open_run(xray.TASK.chosen(options), Job(tmp_path, tmp_path, False, options)))


@dataclass(frozen=True)
class Folds:
    """A run of two folds, of which the first was trained alone and the second when they were joined: its `options` and
    `runs`, what lay in its folder when one fold was trained, and whether that fold stayed as it was."""

    options: list[str]
    runs: Path
    alone: set[str]
    kept: bool

    @property
    def folder(self) -> Path:
        return self.runs / "xray-smoke"


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Folds:
    runs = tmp_path_factory.mktemp("folds")
    options = ["--smoke", "--runs", str(runs), "--folds", "2", "--steps", "2", "--sizes", "64"]
    half = written("medidiagnose-train xray --fold 1 --mixed-precision mixed_bfloat16")
    assert cli.main([*half, *options]) == 0
    keras.config.set_dtype_policy("float32")
    folder = runs / "xray-smoke"
    said, alone = folder / "fold1" / "out_of_fold.csv", {path.name for path in folder.iterdir()}
    trained = said.stat().st_mtime_ns
    whole = written("make train-xray DATA=/path/to/data", {"--data /path/to/data": "--resume"})
    assert cli.main([*whole, *options]) == 0
    return Folds(options, runs, alone, said.stat().st_mtime_ns == trained)


def test_a_fold_can_be_trained_alone_and_joined_to_the_others_later(folds: Folds) -> None:
    assert "fold1" in folds.alone
    assert not {"fold2", "model.keras"} & folds.alone
    assert folds.kept
    assert read_bundle(folds.folder / "bundle").metadata.training["folds"] == 2
    assert cli.main(["xray", *folds.options, "--fold", "3"]) == 1


def test_folds_leave_what_they_say_of_those_held_out_and_a_mean(folds: Folds) -> None:
    folder = folds.folder
    tables = [pd.read_csv(folder / f"fold{number}" / "out_of_fold.csv") for number in (1, 2)]
    run = open_run(xray.TASK, Job(folds.runs, folds.runs, False, {"smoke": True, "folds": 2}))
    held_out = sorted(path for table in tables for path in table["path"])
    assert held_out == sorted(str(sample.path) for sample in run.splits.train)
    networks = [keras.models.load_model(folder / name / "model.keras") for name in ("fold1", "fold2", ".")]
    first, second, mean = (network.get_weights()[-2] for network in networks)
    np.testing.assert_allclose(mean, (first + second) / 2, atol=1e-6)
    metadata = read_bundle(folder / "bundle").metadata
    assert metadata.training["folds"] == 2
    assert {name: part["accuracy"].n for name, part in metadata.metrics.items()} == {
        "out of fold made-up": len(run.splits.train)
    }


def test_from_the_student_to_what_is_told_of_it_as_it_is_served(
    folds: Folds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands from networks to bundles, in the order of the text; `tables` has a test in test_served.py."""
    bundle, data, options = folds.folder / "bundle", write_sets(tmp_path), [*folds.options, "--student"]
    here = {"runs/xray/bundle": bundle}
    mean = keras.models.load_model(folds.folder / "model.keras").get_weights()[-2]
    taught = ["--predecessor", str(bundle)]
    assert cli.main([*written("medidiagnose-train xray --resume --student"), *folds.options, *taught]) == 1
    assert cli.main([*written("medidiagnose-train xray --resume --student"), *folds.options]) == 0
    student = keras.models.load_model(folds.folder / "student" / "model.keras").get_weights()[-2]
    assert np.abs(student - mean).max() > 0
    assert (folds.folder / "student" / "teachers.npy").is_file()
    assert cli.main([*written("medidiagnose-train xray --bundle-only --student"), *folds.options]) == 0
    assert cli.main([*written("medidiagnose-train xray --test"), *options]) == 0
    assert [name for name in read_bundle(bundle).metadata.metrics if name.startswith("test")]
    small = ["--smoke", "--folds", "2", "--runs", str(folds.runs)]
    assert cli.main([*written("medidiagnose-train quantize xray runs/xray/bundle", here), *small]) == 0
    monkeypatch.setattr(strangers, "DRAWN", 4)
    sets = ["--data", str(data), "--runs", str(folds.runs)]
    assert cli.main([*written("medidiagnose-train strangers xray runs/xray/bundle 1.1.0", here), *sets]) == 0
    assert read_bundle(bundle).metadata.version == "1.1.0"
    assert cli.main([*written("medidiagnose-train measure xray runs/xray/bundle", here), *sets]) == 0
    measured = read_bundle(bundle, "int8").measured
    assert measured is not None
    assert {"Kermany test split", "pictures of another kind"} <= set(measured.sets)


def test_a_mean_that_answers_unlike_the_folds_makes_no_bundle(folds: Folds, capsys: pytest.CaptureFixture[str]) -> None:
    file = folds.folder / "model.keras"
    sound = file.read_bytes()
    network = keras.models.load_model(file)
    head = network.get_layer("logits")
    head.set_weights([values / 4 for values in head.get_weights()])
    network.save(file)
    capsys.readouterr()
    assert cli.main(["xray", *folds.options, "--bundle-only"]) == 1
    assert "--student" in capsys.readouterr().err
    file.write_bytes(sound)


def test_a_student_gets_the_spread_of_its_teachers(tmp_path: Path) -> None:
    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Dense(2, name="logits")(inputs)).save(tmp_path / "model.keras")
    rng = np.random.default_rng(3)
    shown = rng.normal(size=(50, 3)).astype(np.float32)
    wanted = rng.normal([1.0, -2.0], [3.0, 0.5], size=(50, 2)).astype(np.float32)
    match(tmp_path / "model.keras", wanted, lambda network: np.asarray(network(shown)))
    found = np.asarray(keras.models.load_model(tmp_path / "model.keras")(shown))
    np.testing.assert_allclose(found.mean(axis=0), wanted.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found.std(axis=0), wanted.std(axis=0), rtol=1e-4)


def test_folds_hold_a_part_of_the_test_split_outside_everything(tmp_path: Path) -> None:
    splits = smoke_splits(smoke_task(skin.TASK), tmp_path)
    outside = hold_some_outside(splits, lambda _: False)
    assert_no_leak(outside.train, outside.test)
    assert not outside.validation
    assert {sample.path for sample in outside.test} < {sample.path for sample in splits.test}
    everything = [*splits.train, *splits.validation, *splits.test]
    assert sorted(sample.path for sample in [*outside.train, *outside.test]) == sorted(s.path for s in everything)
    assert hold_some_outside(splits, lambda _: True).test == splits.test


@pytest.mark.parametrize(
    "series",
    [
        written("medidiagnose-train series xray breast skin --resume"),
        written(
            "nohup nice -n 19 medidiagnose-train series xray breast skin --data /path/to/data --runs /path/to/runs "
            "--resume >> /path/to/runs/series.log 2>&1 &",
            {"--data /path/to/data --runs /path/to/runs": ""},
        ),
    ],
    ids=["here", "apart"],
)
def test_a_series_trains_one_after_the_other_and_goes_on_after_a_failure(
    series: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On made-up pictures, up to where each network would be trained, as it is by the commands of one model."""
    asked = []

    def train(run: Run, *_: object) -> None:
        assert run.resume
        asked.append(f"{run.task.name}, {len(run.splits.train)} pictures")
        if run.task.name == "xray":
            raise RuntimeError

    for place in ("picture_task.train", "breast.train_folds", "breast.fit"):
        monkeypatch.setattr(f"training.diagnoses.{place}", train)
    with caplog.at_level("INFO"):
        assert cli.main([*series, "--smoke", "--runs", str(tmp_path)]) == 1
    assert asked == ["xray, 24 pictures", "breast, 80 pictures", "breast, 80 pictures", "skin, 84 pictures"]
    assert "done: breast, skin" in caplog.text


def test_a_fold_of_ultrasounds_is_trained(tmp_path: Path) -> None:
    """One network of the four that the whole command trains, which would take minutes: the others are trained alike,
    and networks/test_breast_heads.py tries what is made of them."""
    breast = written("medidiagnose-train breast --data /path/to/data", {"--data /path/to/data": "--smoke --fold 1"})
    assert cli.main([*breast, "--runs", str(tmp_path)]) == 0
    said = pd.read_csv(tmp_path / "breast-smoke" / "fold1" / "out_of_fold.csv")
    assert len(said) > 10
    assert np.isfinite(said.filter(like="logit_").to_numpy()).all()


def test_averaged_weights_lie_in_the_middle(tmp_path: Path) -> None:
    for name, value in (("one", 1.0), ("other", 3.0)):
        layer = keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(value))
        (tmp_path / name).mkdir()
        keras.Sequential([keras.Input((2,)), layer]).save(tmp_path / name / "model.keras")
    arguments = ["average", "skin", str(tmp_path / "one"), str(tmp_path / "other"), "--runs", str(tmp_path)]
    assert cli.main(arguments) == 0
    averaged = keras.models.load_model(tmp_path / "skin" / "model.keras")
    np.testing.assert_array_equal(averaged.get_weights()[0], [[2.0], [2.0]])


def test_set_weights_give_each_set_the_same_total(tmp_path: Path) -> None:
    samples = smoke_splits(xray.TASK, tmp_path).train[:9]
    weights = set_weights(samples, "cell")
    totals = {
        value: sum(w for w, s in zip(weights, samples, strict=True) if s.strata["cell"] == value)
        for value in ("kermany", "nih_pa")
    }
    assert totals["kermany"] == pytest.approx(totals["nih_pa"])
    assert weights.mean() == pytest.approx(1)


def test_each_way_to_meet_imbalance_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training import compare

    monkeypatch.setattr(compare, "STEPS", 5)
    task = smoke_task(skin.TASK)
    run = Run(task, tmp_path / "run", tmp_path / "cache", smoke_splits(task, tmp_path / "pictures"))
    table = compare.compare(run)
    assert list(table.columns[0].cells) == [variant.name for variant in compare.VARIANTS]
    assert all(0 <= float(cell) <= 1 for column in table.columns[1:] for cell in column.cells)
