"""The diagnoses without a model: fixed samples that answer the request that was sent."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.diagnoses.breast import interpretation as breast
from models.diagnoses.breast.knowledge import breast_knowledge
from models.diagnoses.disease import interpretation as disease
from models.diagnoses.heart_risk import interpretation as heart_risk
from schemas.disease import DiseaseRequest
from schemas.heart_risk import HeartRiskRequest
from tests import contract


def symptoms(*names: str) -> DiseaseRequest:
    return DiseaseRequest(symptoms=names)


def form(**changes: object) -> HeartRiskRequest:
    return HeartRiskRequest.model_validate({**contract.HEART_RISK_REQUEST, **changes})


def test_the_breast_sample_is_the_contracts_example() -> None:
    sample = json.loads(breast.sample().model_dump_json())
    assert contract.departures(contract.BREAST, sample) == []
    assert sample["prediction"]["subcategory"] is None
    assert [each["code"] for each in sample["probabilities"]] == ["1", "2", "3", "4", "5"]
    assert [each["name"] for each in sample["probabilities"]] == [
        known.name for known in breast_knowledge().categories[:5]
    ]
    assert sum(each["probability"] for each in sample["probabilities"]) == pytest.approx(1)


def test_category_6_is_answered_only_on_the_callers_word() -> None:
    assert breast.sample(biopsy_proven=False).prediction.birads == "BI-RADS 2"
    known = breast.sample(biopsy_proven=True)
    assert known.prediction.model_dump() == {
        "code": "6",
        "settled": True,
        "class_id": 5,
        "name": "Malignant",
        "birads": "BI-RADS 6",
        "subcategory": None,
        "confidence": 1.0,
        "confidence_percent": "100.0%",
    }
    assert known.severity == known.recommendations.level == "critical"
    assert known.urgency.color == "red"
    assert known.malignancy_probability == 1
    assert known.probabilities == breast.sample().probabilities


def test_the_disease_sample_is_the_contracts_example() -> None:
    sample = disease.sample(disease.understand(DiseaseRequest.model_validate(contract.DISEASE_REQUEST)))
    assert contract.departures(contract.DISEASE, json.loads(sample.model_dump_json())) == []
    assert (sample.symptoms_unrecognized, sample.suggestions, sample.red_flags) == ((), {}, ())


def test_the_disease_sample_tells_red_flags() -> None:
    sample = disease.sample(disease.understand(symptoms("crushing chest pain", "sweating")))
    assert sample.urgency.color == "red"
    assert sample.red_flags[0].name == "Possible heart attack"
    assert "emergency" in sample.recommendations[0]


def test_the_heart_risk_sample_is_the_contracts_example() -> None:
    sample = json.loads(heart_risk.sample(form()).model_dump_json())
    assert contract.departures(contract.HEART_RISK, sample) == []
    assert "not a forecast" in sample["meaning"]


@pytest.mark.parametrize(
    ("changes", "factor", "risk"),
    [
        ({"age": 44}, "age", "low"),
        ({"age": 45}, "age", "moderate"),
        ({"age": 65}, "age", "high"),
        ({"age": 54, "sex": 0}, "age", "low"),
        ({"age": 55, "sex": "female"}, "age", "moderate"),
        ({"age": 65, "sex": 0}, "age", "high"),
        ({"blood_pressure": 85}, "blood_pressure", "moderate"),
        ({"blood_pressure": 119.9}, "blood_pressure", "low"),
        ({"blood_pressure": 120}, "blood_pressure", "moderate"),
        ({"blood_pressure": 140}, "blood_pressure", "high"),
        ({"blood_pressure": 180}, "blood_pressure", "very high"),
        ({"cholesterol": 199}, "cholesterol", "low"),
        ({"cholesterol": 200}, "cholesterol", "moderate"),
        ({"cholesterol": 240}, "cholesterol", "high"),
        ({"cholesterol": 290}, "cholesterol", "very high"),
    ],
)
def test_values_are_graded_by_the_guidelines(changes: dict[str, object], factor: str, risk: str) -> None:
    graded = getattr(heart_risk.sample(form(**changes)).risk_factors, factor)
    assert graded.risk == risk
    assert graded.value == changes[factor]


def test_a_crisis_is_told_before_anything_else() -> None:
    advice = heart_risk.sample(form(blood_pressure=210)).recommendations
    assert "call an ambulance" in advice[0]
    assert advice[1] == "Schedule cardiologist appointment"
    assert "unusually low" in heart_risk.sample(form(blood_pressure=70)).recommendations[0]


@pytest.mark.parametrize(
    ("probability", "level"),
    [
        (0, "Low"),
        (0.05, "Low"),
        (0.051, "Low-Moderate"),
        (0.15, "Low-Moderate"),
        (0.5, "Moderate"),
        (0.52, "Moderate-High"),
        (0.85, "Moderate-High"),
        (0.86, "High"),
        (1, "High"),
    ],
)
def test_bands_include_their_upper_end(probability: float, level: str) -> None:
    reading = heart_risk.assess(probability, form())
    assert reading.prediction.risk_level == level
    assert reading.prediction.condition == f"{level} Risk"


@given(
    age=st.integers(18, 120),
    sex=st.sampled_from([0, 1, "male", "female"]),
    blood_pressure=st.floats(50, 300),
    cholesterol=st.floats(50, 700),
    chest_pain=st.sampled_from([0, 1, 2, 3]),
    max_heart_rate=st.integers(40, 250),
)
def test_every_valid_form_is_answered_with_its_own_values(**values: object) -> None:
    factors = heart_risk.sample(form(**values)).risk_factors
    assert (factors.age.value, factors.blood_pressure.value, factors.cholesterol.value) == (
        values["age"],
        values["blood_pressure"],
        values["cholesterol"],
    )
