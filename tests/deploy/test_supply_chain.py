"""The vulnerability check never takes no answer for an all-clear, and the public workflow runs what is here."""

import json
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHECK = ROOT / ".ci" / "vulnerabilities.py"
CLEAN = {"name": "numpy", "version": "2.0", "vulns": []}
UNKNOWN = {"name": "numpy", "skip_reason": "not found"}
BAD = {"name": "pillow", "version": "9.0", "vulns": [{"id": "PYSEC-2023-1", "fix_versions": ["10.0.1"]}]}


def check(folder: Path, **answers: Any) -> "subprocess.CompletedProcess[str]":
    """Run the check with a pip-audit that answers so for each database, and fails for one that isn't named."""
    fake = folder / "pip-audit"
    fake.write_text(
        f"#!{sys.executable}\n"
        "import json, sys\n"
        f"answers = json.loads({json.dumps(json.dumps(answers))})\n"
        "service = sys.argv[sys.argv.index('--vulnerability-service') + 1]\n"
        "if service not in answers: sys.exit('ConnectionError: no way out')\n"
        "print(json.dumps({'dependencies': answers[service]}))\n",
        encoding="utf-8",
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    command = [sys.executable, str(CHECK), str(fake), "requirements.lock"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("answers", "status", "sentence"),
    [
        ({}, 0, "NOT CHECKED, since no database of vulnerabilities could be reached"),
        ({"pypi": [UNKNOWN, CLEAN]}, 0, "NOT CHECKED in full, since 1 packages are unknown"),
        ({"osv": [CLEAN]}, 0, "no known vulnerability in 1 packages"),
        ({"osv": [UNKNOWN], "pypi": [CLEAN]}, 0, "no known vulnerability in 1 packages"),
        ({"osv": [CLEAN, BAD]}, 1, "pillow 9.0 has PYSEC-2023-1; fixed in 10.0.1."),
        ({"pypi": [UNKNOWN, BAD]}, 1, "pillow 9.0 has PYSEC-2023-1"),
    ],
    ids=["offline", "unknown", "clean", "second database", "vulnerable", "vulnerable and unknown"],
)
def test_no_answer_is_not_an_all_clear(tmp_path: Path, answers: Any, status: int, sentence: str) -> None:
    done = check(tmp_path, **answers)
    assert (done.returncode, done.stderr) == (status, "")
    assert done.stdout.startswith("requirements.lock: ")
    assert sentence in done.stdout


def test_the_dockerfile_is_as_hadolint_wants_it() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint is not published for this machine")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_workflow_runs_all_checks_and_pins_its_actions() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yaml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    commands = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    assert "bash .ci/run" in commands
    assert workflow["permissions"] == {"contents": "read"}
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", action)] == []
    for path in set(re.findall(r"deploy/\S+", text)):
        assert (ROOT / path).exists(), path
