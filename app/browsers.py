"""What browsers are told with every answer: whose pages may read it, and neither to guess its type nor to keep it."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import PreflightRefusedError, to_response

RawHeaders = Sequence[tuple[bytes, bytes]]

METHODS = ("GET", "HEAD", "POST")
HEADERS = ("Content-Type", "X-API-Key", "X-Request-ID")
EXPOSED = ("Retry-After", "X-Demo-Mode", "X-Request-ID")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

SNIFF_NOTHING = (b"x-content-type-options", b"nosniff")
KEEP_NOTHING = (b"cache-control", b"no-store")
_OF_PAGES = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), display-capture=(), geolocation=(), microphone=()"),
)
"""Of what a page has not set itself."""
_VARY = (b"vary", b"Origin")


class BrowserMiddleware:
    """Answers preflights, and completes the headers of every answer that has not set them itself.

    Pages of `origins` may call the service and send `HEADERS` and `headers` with it; `private_network` lets public
    pages call a service of a private network. An asterisk stands for all.
    """

    def __init__(
        self, app: ASGIApp, *, origins: Sequence[str], headers: Sequence[str] = (), private_network: bool = False
    ) -> None:
        self._app = app
        self._origins = frozenset(origin.encode("latin-1") for origin in origins)
        self._cors = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=(*HEADERS, *headers),
            allow_private_network=private_network,
        )
        self._without_origin: RawHeaders = (_VARY, SNIFF_NOTHING)
        self._with_origin: RawHeaders = (
            (b"access-control-expose-headers", ", ".join(EXPOSED).encode()),
            *self._without_origin,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        added = self._without_origin if origin is None else self._for_pages_of(origin)

        async def send_complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _completed(message.get("headers", ()), added)
            await send(message)

        if origin is not None and scope["method"] == "OPTIONS":
            headers = Headers(scope=scope)
            if "access-control-request-method" in headers:
                added = (SNIFF_NOTHING,)
                await self._preflight(headers, scope["state"]["request_id"])(scope, receive, send_complete)
                return
        await self._app(scope, receive, send_complete)

    def _for_pages_of(self, origin: bytes) -> RawHeaders:
        allowed = b"*" if b"*" in self._origins else origin if origin in self._origins else None
        if allowed is None:
            return self._with_origin
        return ((b"access-control-allow-origin", allowed), *self._with_origin)

    def _preflight(self, headers: Headers, request_id: str) -> Response:
        answer = self._cors.preflight_response(headers)
        if answer.status_code < 400:
            return answer
        refused = bytes(answer.body).decode().removeprefix("Disallowed CORS ")
        error = PreflightRefusedError(f"Not allowed: {refused}. {PreflightRefusedError.advice}")
        error.headers = self._cors.preflight_headers
        return to_response(error, request_id)


def _completed(headers: RawHeaders, added: RawHeaders) -> list[tuple[bytes, bytes]]:
    kept = page = False
    for name, value in headers:
        if name == b"cache-control":
            kept = True
        elif name == b"content-type":
            page = value.startswith(b"text/html")
    complete = [*headers, *added]
    if not kept:
        complete.append(KEEP_NOTHING)
    if page:
        named = {name for name, _ in headers}
        complete += [header for header in _OF_PAGES if header[0] not in named]
    return complete
