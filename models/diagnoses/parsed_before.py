"""YAML files that were parsed before: kept beside the bytecode, where and when Python keeps that.

The knowledge takes 140 ms to parse as YAML, and as JSON 4 ms, at every start of the service.
"""

import hashlib
import json
import sys
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import yaml

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(content: bytes) -> Any:
    """What a YAML text says. Raises `yaml.YAMLError`."""
    return yaml.load(content, Loader=_Loader)  # noqa: S506 - a safe loader, in C if built


def parse_file(file: Path) -> Any:
    """What a YAML file says, from what was kept of it where the file is still the same. Raises `OSError` and
    `yaml.YAMLError`."""
    content = file.read_bytes()
    digest, kept = hashlib.sha256(content).hexdigest(), Path(cache_from_source(str(file))).with_suffix(".json")
    with suppress(OSError, ValueError, LookupError, TypeError):
        found = json.loads(kept.read_bytes())
        if found["sha256"] == digest:
            return found["parsed"]
    parsed = parse_yaml(content)
    if not sys.dont_write_bytecode:
        _keep(kept, {"sha256": digest, "parsed": parsed})
    return parsed


def _keep(target: Path, said: Any) -> None:
    """Write what can be read again as the same, in one step, where the folder may be written to."""
    with suppress(OSError, ValueError, TypeError):
        text = json.dumps(said)
        if json.loads(text) != said:
            return
        target.parent.mkdir(exist_ok=True)
        with NamedTemporaryFile("w", dir=target.parent, prefix=target.name, delete=False) as written:
            written.write(text)
        Path(written.name).chmod(0o644)
        Path(written.name).replace(target)
