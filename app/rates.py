"""How often a client may ask: one token bucket a client, in this process's memory.

Of our own, since the libraries at hand (`limits` and what wraps it) count in windows, keep an entry of every client
they have seen until it expires, whatever their number, and take longer than some of our answers.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

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


class RateLimiter:
    """Buckets of tokens, one a client. A bucket is kept as the moment when it will be full again (GCRA)."""

    def __init__(
        self, rate: Rate, *, clock: Callable[[], float] = time.monotonic, most_clients: int = MOST_CLIENTS
    ) -> None:
        self._interval = rate.seconds / rate.requests
        self._slack = (rate.burst - 0.999) * self._interval  # a thousandth for what sums of floats lose
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
        elif full_at < now:
            full_at = now
        wait = full_at - now - self._slack
        if wait <= 0:
            full_at, wait = full_at + self._interval, 0.0
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
