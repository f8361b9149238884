"""Ask for the known vulnerabilities of what the lock files pin:  vulnerabilities.py PIP_AUDIT LOCK...

Exit 1 where a pinned version has one. Where the databases can't be reached, or don't know a package, says so and exits
0: no answer is not the answer that all is well, and it is not a finding either.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SERVICES = ("osv", "pypi")
"""Asked in this order until one answers for every package."""


def main(pip_audit: str, *locks: str) -> int:
    """The exit status."""
    return max(report(lock, (audited(pip_audit, lock, service) for service in SERVICES)) for lock in locks)


def audited(pip_audit: str, lock: str, service: str) -> Sequence[Mapping[str, Any]] | None:
    """What the service knows of each package; None where it gave no answer."""
    command = [pip_audit, "--requirement", lock, "--no-deps", "--disable-pip", "--vulnerability-service", service]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages: Sequence[Mapping[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return None
    return packages


def report(lock: str, answers: Iterable[Sequence[Mapping[str, Any]] | None]) -> int:
    """Print what came out of it; 1 where there is a finding."""
    unknown: Sequence[str] | None = None
    for packages in answers:
        if packages is None:
            continue
        found = [(each, vulnerability) for each in packages for vulnerability in each.get("vulns", ())]
        for each, vulnerability in found:
            fixed = ", ".join(vulnerability.get("fix_versions", ())) or "no version yet"
            print(f"{lock}: {each['name']} {each['version']} has {vulnerability['id']}; fixed in {fixed}.")
        if found:
            return 1
        unknown = [each["name"] for each in packages if "skip_reason" in each]
        if not unknown:
            print(f"{lock}: no known vulnerability in {len(packages)} packages.")
            return 0
    if unknown is None:
        print(f"{lock}: NOT CHECKED, since no database of vulnerabilities could be reached from here.")
    else:
        print(f"{lock}: NOT CHECKED in full, since {len(unknown)} packages are unknown to the database that answered.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
