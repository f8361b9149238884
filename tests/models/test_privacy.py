"""Nothing that the service is made of reports to anybody."""

import os
import subprocess
import sys
from pathlib import Path

from tests.fake_bundle import make_bundle

ROOT = Path(__file__).parents[2]
RUN = """
import sys
from pathlib import Path
from models.serving.bundle import read_bundle
from models.serving.engine import Engine
Engine(read_bundle(Path(sys.argv[1])))
"""


def test_a_running_network_leaves_no_trace_on_the_disk(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundles", "skin")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run(
        [sys.executable, "-c", RUN, str(bundle.folder)],
        cwd=ROOT,
        env={**environment, "TMPDIR": str(temporary), "HOME": str(temporary)},
        check=True,
    )
    assert list(temporary.rglob("*")) == []
