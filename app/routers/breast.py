"""POST /analyze/breast."""

from fastapi import APIRouter

from app.dependencies import BiopsyProven, BreastSetting, PredictionsDep, UploadedBreastPicture, admit
from app.openapi import PICTURE_RESPONSES
from app.uploads import BREAST_FORM
from models.diagnoses.breast import BREAST, SentUltrasound
from schemas.breast import BreastAnswer

router = APIRouter(tags=["pictures"], dependencies=[admit(BREAST)])


@router.post(BREAST.path, responses=PICTURE_RESPONSES, openapi_extra=BREAST_FORM.body)
async def analyze_breast(
    picture: UploadedBreastPicture,
    biopsy_proven: BiopsyProven,
    setting: BreastSetting,
    predictions: PredictionsDep,
) -> BreastAnswer:
    """The BI-RADS category of a breast ultrasound; 6 only where the caller knows of a biopsy."""
    sent = SentUltrasound(picture.image, biopsy_proven, setting)
    return BreastAnswer.compose(*await predictions.read(BREAST, sent))
