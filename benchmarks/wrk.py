"""Load by wrk, which is not in Python's way: one request again and again, over many connections.

wrk counts an error status as an answer, and its percentiles hold those answers too: they say nothing where there are
`errors`.
"""

import hashlib
import json
import resource
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """
local file = io.open("{body}", "rb")
wrk.method, wrk.body = "{method}", file:read("*a")
file:close()
wrk.headers["Content-Type"] = "{content_type}"

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\\n{{"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50": %.3f, "p95": %.3f, "p99": %.3f}}\\n',
    summary.requests, summary.duration / 1e6,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: a body with its media type to a path."""

    path: str
    body: bytes = b""
    content_type: str = "application/json"
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Load:
    """Answers a second that were no errors, milliseconds within which 50, 95 and 99 % came, requests that failed, and
    the seconds of processor time a second that wrk itself took."""

    throughput: float
    p50: float
    p95: float
    p99: float
    errors: int
    generator: float


def upload(picture: bytes, path: str, part: str = "image") -> Request:
    """A multipart form with one file."""
    return form({part: picture}, path)


def form(files: dict[str, bytes], path: str) -> Request:
    """A multipart form of files."""
    boundary = hashlib.sha256(b"".join(files.values())).hexdigest()
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in files.items()
    ]
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return Request(path, body, f"multipart/form-data; boundary={boundary}")


def drive(url: str, request: Request, *, connections: int, seconds: float) -> Load:
    """Load `url` for `seconds`. Raises `FileNotFoundError` where wrk is not installed."""
    if not shutil.which("wrk"):
        raise FileNotFoundError("wrk is not installed. Debian, Ubuntu: apt-get install wrk; macOS: brew install wrk.")
    with tempfile.TemporaryDirectory() as folder:
        body, script = Path(folder) / "body", Path(folder) / "script.lua"
        body.write_bytes(request.body)
        script.write_text(
            SCRIPT.format(body=body, content_type=request.content_type, method=request.method), encoding="utf-8"
        )
        command = ["wrk", "--threads", "1", "--connections", str(connections)]
        command += ["--duration", f"{max(1, round(seconds))}s", "--timeout", "60s"]
        command += ["--script", str(script), url + request.path]
        before = _children_seconds()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        spent = _children_seconds() - before
    return parse(done.stdout + done.stderr, spent)


def parse(output: str, processor_seconds: float) -> Load:
    """What the script's last line says. Raises `ValueError` where there is none."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise ValueError(f"wrk printed no result: {output[-300:]}")
    found = json.loads(lines[-1])
    return Load(
        throughput=(found["requests"] - found["refused"]) / found["seconds"],
        p50=found["p50"],
        p95=found["p95"],
        p99=found["p99"],
        errors=found["refused"] + found["broken"],
        generator=processor_seconds / found["seconds"],
    )


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
