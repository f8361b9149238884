"""How many workers: as many as were asked for, or as the cores, the memory and the room for bodies allow."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from app.settings import MEBIBYTE, MOST_WORKERS, PREFIX, Settings, SettingsError

WORKER_BYTES = 230 * MEBIBYTE
"""Memory of a worker with every model, bodies and pictures at work included."""

_CGROUPS, _OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def workers_of(settings: Settings) -> tuple[int, str]:
    """The number of workers, and why so many; 1 where `auto` runs on a system that can't share a port so.

    Raises `SettingsError` where a number was asked for that can't be had.
    """
    able = hasattr(os, "fork") and hasattr(socket, "send_fds")
    bodies = settings.max_bodies_bytes // settings.max_body_bytes
    if settings.workers != "auto":
        if not able:
            raise SettingsError(f"{PREFIX}WORKERS: this system can't hand connections to other processes; set it to 1.")
        if settings.workers > bodies:
            raise SettingsError(
                f"{PREFIX}WORKERS: the workers share {PREFIX}MAX_BODIES_BYTES, which has no room for a body of "
                f"{PREFIX}MAX_BODY_BYTES in each of {settings.workers}. Raise it, or have {bodies} at most."
            )
        return settings.workers, "as set"
    if not able:
        return 1, "this system can't hand connections to other processes"
    memory = free_memory()
    limits = [
        (cores := usable_cores(), f"{cores} cores"),
        (memory // WORKER_BYTES, f"{memory // MEBIBYTE} MiB of memory"),
        (bodies, f"room for {bodies} of the largest bodies"),
        (MOST_WORKERS, "the most there may be"),
    ]
    count, why = min(limits, key=lambda limit: limit[0])
    return max(count, 1), why


def usable_cores(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> int:
    """Cores that this process may use, by its affinity and the quotas of its control groups; 1 at least."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _folders(cgroups, own):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = _read(folder / "cpu/cpu.cfs_quota_us"), _read(folder / "cpu/cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):
            cores = min(cores, int(quota) // int(period))
    return max(cores, 1)


def free_memory(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> int:
    """Bytes that this process and its children may still take, by the system and the limits of its control groups."""
    found = [line.split()[1] for line in _read(Path("/proc/meminfo")).splitlines() if line.startswith("MemAvailable:")]
    free = int(found[0]) * 1024 if found else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for folder in _folders(cgroups, own):
        limit, used = _read(folder / "memory.max"), _read(folder / "memory.current")
        if not limit:
            limit, used = (_read(folder / f"memory/memory.{name}_in_bytes") for name in ("limit", "usage"))
        if limit.isdigit():
            free = min(free, int(limit) - int(used or 0))
    return max(free, 0)


def _folders(cgroups: Path, own: Path) -> Iterator[Path]:
    """The control group of this process and those around it; in a container, which sees its own as the root, that."""
    lines = [line for line in _read(own).splitlines() if line.startswith("0::/")]
    group = Path((lines[0] if lines else "0::/").removeprefix("0::/"))
    for each in (group, *group.parents) if str(group) != "." else (group,):
        yield cgroups / each


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return ""
