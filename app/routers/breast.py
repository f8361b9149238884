"""POST /analyze/breast."""

from functools import partial

from fastapi import APIRouter

from app.dependencies import BiopsyProven, ReaderDep, UploadedBreastImage, admit
from app.openapi import PICTURE_RESPONSES
from app.uploads import BREAST_FORM
from models.diagnoses.breast import interpretation as breast
from schemas.breast import BreastAnswer

router = APIRouter(tags=["pictures"], dependencies=[admit("breast")])


@router.post("/analyze/breast", responses=PICTURE_RESPONSES, openapi_extra=BREAST_FORM.body)
async def analyze_breast(image: UploadedBreastImage, biopsy_proven: BiopsyProven, reader: ReaderDep) -> BreastAnswer:
    """The BI-RADS category of a breast ultrasound; 6 only where the caller knows of a biopsy."""
    interpret = partial(breast.interpret, biopsy_proven=biopsy_proven)
    sample = partial(breast.sample, biopsy_proven=biopsy_proven)
    reading, context = await reader.image("breast", image, interpret, sample)
    return BreastAnswer.compose(reading, context)
