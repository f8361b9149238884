"""From made-up patients to a bundle that the service would load."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.diagnoses.heart_risk import interpretation as diagnosis
from models.serving.bundle import CARD_FILE, MEASURED_FILE, Bundle, read_bundle
from models.serving.engine import Engine
from tests.documents import written
from training import cli, mistakes, served, trust_tables
from training.datasets import uci_heart
from training.diagnoses import heart_risk
from training.diagnoses.heart_risk import Cases
from training.errors import ExportError
from training.networks import pattern_submodels
from training.networks.pattern_submodels import (
    FEATURES,
    MISSING,
    NEVER_PROTECTIVE,
    OPTIONAL,
    fit_patterns,
    patterns_of,
    terms_of,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty patients of each hospital, the ill ones older, every sixth without cholesterol, the first twice."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "heart_risk" / "uci").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for site in uci_heart.SITES:
        rows = []
        for number in range(40):
            ill = number % 2
            age, pressure, rate = rng.integers(35, 60) + 10 * ill, rng.integers(100, 180), rng.integers(90, 180)
            cholesterol = 0 if number % 6 == 0 else rng.integers(150, 350)
            codes = rng.integers(0, [2, 4, 2, 3, 2])
            values = [age, codes[0], codes[1] + 1, pressure, cholesterol, codes[2], codes[3], rate, codes[4]]
            rows.append(",".join(map(str, [*values, round(rng.normal(1, 1), 1), "?", "?", "?", ill])))
        path = folder / "heart_risk" / "uci" / f"processed.{site}.data"
        path.write_text("\n".join([rows[0], *rows[:-1]]) + "\n")
    return folder


@pytest.fixture(scope="module")
def cases(data: Path) -> Cases:
    patients = uci_heart.load(data / "heart_risk" / "uci")
    return heart_risk.make_cases(patients, heart_risk.make_spec(patients))


@pytest.fixture(scope="module")
def bundle(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    runs = tmp_path_factory.mktemp("runs")
    asked = written("make train-heart-risk DATA=/path/to/data", {"/path/to/data": data})
    assert cli.main([*asked, "--runs", str(runs), "--install", str(runs / "all")]) == 0
    assert (runs / "heart_risk" / "report" / "calibration.png").stat().st_size > 0
    assert "six inputs" in (runs / "heart_risk" / "report" / "index.html").read_text()
    return read_bundle(runs / "all" / "heart_risk" / heart_risk.VERSION)


def test_training_and_service_mean_the_same(bundle: Bundle) -> None:
    assert FEATURES == diagnosis.FEATURES == bundle.metadata.tabular_preprocessing.names
    assert heart_risk.CLASSES == diagnosis.CLASSES == bundle.metadata.classes
    assert pattern_submodels.MISSING not in (0, 1, 2, 3)


def test_the_bundle_answers_as_the_model_that_was_fitted(bundle: Bundle, cases: Cases) -> None:
    outputs = Engine(bundle).run(cases.rows)
    log_odds = fit_patterns(cases.rows, cases.labels).log_odds(cases.rows)
    np.testing.assert_allclose(outputs["probabilities"][:, 1], 1 / (1 + np.exp(-log_odds)), atol=1e-5)
    added = outputs["baseline"] + outputs["contributions"].sum(axis=1)
    np.testing.assert_allclose(added, log_odds, atol=1e-4)


def test_the_card_says_what_was_measured_and_what_it_is(bundle: Bundle) -> None:
    assert "cross-validation, six inputs" in bundle.metadata.metrics
    assert "va left out, six inputs" in bundle.metadata.metrics
    assert "| asymptomatic |" in bundle.card
    assert "| women | " in bundle.card
    assert "no forecast" in bundle.card
    assert "Operating points" not in bundle.card


def test_missing_values_have_no_indicator_but_that_of_cholesterol() -> None:
    rows = np.array([[50, 1, MISSING, MISSING, 2, MISSING, *[MISSING] * 4], [50, 1, 120, 200, 3, 150, 1, 0, 2, 1]])
    means = np.arange(10, dtype=np.float64) + 100
    terms = terms_of(rows.astype(np.float32), means)
    assert terms[0].tolist() == [50, 1, 102, 103, 1, 0, 1, 0, 105, 0, 0, 107, 108, 109]
    assert terms[1].tolist() == [50, 1, 120, 200, 0, 0, 0, 1, 150, 1, 0, 0, 2, 1]
    assert patterns_of(rows.astype(np.float32)).tolist() == [0, 15]


def test_a_value_that_was_not_sent_has_no_part(cases: Cases) -> None:
    model = fit_patterns(cases.rows, cases.labels)
    for pattern in range(16):
        for place, name in enumerate(OPTIONAL):
            slopes = [
                slope
                for slope, term in zip(model.coefficients[pattern], pattern_submodels.TERMS, strict=True)
                if term.feature == name
            ]
            assert any(slopes) is bool(pattern >> place & 1)


def test_age_pressure_and_cholesterol_are_never_protective_even_where_the_data_say_so(cases: Cases) -> None:
    inverted = fit_patterns(cases.rows, ~cases.labels)
    columns = [index for index, term in enumerate(pattern_submodels.TERMS) if term.name in NEVER_PROTECTIVE]
    assert len(columns) == 3
    assert (inverted.coefficients[:, columns] >= 0).all()
    assert (inverted.coefficients[:, columns[0]] == 0).all()
    assert (fit_patterns(cases.rows, cases.labels).coefficients[:, columns[0]] > 0).all()


def test_identical_patients_share_a_fold_and_each_is_held_out_once(cases: Cases) -> None:
    fold = heart_risk._folds(cases, 10, np.random.default_rng(3))
    assert len(np.unique(cases.groups)) == len(cases.groups) - 4
    for group in np.unique(cases.groups):
        assert len(set(fold[cases.groups == group])) == 1
    shares = [cases.labels[fold == number].mean() for number in range(10)]
    assert max(shares) - min(shares) < 0.2


def test_who_is_held_out_has_no_part_in_his_own_answer(cases: Cases) -> None:
    chances = heart_risk.cross_validate(cases.knowing(()), folds=5, runs=1)
    fold = heart_risk._folds(cases, 5, np.random.default_rng(0))
    changed = replace(cases.knowing(()), labels=np.where(fold == 2, ~cases.labels, cases.labels))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heart_risk, "_folds", lambda *_: fold)
        again = heart_risk.cross_validate(changed, folds=5, runs=1)
    np.testing.assert_array_equal(chances[fold == 2], again[fold == 2])
    assert not np.array_equal(chances[fold != 2], again[fold != 2])


def test_a_graph_that_answers_something_else_is_refused(cases: Cases, tmp_path: Path) -> None:
    model = fit_patterns(cases.rows, cases.labels)
    pattern_submodels.export_onnx(replace(model, intercepts=model.intercepts + 0.01), tmp_path / "other.onnx")
    with pytest.raises(ExportError, match="NumPy and ONNX differ"):
        heart_risk.check_parity(model, tmp_path / "other.onnx", cases.rows)


def test_who_was_not_seen_is_counted_by_what_they_were_told_and_the_card_says_so(
    data: Path, bundle: Bundle, tmp_path: Path
) -> None:
    folder = tmp_path / "bundles" / "heart_risk" / bundle.metadata.version
    shutil.copytree(bundle.folder, folder)
    asked = ["reliability", "heart_risk", str(folder), "--data", str(data)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.reliability.DRAWS", 20)
        assert cli.main(asked) == 0
    sets = served.read_measured(folder / MEASURED_FILE)["sets"]
    title = "cross-validation, six inputs, no required value missing"
    _, cases, chances = next(heart_risk.held_out(data))
    missed = float(np.mean(chances[cases.labels] < 0.5))
    assert sets[f"Mistaken: {title}"]["narrowed: not named"]["value"] == pytest.approx(missed, abs=1e-4)
    assert sets[f"Reliability: {title}"]["ECE"]["n"] == len(chances)
    for site in uci_heart.SITES:
        assert f"Mistaken: {site} left out, six inputs" in sets
    page = tmp_path / "figures.md"
    page.write_text(f"{served.TABLE_BEGIN}\n{served.TABLE_END}\n")
    explanations = tmp_path / "explanations.md"
    explanations.write_text("\n".join(mark for name in trust_tables.TABLES for mark in trust_tables.marks(name)))
    served.write_tables(tmp_path / "bundles", page, explanations)
    assert f"heart_risk {bundle.metadata.version}, {title} | {len(chances)} |" in explanations.read_text()
    card = (folder / CARD_FILE).read_text()
    assert served.HEADING_HELD_OUT in card
    assert served.HEADING not in card, "what ships was not measured on them"
    assert mistakes.HEADING in card


def test_what_a_hospital_left_out_is_told_comes_from_the_others(data: Path, cases: Cases) -> None:
    told = {title: (some, chances) for title, some, chances in heart_risk.held_out(data)}
    some, chances = told["va left out, six inputs"]
    assert set(some.sites) == {"va"}
    np.testing.assert_array_equal(chances, heart_risk.leave_site_out(cases.knowing(()), "va")[:, 0])
