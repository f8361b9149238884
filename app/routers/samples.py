"""GET /samples and GET /samples/{name}: something to send to each diagnosis, drawn here."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from app.errors import InvalidRequestError, NotFoundError, problems
from models.samples import FILES, SAMPLES
from schemas.samples import Sample, SampleFile, SampleList

Name = Annotated[str, Path(description="Name of the file.", examples=["skin-lesion.jpg"], max_length=64)]

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILE = {
    "application/octet-stream": _BINARY,
    **{file.media_type: _BINARY for file in FILES.values()},
    "application/json": {"schema": {"type": "object", "additionalProperties": True}},
}

router = APIRouter(tags=["service"])


@router.get("/samples")
async def list_samples() -> SampleList:
    """Something to send to each diagnosis. Pictures are drawn by our own code and marked as artificial.

    A model may refuse one as unlike what it learned from, which is a valid answer.
    """
    return SampleList(
        samples=tuple(
            Sample(
                name=sample.name,
                diagnosis=sample.diagnosis,
                path=sample.path,
                description=sample.description,
                files=tuple(
                    SampleFile(name=file.name, media_type=file.media_type, field=file.field) for file in sample.files
                ),
            )
            for sample in SAMPLES
        )
    )


@router.get(
    "/samples/{name}",
    response_class=Response,
    responses={
        200: {"description": "The file.", "content": _FILE},
        **problems(NotFoundError, InvalidRequestError),
    },
)
def sample_file(name: Name) -> Response:
    """A file of a sample, as GET /samples names it."""
    if (file := FILES.get(name)) is None:
        raise NotFoundError("There is no sample of that name. GET /samples lists them.")
    return Response(file.content(), media_type=file.media_type)
