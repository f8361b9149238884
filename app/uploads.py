"""Multipart forms, read in memory: no upload ever reaches a disk. The body limit bounds what one may hold."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fastapi import Request
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.errors import MalformedFormError, refuse_encoded
from models.preprocessing.image import FORMATS

MAX_PARTS = 16
_MULTIPART = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Form:
    """The parts of a multipart form: those sent as files, and those sent as text."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)


class RecordFiles(NamedTuple):
    """The bytes of the two files of a WFDB record: .hea and .dat."""

    header: bytes
    signal: bytes


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


async def read_form(request: Request) -> Form:
    """The form of a request; an empty one where the body is something else.

    Raises `MalformedFormError` or `UnsupportedMediaTypeError`.

    Of parts with the same name the first counts.
    """
    refuse_encoded(request.headers)
    if not request.headers.get("content-type", "").lower().startswith(_MULTIPART):
        return Form()
    try:
        async with aclosing(request.stream()) as stream:
            parsed = await _InMemoryParser(request.headers, stream).parse()
    except MultiPartException as error:
        raise MalformedFormError(f"{error.message.rstrip('.')}. Send the form again.") from error
    except ValueError as error:  # a charset that is none, such as `undefined`
        raise MalformedFormError from error
    files: dict[str, bytes] = {}
    fields: dict[str, str] = {}
    for name, part in parsed.multi_items():
        if isinstance(part, UploadFile):
            files.setdefault(name, await part.read())
        else:
            fields.setdefault(name, part)
    await parsed.close()
    return Form(files, fields)


def _form_body(files: Mapping[str, str], **fields: Mapping[str, Any]) -> dict[str, Any]:
    """The OpenAPI request body of a form: each file that it needs and its media types, and optional text parts."""
    properties = {name: {"type": "string", "format": "binary"} for name in files} | fields
    form = {
        "schema": {"type": "object", "required": list(files), "properties": properties},
        "example": {name: f"(the bytes of the {name} file)" for name in files}
        | {name: schema["default"] for name, schema in fields.items()},
        "encoding": {name: {"contentType": media_types} for name, media_types in files.items()},
    }
    return {"requestBody": {"required": True, "content": {_MULTIPART: form}}}


_PICTURE = {"image": ", ".join(f"image/{picture_format.lower()}" for picture_format in FORMATS)}
_BINARY = "application/octet-stream"

PICTURE_FORM = _form_body(_PICTURE)
BREAST_FORM = _form_body(
    _PICTURE, biopsy_proven={"type": "boolean", "default": False, "description": "A biopsy has proven cancer."}
)
RECORD_FORM = _form_body({"header": "text/plain, " + _BINARY, "signal": _BINARY})
