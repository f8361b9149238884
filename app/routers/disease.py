"""POST /predict-disease and GET /symptoms."""

from functools import partial

from fastapi import APIRouter

from app.dependencies import ReaderDep
from app.openapi import FORM_RESPONSES
from models.diagnoses import disease
from schemas.disease import DiseaseAnswer, DiseaseRequest
from schemas.meta import SymptomList

router = APIRouter(tags=["forms"])


@router.post("/predict-disease", responses=FORM_RESPONSES)
async def predict_disease(request: DiseaseRequest, reader: ReaderDep) -> DiseaseAnswer:
    """The diseases that best explain a list of symptoms."""
    reading, context = reader.sample("disease", partial(disease.sample, request))
    return DiseaseAnswer.compose(reading, context)


@router.get("/symptoms")
async def list_symptoms() -> SymptomList:
    """The symptoms that POST /predict-disease knows."""
    return SymptomList(symptoms=disease.KNOWN_SYMPTOMS, count=len(disease.KNOWN_SYMPTOMS))
