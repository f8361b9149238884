"""The way of a request through all of FastAPI, beside which a shorter one is held."""

from typing import Any

import httpx

THE_LONG_WAY = "?explain=false"
"""A query, which only FastAPI reads, that changes nothing."""


async def both_ways(
    client: httpx.AsyncClient, path: str, ways: tuple[str, str] = ("", THE_LONG_WAY), **sent: Any
) -> httpx.Response:
    """The answer of the first way, which must be that of the second."""
    short, long = [await client.post(path + way, **sent) for way in ways]
    assert _told(short) == _told(long)
    return short


def _told(response: httpx.Response) -> tuple[int, dict[str, str], Any]:
    """Of an answer what does not differ from one to the next."""
    headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
    answer = response.json()
    answer.pop("request_id" if "request_id" in answer else "instance")
    return response.status_code, headers, answer
