"""How often a client may ask: one token bucket a client, in this process's memory or in one shared by several.

Of our own, since the libraries at hand (`limits` and what wraps it) count in windows, keep an entry of every client
they have seen until it expires, whatever their number, and take longer than some of our answers.
"""

import mmap
import os
import re
import secrets
import struct
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from tempfile import TemporaryFile

MOST_CLIENTS = 50_000
"""Clients remembered at once, some 12 MB; beyond them whoever was quiet for longest is forgotten."""

_MOST = 1_000_000
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_WRITTEN = re.compile(r"(\d{1,7})\s*/\s*(second|minute|hour)(?:\s+burst\s+(\d{1,7}))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rate:
    """`requests` every `seconds`, spread evenly, of which `burst` may come at once."""

    requests: int
    seconds: int
    burst: int


def parse_rate(text: str) -> Rate:
    """`60/minute` or `60/minute burst 10`; a second, a minute or an hour; the burst is else the number of requests.

    Raises ValueError for anything else, and for numbers outside 1 to 1,000,000.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if not match:
        raise ValueError("write it like 60/minute, 10/second or 60/minute burst 10.")
    requests, burst = int(match[1]), int(match[3] or match[1])
    if not (1 <= requests <= _MOST and 1 <= burst <= _MOST):
        raise ValueError(f"requests and burst must be 1 to {_MOST}.")
    return Rate(requests, _SECONDS[match[2].lower()], burst)


class _Bucket:
    def __init__(self, rate: Rate) -> None:
        self._interval = rate.seconds / rate.requests
        self._slack = (rate.burst - 0.999) * self._interval  # a thousandth for what sums of floats lose

    def take(self, full_at: float, now: float) -> tuple[float, float]:
        """When the bucket will be full after one more request, and 0, or the seconds until there will be a token."""
        full_at = max(full_at, now)
        wait = full_at - now - self._slack
        return (full_at, wait) if wait > 0 else (full_at + self._interval, 0.0)


class RateLimiter:
    """Buckets of tokens, one a client. A bucket is kept as the moment when it will be full again (GCRA)."""

    def __init__(
        self, rate: Rate, *, clock: Callable[[], float] = time.monotonic, most_clients: int = MOST_CLIENTS
    ) -> None:
        self._bucket = _Bucket(rate)
        self._clock = clock
        self._most_clients = most_clients
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Clients remembered."""
        return len(self._full_at)

    def seconds_to_wait(self, client: str) -> float:
        """Take a token; 0 where there was one, else the seconds until there will be."""
        now = self._clock()
        full_at = self._full_at.get(client)
        if full_at is None:
            self._forget(now)
            full_at = now
        full_at, wait = self._bucket.take(full_at, now)
        self._full_at[client] = full_at
        self._full_at.move_to_end(client)
        return wait

    def _forget(self, now: float) -> None:
        """Drop those whose bucket is full, two for each that comes, and one more where there are too many."""
        for _ in range(2):
            if not self._full_at:
                return
            if next(iter(self._full_at.values())) <= now:
                self._full_at.popitem(last=False)
        if len(self._full_at) >= self._most_clients:
            self._full_at.popitem(last=False)


class SharedRateLimiter:
    """The buckets in memory that processes share which are forked from the one that made it.

    A table of fixed size, `sets` of eight clients by a keyed hash of their name; of a set that is full whoever was
    quiet for longest is forgotten. Its lock is that of a file without a name: it ends with the process that holds it.
    """

    def __init__(self, rate: Rate, *, clock: Callable[[], float] = time.monotonic, sets: int = 8192) -> None:
        self._bucket = _Bucket(rate)
        self._clock = clock
        self._sets = sets
        self._key = secrets.token_bytes(16)
        self._table = mmap.mmap(-1, sets * _PLACES * _ENTRY.size)
        self._file = os.memfd_create("rates") if sys.platform == "linux" else TemporaryFile()  # noqa: SIM115 - kept

    def seconds_to_wait(self, client: str) -> float:
        """Take a token; 0 where there was one, else the seconds until there will be."""
        name = int.from_bytes(blake2b(client.encode(), digest_size=8, key=self._key).digest())
        begin = name % self._sets * _PLACES * _ENTRY.size
        places = range(begin, begin + _PLACES * _ENTRY.size, _ENTRY.size)
        with self._locked():
            entries = {place: _ENTRY.unpack_from(self._table, place) for place in places}
            own = (place for place, entry in entries.items() if entry[0] == name)
            place = next(own, None)
            if place is None:
                place, full_at = min(entries, key=lambda each: entries[each][1]), 0.0
            else:
                full_at = entries[place][1]
            full_at, wait = self._bucket.take(full_at, self._clock())
            _ENTRY.pack_into(self._table, place, name, full_at)
        return wait

    @contextmanager
    def _locked(self) -> Iterator[None]:
        import fcntl  # not on Windows, where nobody shares

        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


_PLACES = 8
_ENTRY = struct.Struct("=Qd")
