"""Every error the service answers, as `application/problem+json` (RFC 9457) with the original's `success` and `error`.

An error is two lines: its status and title, and the sentence said where nobody has a better one. The OpenAPI document
lists it for each route that names it in `problems`.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from models.diagnoses.disease.interpretation import NoKnownSymptomError
from models.diagnoses.disease.knowledge import disease_knowledge
from models.preprocessing import wfdb
from models.preprocessing.picture import (
    PictureError,
    PictureTooLargeError,
    UnreadablePictureError,
    UnsupportedFormatError,
    UnusablePictureError,
)
from models.serving.registry import LoadUnderWayError, ModelNotReadyError
from models.serving.scheduling import DeadlineError, QueueFullError, SchedulingError, ShuttingDownError, StuckError
from schemas.common import REQUEST_ID_EXAMPLE, FieldProblem, Problem

PROBLEM_JSON = "application/problem+json"


class ServiceError(HTTPException):
    """Base of the family. `detail` says what happened this time and what to do; `headers` go with the answer."""

    status: ClassVar[HTTPStatus]
    title: ClassVar[str]
    advice: ClassVar[str]
    default_headers: ClassVar[Mapping[str, str]] = {}
    safety: ClassVar[str] = ""
    """A sentence that `error` carries behind the title."""
    kind: ClassVar[str]
    """Its name in `type`, in metrics and in the log, such as `no-image`."""

    def __init_subclass__(cls) -> None:
        words = re.findall("[A-Z]+[a-z]*", cls.__name__.removesuffix("Error"))
        cls.kind = "-".join(words).lower()

    def __init__(self, detail: str | None = None, *, fields: Sequence[FieldProblem] = ()) -> None:
        super().__init__(self.status, detail or self.advice, dict(self.default_headers))
        self.fields = tuple(fields)


class NoImageError(ServiceError):
    status, title = HTTPStatus.BAD_REQUEST, "No image provided"
    advice = "Send the picture as a file in a multipart form, in the part named `image`."


class NoRecordError(ServiceError):
    status, title = HTTPStatus.BAD_REQUEST, "No record provided"
    advice = (
        "Send the WFDB record as two files in a multipart form, `header` (.hea) and `signal` (.dat), or a DICOM ECG as "
        "one, `dicom`."
    )


class MalformedFormError(ServiceError):
    status, title = HTTPStatus.BAD_REQUEST, "Malformed form"
    advice = "The multipart form is damaged or was cut off. Send it again."


class InvalidFileTypeError(ServiceError):
    status, title = HTTPStatus.BAD_REQUEST, "Invalid file type"
    advice = "The content is not a JPEG, PNG, WebP, BMP, TIFF or DICOM picture."


class UnreadableImageError(ServiceError):
    status, title = HTTPStatus.BAD_REQUEST, "Cannot read image"
    advice = "The picture is empty, truncated or damaged. Save it again and resend it."


class UnreadableRecordError(ServiceError):
    status, title = HTTPStatus.BAD_REQUEST, "Cannot read record"
    advice = "The header or the signal of the record is malformed, truncated or damaged. Export it again and resend it."


class PreflightRefusedError(ServiceError):
    status, title = HTTPStatus.BAD_REQUEST, "Preflight refused"
    advice = "The settings MEDIDIAGNOSE_CORS_* say which pages may call this service, and how."


class MalformedRequestError(ServiceError):
    status, title = HTTPStatus.BAD_REQUEST, "Malformed request"
    advice = "This is not a request in HTTP/1.1, or its headers contradict each other."


class InvalidApiKeyError(ServiceError):
    status, title = HTTPStatus.UNAUTHORIZED, "Invalid API key"
    advice = "Send a valid key in the header `X-API-Key`, or as `Authorization: Bearer <key>`."
    default_headers: ClassVar[Mapping[str, str]] = {
        "WWW-Authenticate": 'Bearer realm="medidiagnose", ApiKey realm="medidiagnose"'
    }


class NotFoundError(ServiceError):
    status, title = HTTPStatus.NOT_FOUND, "Not found"
    advice = "There is nothing at this path. GET / lists every endpoint."


class ModelNotFoundError(ServiceError):
    status, title = HTTPStatus.NOT_FOUND, "Model not found"
    advice = "No model of that name is loaded. GET /models lists those that are."


class MethodNotAllowedError(ServiceError):
    status, title = HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed"
    advice = "The path exists, but not with this method. GET / lists every endpoint."


class HeadTooSlowError(ServiceError):
    status, title = HTTPStatus.REQUEST_TIMEOUT, "Request too slow"
    advice = "The request did not arrive in time. Send it again."


class ReloadUnderWayError(ServiceError):
    status, title = HTTPStatus.CONFLICT, "Reload under way"
    advice = "The models are being loaded already. Try again when that has ended."
    default_headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}


class BodyTooLargeError(ServiceError):
    status, title = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request too large"
    advice = "The request body is larger than the service accepts. Send a smaller file."


class ImageTooLargeError(ServiceError):
    status, title = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Image too large"
    advice = "The picture has more pixels than the service reads. Send it smaller."


class RecordTooLargeError(ServiceError):
    status, title = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Record too large"
    advice = "The record has more signals or samples than the service reads. Send a shorter piece."


class UnsupportedMediaTypeError(ServiceError):
    status, title = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Unsupported media type"
    advice = "Send JSON, with the header `Content-Type: application/json`."


class UriTooLongError(ServiceError):
    status, title = HTTPStatus.REQUEST_URI_TOO_LONG, "Address too long"
    advice = "The address of the request is longer than any of ours. GET / lists every endpoint."


class InvalidRequestError(ServiceError):
    status, title = HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid request"
    advice = "The request has missing or invalid values; `errors` names each."


class NothingUnderstoodError(ServiceError):
    status, title = HTTPStatus.UNPROCESSABLE_ENTITY, "Nothing understood"
    advice = (
        "No symptom that is present was understood. Say it in other words; GET /symptoms lists those that are known."
    )
    safety = disease_knowledge().advice.safety.value


class UnreliableImageError(ServiceError):
    status, title = HTTPStatus.UNPROCESSABLE_ENTITY, "Unreliable image"
    advice = "The picture is unlike those the model learned from, so it is not read."


class UnusableImageError(ServiceError):
    status, title = HTTPStatus.UNPROCESSABLE_ENTITY, "Unusable image"
    advice = "The DICOM file holds no picture, several, or one of another modality than this endpoint reads."


class UnusableRecordError(ServiceError):
    status, title = HTTPStatus.UNPROCESSABLE_ENTITY, "Unusable record"
    advice = "The record is not a 12-lead ECG of at least ten seconds in a format and in units that are read."


class UnreliableRecordError(ServiceError):
    status, title = HTTPStatus.UNPROCESSABLE_ENTITY, "Unreliable record"
    advice = "The record is unlike those the model learned from, so it is not read."


class UnreliableFormError(ServiceError):
    status, title = HTTPStatus.UNPROCESSABLE_ENTITY, "Unreliable form"
    advice = "A value lies outside what the model learned from, so the form is not read."


class RateLimitedError(ServiceError):
    status, title = HTTPStatus.TOO_MANY_REQUESTS, "Too many requests"
    advice = "This key or address has sent more requests than it may. `Retry-After` says in how many seconds to go on."
    default_headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class HeadTooLargeError(ServiceError):
    status, title = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Headers too large"
    advice = "The headers of the request are longer than the service reads. Send fewer."


class InternalError(ServiceError):
    status, title = HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error"
    advice = "A fault of ours. It was logged under the request id in `instance`."


class OverloadedError(ServiceError):
    status, title = HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests under way"
    advice = "As many requests as this model takes are under way. Try again shortly."
    default_headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class TooManyConnectionsError(ServiceError):
    status, title = HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections"
    advice = "As many connections as the service takes have requests under way. Try again shortly."
    default_headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class BodiesTooLargeError(ServiceError):
    status, title = HTTPStatus.SERVICE_UNAVAILABLE, "Too much sent at once"
    advice = "The requests under way fill the memory that the service has for them. Send this one again shortly."
    default_headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class StoppingError(ServiceError):
    status, title = HTTPStatus.SERVICE_UNAVAILABLE, "Service stopping"
    advice = "The service stopped before the answer was ready. Send the request again."
    default_headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class ModelUnavailableError(ServiceError):
    status, title = HTTPStatus.SERVICE_UNAVAILABLE, "Model not available"
    advice = "The model is not installed, still loading, or could not be loaded. GET /health/ready tells which."
    default_headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}


class DeadlineExceededError(ServiceError):
    status, title = HTTPStatus.GATEWAY_TIMEOUT, "Deadline exceeded"
    advice = "The answer was not ready in time. Try again later."


_OF_PICTURES: Mapping[type[PictureError], type[ServiceError]] = {
    UnsupportedFormatError: InvalidFileTypeError,
    UnreadablePictureError: UnreadableImageError,
    PictureTooLargeError: ImageTooLargeError,
    UnusablePictureError: UnusableImageError,
}
_OF_RECORDS: Mapping[type[wfdb.RecordError], type[ServiceError]] = {
    wfdb.UnreadableRecordError: UnreadableRecordError,
    wfdb.UnusableRecordError: UnusableRecordError,
    wfdb.RecordTooLargeError: RecordTooLargeError,
}
_OF_MODELS: Mapping[type[Exception], type[ServiceError]] = {
    QueueFullError: OverloadedError,
    DeadlineError: DeadlineExceededError,
    StuckError: ModelUnavailableError,
    ShuttingDownError: ModelUnavailableError,
    ModelNotReadyError: ModelUnavailableError,
    LoadUnderWayError: ReloadUnderWayError,
    NoKnownSymptomError: NothingUnderstoodError,
}
_OF_THE_FRAMEWORK: Mapping[int, type[ServiceError]] = {
    HTTPStatus.BAD_REQUEST: InvalidRequestError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.METHOD_NOT_ALLOWED: MethodNotAllowedError,
}
_SENTENCES = {
    "missing": "`{field}` is missing.",
    "model_attributes_type": "Send a JSON object with the fields of this form.",
}
_MOST_FIELDS = 20
_LONGEST_SHOWN = 40


def to_service_error(error: Exception) -> ServiceError:
    """The member of the family that answers this exception; `InternalError` for one nobody foresaw."""
    match error:
        case ServiceError():
            return error
        case PictureError():
            return _OF_PICTURES.get(type(error), UnreadableImageError)(str(error))
        case wfdb.RecordError():
            return _OF_RECORDS.get(type(error), UnreadableRecordError)(str(error))
        case SchedulingError() | ModelNotReadyError() | NoKnownSymptomError() | LoadUnderWayError():
            return _OF_MODELS.get(type(error), ModelUnavailableError)(str(error))
        case RequestValidationError():
            return _invalid(error.errors())
        case HTTPException() if error.status_code in _OF_THE_FRAMEWORK:
            translated = _OF_THE_FRAMEWORK[error.status_code]()
            translated.headers = _with_head(error.headers)
            return translated
        case _:
            return InternalError()


def refuse_encoded(headers: Headers) -> None:
    """Raises `UnsupportedMediaTypeError` for a compressed body, which nothing bounds before it is unpacked."""
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        error = UnsupportedMediaTypeError("Send the body without Content-Encoding: compressed bodies are not read.")
        error.headers = {"Accept-Encoding": "identity"}
        raise error


def shown(name: str) -> str:
    """A name that a client chose, fit for a sentence: printable, and at most 40 characters of it."""
    printable = "".join(character if character.isprintable() else "\ufffd" for character in name[:_LONGEST_SHOWN])
    return printable if len(name) <= _LONGEST_SHOWN else f"{printable}..."


def _with_head(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """The headers of a 405 with HEAD in `Allow`, since it is answered wherever GET is; any others as they are."""
    if not headers or "Allow" not in headers:
        return headers
    methods = set(headers["Allow"].split(", "))
    return {**headers, "Allow": ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))}


def to_response(error: ServiceError, request_id: str) -> JSONResponse:
    """The answer to an error."""
    problem = _problem(type(error), str(error.detail), request_id, error.fields)
    return JSONResponse(problem.model_dump(), error.status, dict(error.headers or {}), media_type=PROBLEM_JSON)


def handle_errors(app: FastAPI) -> None:
    """Answer every foreseen exception of a route in the one shape; `FaultMiddleware` answers the rest."""

    def handle(request: Request, error: Exception) -> JSONResponse:
        answer = to_service_error(error)
        request.state.problem = answer.kind
        return to_response(answer, request.state.request_id)

    for foreseen in (HTTPException, RequestValidationError, PictureError, wfdb.RecordError, *_OF_MODELS):
        app.add_exception_handler(foreseen, handle)


def problem_kinds() -> Mapping[str, type[ServiceError]]:
    """The whole family by the last part of its `type`, in the order of the statuses."""
    return {error.kind: error for error in sorted(ServiceError.__subclasses__(), key=lambda error: error.status)}


def problems(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI responses of a route that may answer these errors, each with its example."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        examples = {
            error.__name__: {"value": _problem(error, error.advice, REQUEST_ID_EXAMPLE).model_dump(mode="json")}
        }
        if error.status not in responses:
            content = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
            responses[int(error.status)] = {"description": "", "content": {PROBLEM_JSON: content}}
        response = responses[int(error.status)]
        response["description"] = f"{response['description']}; {error.title}".removeprefix("; ")
        response["content"][PROBLEM_JSON]["examples"] |= examples
    return responses


def _problem(error: type[ServiceError], detail: str, request_id: str, fields: tuple[FieldProblem, ...] = ()) -> Problem:
    return Problem(
        error=f"{error.title}. {error.safety}" if error.safety else error.title,
        type=f"/problems/{error.kind}",
        title=error.title,
        status=error.status,
        detail=detail,
        instance=request_id,
        errors=fields,
    )


def _invalid(found: Sequence[Mapping[str, Any]]) -> InvalidRequestError:
    """What is wrong with the fields, of the first 20, each sentence once in the detail."""
    fields = [_field_problem(problem) for problem in found[:_MOST_FIELDS]]
    sentences = dict.fromkeys(field.message for field in fields)
    more = f" {len(found) - _MOST_FIELDS} more values are wrong." if len(found) > _MOST_FIELDS else ""
    return InvalidRequestError(" ".join(sentences) + more, fields=fields)


def _field_problem(problem: Mapping[str, Any]) -> FieldProblem:
    """One pydantic error as a sentence, without the value that was sent."""
    place = [str(step) for step in problem["loc"]]
    field = ".".join(place[1:]) if len(place) > 1 else place[0]
    if problem["type"] in _SENTENCES:
        return FieldProblem(field=field, message=_SENTENCES[problem["type"]].format(field=field))
    message = str(problem["msg"])
    return FieldProblem(field=field, message=message if message.endswith(".") else f"`{field}`: {message}.")
