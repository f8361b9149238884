"""How the process gives memory back to the system. With another C library than glibc nothing is done."""

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

LARGE = 15 << 20
"""Bytes from which a block is of its own: just below the 16 MB in which Pillow keeps pictures, above the arrays that
usual requests take. From 4 MB on, reading an ECG sheet took half as long again, since each array was mapped anew."""
_KEPT = 32 << 20
"""Bytes that the heap of a thread may keep at its end."""

_LARGEST_IN_HEAP, _KEPT_IN_TRAINING = 32 << 20, 1 << 30
"""Bytes of the largest block that glibc takes from a heap, and that a heap keeps at its end in training."""

_LOOKS_SECONDS = 0.5
_MOVED = 1.03
_STATM = Path("/proc/self/statm")
_ARENAS = 2
"""Heaps that the threads share. With one for each thread, each kept what its own worst hour had left in pieces: 2,500
hostile inputs left 10 to 27 % more memory than before them, with two heaps 2 %."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def give_memory_back() -> None:
    """Hand over what is free, with malloc_trim(3).

    What was used side by side and then freed leaves pieces that glibc keeps for later: bodies that grew together, or a
    network that was loaded and the one that has gone. A service of one model held 163 MB, and 299 after fifteen
    reloads; with this 133 and 137.
    """
    _call("malloc_trim", 0)


def keep_heaps_small() -> None:
    """Have each block of `LARGE` bytes go back as soon as it is freed, and the threads share their heaps, with
    mallopt(3). To be called before there are threads.

    Left to itself, glibc raises that threshold to 32 MB once such blocks are used, and keeps them in the heap of each
    thread: twelve pictures of 40 megapixels left 447 MB behind, with this 21 MB.
    """
    _call("mallopt", _M_MMAP_THRESHOLD, LARGE)
    _call("mallopt", _M_TRIM_THRESHOLD, _KEPT)
    _call("mallopt", _M_ARENA_MAX, _ARENAS)


def keep_what_is_freed() -> None:
    """Have the heaps keep what is freed, for what is asked for next, with mallopt(3): for training, which asks for the
    same blocks at each step."""
    _call("mallopt", _M_MMAP_THRESHOLD, _LARGEST_IN_HEAP)
    _call("mallopt", _M_TRIM_THRESHOLD, _KEPT_IN_TRAINING)


def _call(name: str, *arguments: int) -> None:
    function: Any = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:
        function(*arguments)


async def stay_small(
    in_progress: Callable[[], int], answered: Callable[[], int], give: Callable[[], None] = give_memory_back
) -> None:
    """Give memory back, in a thread, while nothing is in progress: once after whatever was answered, as soon as nothing
    more has been for `_LOOKS_SECONDS`, and whenever the process holds `_MOVED` times what it did last time, or as much
    less.

    To be run as a task. What a busy minute leaves in pieces goes back in the next quiet second; usual traffic, which
    takes what it took before, is not slowed. What it holds does not tell by itself: a time that came in the midst of
    something leaves pieces behind that look like what is needed, up to 15 % of the whole.
    """
    given = seen = answered()
    last = _resident()
    while last:
        await asyncio.sleep(_LOOKS_SECONDS)
        before, seen = seen, answered()
        if in_progress():
            continue
        moved = not last / _MOVED <= _resident() <= last * _MOVED
        if moved or given != seen == before:
            await asyncio.to_thread(give)
            given, last = seen, _resident()


def _resident() -> int:
    """Bytes in RAM, 0 where the system doesn't tell."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
