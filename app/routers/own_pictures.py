"""POST /analyze/{name}, for every bundle that describes a picture diagnosis of one's own."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from app.dependencies import PredictionsDep, UploadedPicture, check_room
from app.errors import NotFoundError, problems
from app.openapi import PICTURE_RESPONSES
from app.uploads import PICTURE_FORM
from models.diagnoses.picture import PictureDiagnosis
from schemas.picture import PictureAnswer

Name = Annotated[str, Path(description="Name of the bundle.", examples=["retina"], max_length=40)]


async def own_diagnosis(request: Request, name: Name) -> PictureDiagnosis:
    """The diagnosis of that name, with room for the request. Raises `NotFoundError` or as `check_room` does."""
    diagnosis: PictureDiagnosis | None = request.state.catalogue.own.get(name)
    if diagnosis is None:
        raise NotFoundError
    check_room(request, diagnosis)
    return diagnosis


router = APIRouter(tags=["pictures"], dependencies=[Depends(own_diagnosis)])


@router.post(
    "/analyze/{name}", responses={**PICTURE_RESPONSES, **problems(NotFoundError)}, openapi_extra=PICTURE_FORM.body
)
async def analyze_own_picture(
    picture: UploadedPicture,
    predictions: PredictionsDep,
    diagnosis: Annotated[PictureDiagnosis, Depends(own_diagnosis)],
) -> PictureAnswer:
    """What a picture shows by a bundle of one's own, made by `medidiagnose-train pictures`. GET / lists those here."""
    return PictureAnswer.compose(*await predictions.read(diagnosis, picture))
