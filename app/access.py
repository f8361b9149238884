"""Who may enter, and how often: which paths ask for which keys, checked before anything of the body is read."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette._utils import get_route_path
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import InvalidApiKeyError, RateLimitedError
from app.keys import KeyRing
from app.rates import RateLimiter, SharedRateLimiter
from app.settings import Settings, key_ring

_BEARER = b"bearer "
_LONGEST_ADDRESS = 64


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
    if settings.metrics_open or settings.metrics_key:
        by_path["/metrics"] = key_ring("Metrics", settings.metrics_key) if settings.metrics_key else None
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
                raise _no_entry(sent)
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


def _no_entry(sent: list[bytes]) -> InvalidApiKeyError:
    if len(set(sent)) > 1:
        return InvalidApiKeyError("The request carries keys that differ. Send one, in one header.")
    return InvalidApiKeyError()


class RateLimitMiddleware:
    """Answers 429 to a client that asks too often, by the key it sent, else by its address."""

    def __init__(
        self, app: ASGIApp, limiter: RateLimiter | SharedRateLimiter, unlimited_paths: Collection[str]
    ) -> None:
        self._app = app
        self._limiter = limiter
        self._unlimited_paths = frozenset(unlimited_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and get_route_path(scope) not in self._unlimited_paths:
            client = scope["state"].get("key") or client_address(scope)
            if wait := self._limiter.seconds_to_wait(client):
                raise _too_often(math.ceil(wait))
        await self._app(scope, receive, send)


def client_address(scope: Scope) -> str:
    """Whom a request without a key counts for: its IPv4 address, or the /64 of its IPv6 address, since that is what
    one subscriber has. Requests without an address, as through a Unix socket, count together."""
    address = str(scope["client"][0])[:_LONGEST_ADDRESS] if scope.get("client") else ""
    return _subscriber(address) if ":" in address else address


@lru_cache(maxsize=4096)
def _subscriber(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped or f"{parsed.packed[:8].hex()}/64")


def _too_often(seconds: int) -> RateLimitedError:
    unit = "second" if seconds == 1 else "seconds"
    error = RateLimitedError(f"Too many requests from this key or address. Try again in {seconds} {unit}.")
    error.headers = {"Retry-After": str(seconds)}
    return error
