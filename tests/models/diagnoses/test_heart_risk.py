"""Heart risk by the bundle that ships: sane in every direction, and explained exactly."""

import math
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import models
from models.diagnoses.heart_risk import HEART_RISK
from models.diagnoses.heart_risk import interpretation as heart_risk
from models.diagnoses.heart_risk.knowledge import heart_risk_knowledge
from models.serving.bundle import Bundle, Metadata
from models.serving.engine import Engine
from models.serving.loading import read_newest_bundle
from schemas.common import Reliability
from schemas.heart_risk import COMPLETE_REQUEST_EXAMPLE, HeartRiskReading, HeartRiskRequest
from tests import contract
from tests.fake_bundle import make_bundle

BUNDLE = read_newest_bundle(Path(models.__file__).parent / "bundles" / "heart_risk")
ENGINE = Engine(BUNDLE)
FORMS = st.fixed_dictionaries(
    {
        "age": st.integers(28, 77),
        "sex": st.sampled_from([0, 1]),
        "blood_pressure": st.integers(80, 200),
        "cholesterol": st.integers(85, 603),
        "chest_pain": st.sampled_from([0, 1, 2, 3]),
        "max_heart_rate": st.integers(60, 202),
        "referred": st.just(True),
    },
    optional={
        "resting_ecg": st.sampled_from([0, 1, 2]),
        "exercise_angina": st.booleans(),
        "st_depression": st.floats(-2.5, 6, width=16),
        "fasting_blood_sugar": st.booleans(),
    },
)


def read(**form: Any) -> HeartRiskReading:
    request = HeartRiskRequest.model_validate({**contract.HEART_RISK_REQUEST, **form})
    row = BUNDLE.metadata.tabular_preprocessing.row(heart_risk.RiskForm(request).values)
    outputs = {name: values[0] for name, values in ENGINE.run(row[np.newaxis]).items()}
    return heart_risk.interpret(outputs, BUNDLE.metadata, request)


def chance(**form: Any) -> float:
    return read(**form).prediction.probability


@given(form=FORMS, name=st.sampled_from(["age", "blood_pressure", "cholesterol"]), more=st.integers(1, 50))
def test_more_age_pressure_or_cholesterol_never_lowers_the_risk(form: dict[str, Any], name: str, more: int) -> None:
    high = {feature.name: feature.high for feature in BUNDLE.metadata.tabular_preprocessing.features}[name]
    assert chance(**{**form, name: min(form[name] + more, int(high))}) >= chance(**form)


@given(form=FORMS)
def test_angina_or_deeper_st_depression_in_exercise_raises_the_risk(form: dict[str, Any]) -> None:
    assert chance(**{**form, "exercise_angina": True}) > chance(**{**form, "exercise_angina": False})
    assert chance(**{**form, "st_depression": 2}) > chance(**{**form, "st_depression": 0})


@given(form=FORMS)
def test_the_contributions_add_up_to_the_answer(form: dict[str, Any]) -> None:
    reading = read(**form)
    assert reading.baseline_probability is not None
    assert {part.factor for part in reading.contributions} == set(form) - {"referred"}
    added = sum(part.probability for part in reading.contributions)
    assert reading.baseline_probability + added == pytest.approx(reading.prediction.probability, abs=2e-5)
    baseline = math.log(reading.baseline_probability / (1 - reading.baseline_probability))
    log_odds = baseline + sum(part.log_odds for part in reading.contributions)
    assert 1 / (1 + math.exp(-log_odds)) == pytest.approx(reading.prediction.probability, abs=2e-5)
    sizes = [abs(part.log_odds) for part in reading.contributions]
    assert sizes == sorted(sizes, reverse=True)


@given(form=FORMS, step=st.integers(1, 40))
def test_a_factors_contribution_is_linear_and_no_other_moves(form: dict[str, Any], step: int) -> None:
    places = [{**form, "age": 30}, {**form, "age": 34}, {**form, "age": 34 + step}]
    parts = [{part.factor: part.log_odds for part in read(**place).contributions} for place in places]
    slope = (parts[1]["age"] - parts[0]["age"]) / 4
    assert parts[2]["age"] == pytest.approx(parts[1]["age"] + slope * step, abs=1e-4)
    for other in set(form) - {"age", "referred"}:
        assert parts[0][other] == parts[2][other]


