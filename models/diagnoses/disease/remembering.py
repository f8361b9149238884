"""What was found out about a word is kept for when it comes again, in bounds that nobody's text can stretch."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

MOST_WORDS = 2048
LONGEST = 24
"""Letters; what is longer is seldom a word, and kept by the thousand it would be a lot."""

Answer = TypeVar("Answer")


def remembered(ask: Callable[[str], Answer]) -> Callable[[str], Answer]:
    """`ask`, a function of one word alone, with its answers for the last 2,048 words of up to 24 letters kept."""
    kept = lru_cache(maxsize=MOST_WORDS)(ask)

    @wraps(ask)
    def answer(word: str) -> Answer:
        return kept(word) if len(word) <= LONGEST else ask(word)

    return answer
