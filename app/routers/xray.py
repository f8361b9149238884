"""POST /analyze/xray."""

from fastapi import APIRouter

from app.dependencies import ReaderDep, UploadedImage, admit
from app.openapi import PICTURE_RESPONSES
from app.uploads import PICTURE_FORM
from models.diagnoses.xray import interpretation as xray
from schemas.xray import XrayAnswer

router = APIRouter(tags=["pictures"], dependencies=[admit("xray")])


@router.post("/analyze/xray", responses=PICTURE_RESPONSES, openapi_extra=PICTURE_FORM.body)
async def analyze_xray(image: UploadedImage, reader: ReaderDep) -> XrayAnswer:
    """Whether a frontal chest X-ray shows signs of pneumonia."""
    reading, context = await reader.image("xray", image, xray.interpret, xray.sample)
    return XrayAnswer.compose(reading, context)
