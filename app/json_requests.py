"""JSON bodies of the forms: of JSON and nothing else, small, and refused with a sentence that says what is wrong.

FastAPI reads a body through the request that its route hands it; `JsonRoute` hands it one that reads with care.
"""

import json
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.errors import BodyTooLargeError, InvalidRequestError, UnsupportedMediaTypeError, refuse_encoded, shown
from schemas.common import FieldProblem

_LONGEST_LENGTH = 20


class JsonRequest(Request):
    """A request whose body is read only where it is JSON of at most the setting `max_json_bytes`."""

    async def body(self) -> bytes:
        """The body. Raises `UnsupportedMediaTypeError` or `BodyTooLargeError`, before it reads where it can."""
        if not hasattr(self, "_body"):
            refuse_encoded(self.headers)
            _refuse_other_types(self.headers.get("content-type"))
            self._body = await self._read(self.state.settings.max_json_bytes)
        return self._body

    async def json(self) -> Any:
        """What the body says. Raises `InvalidRequestError`."""
        return parse(await self.body())

    async def _read(self, limit: int) -> bytes:
        announced = self.headers.get("content-length", "")[:_LONGEST_LENGTH]
        received = int(announced) if announced.isdecimal() else 0
        chunks: list[bytes] = []
        if received <= limit:
            received = 0
            async for chunk in self.stream():
                chunks.append(chunk)
                received += len(chunk)
                if received > limit:
                    break
        if received > limit:
            raise BodyTooLargeError(f"JSON may have at most {limit / 1000:g} kB. Send only the fields of this form.")
        return b"".join(chunks)


class JsonRoute(APIRoute):
    """A route whose body is read as a `JsonRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            return await handle(JsonRequest(request.scope, request.receive))

        return handle_json


def parse(body: bytes) -> Any:
    """What a JSON text says. Raises `InvalidRequestError`, which names the fault and shows nothing of a value.

    Stricter than the standard library: NaN and Infinity are no JSON, and of a name that comes twice in an object nobody
    could say which value counts.
    """
    try:
        return _DECODER.decode(body.decode(json.detect_encoding(body)))
    except UnicodeDecodeError as fault:
        raise _refusal(f"The body is no text from byte {fault.start} on. Encode the JSON as UTF-8.") from None
    except json.JSONDecodeError as fault:
        place = f"line {fault.lineno}, column {fault.colno}"
        raise _refusal(f"The body is not valid JSON: {fault.msg.rstrip('.: ')} ({place}).") from None
    except RecursionError:
        raise _refusal("The JSON is nested too deeply. Send one object with the fields of this form.") from None
    except ValueError:
        raise _refusal("A number in the JSON has too many digits.") from None


def _refuse_other_types(content_type: str | None) -> None:
    """A body without a type is taken for JSON: some clients name none."""
    if not content_type or content_type == "application/json":
        return
    message = Message()
    message["content-type"] = content_type
    subtype = message.get_content_subtype()
    if message.get_content_maintype() != "application" or not (subtype == "json" or subtype.endswith("+json")):
        raise UnsupportedMediaTypeError


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counted.items() if count > 1)
        raise _refusal(f"`{shown(twice)}` is there more than once. Send each field once.")
    return named


def _no_constant(name: str) -> Any:
    raise _refusal(f"{name} is not a number in JSON. Leave out what is not known.")


def _refusal(sentence: str) -> InvalidRequestError:
    return InvalidRequestError(sentence, fields=[FieldProblem(field="body", message=sentence)])


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)
