"""Symptoms to diseases with the bundle that ships."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import models
from models.diagnoses.disease import DISEASE
from models.diagnoses.disease import interpretation as disease
from models.diagnoses.disease.knowledge import disease_knowledge
from models.preprocessing.form import TabularPreprocessing
from models.serving.bundle import Bundle
from models.serving.engine import Engine
from models.serving.loading import read_newest_bundle
from schemas.disease import REQUEST_EXAMPLE, DiseaseReading, DiseaseRequest

SHIPPED = Path(models.__file__).parent / "bundles" / "disease"


@cache
def shipped() -> tuple[Bundle, Engine]:
    bundle = read_newest_bundle(SHIPPED)
    return bundle, Engine(bundle, threads=1)


def ask(**request: object) -> DiseaseReading:
    bundle, engine = shipped()
    case = disease.understand(DiseaseRequest.model_validate(request))
    outputs = engine.run(bundle.metadata.tabular_preprocessing.row(case.values)[np.newaxis])
    return disease.interpret({name: values[0] for name, values in outputs.items()}, bundle.metadata, case)


def names(reading: DiseaseReading) -> list[str]:
    return [ranked.disease for ranked in reading.top_predictions]


def test_the_contracts_example() -> None:
    reading = ask(**REQUEST_EXAMPLE)
    assert reading.prediction.disease == "Common Cold"
    assert {"Influenza", "COVID-19"} <= set(names(reading))
    assert reading.symptoms_analyzed == ("fever", "cough", "headache", "fatigue")
    assert reading.red_flags == ()


def test_the_ranking_descends_and_its_first_is_the_prediction() -> None:
    reading = ask(symptoms=["itching", "skin rash"])
    probabilities = [ranked.probability for ranked in reading.top_predictions]
    assert len(probabilities) == 5
    assert probabilities == sorted(probabilities, reverse=True)
    assert reading.prediction.confidence == probabilities[0]
    assert reading.prediction.disease == names(reading)[0]


@pytest.mark.parametrize("symptom", ["fever", "fatigue", "headache", "cough"])
def test_a_single_common_symptom_gives_little_confidence(symptom: str) -> None:
    reading = ask(symptoms=[symptom])
    assert reading.prediction.confidence < 0.2
    assert disease_knowledge().advice.uncertain.value in reading.recommendations


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"symptoms": ["pain on urination", "frequent urination"], "sex": "female"}, "Urinary Tract Infection"),
        ({"symptoms": ["sore throat", "runny nose", "sneezing"]}, "Common Cold"),
        ({"text": "One calf is swollen and hurts since my long flight."}, "Deep Vein Thrombosis"),
        ({"text": "The room spins when I roll over in bed."}, "Benign Paroxysmal Positional Vertigo (BPPV)"),
        ({"symptoms": ["excessive thirst", "frequent urination", "fatigue"], "age": 55}, "Type 2 Diabetes Mellitus"),
    ],
)
def test_typical_complaints(request_: dict[str, object], expected: str) -> None:
    assert names(ask(**request_))[0] == expected


def test_an_absent_symptom_counts_against() -> None:
    with_cough = ask(symptoms=["fever", "breathlessness", "cough"])
    without = ask(symptoms=["fever", "breathlessness", "no cough"])
    assert without.symptoms_absent == ("cough",)
    assert "Pneumonia" in names(with_cough)
    assert names(without)[0] != names(with_cough)[0]


def test_sex_and_age_are_taken_from_the_fields_before_the_text() -> None:
    told = ask(text="A 30-year-old woman with abdominal pain.", age=71, sex="male")
    assert (told.patient.age, told.patient.sex) == (71, "male")
    read = ask(text="A 30-year-old woman with abdominal pain.")
    assert (read.patient.age, read.patient.sex) == (30, "female")
    assert ask(symptoms=["abdominal pain"]).patient.age is None


def test_pregnancy_is_no_answer_for_a_man() -> None:
    reading = ask(symptoms=["nausea", "fatigue", "frequent urination"], sex="male", age=30)
    assert not {"Pregnancy", "Hyperemesis Gravidarum"} & set(names(reading))


def test_a_red_flag_sets_the_urgency_and_comes_first() -> None:
    reading = ask(symptoms=["headache", "neck stiffness", "fever"])
    assert reading.urgency == disease_knowledge().urgencies["emergency"].value
    assert reading.recommendations[0] == disease_knowledge().advice.red_flag.value


def test_an_urgent_red_flag_does_not_lower_an_emergency() -> None:
    reading = ask(symptoms=["chest pain", "sweating", "arm pain"], age=60, sex="male")
    assert {flag.urgency.color for flag in reading.red_flags} == {"red", "orange"}
    assert reading.urgency.color == "red"


def test_only_unknown_words_are_refused_with_suggestions() -> None:
    with pytest.raises(disease.NoKnownSymptomError, match="Did you mean headache") as caught:
        disease.understand(DiseaseRequest.model_validate({"symptoms": ["heddakke", "qqq"]}))
    assert "GET /symptoms" in str(caught.value)
    with pytest.raises(disease.NoKnownSymptomError, match=r"^None of the symptoms is known\. GET /symptoms"):
        disease.understand(DiseaseRequest.model_validate({"symptoms": ["qqq"]}))


def test_only_absent_symptoms_are_refused() -> None:
    with pytest.raises(disease.NoKnownSymptomError, match="Only absent symptoms were understood: fever, cough"):
        disease.understand(DiseaseRequest.model_validate({"symptoms": ["no fever"], "text": "No cough."}))


def test_a_refusal_says_whom_to_call() -> None:
    with pytest.raises(disease.NoKnownSymptomError) as caught:
        disease.understand(DiseaseRequest(text="qqq zzz"))
    assert disease_knowledge().advice.safety.value in str(caught.value)


def test_a_danger_alone_is_answered_and_settles_nothing() -> None:
    reading = ask(text="wet cement went in my eye at work")
    assert [flag.name for flag in reading.red_flags] == ["Chemical in the eye"]
    assert reading.red_flags[0].words is not None
    assert reading.red_flags[0].source
    assert reading.urgency.color == "red"
    assert not reading.prediction.settled
    assert reading.prediction.disease == "Not settled: Chemical in the eye not excluded"


def test_what_was_not_understood_is_never_sent_home() -> None:
    whole, partly = ask(symptoms=["runny nose", "sneezing"]), ask(symptoms=["runny nose", "sneezing", "qqqq"])
    assert (whole.prediction.settled, whole.urgency.color) == (True, "green")
    assert partly.urgency == disease_knowledge().urgencies["soon"].value
    assert not partly.prediction.settled
    assert partly.prediction.disease.startswith("Not settled: ")
    assert partly.prediction.disease.endswith(" not excluded")
    assert {disease_knowledge().advice.unsettled.value, disease_knowledge().advice.safety.value} <= set(
        partly.recommendations
    )
    assert "qqqq" in partly.not_assessed[0]


@pytest.mark.parametrize(
    "text",
    ["my elbow makes a weird noise and looks crooked", "something is wrong with my gums, they look purple"],
)
def test_a_trouble_of_a_part_without_a_known_symptom_is_answered_and_settles_nothing(text: str) -> None:
    reading = ask(symptoms=[], text=text)
    assert reading.symptoms_analyzed == ()
    assert not reading.prediction.settled
    assert reading.prediction.disease.startswith("Not settled: ")
    assert reading.urgency == disease_knowledge().urgencies["soon"].value
    assert reading.not_assessed
    assert disease_knowledge().advice.safety.value in reading.recommendations


def test_what_somebody_cannot_do_is_not_passed_over() -> None:
    assert not ask(symptoms=[], text="runny nose and I cannot hold my cup").prediction.settled


@pytest.mark.parametrize("lasting", ["for two months", "for weeks"])
def test_what_lasts_for_weeks_is_not_left_to_itself(lasting: str) -> None:
    mild, routine = (disease_knowledge().urgencies[level].value for level in ("self_care", "routine"))
    assert ask(symptoms=[], text="heel hurts with the first steps in the morning").urgency == mild
    assert ask(symptoms=[], text=f"heel hurts with the first steps in the morning {lasting}").urgency == routine


def test_many_dangerous_diseases_count_together() -> None:
    reading = ask(symptoms=["fainting", "abdominal pain", "back pain"], age=72, sex="male")
    assert reading.cannot_miss
    assert all(disease_knowledge().diseases.value[each.disease].urgency == "emergency" for each in reading.cannot_miss)
    assert all(each.tell for each in reading.cannot_miss)
    bundle, _ = shipped()
    share = disease.emergency_share(bundle.metadata.classes)
    assert share.sum() == len(disease_knowledge().rule_out.value.keys() & set(bundle.metadata.classes))


def test_a_contradiction_is_told_and_lowers_nothing() -> None:
    woman = ask(text="pregnant, bleeding and belly pain", sex="female", age=30)
    man = ask(text="pregnant, bleeding and belly pain", sex="male", age=30)
    assert man.urgency == woman.urgency
    assert "male" in man.contradictions[0]
    assert "pregnancy" in man.contradictions[0]
    assert woman.contradictions == ()
    assert ask(symptoms=["testicle pain"], sex="female").contradictions


def test_a_bundle_of_unknown_diseases_or_other_findings_is_refused() -> None:
    bundle, _ = shipped()
    renamed = bundle.metadata.model_copy(update={"classes": ("Housemaid's Knee", *bundle.metadata.classes[1:])})
    with pytest.raises(ValueError, match="lacks Housemaid's Knee"):
        DISEASE.check(renamed)
    fewer = TabularPreprocessing(features=bundle.metadata.tabular_preprocessing.features[:-1])
    shorter = bundle.metadata.model_copy(update={"preprocessing": fewer})
    with pytest.raises(ValueError, match="train it again"):
        DISEASE.check(shorter)


def test_fields_of_other_names_are_listed() -> None:
    assert ask(**REQUEST_EXAMPLE, patient_id=7).not_used == ("patient_id",)
    sample = disease.sample(disease.understand(DiseaseRequest.model_validate({**REQUEST_EXAMPLE, "source": "x"})))
    assert sample.not_used == ("source",)
