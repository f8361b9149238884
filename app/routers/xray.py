"""POST /analyze/xray."""

from fastapi import APIRouter

from app.dependencies import PredictionsDep, UploadedPicture, admit
from app.openapi import PICTURE_RESPONSES
from app.uploads import PICTURE_FORM
from models.diagnoses.xray import XRAY
from schemas.xray import XrayAnswer

router = APIRouter(tags=["pictures"], dependencies=[admit(XRAY)])


@router.post(XRAY.path, responses=PICTURE_RESPONSES, openapi_extra=PICTURE_FORM.body)
async def analyze_xray(picture: UploadedPicture, predictions: PredictionsDep) -> XrayAnswer:
    """Whether a frontal chest X-ray shows signs of pneumonia."""
    return XrayAnswer.compose(*await predictions.read(XRAY, picture))
