"""POST /analyze/skin."""

from fastapi import APIRouter

from app.dependencies import ReaderDep, UploadedImage, admit
from app.openapi import PICTURE_RESPONSES
from app.uploads import PICTURE_FORM
from models.diagnoses.skin import interpretation as skin
from schemas.skin import SkinAnswer

router = APIRouter(tags=["pictures"], dependencies=[admit("skin")])


@router.post("/analyze/skin", responses=PICTURE_RESPONSES, openapi_extra=PICTURE_FORM.body)
async def analyze_skin(image: UploadedImage, reader: ReaderDep) -> SkinAnswer:
    """What a dermoscopy picture of a skin lesion shows, out of seven classes."""
    reading, context = await reader.image("skin", image, skin.interpret, skin.sample)
    return SkinAnswer.compose(reading, context)
