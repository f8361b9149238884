"""POST /analyze/skin."""

from fastapi import APIRouter

from app.dependencies import PredictionsDep, UploadedPicture, admit
from app.openapi import PICTURE_RESPONSES
from app.uploads import PICTURE_FORM
from models.diagnoses.skin import SKIN
from schemas.skin import SkinAnswer

router = APIRouter(tags=["pictures"], dependencies=[admit(SKIN)])


@router.post(SKIN.path, responses=PICTURE_RESPONSES, openapi_extra=PICTURE_FORM.body)
async def analyze_skin(picture: UploadedPicture, predictions: PredictionsDep) -> SkinAnswer:
    """What a dermoscopy picture of a skin lesion shows, out of seven classes."""
    return SkinAnswer.compose(*await predictions.read(SKIN, picture))
