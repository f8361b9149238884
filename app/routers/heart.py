"""POST /analyze/heart and POST /analyze/heart/record."""

from fastapi import APIRouter

from app.dependencies import PredictionsDep, UploadedRecord, UploadedSheet, admit
from app.openapi import PICTURE_RESPONSES, RECORD_RESPONSES
from app.uploads import HEART_FORM, RECORD_FORM
from models.diagnoses.heart import HEART_IMAGE, HEART_RECORD
from schemas.heart import HeartAnswer

router = APIRouter(tags=["pictures"])


@router.post(
    HEART_IMAGE.path,
    responses=PICTURE_RESPONSES,
    openapi_extra=HEART_FORM.body,
    dependencies=[admit(HEART_IMAGE)],
)
async def analyze_heart(sheet: UploadedSheet, predictions: PredictionsDep) -> HeartAnswer:
    """What the picture of a 12-lead ECG sheet shows, out of five classes that may occur together.

    The traces are read off the sheet: 3 x 4, 6 x 2 or 12 x 1 leads, printed or photographed; `sheet` in the answer
    tells what was found.
    """
    return HeartAnswer.compose(*await predictions.read(HEART_IMAGE, sheet))


@router.post(
    HEART_RECORD.path,
    responses=RECORD_RESPONSES,
    openapi_extra=RECORD_FORM.body,
    dependencies=[admit(HEART_RECORD)],
)
async def analyze_heart_record(record: UploadedRecord, predictions: PredictionsDep) -> HeartAnswer:
    """What a 12-lead ECG record shows: in WFDB format `header` is its .hea file and `signal` its .dat file, of DICOM
    `dicom` is the waveform object, without the other two.

    Of a longer record up to thirty windows of ten seconds are read, and the answer is their mean.
    """
    return HeartAnswer.compose(*await predictions.read(HEART_RECORD, record))
