"""SymCat's tables, the written profiles and the vignettes: read in their layouts, refused with a sentence."""

import csv
import json
import os
from pathlib import Path

import pytest

from models.diagnoses.disease.findings import read
from models.diagnoses.disease.interpretation import understand
from models.diagnoses.disease.knowledge import disease_knowledge
from models.diagnoses.disease.vocabulary import vocabulary
from schemas.disease import DiseaseRequest
from training.datasets import disease_profiles, symcat, vignettes
from training.errors import DatasetError

DATA = Path(os.environ.get("MEDIDIAGNOSE_DATA", "data")) / "symptoms"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the symptom tables are not at hand")


def record(name: str, **rates: int) -> dict[str, object]:
    return {
        "condition_name": name,
        "symptoms": {slug.replace("_", "-"): {"slug": slug, "probability": rate} for slug, rate in rates.items()},
        "age": {"age-1-years": {"name": "< 1 years", "odds": 3.5}, "age-75-years": {"name": "75+ years", "odds": 0.2}},
        "sex": {"sex-male": {"name": "Male", "odds": 0.5}},
    }


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """SymCat's layout with the conditions that the profiles name, each with one symptom."""
    slugs = {profile.symcat for profile in disease_profiles.profiles().profiles.value.values() if profile.symcat}
    conditions = {slug: record(slug, wheezing=16) for slug in sorted(slugs)}
    conditions["common-cold"] = record("Common cold", fever=78, sore_throat=82, wheezing=16)
    (tmp_path / "conditions.json").write_text(json.dumps(conditions), encoding="utf-8")
    (tmp_path / "recovered_prior.csv").write_text(
        "condition,recovered_prior,from_data\ncommon-cold,0.015,True\nasthma,0.0007,False\n", encoding="utf-8"
    )
    return tmp_path


def test_a_condition_has_rates_odds_and_a_prior_where_it_was_recovered(tables: Path) -> None:
    conditions = symcat.load(tables)
    cold = conditions["common-cold"]
    assert cold.rates == {"fever": 0.78, "sore throat": 0.82, "wheezing": 0.16}
    assert cold.prior == 0.015
    assert conditions["asthma"].prior is None
    assert dict(zip(symcat.AGE_BANDS, cold.age_odds, strict=True))["<1"] == 3.5
    assert dict(zip(symcat.AGE_BANDS, cold.age_odds, strict=True))["75+"] == 0.2
    assert cold.sex_odds == (1.0, 0.5)


def test_tables_that_are_missing_or_something_else_are_named(tmp_path: Path, tables: Path) -> None:
    with pytest.raises(DatasetError, match=r"conditions\.json is missing"):
        symcat.load(tmp_path / "nowhere")
    (tables / "conditions.json").write_text('{"common-cold": {}}', encoding="utf-8")
    with pytest.raises(DatasetError, match=r"not SymCat's conditions\.json"):
        symcat.load(tables)


def test_a_written_rate_comes_before_a_tabled_one(tables: Path) -> None:
    diseases = {disease.name: disease for disease in disease_profiles.load(tables)}
    cold = diseases["Common Cold"]
    assert cold.written["fever"] == 0.45
    assert cold.tabled == {"wheezing": 0.16}
    assert cold.prior == 0.015
    assert diseases["COVID-19"].prior == 0.0018
    assert diseases["COVID-19"].tabled == {}


def test_sex_and_usual_age_bound_the_odds(tables: Path) -> None:
    diseases = {disease.name: disease for disease in disease_profiles.load(tables)}
    assert diseases["Pregnancy"].sex_odds == (1.0, 0.01)
    croup = dict(zip(symcat.AGE_BANDS, diseases["Croup"].age_odds, strict=True))
    assert croup["1-4"] == 1
    assert croup["45-59"] == 0.1


def test_a_condition_that_does_not_exist_is_named(tables: Path) -> None:
    conditions = json.loads((tables / "conditions.json").read_text(encoding="utf-8"))
    del conditions["flu"]
    (tables / "conditions.json").write_text(json.dumps(conditions), encoding="utf-8")
    with pytest.raises(DatasetError, match="Influenza: SymCat has no condition flu"):
        disease_profiles.load(tables)


def test_every_profile_has_urgency_and_advice() -> None:
    assert disease_profiles.profiles().profiles.value.keys() == disease_knowledge().diseases.value.keys()


def test_every_diagnosis_of_the_vignettes_is_matched_with_diseases_that_exist() -> None:
    named = {name for names in vignettes.same_diseases().values() for name in names}
    assert named <= disease_knowledge().diseases.value.keys()


def write_vignettes(folder: Path, semigran: str) -> Path:
    fields = dict.fromkeys(("demographics", "presentation", "absent_findings", "physical_history"), "")
    avey = {**fields, "correct_diagnosis": "COVID 19", "chief_complaints": "Cough", "family_history": "-"}
    (folder / "avey_vignettes.jsonl").write_text(json.dumps({**avey, "social_history": ""}) + "\n", encoding="utf-8")
    (folder / "semigran_vignettes.jsonl").write_text(semigran, encoding="utf-8")
    return folder


def test_vignettes_are_read_as_they_would_be_typed(tmp_path: Path) -> None:
    case = {"correct_diagnosis": "Back\npain", "case_description": "A sore back.", "urgency_level": "sc"}
    avey, semigran = vignettes.load(write_vignettes(tmp_path, json.dumps(case)))
    assert (avey.set, avey.text, avey.diagnosis, avey.urgency) == ("avey", "Cough.", "COVID 19", None)
    assert (semigran.set, semigran.diagnosis, semigran.urgency) == ("semigran", "Back pain", "sc")


def test_vignettes_of_another_layout_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"avey_vignettes\.jsonl is missing"):
        vignettes.load(tmp_path)
    with pytest.raises(DatasetError, match=r"semigran_vignettes\.jsonl, line 1: not a vignette"):
        vignettes.load(write_vignettes(tmp_path, '{"correct_diagnosis": "Gout"}'))


@needs_data
def test_every_name_of_the_kaggle_table_is_understood() -> None:
    with (DATA / "disease_prediction_kaggle" / "Training.csv").open(newline="", encoding="utf-8") as stream:
        names = {name for name in next(csv.reader(stream)) if name != "prognosis"}
    assert len(names) == 131
    assert [name for name in sorted(names) if not read([name]).present] == []


@needs_data
def test_nearly_every_symptom_of_symcat_is_understood() -> None:
    named = {name for condition in symcat.load(DATA / "symcat").values() for name in condition.rates}
    assert len([name for name in named if not read([name]).present]) <= 0.02 * len(named)


@needs_data
def test_no_emergency_of_semigran_is_answered_as_routine() -> None:
    emergencies = [case for case in vignettes.load(DATA / "vignettes") if case.urgency == "em"]
    assert len(emergencies) == 8
    for case in emergencies:
        understood = understand(DiseaseRequest.model_validate({"text": case.text}))
        levels = {raised.rule.urgency for raised in understood.red_flags}
        assert levels & {"emergency", "urgent"}, case.diagnosis


@needs_data
def test_the_profiles_use_the_vocabulary() -> None:
    for disease in disease_profiles.load(DATA / "symcat"):
        assert set(disease.written) | set(disease.tabled) <= set(vocabulary().names)
        assert all(0 < rate <= 1 for rate in (*disease.written.values(), *disease.tabled.values()))
