"""What the load generator measured arrives whole."""

import json
import subprocess
import sys


def test_a_long_result_arrives_whole_where_the_pipe_does_not_wait() -> None:
    load = "from benchmarks.load import Load, show; show(Load(milliseconds=[0.25] * 50_000))"
    code = f"import os; os.set_blocking(1, False); {load}"
    done = subprocess.run([sys.executable, "-u", "-c", code], capture_output=True, text=True, check=True)
    assert len(json.loads(done.stdout)["milliseconds"]) == 50_000
