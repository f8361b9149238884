"""How the process gives memory back to the system. With another C library than glibc nothing is done."""

import ctypes
import sys
from typing import Any

LARGE = 15 << 20
"""Bytes from which a block is of its own: just below the 16 MB in which Pillow keeps pictures, above the arrays that
usual requests take. From 4 MB on, reading an ECG sheet took half as long again, since each array was mapped anew."""
_KEPT = 32 << 20
"""Bytes that the heap of a thread may keep at its end."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def give_memory_back() -> None:
    """Hand over what is free, with malloc_trim(3).

    What was used side by side and then freed leaves pieces that glibc keeps for later: bodies that grew together, or a
    network that was loaded and the one that has gone. A service of one model held 163 MB, and 299 after fifteen
    reloads; with this 133 and 137.
    """
    _call("malloc_trim", 0)


def give_back_large_blocks() -> None:
    """Have each block of `LARGE` bytes go back as soon as it is freed, with mallopt(3).

    Left to itself, glibc raises that threshold to 32 MB once such blocks are used, and keeps them in the heap of each
    thread: twelve pictures of 40 megapixels left 447 MB behind, with this 21 MB.
    """
    _call("mallopt", _M_MMAP_THRESHOLD, LARGE)
    _call("mallopt", _M_TRIM_THRESHOLD, _KEPT)


def _call(name: str, *arguments: int) -> None:
    function: Any = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:
        function(*arguments)
