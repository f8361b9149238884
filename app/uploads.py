"""Multipart forms, read in memory: no upload ever reaches a disk. The body limit bounds what one may hold."""

from collections import Counter, deque
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.errors import (
    InvalidRequestError,
    MalformedFormError,
    NoImageError,
    NoRecordError,
    ServiceError,
    refuse_encoded,
    shown,
)
from models.preprocessing.picture import FORMATS
from schemas.common import FieldProblem
from schemas.heart import AGES, GAINS, LAYOUTS, ORDERS, SEXES, SPEEDS

MAX_PARTS = 16
_MULTIPART = "multipart/form-data"
_LONGEST_NAME = 64

Parts = Sequence[tuple[str, bytes | str]]
"""The parts of a form by name, in the order they were sent: bytes of a file, or a text."""


@dataclass(frozen=True, slots=True)
class Form:
    """The parts of a multipart form: those sent as files, and those sent as text."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)


class _InMemoryParser(MultiPartParser):
    """Starlette's parser that never spools to disk and notices a form without an end."""

    spool_max_size = 0  # for a SpooledTemporaryFile: no limit

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers, stream, max_files=MAX_PARTS, max_fields=MAX_PARTS)
        self._complete = True

    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._complete = False

    def on_end(self) -> None:
        super().on_end()
        self._complete = True

    async def parse(self) -> FormData:
        form = await super().parse()
        if not self._complete:
            raise MultiPartException("The multipart form was cut off.")
        return form


