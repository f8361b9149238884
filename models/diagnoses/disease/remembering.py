"""What was found out about a word is kept for when it comes again, in bounds that nobody's text can stretch."""

from collections.abc import Callable
from typing import TypeVar

MOST_WORDS = 2048
LONGEST = 24
"""Letters; what is longer is seldom a word, and kept by the thousand it would be a lot."""

Answer = TypeVar("Answer")


class _Kept(dict[str, Answer]):
    """Answers by their words. Looked up as a plain dictionary, which costs a third of a call."""

    def __init__(self, ask: Callable[[str], Answer]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, word: str) -> Answer:
        answer = self._ask(word)
        if len(word) <= LONGEST:
            if len(self) >= MOST_WORDS:
                self.clear()
            self[word] = answer
        return answer


def remembered(ask: Callable[[str], Answer]) -> Callable[[str], Answer]:
    """`ask`, a function of one word alone, with its answers for up to 2,048 words of up to 24 letters kept; where they
    are more, it begins anew."""
    return _Kept(ask).__getitem__
