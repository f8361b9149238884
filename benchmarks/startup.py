"""How long until the service answers, and how much memory it then holds.

The first start compiles every module to bytecode, as after an installation; the second finds it compiled.
"""

import tempfile

from benchmarks.report import Figure, report
from benchmarks.server import running_server


def main() -> None:
    figures = []
    with tempfile.TemporaryDirectory() as bytecode:
        for start in ("first", "second"):
            with running_server({"PYTHONPYCACHEPREFIX": bytecode}) as server:
                figures += [
                    Figure(f"{start} start until ready", server.seconds_to_ready, "s"),
                    Figure(f"{start} start resident memory", server.resident_bytes / 1e6, "MB"),
                ]
    report("startup", figures)


if __name__ == "__main__":
    main()
