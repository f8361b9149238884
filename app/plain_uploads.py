"""Uploads that go straight to their endpoint: what FastAPI does around one takes longer than the whole rest of it.

It looks for the route twice, makes what the endpoint takes anew by way of models of its parameters, and checks the
answer once more. Here the endpoint's own dependencies are called, as they are written and in their order.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import Parameter, iscoroutinefunction, isfunction, signature
from typing import Annotated, Any, get_origin, get_type_hints

from fastapi import Request, Response
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette import types
from starlette.routing import BaseRoute

from app.json_requests import send_answer

PICTURES = "pictures"

Function = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, eq=False, slots=True)
class _Call:
    """A function, and where each of its arguments comes from: another call, or the request or the response itself."""

    function: Function
    arguments: Mapping[str, "_Call | type[Request | Response]"]


class PlainUploadMiddleware:
    """Hands an upload without a query straight to its endpoint; everything else goes FastAPI's way.

    Of `routes` those of pictures are answered here whose dependencies ask for nothing but the request, the response,
    one another, and what may be left out of the query.
    """

    def __init__(self, app: types.ASGIApp, *, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._uploads = {}
        for route in routes:
            if isinstance(route, APIRoute) and PICTURES in route.tags and "{" not in route.path:
                calls = [_call_of(each.dependency) for each in route.dependencies if each.dependency]
                endpoint, known = _call_of(route.endpoint), [call for call in calls if call]
                if endpoint and len(known) == len(calls):
                    self._uploads[route.path] = (route, known, endpoint)

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        if (
            scope["type"] != "http"
            or scope["method"] != "POST"
            or scope["query_string"]
            or scope.get("root_path")
            or scope["path"] not in self._uploads
        ):
            await self._app(scope, receive, send)
            return
        route, calls, endpoint = self._uploads[scope["path"]]
        scope["route"] = route
        response = Response(media_type="application/json")
        known: dict[Any, Any] = {Request: Request(scope, receive), Response: response}
        for call in calls:
            await _value(call, known)
        await send_answer(await _value(endpoint, known), response, scope, receive, send)


async def _value(call: _Call, known: dict[Any, Any]) -> Any:
    """What a call gives; each function is called once a request."""
    if call.function not in known:
        for source in call.arguments.values():
            if isinstance(source, _Call):
                await _value(source, known)
        arguments = {
            name: known[source.function if isinstance(source, _Call) else source]
            for name, source in call.arguments.items()
        }
        known[call.function] = await call.function(**arguments)
    return known[call.function]


def _call_of(function: Function) -> _Call | None:
    """A function and what it asks for; None where only FastAPI can give that."""
    written = function if isfunction(function) else getattr(function, "__call__")  # noqa: B004, B009
    if not iscoroutinefunction(written):
        return None
    hints = get_type_hints(written, include_extras=True)
    arguments: dict[str, _Call | type[Request | Response]] = {}
    for name, parameter in signature(function).parameters.items():
        hint = hints[name]
        asked = hint.__metadata__[-1] if get_origin(hint) is Annotated else None
        if hint in (Request, Response):
            arguments[name] = hint
        elif isinstance(asked, Depends) and asked.dependency and (call := _call_of(asked.dependency)):
            arguments[name] = call
        elif parameter.default is Parameter.empty:
            return None
    return _Call(function, arguments)
