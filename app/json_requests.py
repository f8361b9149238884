"""JSON bodies of the forms: of JSON and nothing else, small, and refused with a sentence that says what is wrong.

FastAPI reads a body through the request that its route hands it; `JsonRoute` hands it one that reads with care, and
answers by itself what is plain and right.
"""

import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from email.message import Message
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette import types
from starlette.routing import BaseRoute

from app.errors import BodyTooLargeError, InvalidRequestError, UnsupportedMediaTypeError, refuse_encoded, shown
from app.predictions import Predictions
from schemas.common import FieldProblem

_LONGEST_LENGTH = 20
_ASKED: Mapping[bytes, bool] = {b"": False, b"explain=true": True}
"""Whether a query that is read here asks for an explanation; FastAPI reads any other."""


class JsonRequest(Request):
    """A request whose body is read only where it is JSON of at most the setting `max_json_bytes`."""

    async def body(self) -> bytes:
        """The body. Raises `UnsupportedMediaTypeError` or `BodyTooLargeError`, before it reads where it can."""
        if not hasattr(self, "_body"):
            names = [name for name, _ in self.scope["headers"]]
            if b"content-encoding" in names:
                refuse_encoded(self.headers)
            if b"content-type" in names:
                _refuse_other_types(self.scope["headers"][names.index(b"content-type")][1].decode("latin-1"))
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
    """A route whose body is read as a `JsonRequest`.

    The endpoint of a POST takes `request`, the model of the body, and `predictions`, and returns a model.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's, given a `JsonRequest`."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            return await handle(JsonRequest(request.scope, request.receive))

        return handle_json


class PlainFormMiddleware:
    """Hands a valid form straight to its endpoint; everything else goes FastAPI's way, which says what is wrong.

    What FastAPI does around an endpoint takes longer than a form's whole answer: it looks for the route twice, builds
    what the endpoint takes anew and checks the answer. Of `routes` those of JSON that are posted are answered here.
    """

    def __init__(self, app: types.ASGIApp, *, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._forms = {
            route.path: (route, TypeAdapter[BaseModel](get_type_hints(route.endpoint)["request"]))
            for route in routes
            if isinstance(route, JsonRoute) and route.methods == {"POST"}
        }

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["query_string"] not in _ASKED:
            await self._app(scope, receive, send)
            return
        route, model = self._forms.get(scope["path"], (None, None))
        if not route or not model or scope.get("root_path"):
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = JsonRequest(scope, receive)
        body = await request.body()
        try:
            sent = model.validate_python(parse(body)) if body else None
        except ValidationError:
            sent = None
        if sent is None:
            await self._app(scope, _again(body, receive), send)
            return
        state, response = scope["state"], Response(media_type="application/json")
        explain = _ASKED[scope["query_string"]]
        predictions = Predictions(state["registry"], state["metrics"], state["settings"], request, response, explain)
        answer: BaseModel = await route.endpoint(request=sent, predictions=predictions)
        await send_answer(answer, response, scope, receive, send)


async def send_answer(
    answer: BaseModel, response: Response, scope: types.Scope, receive: types.Receive, send: types.Send
) -> None:
    """Send an answer as FastAPI would, with the headers that its endpoint gave the response."""
    response.body = answer.__pydantic_serializer__.to_json(answer, by_alias=True)
    response.headers["content-length"] = str(len(response.body))
    await response(scope, receive, send)


def _again(body: bytes, receive: types.Receive) -> types.Receive:
    """What receives a body that has been received, then goes on."""
    messages: list[types.Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> types.Message:
        return messages.pop() if messages else await receive()

    return receive_again


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


def _refuse_other_types(content_type: str) -> None:
    """A body without a type, which some clients send, is taken for JSON."""
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