@dataclass(frozen=True, eq=False)
class FormParts:
    """The parts of a route's form: the one place that says what it takes, for reading as for the OpenAPI document.

    `files` are required and have their media types, `fields` are optional texts and have their JSON schemas. The files
    of `instead` may be sent in place of `files`. It is the dependency that reads the form.
    """

    missing: type[ServiceError]
    files: Mapping[str, str]
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, request: Request) -> Form:
        """The form of a request. Raises `MalformedFormError`, `UnsupportedMediaTypeError`, the error of a `missing`
        file, or an `InvalidRequestError` that names the parts which are not those of this form."""
        refuse_encoded(request.headers)
        content_type = request.headers.get("content-type", "")
        if not content_type.lower().startswith(_MULTIPART):
            told = f"{self.missing.advice} What arrived is no multipart form." if content_type else None
            raise self.missing(told)
        parts = await _parts_of(request, content_type)
        self._refuse_missing(parts)
        self._refuse_others(parts)
        return Form(
            {name: part for name, part in parts if isinstance(part, bytes)},
            {name: part for name, part in parts if isinstance(part, str)},
        )

    @property
    def body(self) -> dict[str, Any]:
        """The request body in the OpenAPI document."""
        files = {**self.files, **self.instead}
        binary = {"type": "string", "format": "binary"}
        properties: dict[str, Any] = {name: binary | self._condition(name) for name in files}
        properties |= self.fields
        form = {
            "schema": {
                "type": "object",
                **({} if self.instead else {"required": list(self.files)}),
                "properties": properties,
                "additionalProperties": False,
            },
            "example": {name: f"(the bytes of the {name} file)" for name in self.files}
            | {name: schema["default"] for name, schema in self.fields.items() if "default" in schema},
            "encoding": {name: {"contentType": media_types} for name, media_types in files.items()},
        }
        return {"requestBody": {"required": True, "content": {_MULTIPART: form}}}

    def _refuse_missing(self, parts: Parts) -> None:
        files = {name for name, part in parts if isinstance(part, bytes)}
        if self.instead and self.instead.keys() <= files:
            return
        if missing := [name for name in self.files if name not in files]:
            texts = [name for name in missing if any(name == sent for sent, _ in parts)]
            what = (
                f"Sent as text, without a file name: {', '.join(texts)}."
                if texts
                else f"Missing: {', '.join(missing)}."
            )
            others = dict.fromkeys(shown(name) for name, _ in parts if name not in self._names)
            arrived = f" Not known: {', '.join(others)}." if others else ""
            raise self.missing(f"{self.missing.advice} {what}{arrived}")

    def _refuse_others(self, parts: Parts) -> None:
        """A part that is unknown, of the wrong kind or there twice was meant to say something: it isn't passed over."""
        counts = Counter(name for name, _ in parts)
        wrong = [
            FieldProblem(field=shown(name), message=message)
            for name, part in dict(parts).items()
            if (message := self._fault(name, part, counts[name]))
        ] + self._both_ways(parts)
        if wrong:
            raise InvalidRequestError(" ".join(problem.message for problem in wrong), fields=wrong)

    def _condition(self, name: str) -> dict[str, str]:
        """What the document says of a file that may be left out for another."""
        if not self.instead:
            return {}
        others = self.files if name in self.instead else self.instead
        return {"description": f"{'In place of' if name in self.instead else 'Needed without'} {_listed(others)}."}

    @property
    def _names(self) -> Sequence[str]:
        return [*self.files, *self.instead, *self.fields]

    def _fault(self, name: str, part: bytes | str, count: int) -> str | None:
        if name not in self._names:
            near = get_close_matches(name[:_LONGEST_NAME], self._names, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"It takes {', '.join(self._names)}."
            return f"This form has no part `{shown(name)}`. {hint}"
        if count > 1:
            return f"`{name}` was sent {count} times. Send it once."
        if name in self.fields and isinstance(part, bytes):
            return f"`{name}` was sent as a file. Send it as text, without a file name."
        return None

    def _both_ways(self, parts: Parts) -> list[FieldProblem]:
        """Files of both ways leave open which of them is to be read."""
        names = {name for name, _ in parts}
        if not (names & self.instead.keys() and names & self.files.keys()):
            return []
        message = f"Send either {', '.join(self.instead)}, or {' and '.join(self.files)}."
        return [FieldProblem(field=name, message=message) for name in self.instead]


def _listed(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


async def _parts_of(request: Request, content_type: str) -> Parts:
    if "boundary=" not in content_type.lower():
        raise MalformedFormError(
            "The header Content-Type names no boundary. Leave Content-Type to the HTTP client, which adds the boundary."
        )
    try:
        async with aclosing(_arrived(request)) as stream:
            parsed = await _InMemoryParser(request.headers, stream).parse()
    except MultiPartException as error:
        raise MalformedFormError(f"{error.message.rstrip('.')}. Send the form again.") from error
    except ValueError as error:  # a charset that is none, such as `undefined`
        raise MalformedFormError from error
    parts: list[tuple[str, bytes | str]] = []
    for name, part in parsed.multi_items():
        parts.append((name, await part.read() if isinstance(part, UploadFile) else part))
        if isinstance(part, UploadFile):
            await part.close()
    return parts


async def _arrived(request: Request) -> AsyncGenerator[bytes, None]:
    """The pieces of a body, once all of it is there.

    A file that grew as slowly as it came, beside others that do the same, would be moved in memory again and again and
    leave holes: 100 stalled uploads took three times their bytes.
    """
    async with aclosing(request.stream()) as stream:
        pieces = deque([piece async for piece in stream])
    while pieces:
        yield pieces.popleft()


_DICOM = "application/dicom"
_PICTURE = {"image": ", ".join((*(f"image/{picture_format.lower()}" for picture_format in FORMATS), _DICOM))}
_BINARY = "application/octet-stream"

PICTURE_FORM = FormParts(NoImageError, _PICTURE)
BREAST_FORM = FormParts(
    NoImageError,
    _PICTURE,
    {
        "biopsy_proven": {"type": "boolean", "default": False, "description": "A biopsy has proven cancer."},
        "setting": {
            "type": "string",
            "enum": ["diagnostic", "screening"],
            "default": "diagnostic",
            "description": "Whether the picture is of a person sent to a specialist or of one screened; it moves the "
            "probability shown, never the category.",
        },
    },
)
_PERSON: Mapping[str, Mapping[str, Any]] = {
    "age": {
        "type": "number",
        "minimum": AGES[0],
        "maximum": AGES[1],
        "description": "Years. Limits of ST elevation in V2 and V3 rest on age and sex; without them the lowest hold.",
    },
    "sex": {"type": "string", "enum": list(SEXES), "description": "`male` or 1, `female` or 0."},
}
_PRINTED: Mapping[str, Mapping[str, Any]] = {
    "speed": {
        "type": "integer",
        "enum": [int(each) for each in SPEEDS],
        "description": "Paper speed in mm/s, as printed.",
    },
    "gain": {"type": "integer", "enum": [int(each) for each in GAINS], "description": "Gain in mm/mV, as printed."},
    "layout": {
        "type": "string",
        "enum": list(LAYOUTS),
        "description": "Rows x columns of leads, without rhythm strips.",
    },
    "lead_order": {"type": "string", "enum": list(ORDERS), "description": "Order of the limb leads."},
}
HEART_FORM = FormParts(NoImageError, _PICTURE, {**_PERSON, **_PRINTED})
RECORD_FORM = FormParts(
    NoRecordError, {"header": "text/plain, " + _BINARY, "signal": _BINARY}, _PERSON, instead={"dicom": _DICOM}
)
