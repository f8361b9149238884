"""POST /predict-disease and GET /symptoms."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.dependencies import PredictionsDep
from app.errors import InvalidRequestError, problems
from app.json_requests import JsonRoute
from app.openapi import FORM_RESPONSES
from models.diagnoses.disease import DISEASE
from models.diagnoses.disease import interpretation as disease
from schemas.disease import DiseaseAnswer, DiseaseRequest
from schemas.meta import SymptomList

router = APIRouter(tags=["forms"], route_class=JsonRoute, strict_content_type=False)

_LONGEST_READ_AT_ONCE = 1000
"""Characters of symptoms that the event loop reads itself: at worst 5 ms for each thousand, where handing them to
another thread and back takes 0.1 ms."""


@router.post(DISEASE.path, responses=FORM_RESPONSES)
async def predict_disease(request: DiseaseRequest, predictions: PredictionsDep) -> DiseaseAnswer:
    """The diseases that best explain symptoms, listed or described."""
    if request.length <= _LONGEST_READ_AT_ONCE:
        case = disease.understand(request)
    else:
        case = await predictions.registry.run(DISEASE.name, disease.understand, request)
    return DiseaseAnswer.compose(*await predictions.read(DISEASE, case))


@router.get("/symptoms", responses=problems(InvalidRequestError))
async def list_symptoms(
    grouped: Annotated[bool, Query(description="Also list them by part of the body.")] = False,
) -> SymptomList:
    """The symptoms that POST /predict-disease knows."""
    symptoms = disease.known_symptoms()
    parts = disease.symptoms_by_body_part() if grouped else None
    return SymptomList(symptoms=symptoms, count=len(symptoms), body_parts=parts)
