"""POST /analyze/heart and POST /analyze/heart/record."""

from fastapi import APIRouter

from app.dependencies import ReaderDep, UploadedImage, UploadedRecord, admit
from app.openapi import PICTURE_RESPONSES, RECORD_RESPONSES
from app.uploads import PICTURE_FORM, RECORD_FORM
from schemas.heart import HeartAnswer

router = APIRouter(tags=["pictures"])


@router.post(
    "/analyze/heart", responses=PICTURE_RESPONSES, openapi_extra=PICTURE_FORM.body, dependencies=[admit("heart_image")]
)
async def analyze_heart(image: UploadedImage, reader: ReaderDep) -> HeartAnswer:
    """What the picture of a 12-lead ECG sheet shows, out of five classes that may occur together.

    The traces are read off the sheet: 3 x 4, 6 x 2 or 12 x 1 leads, printed or photographed; `sheet` in the answer
    tells what was found.
    """
    reading, context = await reader.sheet(image)
    return HeartAnswer.compose(reading, context)


@router.post(
    "/analyze/heart/record",
    responses=RECORD_RESPONSES,
    openapi_extra=RECORD_FORM.body,
    dependencies=[admit("heart_record")],
)
async def analyze_heart_record(record: UploadedRecord, reader: ReaderDep) -> HeartAnswer:
    """What a 12-lead ECG record in WFDB format shows: `header` is its .hea file, `signal` its .dat file.

    Of a longer record up to thirty windows of ten seconds are read, and the answer is their mean.
    """
    reading, context = await reader.record(record)
    return HeartAnswer.compose(reading, context)
