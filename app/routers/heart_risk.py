"""POST /predict-heart."""

from functools import partial

from fastapi import APIRouter

from app.dependencies import ReaderDep
from app.json_requests import JsonRoute
from app.openapi import FORM_RESPONSES
from models.diagnoses.heart_risk import interpretation as heart_risk
from schemas.heart_risk import HeartRiskAnswer, HeartRiskRequest

router = APIRouter(tags=["forms"], route_class=JsonRoute, strict_content_type=False)


@router.post("/predict-heart", responses=FORM_RESPONSES)
async def predict_heart(request: HeartRiskRequest, reader: ReaderDep) -> HeartRiskAnswer:
    """The chance of a narrowed coronary artery from six values; more that is known makes it better.

    Where the caller sends what the PREVENT equations need, also the ten-year risk of cardiovascular disease.
    """
    reading, context = await reader.form(
        "heart_risk",
        heart_risk.values_of(request),
        partial(heart_risk.interpret, request=request),
        partial(heart_risk.sample, request),
    )
    return HeartRiskAnswer.compose(reading, context)
