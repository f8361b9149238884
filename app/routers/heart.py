"""POST /analyze/heart and POST /analyze/heart/record."""

from fastapi import APIRouter, Depends

from app.dependencies import ReaderDep, UploadedImage, accept_explain, require_record
from app.openapi import PICTURE_RESPONSES, RECORD_RESPONSES
from app.uploads import PICTURE_FORM, RECORD_FORM
from models.diagnoses import heart
from schemas.heart import HeartAnswer

router = APIRouter(tags=["pictures"], dependencies=[Depends(accept_explain)])


@router.post("/analyze/heart", responses=PICTURE_RESPONSES, openapi_extra=PICTURE_FORM)
async def analyze_heart(image: UploadedImage, reader: ReaderDep) -> HeartAnswer:
    """What the picture of a 12-lead ECG sheet shows, out of five classes that may occur together."""
    reading, context = await reader.image("heart_image", image, heart.interpret, heart.sample)
    return HeartAnswer.compose(reading, context)


@router.post(
    "/analyze/heart/record",
    responses=RECORD_RESPONSES,
    openapi_extra=RECORD_FORM,
    dependencies=[Depends(require_record)],
)
async def analyze_heart_record(reader: ReaderDep) -> HeartAnswer:
    """What a 12-lead ECG record in WFDB format shows: `header` is its .hea file, `signal` its .dat file."""
    reading, context = reader.sample("heart_record", heart.sample)
    return HeartAnswer.compose(reading, context)
