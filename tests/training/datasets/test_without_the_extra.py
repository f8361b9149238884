import subprocess
import sys
from importlib.util import find_spec

import pytest


@pytest.mark.skipif(find_spec("tensorflow") is not None, reason="the training extra is installed")
def test_training_without_its_extra_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "training.cli", "skin", "--smoke"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'medidiagnose-ai[training]'" in done.stderr
    assert "Traceback" not in done.stderr
