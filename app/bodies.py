"""The bodies of requests: how large one may be, how large all together, and how long they may take to arrive."""

import asyncio
import math

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BodiesTooLargeError, BodyTooLargeError, DeadlineExceededError, ServiceError
from models.memory import give_memory_back

_LONGEST_LENGTH = 20
_CLOSE = {"Connection": "close"}


class BodyRoom:
    """The memory for the bodies of all requests, `limit` bytes, each held until its request is answered.

    Where they would be more, the body that is still arriving and has held the most for the longest is given up, which
    is what an upload that has stalled or crawls does; where there is none worse, the one that asks for more.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self.arriving: set[_Body] = set()
        self._most = 0

    def take(self, body: "_Body", size: int) -> None:
        """Hold `size` more bytes of that body. Raises `BodiesTooLargeError` where there is no room for them."""
        if self.held + size > self.limit:
            self._make_room(body, size, asyncio.get_running_loop().time())
        self.held += size
        body.held += size
        self._most = max(self._most, self.held)

    def release(self, body: "_Body") -> None:
        """Hold nothing of that body any more."""
        self.arriving.discard(body)
        self.held -= body.held
        body.held = 0
        if self._most > self.limit // 2 and self.held < self.limit // 16:
            self._most = 0
            asyncio.get_running_loop().run_in_executor(None, give_memory_back)

    def _make_room(self, body: "_Body", size: int, now: float) -> None:
        def cost(each: "_Body") -> float:
            return each.held * (now - each.began)

        own = (body.held + size) * (now - body.began)
        while self.held + size > self.limit:
            worst = max(self.arriving, key=cost, default=body)
            if worst is body or cost(worst) <= own:
                raise BodiesTooLargeError
            self.release(worst)
            worst.give_up(BodiesTooLargeError("The body arrived too slowly. Send it again."), now)


class BodyMiddleware:
    """Refuses a body over `limit` bytes: by its Content-Length unread, else as soon as it has grown too long; and one
    for which there is no `room`. Gives up one of which nothing arrives for `idle_seconds`, or not all within `seconds`.
    """

    def __init__(self, app: ASGIApp, *, room: BodyRoom, limit: int, seconds: float, idle_seconds: float) -> None:
        self._app = app
        self.room = room
        self.limit = limit
        self.seconds = seconds
        self.idle_seconds = idle_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        for name, value in scope["headers"]:
            if name == b"content-length":
                announced = value[:_LONGEST_LENGTH]
                if announced.isdigit() and int(announced) > self.limit:
                    raise self.too_large()
        body = _Body(self, receive)
        try:
            await self._app(scope, body.receive, send)
        finally:
            self.room.release(body)
            body.forget()

    def too_large(self) -> BodyTooLargeError:
        """The refusal of a body that is too long by itself."""
        return BodyTooLargeError(f"A request may have at most {self.limit / 1024**2:g} MiB. Send a smaller file.")

    def too_slow(self, elapsed: float) -> DeadlineExceededError:
        """The refusal of a body that has not arrived after so many seconds; its connection is to be closed."""
        error = DeadlineExceededError(
            f"The request body did not arrive in full within {self.seconds:g} seconds."
            if elapsed >= self.seconds
            else f"Nothing of the request body arrived for {self.idle_seconds:g} seconds."
        )
        error.headers = _CLOSE
        return error


class _Body:
    """The body of one request, of which `held` bytes have been received."""

    __slots__ = ("_complete", "_middleware", "_receive", "_received", "_refusal", "_timeout", "began", "held")

    def __init__(self, middleware: BodyMiddleware, receive: Receive) -> None:
        self._middleware = middleware
        self._receive = receive
        self._received = 0
        self._complete = False
        self._refusal: ServiceError | None = None
        self._timeout: asyncio.Timeout | None = None
        self.began = math.inf
        self.held = 0

    async def receive(self) -> Message:
        """The next message of the server. Raises the refusal of this body."""
        if self._complete:
            return await self._receive()
        message = await self._in_time()
        size = len(message.get("body", b""))
        if not message.get("more_body", False):
            self._complete = True
            self._middleware.room.arriving.discard(self)
        self._received += size
        if self._received > self._middleware.limit:
            raise self._middleware.too_large()
        self._middleware.room.take(self, size)
        return message

    def give_up(self, refusal: ServiceError, now: float) -> None:
        """Have its request answered with this refusal, and its connection closed."""
        refusal.headers = {**(refusal.headers or {}), **_CLOSE}
        self._refusal = refusal
        if self._timeout:
            self._timeout.reschedule(now)

    def forget(self) -> None:
        """Let go of the refusal, whose traceback holds this body."""
        self._refusal = None

    async def _in_time(self) -> Message:
        middleware = self._middleware
        if self._refusal:
            raise self._refusal
        now = asyncio.get_running_loop().time()
        if self.began == math.inf:
            self.began = now
            middleware.room.arriving.add(self)
        timeout = self._timeout = asyncio.timeout_at(
            min(now + middleware.idle_seconds, self.began + middleware.seconds)
        )
        try:
            async with timeout:
                return await self._receive()
        except TimeoutError:
            if not timeout.expired():
                raise
            elapsed = asyncio.get_running_loop().time() - self.began
            raise self._refusal or middleware.too_slow(elapsed) from None
        finally:
            self._timeout = None
