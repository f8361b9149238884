"""How much the memory of the service grows from the 2,000th to the 12,000th picture."""

import argparse

from benchmarks.pictures import made_up_jpeg
from benchmarks.report import Figure, report
from benchmarks.server import Server, running_server
from benchmarks.wrk import Request, drive, upload

FIRST, LAST = 2_000, 12_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how memory grows.")
    parser.add_argument("--share", type=float, default=1.0, help="of the requests, for a quick look")
    share = parser.parse_args().share
    request = upload(made_up_jpeg(), "/analyze/skin")
    with running_server() as server:
        idle = server.resident_bytes
        sent = _send(server, request, FIRST * share)
        early = server.resident_bytes
        _send(server, request, LAST * share - sent)
        late = server.resident_bytes
    report(
        "growth",
        [
            Figure("resident when ready", idle / 1e6, "MB"),
            Figure(f"resident after {FIRST * share:,.0f} pictures", early / 1e6, "MB"),
            Figure(f"resident after {LAST * share:,.0f} pictures", late / 1e6, "MB"),
            Figure("growth", 100 * (late / early - 1), "%"),
        ],
    )


def _send(server: Server, request: Request, count: float) -> float:
    """Send at least so many requests; how many it were."""
    sent = 0.0
    while sent < count:
        load = drive(server.url, request, connections=16, seconds=5 if count - sent > 600 else 2)
        sent += load.throughput * (5 if count - sent > 600 else 2)
    return sent


if __name__ == "__main__":
    main()
