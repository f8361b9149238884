"""A text as sentences of words: lower case, American spelling, contractions and set phrases resolved, words stemmed."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import Stemmer

BOUNDARY = ","

_STEMMER = Stemmer.Stemmer("english")
_APOSTROPHES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u00b4": "'", "`": "'", "_": " "})
_CONTRACTIONS = (
    (re.compile(r"\b(?:can't|can not|couldn't|could not)\b"), "cannot"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"'(?:s|m|re|ve|d|ll)\b"), ""),
    (re.compile(r"\bnon[- ]?(?=[a-z])"), "non"),
)
_SENTENCE_END = re.compile(r"(?<!\d)\.|\.(?!\d)|[;!?]|\n(?=\s*[A-Z\-*\u2022])")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:\.\d+)?|[,:()/\u2013\u2014]")


def sentences(text: str) -> list[list[str]]:
    """The words of each sentence, `,` where a clause may end."""
    found = (_words(part) for part in _SENTENCE_END.split(text.translate(_APOSTROPHES)))
    return [words for words in found if any(word != BOUNDARY for word in words)]


def _words(sentence: str) -> list[str]:
    plain = sentence.lower()
    if plain.isascii() and plain.replace(" ", "").isalpha() and "no" not in plain:
        return [american(word) for word in plain.split()]
    for pattern, replacement in _CONTRACTIONS:
        plain = pattern.sub(replacement, plain)
    return [american(word) if word[0].isalnum() else BOUNDARY for word in _WORD.findall(plain)]


@lru_cache(maxsize=8192)
def american(word: str) -> str:
    """`oedema`, `diarrhoea`, `haemorrhage`, `odour` as they are spelt in the United States."""
    if len(word) < 5:
        return "gray" if word == "grey" else word
    plain = word.replace("ae", "e").replace("oe", "e")
    return plain[:-3] + "or" if plain.endswith("our") else plain.replace("labour", "labor").replace("colour", "color")


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The stem of an English word (Porter2)."""
    stemmed: str = _STEMMER.stemWord(word)
    return stemmed


class Rewriter:
    """Replaces set phrases, the longest first: `passed out` by `fainted`."""

    def __init__(self, rewrites: Mapping[str, str]) -> None:
        self._rules: dict[str, list[tuple[list[str], list[str]]]] = defaultdict(list)
        for phrase, replacement in rewrites.items():
            words = _words(phrase)
            self._rules[words[0]].append((words, _words(replacement)))
        for rules in self._rules.values():
            rules.sort(key=lambda rule: -len(rule[0]))

    def __call__(self, words: Sequence[str]) -> list[str]:
        """The words with every phrase replaced, from left to right; a replacement is not replaced again."""
        written: list[str] = []
        at = 0
        while at < len(words):
            length, replacement = self._match(words, at)
            written += replacement
            at += length
        return written

    def _match(self, words: Sequence[str], at: int) -> tuple[int, Iterable[str]]:
        for phrase, replacement in self._rules.get(words[at], ()):
            if list(words[at : at + len(phrase)]) == phrase:
                return len(phrase), replacement
        return 1, (words[at],)
