"""The symptom model's arithmetic, its graph, and how its constants are chosen and measured."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from models.diagnoses.disease.features import feature_names, values_of
from models.diagnoses.disease.findings import read
from models.diagnoses.disease.patient import Patient
from models.serving.bundle import read_bundle
from tests.documents import written
from tests.training.datasets.test_symptom_tables import record, write_vignettes
from training import cli
from training.datasets import disease_profiles
from training.datasets.disease_profiles import Disease
from training.datasets.vignettes import Vignette
from training.diagnoses.disease import (
    CHOICES,
    Cases,
    Losses,
    choose,
    cross_validate,
    measure,
    preprocessing,
    read_cases,
)
from training.evaluate import predict
from training.networks.naive_bayes import Constants, export_onnx, weigh

ANY_AGE = (1.0,) * 8
PLAIN = Constants(
    prior_exponent=1.0,
    floor=0.001,
    background=0.0,
    narrower=0.0,
    absent_weight=1.0,
    unmentioned_weight=0.0,
    temperature=1.0,
)


def disease(name: str, prior: float = 0.001, sex: tuple[float, float] = (1.0, 1.0), **rates: float) -> Disease:
    written = {finding.replace("_", " "): rate for finding, rate in rates.items()}
    return Disease(name, written, {}, prior, ANY_AGE, sex)


DISEASES = (
    disease("A", prior=0.002, fever=0.8, cough=0.5),
    disease("B", fever=0.4, rash=0.9),
    disease("C", sex=(1.0, 0.0), headache=0.6, severe_headache=0.3),
)


def row(*entries: str, patient: Patient | None = None) -> np.ndarray:
    return preprocessing().row(values_of(read(entries), patient or Patient()))[np.newaxis]


def test_bayes_rule_for_what_is_present_and_absent() -> None:
    scores = weigh(DISEASES, PLAIN).scores(row("fever", "no cough"))[0]
    assert scores[0] - scores[1] == pytest.approx(np.log(2 * 0.8 * (1 - 0.5) / (0.4 * (1 - 0.001))))


def test_what_is_not_mentioned_counts_by_its_weight() -> None:
    constants = replace(PLAIN, unmentioned_weight=0.5)
    with_rash, without = (weigh(DISEASES, constants).scores(row(entry))[0] for entry in ("fever", "cough"))
    assert with_rash[0] - with_rash[1] == pytest.approx(
        np.log(2 * 0.8 / 0.4) + 0.5 * np.log((1 - 0.5) * (1 - 0.001) / ((1 - 0.001) * (1 - 0.9)))
    )
    assert without[0] > without[1]


def test_of_a_finding_and_a_wider_one_only_the_narrower_counts() -> None:
    weights = weigh(DISEASES, PLAIN)
    assert np.allclose(weights.scores(row("severe headache", "headache")), weights.scores(row("severe headache")))


def test_a_wider_finding_is_at_least_as_frequent_as_a_narrower_one() -> None:
    only_narrow = (disease("D", severe_headache=0.5), disease("E", headache=0.5))
    scores = weigh(only_narrow, PLAIN).scores(row("headache"))[0]
    assert scores[0] == pytest.approx(scores[1])


def test_sex_weighs_by_its_odds() -> None:
    weights = weigh(DISEASES, PLAIN)
    female, male = (weights.scores(row("headache", patient=Patient(sex=sex)))[0] for sex in ("female", "male"))
    assert female[2] - male[2] == pytest.approx(-PLAIN.age_weight * np.log(0.01))


def test_the_graph_is_the_arithmetic(tmp_path: Path) -> None:
    weights = weigh(DISEASES, Constants())
    export_onnx(weights, tmp_path / "model.onnx")
    rows = np.concatenate([row("fever", "no rash"), row("headache", patient=Patient(age=40, sex="male")), row()])
    expected = softmax(weights.scores(rows), axis=1)
    together = predict(tmp_path / "model.onnx", rows)["probabilities"]
    assert np.allclose(together, expected, atol=1e-5)
    alone = [predict(tmp_path / "model.onnx", each[np.newaxis])["probabilities"] for each in rows]
    assert np.allclose(np.concatenate(alone), expected, atol=1e-5)
    assert weights.present.shape == (len(feature_names()), len(DISEASES))


def made_up_cases() -> Cases:
    texts = {"A": "Fever and a cough.", "B": "Fever and a rash.", "C": "Severe headache.", "Z": "A cough."}
    return read_cases([Vignette("avey", text, name) for name, text in texts.items()] * 2, DISEASES)


def test_cases_are_read_as_a_request_is() -> None:
    cases = made_up_cases()
    assert np.array_equal(cases.rows[0], row("fever", "cough")[0])
    assert cases.right[:4].tolist() == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
        [False, False, False],
    ]


def test_the_chosen_constants_lose_least_of_their_line() -> None:
    cases = made_up_cases()
    losses = Losses(DISEASES, cases)
    train = np.asarray(cases.right.any(axis=1))
    chosen = choose(losses, train)
    assert losses[chosen][train].mean() <= losses[Constants()][train].mean()
    assert all(getattr(chosen, name) in (*values, getattr(Constants(), name)) for name, values in CHOICES.items())


def test_a_diagnosis_stays_on_one_side_of_a_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = made_up_cases()
    seen: list[set[str]] = []

    def spy(_: Losses, train: np.ndarray) -> Constants:
        seen.append({group for group, chosen in zip(cases.groups, train, strict=True) if chosen})
        return Constants()

    monkeypatch.setattr("training.diagnoses.disease.choose", spy)
    cross_validate(DISEASES, cases, Losses(DISEASES, cases))
    held_out = [{"A", "B", "C"} - groups for groups in seen]
    assert set().union(*held_out) == {"A", "B", "C"}
    assert sum(map(len, held_out)) == 3


def test_a_case_of_an_unlisted_disease_counts_as_wrong() -> None:
    cases = made_up_cases()
    perfect = np.where(cases.right, 1.0, 0.0).astype(np.float32)
    one_set = Cases(cases.rows, cases.right, cases.groups, np.array(["avey", "semigran"] * 4))
    figures = measure(one_set, perfect)
    assert figures["avey, cross-validated"]["top_1"].value == 1
    assert figures["semigran, cross-validated"]["top_3"].value == 0.5
    assert figures["semigran, cross-validated"]["top_3_listed"].value == 1
    assert figures["semigran, cross-validated"]["listed"].value == 0.5


def test_make_trains_it_from_tables_and_vignettes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of tables with a symptom a condition, and of few vignettes, each constant with one choice."""
    symcat, told = tmp_path / "symptoms" / "symcat", tmp_path / "symptoms" / "vignettes"
    for folder in (symcat, told):
        folder.mkdir(parents=True)
    slugs = {profile.symcat for profile in disease_profiles.profiles().profiles.value.values() if profile.symcat}
    conditions = {slug: record(slug, fever=20) for slug in sorted(slugs)}
    (symcat / "conditions.json").write_text(json.dumps(conditions))
    (symcat / "recovered_prior.csv").write_text("condition,recovered_prior,from_data\ncommon-cold,0.015,True\n")
    cases = [
        {"correct_diagnosis": name, "case_description": text}
        for name, text in (("Stroke", "One side of my face droops."), ("Gout", "My big toe is swollen and hot."))
    ]
    write_vignettes(told, "\n".join(json.dumps(case) for case in 3 * cases))
    monkeypatch.setattr("training.diagnoses.disease.CHOICES", {name: each[:1] for name, each in CHOICES.items()})
    asked = written("make train-disease DATA=/path/to/data", {"/path/to/data": tmp_path})
    assert cli.main([*asked, "--runs", str(tmp_path / "runs")]) == 0
    assert read_bundle(tmp_path / "runs" / "disease" / "bundle").metadata.classes[0]
