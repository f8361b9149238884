"""The PREVENT equations equal what was published, and say why where they don't apply."""

import csv
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.diagnoses.heart_risk.knowledge import prevent_knowledge
from models.diagnoses.heart_risk.prevent import NEEDED, ten_year_risk
from schemas.heart_risk import HeartRiskRequest
from tests import contract

TABLE = Path(os.environ.get("MEDIDIAGNOSE_DATA", "data")) / "heart_risk/prevent/prevent_base_10yr.csv"
WORKED_EXAMPLE: dict[str, Any] = {
    **contract.HEART_RISK_REQUEST,
    "age": 50,
    "sex": "female",
    "blood_pressure": 160,
    "cholesterol": 200,
    "hdl_cholesterol": 45,
    "diabetes": True,
    "smoker": False,
    "egfr": 90,
    "blood_pressure_treatment": True,
    "statin": False,
    "bmi": 35,
}


UNIT = {"hdl_cholesterol": " (mg/dL)", "egfr": " (mL/min/1.73 m2)"}


def request(**changes: object) -> HeartRiskRequest:
    return HeartRiskRequest.model_validate({**WORKED_EXAMPLE, **changes})


def test_the_worked_example_of_the_publication() -> None:
    risk = ten_year_risk(request())
    assert (risk.total_cvd, risk.ascvd, risk.heart_failure) == pytest.approx((0.147, 0.092, 0.081), abs=5e-4)
    assert risk.note is None
    assert "PREVENT 2023" in risk.equation


@pytest.mark.skipif(not TABLE.is_file(), reason="the published table is not at hand")
@pytest.mark.parametrize("sex", ["female", "male"])
@pytest.mark.parametrize("outcome", ["total_cvd", "ascvd", "heart_failure"])
def test_every_coefficient_is_that_of_the_published_table(sex: str, outcome: str) -> None:
    with TABLE.open(newline="", encoding="utf-8") as file:
        published = [float(row[f"{sex}_{outcome}"]) for row in csv.DictReader(file)]
    ours = getattr(prevent_knowledge().coefficients.value[sex], outcome)
    assert list(ours.values()) == [value for value in published if value]


@pytest.mark.parametrize("field", NEEDED)
def test_without_a_value_it_needs_the_reason_is_told(field: str) -> None:
    risk = ten_year_risk(request(**{field: None}))
    assert (risk.total_cvd, risk.ascvd, risk.heart_failure) == (None, None, None)
    assert risk.note == f"Not computed: {field}{UNIT.get(field, '')} needed as well."


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"age": 29}, "age (30 to 79 years)"),
        ({"age": 80}, "age (30 to 79 years)"),
        ({"blood_pressure": 89}, "blood_pressure (90 to 200 mm Hg)"),
        (
            {"cholesterol": 321, "egfr": 14},
            "cholesterol (130 to 320 mg/dL), egfr (15 to 150 mL/min/1.73 m2)",
        ),
        ({"hdl_cholesterol": 101}, "hdl_cholesterol (20 to 100 mg/dL)"),
    ],
)
def test_outside_the_range_of_the_equations_it_is_absent(changes: dict[str, object], told: str) -> None:
    risk = ten_year_risk(request(**changes))
    assert (risk.total_cvd, risk.ascvd, risk.heart_failure) == (None, None, None)
    assert risk.note == f"Not computed: outside the range of the equations: {told}."


@pytest.mark.parametrize("changes", [{"age": 30}, {"age": 79}, {"blood_pressure": 90}, {"egfr": 150}, {"bmi": 18.5}])
def test_the_ends_of_the_ranges_are_inside(changes: dict[str, object]) -> None:
    assert ten_year_risk(request(**changes)).heart_failure is not None


@pytest.mark.parametrize(("bmi", "told"), [(None, "bmi"), (41, "bmi (18.5 to 39.9 kg/m2)"), (18, "bmi (18.5")])
def test_only_heart_failure_needs_the_body_mass_index(bmi: float | None, told: str) -> None:
    risk = ten_year_risk(request(bmi=bmi))
    assert risk.total_cvd == ten_year_risk(request()).total_cvd
    assert risk.heart_failure is None
    assert risk.note is not None
    assert told in risk.note


def test_a_statin_that_is_not_mentioned_is_taken_as_none_and_said_so() -> None:
    silent, told = ten_year_risk(request(statin=None)), ten_year_risk(request(statin=False))
    assert silent.total_cvd == told.total_cvd != ten_year_risk(request(statin=True)).total_cvd
    assert silent.note == "statin was not sent and is taken as no."


@given(
    sex=st.sampled_from([0, 1]),
    age=st.integers(30, 79),
    blood_pressure=st.integers(90, 200),
    cholesterol=st.integers(130, 320),
    hdl_cholesterol=st.integers(20, 100),
    egfr=st.integers(15, 150),
    bmi=st.floats(18.5, 39.9),
    diabetes=st.booleans(),
    blood_pressure_treatment=st.booleans(),
)
def test_within_the_ranges_every_figure_is_a_probability_and_smoking_raises_it(**values: Any) -> None:
    without, smoking = ten_year_risk(request(**values, smoker=False)), ten_year_risk(request(**values, smoker=True))
    for outcome in ("total_cvd", "ascvd", "heart_failure"):
        assert 0 < getattr(without, outcome) < getattr(smoking, outcome) < 1
