"""What the routes ask for, as `Annotated` aliases.

All are `async def`: FastAPI hands a plain function to a thread, which takes longer than the function.
"""

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from pydantic import TypeAdapter, ValidationError

from app.errors import InvalidRequestError, ModelUnavailableError
from app.metrics import Metrics
from app.readers import Reader
from app.uploads import BREAST_FORM, PICTURE_FORM, RECORD_FORM, Form, FormParts, RecordFiles
from models.serving.registry import ModelRegistry
from schemas.common import Diagnosis, FieldProblem

_BOOL = TypeAdapter(bool)


async def _registry(request: Request) -> ModelRegistry:
    registry: ModelRegistry = request.state.registry
    return registry


async def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.state.metrics
    return metrics


RegistryDep = Annotated[ModelRegistry, Depends(_registry)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]


def _image_of(parts: FormParts) -> Any:
    async def image(form: Annotated[Form, Depends(parts)]) -> bytes:
        return form.files["image"]

    return Depends(image)


async def _uploaded_record(form: Annotated[Form, Depends(RECORD_FORM)]) -> RecordFiles:
    return RecordFiles(form.files["header"], form.files["signal"])


async def _biopsy_proven(form: Annotated[Form, Depends(BREAST_FORM)]) -> bool:
    try:
        return _BOOL.validate_python(form.fields.get("biopsy_proven", "false"))
    except ValidationError:
        problem = FieldProblem(field="biopsy_proven", message="`biopsy_proven` must be true or false.")
        raise InvalidRequestError(problem.message, fields=[problem]) from None


async def _reader(request: Request, response: Response) -> Reader:
    """Takes its parts from the state itself, since every dependency of a dependency costs FastAPI as much as a small
    model costs us."""
    state = request.state
    return Reader(state.registry, state.metrics, state.settings, request, response)


def admit(name: Diagnosis) -> Any:
    """The dependency of a route that sends a large body to that model: asks, before the body is read, whether there is
    a model and room for the request.

    It also declares `?explain=`, which every such route accepts; no model of today can draw a map.
    """

    async def check(
        request: Request,
        explain: Annotated[bool, Query(description="Ask for a heat map, where the model can draw one.")] = False,
    ) -> None:
        state = request.state
        state.registry.check_room(name)
        if not state.settings.demo_mode and state.registry.model(name).state == "absent":
            raise ModelUnavailableError(f"The model {name} is not installed, and demo mode is off.")

    return Depends(check)


UploadedImage = Annotated[bytes, _image_of(PICTURE_FORM)]
UploadedBreastImage = Annotated[bytes, _image_of(BREAST_FORM)]
UploadedRecord = Annotated[RecordFiles, Depends(_uploaded_record)]
BiopsyProven = Annotated[bool, Depends(_biopsy_proven)]
ReaderDep = Annotated[Reader, Depends(_reader)]
