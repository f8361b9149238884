"""Who may enter: which paths ask for which keys, and the check itself, before anything of the body is read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette._utils import get_route_path
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import InvalidApiKeyError
from app.keys import KeyRing
from app.settings import Settings, key_ring

_BEARER = b"bearer "


@dataclass(frozen=True, slots=True)
class Doors:
    """The keys that open each path: those of `by_path`, where None leaves it open, else those of `rest`."""

    rest: KeyRing | None
    by_path: Mapping[str, KeyRing | None]

    def keys_of(self, path: str) -> KeyRing | None:
        """The keys of which a request for this path needs one; None where it needs none."""
        return self.by_path.get(path, self.rest)

    @property
    def ask(self) -> bool:
        """Whether any path asks for a key."""
        return self.rest is not None or any(self.by_path.values())


def doors_of(settings: Settings, open_paths: Iterable[str]) -> Doors:
    """The doors that the settings ask for. `open_paths` need no key."""
    by_path: dict[str, KeyRing | None] = dict.fromkeys(open_paths)
    if settings.admin_key:
        by_path["/admin/reload"] = key_ring("Admin", settings.admin_key)
    return Doors(key_ring("Api", *settings.api_keys) if settings.api_keys else None, by_path)


class KeyMiddleware:
    """Asks for a key of the path's door in `X-API-Key` or `Authorization: Bearer`; puts its name into the state."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app = app
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (keys := self._doors.keys_of(get_route_path(scope))):
            sent = _sent_keys(scope)
            name = keys.find(sent[0]) if sent else None
            if name is None or any(key != sent[0] for key in sent):
                raise _refusal(sent)
            scope["state"]["key"] = f"{keys.kind}/{name}"
        await self._app(scope, receive, send)


def _sent_keys(scope: Scope) -> list[bytes]:
    """Every key of the request. Another kind of `Authorization` is none of ours: a proxy may have asked for it."""
    sent = []
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            sent.append(value)
        elif name == b"authorization" and value[: len(_BEARER)].lower() == _BEARER:
            sent.append(value[len(_BEARER) :].strip(b" "))
    return sent


def _refusal(sent: list[bytes]) -> InvalidApiKeyError:
    if len(set(sent)) > 1:
        return InvalidApiKeyError("The request carries keys that differ. Send one, in one header.")
    return InvalidApiKeyError()
