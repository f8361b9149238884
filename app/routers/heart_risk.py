"""POST /predict-heart."""

from fastapi import APIRouter

from app.dependencies import PredictionsDep
from app.json_requests import JsonRoute
from app.openapi import FORM_RESPONSES
from models.diagnoses.heart_risk import HEART_RISK
from models.diagnoses.heart_risk.interpretation import RiskForm
from schemas.heart_risk import HeartRiskAnswer, HeartRiskRequest

router = APIRouter(tags=["forms"], route_class=JsonRoute, strict_content_type=False)


@router.post(HEART_RISK.path, responses=FORM_RESPONSES)
async def predict_heart(request: HeartRiskRequest, predictions: PredictionsDep) -> HeartRiskAnswer:
    """The chance of a narrowed coronary artery from six values; more that is known makes it better.

    Where the caller sends what the PREVENT equations need, also the ten-year risk of cardiovascular disease.
    """
    return HeartRiskAnswer.compose(*await predictions.read(HEART_RISK, RiskForm(request)))
