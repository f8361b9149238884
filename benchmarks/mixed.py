"""Whether a model starves: every route loaded at once, each over as many connections.

Alone under the same connections a route's 95 % of answers come within some time. With n routes at once each has a fair
share of the cores of 1/n, so that it should take about n times as long; a route that takes three times that starves.
The forms need next to nothing of the cores and are answered on the event loop; they take part all the same.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor

from benchmarks.report import save, table
from benchmarks.server import running_server
from benchmarks.traffic import requests
from benchmarks.wrk import drive

CONNECTIONS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description="Load every route at once.")
    parser.add_argument("--seconds", type=float, default=16.0)
    seconds = parser.parse_args().seconds
    sent = requests()
    with running_server() as server:
        alone = [drive(server.url, each, connections=CONNECTIONS, seconds=seconds / 2) for each in sent]
        with ThreadPoolExecutor(len(sent)) as pool:
            together = list(
                pool.map(lambda each: drive(server.url, each, connections=CONNECTIONS, seconds=seconds), sent)
            )
    rows = [
        [
            each.path,
            f"{before.p95:.1f}",
            f"{after.p95:.1f}",
            f"{after.p95 / (before.p95 * len(sent)):.2f}" if before.p95 and after.p95 else "too short to tell",
            f"{after.throughput:.1f}",
            str(after.errors),
        ]
        for each, before, after in zip(sent, alone, together, strict=True)
    ]
    header = ["route", "p95 alone ms", "p95 together ms", "over the fair share", "answers/s", "errors"]
    print(table(header, rows))
    save("mixed", {"rows": [dict(zip(header, row, strict=True)) for row in rows]})


if __name__ == "__main__":
    main()
