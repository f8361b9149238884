"""Whether the service does what its OpenAPI document says: schemathesis, with all its checks, against a running one.

    make conformance                     # some 2,500 cases
    make conformance ARGS=--short        # some 700

schemathesis has an environment of its own (.venv-schemathesis), as nothing else here needs its dependencies. What it
reports and is meant to be so is listed, with the reason, in .ci/schemathesis.toml. Exit status 1 where anything else
fails, or where it made fewer cases than it should.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.inputs.mutations import whole_files
from benchmarks.pictures import made_up_jpeg, made_up_record
from benchmarks.server import running_server

HERE = Path(__file__).parent
SCHEMATHESIS = HERE.parent / ".venv-schemathesis/bin/schemathesis"
EXAMPLES, LEAST_CASES = 150, 2000
LONGEST_LINE = 300
SHORT_EXAMPLES, SHORT_LEAST_CASES = 12, 500


def main() -> int:
    parser = argparse.ArgumentParser(description="Check the service against its OpenAPI document.")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    key, admin = secrets.token_hex(16), secrets.token_hex(16)
    environment = {"MEDIDIAGNOSE_API_KEYS": key, "MEDIDIAGNOSE_ADMIN_KEY": admin}
    with tempfile.TemporaryDirectory() as folder, running_server(environment) as server:
        report = Path(folder, "report.json")
        _write_files(Path(folder))
        command = [
            *(str(SCHEMATHESIS), "--config-file", str(HERE / "schemathesis.toml"), "run", f"{server.url}/openapi.json"),
            *("--checks", "all", "--continue-on-failure", "--generation-deterministic"),
            *("--max-examples", str(SHORT_EXAMPLES if options.short else EXAMPLES), "--seed", str(options.seed)),
            *("--header", f"X-API-Key: {key}", "--report", "json", "--report-json-path", str(report)),
            *(("--phases", "examples,coverage,fuzzing") if options.short else ()),
        ]
        hooks = {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE), "MADE_UP_FILES": folder}
        done = subprocess.run(command, env={**os.environ, **hooks}, check=False, capture_output=True)
        print(_readable(done.stdout + done.stderr))
        made = json.loads(report.read_text(encoding="utf-8"))["test_cases"]["generated"] if report.is_file() else 0
    least = SHORT_LEAST_CASES if options.short else LEAST_CASES
    print(f"{made} cases; at least {least} are asked for")
    return done.returncode or int(made < least)


def _write_files(folder: Path) -> None:
    """The made-up files that stand in where a picture or a record is asked for."""
    for number, data in enumerate([made_up_jpeg(), *whole_files()]):
        (folder / f"picture-{number:02}").write_bytes(data)
    header, signal = made_up_record()
    (folder / "header").write_bytes(header)
    (folder / "signal").write_bytes(signal)


def _readable(output: bytes) -> str:
    """What it printed, without most of the pictures that it quotes."""
    lines = output.decode("utf-8", "replace").splitlines()
    return "\n".join(line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} ... {line[-99:]}" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
