"""How soon /health/live answers while 64 connections keep every core busy with pictures."""

import argparse
from concurrent.futures import ThreadPoolExecutor

from benchmarks.pictures import made_up_jpeg
from benchmarks.report import Figure, report
from benchmarks.server import running_server
from benchmarks.wrk import Request, drive, upload


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure /health/live under load.")
    parser.add_argument("--seconds", type=float, default=8.0)
    seconds = parser.parse_args().seconds
    with running_server() as server, ThreadPoolExecutor(1) as pool:
        load = pool.submit(
            drive, server.url, upload(made_up_jpeg(), "/analyze/skin"), connections=64, seconds=seconds + 2
        )
        live = drive(server.url, Request("/health/live", method="GET"), connections=1, seconds=seconds)
        busy = load.result()
    report(
        "liveness",
        [
            Figure("/health/live, median", live.p50, "ms"),
            Figure("/health/live, 99 % within", live.p99, "ms"),
            Figure("pictures a second meanwhile", busy.throughput, ""),
            Figure("errors", live.errors + busy.errors, ""),
        ],
    )


if __name__ == "__main__":
    main()
