"""What the routes ask for, as `Annotated` aliases.

All are `async def`: FastAPI hands a plain function to a thread, which takes longer than the function.
"""

from typing import Annotated, Any, TypeVar, cast, get_args

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.errors import InvalidRequestError, ModelUnavailableError
from app.metrics import Metrics
from app.predictions import Predictions
from app.uploads import BREAST_FORM, HEART_FORM, PICTURE_FORM, RECORD_FORM, Form, FormParts
from models.diagnoses.catalogue import Catalogue
from models.diagnoses.diagnosis import AnyDiagnosis
from models.diagnoses.heart.sent import SentHeartRecord, SentSheet
from models.preprocessing.inputs import SentPicture
from models.serving.registry import ModelRegistry
from schemas.breast import Setting
from schemas.common import FieldProblem, plain_word
from schemas.heart import Person, PrintedScales

_BOOL = TypeAdapter(bool)
ModelT = TypeVar("ModelT", bound=BaseModel)
Explain = Annotated[
    bool,
    Query(
        description="Ask for an explanation: where in a picture the model found what speaks for its answer, the traces "
        "that were read off an ECG sheet, or what each symptom, value or lead adds."
    ),
]


async def _registry(request: Request) -> ModelRegistry:
    registry: ModelRegistry = request.state.registry
    return registry


async def _catalogue(request: Request) -> Catalogue:
    catalogue: Catalogue = request.state.catalogue
    return catalogue


async def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.state.metrics
    return metrics


RegistryDep = Annotated[ModelRegistry, Depends(_registry)]
CatalogueDep = Annotated[Catalogue, Depends(_catalogue)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]


def _picture_of(parts: FormParts) -> Any:
    async def picture(form: Annotated[Form, Depends(parts)]) -> SentPicture:
        return SentPicture(form.files["image"])

    return Depends(picture)


async def _uploaded_sheet(
    form: Annotated[Form, Depends(HEART_FORM)],
) -> SentSheet:
    return SentSheet(form.files["image"], _said(form, Person), _said(form, PrintedScales))


async def _uploaded_record(form: Annotated[Form, Depends(RECORD_FORM)]) -> SentHeartRecord:
    header, signal, dicom = (form.files.get(name, b"") for name in ("header", "signal", "dicom"))
    return SentHeartRecord(header, signal, _said(form, Person), dicom=dicom)


def _said(form: Form, model: type[ModelT]) -> ModelT:
    """What the texts of a form say. Raises `InvalidRequestError`. A field without text, as browsers send one that was
    not filled in, says nothing."""
    sent = {name: text for name in model.model_fields if (text := form.fields.get(name, "")).strip()}
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        problems = [FieldProblem(field=str(each["loc"][0]), message=each["msg"]) for each in error.errors()]
        raise InvalidRequestError(" ".join(problem.message for problem in problems), fields=problems) from None


async def _biopsy_proven(form: Annotated[Form, Depends(BREAST_FORM)]) -> bool:
    try:
        return _BOOL.validate_python(form.fields.get("biopsy_proven", "false"))
    except ValidationError:
        problem = FieldProblem(field="biopsy_proven", message="`biopsy_proven` must be true or false.")
        raise InvalidRequestError(problem.message, fields=[problem]) from None


async def _setting(form: Annotated[Form, Depends(BREAST_FORM)]) -> Setting:
    setting = plain_word(form.fields.get("setting", "diagnostic"))
    if setting not in get_args(Setting):
        problem = FieldProblem(field="setting", message="`setting` must be diagnostic or screening.")
        raise InvalidRequestError(problem.message, fields=[problem])
    return cast(Setting, setting)


async def _predictions(request: Request, response: Response, explain: Explain = False) -> Predictions:
    """Takes its parts from the state itself, since every dependency of a dependency costs FastAPI as much as a small
    model costs us."""
    state = request.state
    return Predictions(state.registry, state.metrics, state.settings, request, response, explain)


def admit(diagnosis: AnyDiagnosis) -> Any:
    """The dependency of a route that sends a large body to a model: asks, before the body is read, whether there is a
    model and room for the request.
    """

    async def check(request: Request) -> None:
        check_room(request, diagnosis)

    return Depends(check)


def check_room(request: Request, diagnosis: AnyDiagnosis) -> None:
    """Raises what a prediction would, for want of a model or of room for one more request."""
    name, state = diagnosis.name, request.state
    state.registry.check_room(name)
    if not state.settings.demo_mode and state.registry.model(name).state == "absent":
        raise ModelUnavailableError(f"The model {name} is not installed, and demo mode is off.")


UploadedPicture = Annotated[SentPicture, _picture_of(PICTURE_FORM)]
UploadedBreastPicture = Annotated[SentPicture, _picture_of(BREAST_FORM)]
UploadedSheet = Annotated[SentSheet, Depends(_uploaded_sheet)]
UploadedRecord = Annotated[SentHeartRecord, Depends(_uploaded_record)]
BiopsyProven = Annotated[bool, Depends(_biopsy_proven)]
BreastSetting = Annotated[Setting, Depends(_setting)]
PredictionsDep = Annotated[Predictions, Depends(_predictions)]
