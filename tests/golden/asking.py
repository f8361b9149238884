"""Send a golden request, and compare two answers."""

import math
import re
from typing import Any

import httpx

from tests.golden import VOLATILE, GoldenRequest

TOLERANCE = 2e-3
"""Between processors a network's probabilities differ in the last digits."""

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


async def ask(client: httpx.AsyncClient, request: GoldenRequest) -> dict[str, Any]:
    """The status and the body of the answer, without what differs from request to request."""
    answer = await client.request(
        request.method,
        request.path,
        files=request.files,
        data=request.data,
        json=request.json,
        headers=dict(request.headers),
    )
    return {"status": int(answer.status_code), "body": _steady(answer.json())}


def differences(expected: object, actual: object, path: str = "answer") -> list[str]:
    """Where two answers differ: in a key, a type, a text, or a number by more than the tolerance."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        keys = [f"{path}: {key} is only in one" for key in sorted(expected.keys() ^ actual.keys())]
        shared = [key for key in expected if key in actual]
        return keys + [each for key in shared for each in differences(expected[key], actual[key], f"{path}.{key}")]
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return [f"{path}: {len(actual)} instead of {len(expected)}"]
        pairs = zip(expected, actual, strict=True)
        return [each for index, pair in enumerate(pairs) for each in differences(*pair, f"{path}[{index}]")]
    return [] if _same(expected, actual) else [f"{path}: {actual!r} instead of {expected!r}"]


def _same(expected: object, actual: object) -> bool:
    if type(expected) is not type(actual):
        return False
    if isinstance(expected, float) and isinstance(actual, float):
        return math.isclose(expected, actual, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(expected, str) and isinstance(actual, str):
        return _NUMBER.sub("#", expected) == _NUMBER.sub("#", actual) and all(
            math.isclose(float(one), float(other), rel_tol=0.01, abs_tol=0.2)
            for one, other in zip(_NUMBER.findall(expected), _NUMBER.findall(actual), strict=True)
        )
    return expected == actual


def _steady(body: Any) -> Any:
    return {key: value for key, value in body.items() if key not in VOLATILE} if isinstance(body, dict) else body
