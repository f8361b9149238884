"""The language of a text in which English found nothing, to say in it that only English is read and whom to call."""

import re
from functools import cache

from pydantic import Field

from models.diagnoses.knowledge import Document, Sourced, load
from schemas.common import Part

_LEAST = 2
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")


class Language(Part):
    """By which words, or by which letters from the first to the last, a language is known, and its sentence."""

    words: frozenset[str] = frozenset()
    letters: tuple[str, str] | None = None
    sentence: str = Field(min_length=1)


class Languages(Document):
    """languages.yaml, by name."""

    languages: Sourced[dict[str, Language]]


@cache
def _languages() -> tuple[Language, ...]:
    return tuple(load(__name__, "languages.yaml", Languages).languages.value.values())


@cache
def foreign_words() -> frozenset[str]:
    """The words by which the other languages are known."""
    return frozenset[str]().union(*(language.words for language in _languages()))


def only_english(text: str) -> str | None:
    """The sentence of the language that a text most likely is in; None where nothing tells."""
    words = [word.lower().replace("\u2019", "'") for word in _WORD.findall(text)]
    known, language = max(((_hits(language, words), language) for language in _languages()), key=lambda found: found[0])
    return language.sentence if known >= min(_LEAST, len(words)) and known else None


def _hits(language: Language, words: list[str]) -> int:
    if language.letters is None:
        return sum(word in language.words for word in words)
    first, last = language.letters
    return sum(first <= word[0] <= last for word in words) * _LEAST
