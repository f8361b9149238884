"""Which of several processes that serve on the same cores have work: a lone request gets the cores of the idle ones."""

import math
import mmap
import time

QUIET_SECONDS = 0.01
"""How long the others must have been without work: a client that asks again at once comes back in less."""
_DOUBLE = 8


class Neighbours:
    """When each of `count` processes last had work, in memory that they share: to be made before they are forked."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._ended = memoryview(mmap.mmap(-1, count * _DOUBLE)).cast("d")

    def seat(self, number: int) -> "Seat":
        """That of one process, which has no work yet, whatever one before it there had when it died."""
        self._ended[number] = 0.0
        return Seat(self._ended, number)


class Seat:
    """What one process tells the others, and sees of them."""

    def __init__(self, ended: "memoryview[float]", number: int) -> None:
        self._ended = ended
        self._number = number
        self.count = len(ended)

    def begin(self) -> None:
        """This process has work from now on."""
        self._ended[self._number] = math.inf

    def end(self) -> None:
        """It has none any more."""
        self._ended[self._number] = time.monotonic()

    @property
    def others_idle(self) -> bool:
        """Whether no other has work, nor had any for `QUIET_SECONDS`."""
        limit = time.monotonic() - QUIET_SECONDS
        return all(ended < limit for number, ended in enumerate(self._ended) if number != self._number)
