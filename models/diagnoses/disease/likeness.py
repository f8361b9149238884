"""How alike a text is to sentences that tell of a danger, for those that no rule has words for.

A linear classifier of words, pairs of words, parts of words, classes of danger_words.yaml and symptoms, learnt from
sentences written for this project (training/danger_sentences.py). Denied words count as other words than the same
not denied; what is past, somebody else's or hypothetical does not count. Its file, danger_sentences.npz, lies beside
this module and is refused where its checksum is another.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.disease.phrases import Heard
from models.diagnoses.disease.reading import Kind, Span
from models.diagnoses.disease.remembering import remembered
from models.diagnoses.disease.standing import DENIED, HERE
from models.diagnoses.disease.words import american, stem

MODEL = Path(__file__).with_name("danger_sentences.npz")
CHECKSUM = "87f2c54cc29f7984d9d948edd06f196ca497421080c3bf1ee330263ee6de66e6"
BUCKETS, KIND_BUCKETS = 1 << 15, 1 << 13
FEWEST = 3
"""A window of fewer words counts as one of so many."""

_ENDS = frozenset(".;!?\n")
_GRAMS = (3, 4, 5)
_GRAM, _SKIP = 0.6, 0.7
_SENTENCES = 3
_LONGEST = 24


class Piece(NamedTuple):
    """Something that a text holds, in which sentence of it, and how much it counts."""

    sentence: int
    key: str
    weight: float


class Text(NamedTuple):
    """A text's pieces, how many words each of its sentences has, and where in the text each begins and ends."""

    pieces: list[Piece]
    counts: list[int]
    bounds: list[tuple[int, int]]


class Likeness(NamedTuple):
    """Where the words begin and end that are alike to a danger, their score (log odds), and the name of the rule for
    that kind of danger, None where they are not alike enough."""

    begin: int
    end: int
    score: float
    rule: str | None


class Weights(NamedTuple):
    """Of a danger at all `danger`, one for each bucket, and `danger_bias`; of each kind `kinds`, (kind buckets, kinds),
    and their `rules`; the scores from which a text is alike (`sure`) or a little alike (`doubt`)."""

    danger: Sequence[float]
    danger_bias: float
    kinds: NDArray[np.float32]
    rules: tuple[str, ...]
    sure: float
    doubt: float


def likeness(heard: Heard, symptoms: Sequence[Span], length: int) -> Likeness | None:
    """The one to three sentences of the first `length` characters that are most alike to a danger; None where none is
    even a little."""
    known = weights()
    text = pieces(heard, symptoms, length)
    scores = [0.0] * len(text.counts)
    for sentence, key, weight in text.pieces:
        scores[sentence] += weight * _of_danger(key)
    best = _best_window(scores, text.counts)
    if best is None or (score := best[0] + known.danger_bias) < known.doubt:
        return None
    _, first, last = best
    rule = _kind([piece for piece in text.pieces if first <= piece.sentence < last]) if score >= known.sure else None
    return Likeness(text.bounds[first][0], text.bounds[last - 1][1], score, rule)


def _best_window(scores: Sequence[float], counts: Sequence[int]) -> tuple[float, int, int] | None:
    """The highest score of up to three sentences in a row, less the bias, and these."""
    sums, words = [0.0, *accumulate(scores)], [0, *accumulate(counts)]
    windows = (
        ((sums[last] - sums[first]) / max(words[last] - words[first], FEWEST) ** 0.5, first, last)
        for first in range(len(counts))
        for last in range(first + 1, min(first + _SENTENCES, len(counts)) + 1)
    )
    return max(windows, default=None)