def test_the_parts_of_the_average_patient_are_shared_without_a_fault() -> None:
    reading = heart_risk.interpret(
        {
            "probabilities": np.array([0.5, 0.5], np.float32),
            "baseline": np.array(0, np.float32),
            "contributions": np.array([1, -1, 0, 0, 0, 0, 0, 0, 0, 0], np.float32),
        },
        BUNDLE.metadata,
        HeartRiskRequest.model_validate(contract.HEART_RISK_REQUEST),
    )
    assert [part.probability for part in reading.contributions[:2]] == [0.25, -0.25]


def test_what_is_known_besides_changes_the_answer_and_what_is_for_the_forecast_does_not() -> None:
    six = read()
    more = read(exercise_angina=True, st_depression=2.5)
    assert more.prediction.probability > six.prediction.probability + 0.1
    assert read(hdl_cholesterol=40, smoker=True, bmi=31).prediction == six.prediction


def test_the_worst_and_the_best_form_lie_far_apart() -> None:
    best = {"age": 35, "sex": 0, "blood_pressure": 110, "cholesterol": 170, "chest_pain": 1, "max_heart_rate": 185}
    worst = {"age": 70, "sex": 1, "blood_pressure": 170, "cholesterol": 300, "chest_pain": 3, "max_heart_rate": 95}
    assert read(**best).prediction.risk_level == "Low"
    assert read(**worst, referred=True).prediction.risk_level == "High"


PREVENT = {"hdl_cholesterol": 50, "diabetes": False, "smoker": False, "egfr": 95, "blood_pressure_treatment": False}
WARNING = heart_risk_knowledge().chest_pain.value


def test_without_chest_pain_or_referral_nothing_is_settled_and_the_way_to_prevent_is_told() -> None:
    reading = read(chest_pain="asymptomatic")
    assert (reading.prediction.settled, reading.prediction.risk_level) == (False, "Uncertain")
    assert reading.prediction.condition.startswith("Not settled: ")
    assert not any("cardiologist" in text for text in reading.recommendations)
    assert all(field in reading.recommendations[0] for field in PREVENT)
    assert reading.contributions == ()
    assert "far too high" in reading.meaning
    assert "far too high" not in read(chest_pain=2).meaning
    assert read(chest_pain=3, referred=True).prediction.settled


def test_prevent_leads_the_answer_where_it_can_be_computed() -> None:
    reading = read(chest_pain=3, blood_pressure=118, cholesterol=180, age=50, **PREVENT)
    risk = reading.ten_year_risk.total_cvd
    assert risk == reading.prediction.probability
    assert f"{100 * risk:.1f} %" in reading.prediction.condition
    assert f"{100 * risk:.1f} %" in reading.recommendations[0]
    assert "ten-year risk" in reading.meaning


@pytest.mark.parametrize("sex", [0, 1])
@pytest.mark.parametrize("known", [{}, PREVENT])
@pytest.mark.parametrize(("blood_pressure", "cholesterol"), list(product((100, 110, 119), (130, 160, 199))))
def test_healthy_people_of_every_age_are_told_no_more_than_not_settled(
    sex: int, blood_pressure: int, cholesterol: int, known: dict[str, Any]
) -> None:
    risks = []
    for age in range(30, 76):
        form = {"age": age, "sex": sex, "blood_pressure": blood_pressure, "cholesterol": cholesterol, "chest_pain": 3}
        reading = read(**form, max_heart_rate=220 - age, **known)
        assert not reading.prediction.settled
        told = " ".join((reading.prediction.condition, *reading.recommendations))
        assert not any(word in told for word in ("High", "cardiologist", "ambulance"))
        if known:
            assert reading.prediction.probability == reading.ten_year_risk.total_cvd
            risks.append(reading.prediction.probability)
    assert risks == sorted(risks)


