"""A load generator in a process of its own: one JSON request again and again over open connections.

    python -m benchmarks.load http://127.0.0.1:5000 /predict-heart '{"age": 55, ...}' --connections 32 --seconds 5

Prints `{"answered", "requests", "failures", "seconds", "milliseconds"}` as JSON: all answers with those
of the warm-up, and what was measured after it. A failure is any status but 200.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

import uvloop

WARM_UP_SECONDS = 0.5


@dataclass(slots=True)
class Load:
    """What was sent and how long each answer took."""

    answered: int = 0
    requests: int = 0
    failures: int = 0
    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)


def main() -> None:
    options = _parser().parse_args()
    load = uvloop.run(drive(options.url, options.path, options.body, options.connections, options.seconds))
    show(load)


def show(load: Load) -> None:
    """Print it whole, also where something has set the pipe not to wait: `print` would leave out all but 64 kB."""
    os.set_blocking(sys.stdout.fileno(), True)
    print(json.dumps(asdict(load)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Send one JSON request again and again.")
    parser.add_argument("url")
    parser.add_argument("path")
    parser.add_argument("body", help="the JSON text")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    return parser


async def drive(url: str, path: str, body: str, connections: int, seconds: float) -> Load:
    """Load the service for `seconds`, after half a second that doesn't count."""
    address = urlsplit(url)
    host, port, content = str(address.hostname), int(address.port or 80), body.encode()
    head = "\r\n".join(
        [
            f"POST {path} HTTP/1.1",
            f"Host: {host}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            "\r\n",
        ]
    )
    load, begin = Load(), time.perf_counter() + WARM_UP_SECONDS
    end = begin + seconds

    async def converse() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        while (sent := time.perf_counter()) < end:
            writer.write(head.encode() + content)
            status = await _read_answer(reader)
            now = time.perf_counter()
            load.answered += 1
            if sent >= begin and now <= end:
                load.requests += 1
                load.failures += status != "200"
                load.milliseconds.append((now - sent) * 1e3)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(converse() for _ in range(connections)))
    load.seconds = seconds
    return load


async def _read_answer(reader: asyncio.StreamReader) -> str:
    """Read one answer to its end; its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = next(line for line in head.lower().splitlines() if line.startswith("content-length:"))
    await reader.readexactly(int(length.split(":")[1]))
    return head.split(" ", 2)[1]


if __name__ == "__main__":
    main()
