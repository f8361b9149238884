"""HTTP itself misused: heads, methods, lengths and chunks that no well-behaved client sends."""

from collections.abc import Callable, Mapping
from functools import partial

from benchmarks.client import raw
from benchmarks.inputs import Input
from benchmarks.traffic import requests
from benchmarks.wrk import Request

_HEAD = b"POST /predict-disease HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
_BODY = b'{"symptoms": ["fever"]}'
_GET = b"GET /health/live HTTP/1.1\r\nHost: a\r\n"
_PATHS = (
    "/nothing",
    "//",
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/models/..%2f..%2fx/card",
    "/models/%00/card",
    "/models/" + "a" * 8000 + "/card",
    "/%ff%fe",
    "/health/live/",
    "/admin",
    "/admin/reload",
    "/problems/nothing",
    "/health?" + "a=b&" * 2000,
)


def _chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return _HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + end


def _ask(method: str, path: str, **headers: str) -> Callable[[], bytes]:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return partial(raw, Request(path, method=method), fields)


def _application() -> dict[str, Callable[[], bytes]]:
    """What the application has to answer as it answers every error."""
    return {**_misdirected(), **_odd_headers(), **_odd_bodies()}


def _misdirected() -> dict[str, Callable[[], bytes]]:
    picture = requests()[0]
    return {
        **{f"{method} /analyze/skin": _ask(method, "/analyze/skin") for method in ("GET", "PUT", "DELETE", "PATCH")},
        **{f"{method} /": _ask(method, "/") for method in ("POST", "TRACE", "OPTIONS", "PROPFIND")},
        **{f"HEAD {path}": _ask("HEAD", path) for path in ("/health", "/nothing", "/analyze/skin")},
        **{f"path {path[:30]}": _ask("GET", path) for path in _PATHS},
        "explain": partial(
            raw, Request("/analyze/skin?explain=true&explain=maybe", picture.body, picture.content_type)
        ),
    }


def _odd_headers() -> dict[str, Callable[[], bytes]]:
    return {
        "request id": _ask("GET", "/health/live", X_Request_ID="a" * 5000),
        "request id with a line": _ask("GET", "/health/live", X_Request_ID="a\tb%0d%0aX: y"),
        "preflight": _ask(
            "OPTIONS",
            "/analyze/skin",
            Origin="https://a",
            Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="x-" + "a" * 4000,
        ),
        "accept nothing": _ask("GET", "/health", Accept="application/x-nothing;q=0"),
        "range": _ask("GET", "/openapi.json", Range="bytes=0-1,0-1,0-1"),
        "forwarded": _ask("GET", "/health", X_Forwarded_For="1.1.1.1, " * 500, Forwarded="for=_;" * 300),
        "key": _ask("GET", "/models", X_API_Key="a" * 4000),
        "bearer": _ask("GET", "/models", Authorization="Bearer " + "a" * 4000),
        "traceparent": _ask("GET", "/health", traceparent="00-" + "z" * 32 + "-" + "0" * 16 + "-99"),
        "compressed": partial(raw, Request("/predict-disease", _BODY), {"Content-Encoding": "gzip, br, zstd"}),
    }


def _odd_bodies() -> dict[str, Callable[[], bytes]]:
    return {
        "chunks of a byte": lambda: _chunked(*(b"1\r\n%c\r\n" % byte for byte in _BODY)),
        "chunk extensions": lambda: _chunked(b"17;a=b;c\r\n" + _BODY + b"\r\n"),
        "trailers": lambda: _chunked(b"17\r\n" + _BODY + b"\r\n", end=b"0\r\nX-A: b\r\n\r\n"),
        "chunks over the limit": lambda: _chunked(*[b"100000\r\n" + bytes(2**20) + b"\r\n"] * 17),
        "length over the limit": lambda: _HEAD + b"Content-Length: 99999999999\r\n\r\n",
        "expect": lambda: _HEAD + b"Expect: 100-continue\r\nContent-Length: 23\r\n\r\n" + _BODY,
        "HTTP/1.0": lambda: b"GET /health HTTP/1.0\r\n\r\n",
        "500 headers": lambda: _GET + b"".join(b"X-%d: a\r\n" % n for n in range(500)) + b"\r\n",
    }