@settings(max_examples=40)
@given(form=FORMS)
def test_everyone_with_chest_pain_is_told_when_to_call_an_ambulance(form: dict[str, Any]) -> None:
    assert (read(**form).recommendations[0] == WARNING) == (form["chest_pain"] != 3)
    assert (WARNING in heart_risk.sample(HeartRiskRequest.model_validate(form)).meaning) == (form["chest_pain"] != 3)


def test_values_that_the_network_did_not_learn_from_settle_nothing() -> None:
    reading = heart_risk.settle(read(age=30), BUNDLE.metadata, Reliability(accepted=False, reason="outside"))
    assert not reading.prediction.settled
    assert reading.recommendations[0] == WARNING
    assert heart_risk.settle(read(), BUNDLE.metadata, Reliability(accepted=True)) == read()


def test_units_stand_with_every_measurement() -> None:
    reading = read(st_depression=1.2)
    assert reading.risk_factors.age.unit == "years"
    units = {part.factor: part.unit for part in reading.contributions}
    assert (units["cholesterol"], units["st_depression"], units["chest_pain"]) == ("mg/dL", "mm", None)
    assert "mg/dL" in str(read(hdl_cholesterol=None).ten_year_risk.note)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("colesterol", "cholesterol"),
        ("Blood-Pressure", "blood_pressure"),
        ("trestbps", "blood_pressure"),
        ("HDL", "hdl_cholesterol"),
        ("smokers", "smoker"),
        ("maxHeartRate", "max_heart_rate"),
    ],
)
def test_a_name_that_is_nearly_a_field_is_refused(name: str, field: str) -> None:
    with pytest.raises(ValidationError, match=f"`{field}` is, and was perhaps meant"):
        HeartRiskRequest.model_validate({**contract.HEART_RISK_REQUEST, name: 1})


def test_other_fields_are_listed_as_not_used() -> None:
    assert read(ldl_cholesterol=130, height=180).not_used == ("ldl_cholesterol", "height")
    with pytest.raises(ValidationError, match="printable"):
        HeartRiskRequest.model_validate({**contract.HEART_RISK_REQUEST, "\ud800": 1})
    with pytest.raises(ValidationError, match="At most 100"):
        HeartRiskRequest.model_validate({**contract.HEART_RISK_REQUEST, **{f"x{n}": n for n in range(101)}})


def test_each_grade_names_its_guideline() -> None:
    factors = read(age=70, cholesterol=300).risk_factors
    assert "unconfirmed" in factors.age.guideline
    assert "2017 ACC/AHA" in factors.blood_pressure.guideline
    assert "NICE CG71" in factors.cholesterol.guideline


def test_the_example_of_the_document_can_be_read() -> None:
    assert read(**COMPLETE_REQUEST_EXAMPLE).ten_year_risk.total_cvd is not None
    HEART_RISK.check(BUNDLE.metadata)


def _other_classes(metadata: Metadata) -> Metadata:
    return metadata.model_copy(update={"classes": ("narrowed", "not_narrowed")})


def _other_features(metadata: Metadata) -> Metadata:
    spec = metadata.tabular_preprocessing
    other = spec.model_copy(update={"features": spec.features[::-1]})
    return metadata.model_copy(update={"preprocessing": type(spec).model_validate(other.model_dump())})


@pytest.mark.parametrize("change", [_other_classes, _other_features])
def test_a_bundle_of_other_classes_or_features_is_refused(
    tmp_path: Path, change: Callable[[Metadata], Metadata]
) -> None:
    bundle: Bundle = make_bundle(tmp_path, "heart_risk")
    HEART_RISK.check(bundle.metadata)
    with pytest.raises(ValueError, match=r"Bundle heart_risk 1\.0\.0 tells"):
        HEART_RISK.check(change(bundle.metadata))


@settings(max_examples=50)
@given(form=FORMS)
def test_every_reading_is_within_the_contract(form: dict[str, Any]) -> None:
    reading = read(**form)
    assert HeartRiskReading.model_validate_json(reading.model_dump_json()) == reading
    assert contract.type_departures(contract.HEART_RISK, reading.model_dump(mode="json")) == []
