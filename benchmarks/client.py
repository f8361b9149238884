"""A small HTTP/1.1 client over asyncio streams: whole requests as bytes, answers read beside the sending.

It sends what no well-behaved client would, hears an answer that comes before the request has been sent, and costs so
little that it can share two cores with the service.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from benchmarks.wrk import Request

PATIENCE = 60.0
"""Seconds after which an answer counts as none."""


class NoAnswerError(ConnectionError):
    """The connection ended, or stayed silent, without a whole answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and the seconds from the first byte sent to the last byte read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def is_problem(self) -> bool:
        """Whether it is problem+json with the original's two fields, as every error is."""
        if not self.headers.get("content-type", "").startswith("application/problem+json"):
            return False
        content = json.loads(self.body)
        return content.get("success") is False and content.get("status") == self.status and bool(content.get("error"))

    @property
    def content(self) -> dict[str, Any]:
        """The JSON object without what differs from answer to answer of the same request."""
        content: dict[str, Any] = json.loads(self.body)
        content.pop("request_id", None)
        content.pop("instance", None)
        return content


def raw(request: Request, headers: Mapping[str, str] | None = None) -> bytes:
    """A request as bytes."""
    fields = {"Host": "127.0.0.1", "Content-Type": request.content_type, "Content-Length": str(len(request.body))}
    if request.method in ("GET", "HEAD") and not request.body:
        fields = {"Host": "127.0.0.1"}
    lines = [f"{name}: {value}" for name, value in {**fields, **(headers or {})}.items()]
    return "\r\n".join([f"{request.method} {request.path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + request.body


class Client:
    """One connection, opened when needed and again after the server has closed it."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = str(address.hostname), int(address.port or 80)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def connected(self) -> bool:
        """Whether the last answer left the connection open."""
        return self._streams is not None

    @property
    def port(self) -> int | None:
        """Its own port, while the connection is open."""
        return int(self._streams[1].get_extra_info("sockname")[1]) if self._streams else None

    async def send(self, request: bytes, *, patience: float = PATIENCE, again: bool = True) -> Answer:
        """Send a request and read its answer; `again` where a kept connection turns out to be closed.

        Raises `NoAnswerError`, or `OSError` where no connection is to be had.
        """
        began = time.perf_counter()
        for attempt in (1, 2):
            reused = self._streams is not None
            reader, writer = await self._open()
            try:
                async with asyncio.timeout(patience):
                    answer = await _exchange(reader, writer, request)
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, TimeoutError) as error:
                self.close()
                silent = isinstance(error, asyncio.IncompleteReadError) and not error.partial
                if again and attempt == 1 and reused and (silent or isinstance(error, ConnectionError)):
                    continue  # an idle connection may be closed at any time; RFC 9112, 9.3.1
                raise NoAnswerError(str(error) or type(error).__name__) from error
            if answer[1].get("connection", "").lower() == "close":
                self.close()
            return Answer(*answer, time.perf_counter() - began)
        raise AssertionError("unreachable")

    async def open(self) -> None:
        """Have a connection. Raises `OSError`."""
        await self._open()

    async def start(self, part: bytes) -> None:
        """Open a connection and send the first part of a request."""
        _, writer = await self._open()
        writer.write(part)
        await writer.drain()

    async def hear(self) -> bytes:
        """Whatever comes until the server closes."""
        reader, _ = await self._open()
        return await reader.read()

    def close(self) -> None:
        """Drop the connection, whatever is under way."""
        if self._streams:
            self._streams[1].transport.abort()
        self._streams = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=2**22)
        return self._streams


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, Mapping[str, str], bytes]:
    writer.write(request)
    status, headers = await _read_head(reader)
    while status < HTTPStatus.OK:
        status, headers = await _read_head(reader)
    if request.startswith(b"HEAD ") or status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        return status, headers, b""
    if headers.get("transfer-encoding") == "chunked":
        return status, headers, await _read_chunks(reader)
    if "content-length" in headers:
        return status, headers, await reader.readexactly(int(headers["content-length"]))
    body = await reader.read()
    return status, {**headers, "connection": "close"}, body


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    fields = (line.partition(":") for line in lines)
    return int(first.split(" ", 2)[1]), {name.lower(): value.strip() for name, _, value in fields}


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks = []
    while length := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        chunks.append((await reader.readexactly(length + 2))[:-2])
    await reader.readuntil(b"\r\n")
    return b"".join(chunks)
