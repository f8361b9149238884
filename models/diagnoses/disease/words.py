"""A text as sentences of words: lower case, American spelling, contractions and set phrases resolved, words stemmed."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import Stemmer

from models.diagnoses.disease.remembering import remembered


def each(words: str) -> tuple[str, ...]:
    """The words of a line, in order."""
    return tuple(words.split())


BOUNDARY = ","
MEASURED = "#"
"""Stands where a measurement was read."""

_STEMMER = Stemmer.Stemmer("english")
_APOSTROPHES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u00b4": "'", "`": "'", "_": " "})
_TOKEN = re.compile(
    r"\b[a-z](?:[/+&][a-z]){1,2}\b|\bw/o?(?![a-z])|[^\W\d_]+(?:'[^\W\d_]+)?|\d+(?:[.,]\d+)?"
    r"|[,:()/=\u2013\u2014\u2022\n?!;.#]|(?<=\s)-(?=\s)"
)
_BOXES: Mapping[str, str] = {"(-)": " no", "(+)": "   ", "[ ]": ",no", "[x]": ",  ", "-ve": "neg", "+ve": "pos"}
"""Ticked and empty boxes and signs of findings, in words of the same length."""
_BOXES_BEHIND: Mapping[str, str] = {**_BOXES, "[ ]": ":n,", "[x]": "  ,"}
"""The same where each box stands behind what it ticks."""
_BOX = re.compile(r"\([-+]\)|\[[ x]\]|(?<![\w+-])[-+]ve\b")
_SIGN = re.compile(r"(?<=[a-z]: )[-+](?=[.,;\s]|$)|(?<=[a-z]:)[-+](?=[.,;\s]|$)")
"""A sign that answers: fever: -, cough: +."""
_CROSSED = re.compile(r"(?<=\w) [\u2717\u2718\u274c](?: |(?=\n|$|,))")
_TICKED = re.compile(r"(?<=\w) [\u2713\u2714\u2705](?: |(?=\n|$|,))")
_MARKS = frozenset("\u2717\u2718\u274c\u2713\u2714\u2705")
"""Crosses and ticks, that answer what stands before them where the text does not begin with one."""
_ENDS = frozenset("?!;.\u2022")
_NEW_LINE = re.compile(r"\s*[A-Z\-*\u2022]")
_LONG_LINE = 60
_LIGATURE = re.compile(r"(?<=rh)oe|(?<=pn)oe|(?<=ph)oe(?=a)|(?<=c)oe(?=l)|oe(?=dem|soph|str|t(?:us|al))")
_ENDING = re.compile(r"'(?:s|m|re|ve|d|ll)$")
_VERBS = (
    "do",
    "does",
    "did",
    "is",
    "was",
    "are",
    "were",
    "have",
    "has",
    "had",
    "would",
    "should",
    "must",
    "need",
    "wo",
)
_WITHOUT_APOSTROPHE: Mapping[str, tuple[str, ...]] = {
    **{f"{verb}nt": (verb, "not") for verb in _VERBS},
    "aint": ("is", "not"),
    "cant": ("cannot",),
    "carnt": ("cannot",),
    "cudnt": ("cannot",),
    "couldnt": ("cannot",),
    "im": ("i",),
    "ive": ("i",),
    "hes": ("he",),
    "shes": ("she",),
    "theyre": ("they",),
    "theyve": ("they",),
    "weve": ("we",),
    "youre": ("you",),
    "youve": ("you",),
    "thats": ("that",),
    "whats": ("what",),
    "theres": ("there",),
}
_SAID_FOR: Mapping[tuple[str, ...], str] = {
    **{
        each(words): "no"
        for words in (
            "not at all", "not really", "not so far", "not yet", "not today", "not now", "not any more", "not anymore",
            "definitely not", "certainly not", "absolutely not", "i do not think so", "do not think so", "far from it",
            "quite the reverse", "quite the opposite", "the opposite", "on the contrary", "not that i know", "i do not",
            "i have not", "not that i noticed", "no way", "zero", "not in the least", "not lately", "not recently",
        )
    },
    **{
        each(words): "yes"
        for words in (
            "there is", "there are", "i do", "i have", "i am", "he does", "he has", "she does", "she has", "sometimes",
            "a bit", "a little", "a lot", "often", "always", "once", "twice", "constantly", "all the time", "very",
            "terribly", "slightly", "plenty", "loads", "lots", "badly", "some", "definitely", "of course", "sure",
        )
    },
}  # fmt: skip
"""What answers a question with other words than yes and no."""
_BEGIN = frozenset({("sometimes",), ("twice",), ("once",), ("a", "bit"), ("a", "little"), ("yes",)})
_PASSED = frozenset(each("gone stopped resolved cleared settled passed subsided vanished disappeared none better fine"))
_REFERRING = _PASSED | frozenset(
    each(
        "it that they this all is are was has have had now since today completely totally again been and but , anymore"
    )
)
"""Words of a sentence that only says that what was told before is over."""
_ANSWERS = frozenset({"no", "nope", "nah", "none", "never", "negative", "yes", "yeah", "yep", "positive"})


class Token(NamedTuple):
    """A word, `,` where a clause may end (then `mark` is what is written there), or `#`, at `start` to `end` of the
    text."""

    text: str
    start: int
    end: int
    mark: str = ""


class Sentence(NamedTuple):
    """The tokens of a sentence; a `question` ends with `?` and is not answered by the next word."""

    tokens: list[Token]
    question: bool


def level(text: str) -> str:
    """The text in lower case with plain apostrophes, character for character."""
    plain = text.translate(_APOSTROPHES)
    lower = plain.lower()
    if len(lower) != len(plain):
        lower = "".join(low if len(low := c.lower()) == 1 else c for c in plain)
    if not lower.isascii() and not _MARKS.isdisjoint(lower) and lower.lstrip()[:1] not in _MARKS:
        lower = _CROSSED.sub(lambda cross: ":n, "[: len(cross[0])], lower)
        lower = _TICKED.sub(lambda tick: ",  "[: len(tick[0])], lower)
    lower = _SIGN.sub(lambda sign: "n" if sign[0] == "-" else " ", lower)
    if not _BOX.search(lower):
        return lower
    boxes = _BOXES if lower.lstrip().startswith("[") else _BOXES_BEHIND
    return _BOX.sub(lambda box: boxes[box[0]], lower)


def split(text: str, leveled: str) -> list[Sentence]:
    """The sentences of a text and its `level`; those without a word are left out. `X? No.` is one sentence."""
    found: list[Sentence] = []
    tokens: list[Token] = []
    for match in _TOKEN.finditer(leveled):
        written, at = match[0], match.start()
        if written == "\n" and _is_wrapped(text, at):
            continue
        if written in _ENDS or (written == "\n" and _NEW_LINE.match(text, at + 1)):
            _end(found, tokens, question=written == "?")
            tokens = []
        elif written[0].isalpha():
            _word(tokens, written, at)
        elif written[0].isdigit() or written == MEASURED:
            tokens.append(Token(written, at, match.end()))
        else:
            tokens.append(Token(BOUNDARY, at, match.end(), written))
    _end(found, tokens, question=False)
    return found


def _is_wrapped(text: str, at: int) -> bool:
    """Whether a line break only wraps a long line."""
    return at - text.rfind("\n", 0, at) > _LONG_LINE and not _NEW_LINE.match(text, at + 1)


def _end(found: list[Sentence], tokens: list[Token], *, question: bool) -> None:
    if all(token.text == BOUNDARY for token in tokens):
        return
    if found and found[-1].question:
        tokens = _plain_answer(tokens)
    if found and found[-1].question and tokens[0].text in _ANSWERS and (len(tokens) == 1 or tokens[1].text == BOUNDARY):
        asked = found.pop().tokens
        found.append(Sentence([*asked, Token(BOUNDARY, asked[-1].end, asked[-1].end, "?"), tokens[0]], False))
        tokens = tokens[2:]
        if not tokens:
            return
    if found and not found[-1].question and _refers(tokens):
        before = found.pop().tokens
        tokens = [*before, Token(BOUNDARY, before[-1].end, before[-1].end, ";"), *tokens]
    found.append(Sentence(tokens, question))


def _refers(tokens: Sequence[Token]) -> bool:
    """Whether a sentence only says of the one before that all that is over: it has gone now."""
    words = {token.text for token in tokens}
    return len(tokens) > 1 and words <= _REFERRING and not words.isdisjoint(_PASSED) and "still" not in words


def _plain_answer(tokens: list[Token]) -> list[Token]:
    """The tokens with `not at all` and the like as `no`, `sometimes` as `yes`, and without the `A:` of an answer."""
    words = [token.text for token in tokens]
    if words[:2] == ["a", BOUNDARY] and tokens[1].mark == ":" and len(tokens) > 2:
        return _plain_answer(tokens[2:])
    for answer, meant in _SAID_FOR.items():
        count = len(answer)
        whole = words[count : count + 1] in ([], [BOUNDARY])
        if tuple(words[:count]) == answer and (whole or (meant == "yes" and answer in _BEGIN)):
            return [Token(meant, tokens[0].start, tokens[count - 1].end), *tokens[count:]]
    return tokens


def _word(tokens: list[Token], written: str, at: int) -> None:
    parts = _expanded(written)
    end = at + len(written)
    if len(parts) == 2:
        middle = end - (3 if "'" in written else 2)
        tokens += (Token(parts[0], at, middle), Token(parts[1], middle, end))
        return
    word = parts[0]
    if tokens:
        before = tokens[-1]
        if word == "not" and before.text in ("can", "could"):
            tokens[-1] = Token("cannot", before.start, end)
            return
        if before.text == "non" and at - before.end <= 1:
            tokens[-1] = Token("non" + word, before.start, end)
            return
    tokens.append(Token(word, at, end))


@remembered
def _expanded(word: str) -> tuple[str, ...]:
    if word.endswith("n't"):
        return ("cannot",) if word in ("can't", "couldn't") else (word[:-3], "not")
    if word in _WITHOUT_APOSTROPHE:
        return _WITHOUT_APOSTROPHE[word]
    return (american(_ENDING.sub("", word)),)


def sentences(text: str) -> list[list[str]]:
    """The words of each sentence, `,` where a clause may end."""
    if text.isascii() and text.replace(" ", "").isalpha() and "no" not in (plain := text.lower()):
        return [[word for written in plain.split() for word in _expanded(written)]]
    return [[token.text for token in sentence.tokens] for sentence in split(text, level(text))]


@remembered
def american(word: str) -> str:
    """`oedema`, `diarrhoea`, `haemorrhage`, `odour` as they are spelt in the United States."""
    if len(word) < 5:
        return "gray" if word == "grey" else word
    plain = _LIGATURE.sub("e", word.replace("ae", "e"))
    return plain[:-3] + "or" if plain.endswith("our") else plain.replace("labour", "labor").replace("colour", "color")


@remembered
def stem(word: str) -> str:
    """The stem of an English word (Porter2)."""
    stemmed: str = _STEMMER.stemWord(word)
    return stemmed


def stems(words: Iterable[str]) -> frozenset[str]:
    """The stems of many words, of which none is kept for `stem`."""
    return frozenset(_STEMMER.stemWords(list(words)))


class Rewriter:
    """Replaces set phrases, the longest first: `passed out` by `fainted`."""

    def __init__(self, rewrites: Mapping[str, str]) -> None:
        self._rules: dict[str, dict[str, list[tuple[list[str], list[str]]]]] = defaultdict(lambda: defaultdict(list))
        for phrase, replacement in rewrites.items():
            words = _only(phrase)
            self._rules[words[0]][words[1] if len(words) > 1 else ""].append((words, _only(replacement)))
        for by_second in self._rules.values():
            for rules in by_second.values():
                rules.sort(key=lambda rule: -len(rule[0]))

    @property
    def phrases(self) -> Iterator[list[str]]:
        """The phrases that are replaced."""
        return (phrase for by_second in self._rules.values() for rules in by_second.values() for phrase, _ in rules)

    @property
    def words(self) -> Iterator[str]:
        """Every word of them."""
        return (word for phrase in self.phrases for word in phrase)

    def __call__(self, words: Sequence[str]) -> list[str]:
        """The words with every phrase replaced, from left to right; a replacement is not replaced again."""
        if self._rules.keys().isdisjoint(words):
            return list(words)
        return [token.text for token in self.tokens([Token(word, 0, 0) for word in words])]

    def tokens(self, tokens: list[Token]) -> list[Token]:
        """The same for tokens; each word of a replacement stands where the phrase stood."""
        written: list[Token] = []
        after = 0
        for at, token in enumerate(tokens):
            if at < after:
                continue
            by_second = self._rules.get(token.text)
            found = self._match(by_second, tokens, at) if by_second else None
            if found is None:
                written.append(token)
                continue
            phrase, replacement = found
            after = at + len(phrase)
            written += [Token(word, token.start, tokens[after - 1].end) for word in replacement]
        return written

    @staticmethod
    def _match(
        by_second: Mapping[str, list[tuple[list[str], list[str]]]], tokens: Sequence[Token], at: int
    ) -> tuple[list[str], list[str]] | None:
        following = tokens[at + 1].text if at + 1 < len(tokens) else ""
        for phrase, replacement in (*by_second.get(following, ()), *by_second.get("", ())):
            if len(phrase) <= 2 or [token.text for token in tokens[at : at + len(phrase)]] == phrase:
                return phrase, replacement
        return None


def _only(phrase: str) -> list[str]:
    return [word for words in sentences(phrase) for word in words]
