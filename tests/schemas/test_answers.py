"""The documented example of each answer is valid, complete and the contract's."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from models.diagnoses.breast.knowledge import breast_knowledge
from models.diagnoses.heart.knowledge import heart_knowledge
from models.diagnoses.heart_risk.knowledge import heart_risk_knowledge
from models.diagnoses.knowledge import common_knowledge
from models.diagnoses.skin.knowledge import skin_knowledge
from models.diagnoses.xray.knowledge import xray_knowledge
from schemas.breast import BreastAnswer, BreastPrediction
from schemas.common import DISCLAIMER_EXAMPLE, AnswerContext, ModelInfo, Problem, Reading, Reliability
from schemas.disease import DiseaseAnswer, DiseaseRequest
from schemas.heart import HeartAnswer, HeartPrediction
from schemas.heart_risk import HeartRiskAnswer, HeartRiskPrediction, HeartRiskRequest
from schemas.meta import ApiInfo, Health, Liveness, ModelList, ModelReadiness, ModelSummary, Readiness, SymptomList
from schemas.skin import SkinAnswer, SkinPrediction, SkinReading
from schemas.xray import XrayAnswer, XrayPrediction
from tests import contract

ANSWERS: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (SkinAnswer, contract.SKIN),
    (HeartAnswer, contract.HEART),
    (BreastAnswer, contract.BREAST),
    (XrayAnswer, contract.XRAY),
    (DiseaseAnswer, contract.DISEASE),
    (HeartRiskAnswer, contract.HEART_RISK),
]
WITH_EXAMPLE = [answer for answer, _ in ANSWERS] + [
    Problem,
    DiseaseRequest,
    HeartRiskRequest,
    ApiInfo,
    Health,
    Readiness,
    SymptomList,
]
DOCUMENTED = [*WITH_EXAMPLE, Liveness, ModelList, ModelReadiness, ModelSummary]


def example_of(model: type[BaseModel]) -> dict[str, Any]:
    example: dict[str, Any] = model.model_json_schema()["examples"][0]
    return example


def json_of(model: BaseModel) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(model.model_dump_json())
    return parsed


@pytest.mark.parametrize(("answer", "expected"), ANSWERS)
def test_the_documented_example_is_the_contracts(answer: type[BaseModel], expected: dict[str, Any]) -> None:
    assert contract.departures(expected, example_of(answer)) == []


@pytest.mark.parametrize("model", WITH_EXAMPLE)
def test_the_documented_example_is_valid_and_complete(model: type[BaseModel]) -> None:
    example = example_of(model)
    assert json_of(model.model_validate(example)) == example


@pytest.mark.parametrize("model", DOCUMENTED)
def test_every_field_has_a_description(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    parts = schema.get("$defs", {})
    for part in [schema, *parts.values()]:
        for name, field in part.get("properties", {}).items():
            shared = parts.get(field.get("$ref", "").removeprefix("#/$defs/"), {})
            assert field.get("description") or shared.get("description"), f"{part['title']}.{name}"


@pytest.mark.parametrize(("answer", "_"), ANSWERS)
def test_clinical_fields_come_before_the_context(answer: type[BaseModel], _: dict[str, Any]) -> None:
    fields = list(answer.model_fields)
    assert fields[:4] == ["success", "alerts", "not_assessed", "prediction"]
    context = ["model", "demo_mode", "reliability", "explanation", "prediction_set", "prediction_set_says"]
    assert fields[-8:] == [*context, "request_id", "disclaimer"]


def test_compose_joins_a_reading_and_its_context() -> None:
    example = example_of(SkinAnswer)
    context_fields = {name: example.pop(name) for name in AnswerContext.model_fields}
    reading, context = SkinReading.model_validate(example), AnswerContext.model_validate(context_fields)
    answer = SkinAnswer.compose(reading, context)
    assert isinstance(answer, SkinAnswer)
    assert answer == SkinAnswer.model_validate({**example, **context_fields})


def test_answers_are_frozen_and_closed() -> None:
    info = ModelInfo(name="skin", version="1.0.0", precision="fp32")
    with pytest.raises(ValidationError):
        info.version = "2"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Reliability.model_validate({"accepted": True, "certainty": 1})


@pytest.mark.parametrize("probability", [-0.01, 1.01, float("nan")])
def test_probabilities_are_bounded(probability: float) -> None:
    example = example_of(SkinAnswer)
    example["prediction"]["confidence"] = probability
    with pytest.raises(ValidationError):
        SkinAnswer.model_validate(example)


def test_a_reading_says_success_and_a_problem_does_not() -> None:
    assert Reading().success is True
    assert Problem(error="e", title="t", status=400, detail="d", instance="i").success is False


def test_the_example_disclaimer_is_the_real_one() -> None:
    assert common_knowledge().disclaimer.value == DISCLAIMER_EXAMPLE


@pytest.mark.parametrize(
    ("prediction", "codes"),
    [
        (SkinPrediction, [each.code for each in skin_knowledge().classes]),
        (XrayPrediction, [each.code for each in xray_knowledge().classes]),
        (BreastPrediction, [each.code for each in breast_knowledge().categories]),
        (HeartPrediction, [each.code for each in heart_knowledge().classes]),
        (
            HeartRiskPrediction,
            [*(each.level.lower().replace("-", "_") for each in heart_risk_knowledge().bands), "uncertain"],
        ),
    ],
)
def test_the_document_lists_the_codes_of_the_texts(prediction: type[BaseModel], codes: list[str]) -> None:
    assert prediction.model_json_schema()["properties"]["code"]["enum"] == codes