def pieces(heard: Heard, symptoms: Sequence[Span], length: int) -> Text:
    """What the first `length` characters of a text hold."""
    found: list[Piece] = []
    counts: list[int] = []
    bounds: list[tuple[int, int]] = []
    begins: list[int] = []
    before: tuple[str, ...] = ()
    new = True
    for word, start, how in zip(heard.words, heard.starts, heard.away, strict=True):
        if start >= length:
            break
        if word in _ENDS:
            new, before = True, ()
            continue
        if not word[0].isalnum():
            continue
        if new:
            new = False
            counts.append(0)
            begins.append(start)
            bounds.append((start, start))
        bounds[-1] = (bounds[-1][0], start + len(word))
        if word in heard.fillers or how not in (HERE, DENIED):
            continue
        at = len(counts) - 1
        counts[at] += 1
        marked = f"-{word}" if how == DENIED else word
        meant = _meant(marked)
        found.append(Piece(at, f"g{marked}", 1.0))
        if before:
            found.append(Piece(at, f"b{before[-1]} {meant}", 1.0))
        if len(before) > 1:
            found.append(Piece(at, f"s{before[-2]} {meant}", _SKIP))
        before = (*before[-1:], meant)
    found += _of_classes(heard, begins, length)
    told = {(span.start, span.symptom) for span in symptoms if span.kind is Kind.PRESENT and span.symptom}
    found += [Piece(_at(begins, start), f"y{symptom}", 1.0) for start, symptom in told if start < length and begins]
    return Text(found, counts, [(begin, min(end, length)) for begin, end in bounds])


def _of_classes(heard: Heard, begins: Sequence[int], length: int) -> Iterator[Piece]:
    """The classes found, each once in a sentence."""
    if begins:
        for name, hits in heard.hits.items():
            key = f"h{name}"
            for at in {_at(begins, begin) for begin in {hit.begin for hit in hits if hit.end} if begin < length}:
                yield Piece(at, key, 1.0)


def _at(begins: Sequence[int], start: int) -> int:
    return max(0, bisect_right(begins, start) - 1)


def _meaning(marked: str) -> str:
    """The stem of a word, with the mark of a denied one; one for all numbers."""
    denied, word = ("-", marked[1:]) if marked[0] == "-" else ("", marked)
    return denied + (stem(american(word)) if word.isalpha() else "#")


_meant = remembered(_meaning)


def spelt(key: str) -> list[tuple[str, float]]:
    """What a piece stands for in the model: a word for its stem and the parts of its letters, others for themselves."""
    if key[0] != "g":
        return [(key, 1.0)]
    marked = key[1:]
    meant = [(f"w{_meant(marked)}", 1.0)]
    denied, word = ("-", marked[1:]) if marked[0] == "-" else ("", marked)
    if not word.isalpha():
        return meant
    edged = f"^{word[:_LONGEST]}$"
    grams = [f"c{denied}{edged[at : at + size]}" for size in _GRAMS for at in range(len(edged) - size + 1)]
    share = _GRAM / len(grams) ** 0.5
    return meant + [(gram, share) for gram in grams]


def bucket(key: str, buckets: int) -> int:
    """The place of a piece in the model."""
    return crc32(key.encode()) % buckets


def _danger_of(key: str) -> float:
    """What a piece adds to the score of a danger."""
    known = weights().danger
    if key[0] != "g":
        return known[crc32(key.encode()) % BUCKETS]
    (meant, _), *grams = spelt(key)
    share = grams[0][1] if grams else 0.0
    of_grams = sum([known[crc32(gram.encode()) % BUCKETS] for gram, _ in grams])
    return known[crc32(meant.encode()) % BUCKETS] + share * of_grams


_of_danger = remembered(_danger_of)


def _kind(found: Sequence[Piece]) -> str:
    """The rule of the likeliest kind of danger."""
    known = weights()
    parts = [(bucket(part, KIND_BUCKETS), weight * share) for _, key, weight in found for part, share in spelt(key)]
    places, shares = zip(*parts, strict=True)
    score = np.asarray(shares, np.float32) @ known.kinds[list(places)]
    return known.rules[int(score.argmax())]


@cache
def weights() -> Weights:
    """The model. Raises `OSError` where its file is damaged."""
    content = MODEL.read_bytes()
    if sha256(content).hexdigest() != CHECKSUM:
        raise OSError(f"{MODEL.name} is damaged.")
    with np.load(BytesIO(content), allow_pickle=False) as kept:
        return Weights(
            danger=kept["danger"].tolist(),
            danger_bias=float(kept["danger_bias"]),
            kinds=kept["kinds"].astype(np.float32) * kept["kind_scale"],
            rules=tuple(kept["rules"].tolist()),
            sure=float(kept["sure"]),
            doubt=float(kept["doubt"]),
        )