def _protocol() -> dict[str, Callable[[], bytes]]:
    """What the server may answer below the application, or by closing."""
    return {
        "head of 60 KB": lambda: _GET + b"X: " + b"a" * 60_000 + b"\r\n\r\n",
        "head of 5 MB": lambda: _GET + b"X: " + b"a" * 5_000_000 + b"\r\n\r\n",
        "hundred thousand headers": lambda: _GET + b"X: a\r\n" * 100_000 + b"\r\n",
        "path of 60 KB": lambda: b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        "no HTTP": lambda: b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(200),
        "HTTP/0.9": lambda: b"GET /health\r\n\r\n",
        "HTTP/2": lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/9.9": lambda: b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        "empty lines": lambda: b"\r\n" * 10_000,
        "no method": lambda: b" / HTTP/1.1\r\n\r\n",
        "method of 1 KB": lambda: b"A" * 1000 + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
        "spaces": lambda: b"GET  /health  HTTP/1.1\r\nHost : a\r\n\r\n",
        "folded header": lambda: _GET + b"X: a\r\n b\r\n\r\n",
        "NUL in a header": lambda: _GET + b"X: a\0b\r\n\r\n",
        "no host": lambda: b"GET /health HTTP/1.1\r\n\r\n",
        "two hosts": lambda: _GET + b"Host: b\r\n\r\n",
        "absolute": lambda: b"GET http://other.example/health HTTP/1.1\r\nHost: a\r\n\r\n",
        "connect": lambda: b"CONNECT other.example:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "two lengths": lambda: _HEAD + b"Content-Length: 23\r\nContent-Length: 5\r\n\r\n" + _BODY,
        "negative length": lambda: _HEAD + b"Content-Length: -1\r\n\r\n" + _BODY,
        "length in words": lambda: _HEAD + b"Content-Length: many\r\n\r\n" + _BODY,
        "length of 5,000 digits": lambda: _HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        "length and chunks": lambda: (
            _HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n" + _BODY + b"\r\n0\r\n\r\n"
        ),
        "body cut off": lambda: _HEAD + b"Content-Length: 500\r\n\r\n" + _BODY,
        "chunk size that is none": lambda: _chunked(b"zz\r\n" + _BODY + b"\r\n"),
        "chunk size of 2^64": lambda: _chunked(b"1" + b"0" * 17 + b"\r\n" + _BODY),
        "chunk extension of 1 MB": lambda: _chunked(b"17;" + b"a" * 10**6 + b"\r\n" + _BODY + b"\r\n"),
        "chunks cut off": lambda: _chunked(b"17\r\n" + _BODY, end=b""),
        "odd transfer coding": lambda: _HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "websocket": lambda: (
            _GET.replace(b"/health/live", b"/ws?key=secret") + b"Connection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ),
        "h2c": lambda: (
            _GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        ),
        "hundred at once": lambda: (_GET + b"\r\n") * 100,
        "rubbish after it": lambda: _GET + b"\r\n" + bytes(range(256)) * 100,
    }


def _inputs(made: Mapping[str, Callable[[], bytes]], *, well_formed: bool) -> dict[str, Callable[[], Input]]:
    def make(name: str) -> Input:
        return Input(f"HTTP {name}", made[name](), well_formed=well_formed, fresh=not well_formed or "limit" in name)

    return {f"HTTP {name}": partial(make, name) for name in made}


HTTP: Mapping[str, Callable[[], Input]] = {
    **_inputs(_application(), well_formed=True),
    **_inputs(_protocol(), well_formed=False),
}
"""Each misuse by its name."""
