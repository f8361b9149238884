"""POST /predict-disease and GET /symptoms."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query

from app.dependencies import ReaderDep
from app.errors import InvalidRequestError, problems
from app.json_requests import JsonRoute
from app.openapi import FORM_RESPONSES
from models.diagnoses.disease import interpretation as disease
from schemas.disease import DiseaseAnswer, DiseaseRequest
from schemas.meta import SymptomList

router = APIRouter(tags=["forms"], route_class=JsonRoute, strict_content_type=False)


@router.post("/predict-disease", responses=FORM_RESPONSES)
async def predict_disease(request: DiseaseRequest, reader: ReaderDep) -> DiseaseAnswer:
    """The diseases that best explain symptoms, listed or described."""
    case = await reader.understand(request)
    reading, context = await reader.form(
        "disease", case.values, partial(disease.interpret, case), partial(disease.sample, case)
    )
    return DiseaseAnswer.compose(reading, context)


@router.get("/symptoms", responses=problems(InvalidRequestError))
async def list_symptoms(
    grouped: Annotated[bool, Query(description="Also list them by part of the body.")] = False,
) -> SymptomList:
    """The symptoms that POST /predict-disease knows."""
    symptoms = disease.known_symptoms()
    parts = disease.symptoms_by_body_part() if grouped else None
    return SymptomList(symptoms=symptoms, count=len(symptoms), body_parts=parts)
