"""The speed and the gain that are printed on a straight ECG sheet: "25 mm/s 10 mm/mV" and its like.

Lines of print are found and cut out (`print_lines`), and a small network, trained on such lines in many typefaces,
spells them in an alphabet of digits and units; what is no scale to the letter, or not sure, is not read. Its file,
scale_words.onnx, lies beside this module and is refused where its checksum is another, as that of `lead_names` is.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.preprocessing.ecg_sheet.network_file import load
from models.preprocessing.ecg_sheet.print_lines import PrintLine, cut_strip, find_lines, strip_width
from models.preprocessing.ecg_sheet.spelling import word_scores
from models.preprocessing.picture import UInt8Array

FloatMap = NDArray[np.float32]

ALPHABET = "0123456789./:msV #"
"""What the network spells in; the last stands for any other characters."""
OTHER = ALPHABET[-1]
GAP = 24
"""Pixels of paper between strips that are read together."""
SPEEDS, GAINS = (25.0, 50.0), (5.0, 10.0, 20.0)
"""The mm/s and mm/mV that sheets are read at."""
MODEL = Path(__file__).with_name("scale_words.onnx")
CHECKSUM = "8abc86b9a8c74301acfffb05985c5e6bfade164651c4948a7db1f548c3dc15dc"
SURE, LIKELY = 0.7, 0.4
"""Least chance of each character of a scale, since a wrong gain erases an ST elevation; and where all looks at a line
agree."""
LOOKS = (0.82, 1.22)
"""Heights of a line at which it is looked at again, in those at which it was found."""

_FAINTEST = 24.0
_TOGETHER, _MOST = 1400, 2800
"""Pixels of strips that are read together, and that are read of a sheet: a page of text is not read to its end."""
_SHORT = 5
"""Heights that a scale is wide at least; shorter lines, most of them no print, are read last."""
_COLUMN = 2
"""Pixels of one of the network's answers."""
_CUT = 5
"""Pixels from a strip's beginning within which a number may have lost a digit."""
_NEAR, _NEAR_M, _FAR = 1.2, 0.8, 1.35
"""Distances, in those of digits or of "mm", up to which digits belong together, and from which they don't."""
_NUMBERS, _DIGITS, _UNCLEAR = frozenset("0123456789"), frozenset("0123456789."), "?"
_UNITS = {"s": "mm/s", "mV": "mm/mV"}
_MISTAKEN = (12.5, 100, 6.25, 2.5, 40, 15, 1, 30, 8, 0.5, 250, 500, 75, 35, 26, 28, 55, 60, 80, 90, 52, 16, 18)
_TOLD = tuple(f"{number:g}" for number in (*SPEEDS, *GAINS, *_MISTAKEN))
_TOLD += tuple(f"{number:.1f}" for number in (*SPEEDS, *GAINS))
"""Numbers that a line may say before a unit: the usual ones, and those that they may be taken for."""
_SAID, _CLEARLY, _HARDLY = -3.0, 3.0, -8.0
"""What the likeliest scale has at least, as the mean of all looks at a line (`word_scores`), and how much more than
others; and from what on a line is looked at again. Of some 1,000 usual scales in eight unseen typefaces these settings
add a tenth to those that are read, none of them wrong; of as many unusual ones three are taken for usual."""
_LONGER = 0.05
"""What a character more counts: 5 is to be read in 25, too."""
_NEARLY = re.compile(r"\d ?#?mm?[#/ ]|mm?/|/mV")
_SCALE = re.compile(r"(?<![0-9./#msV?])(?<![0-9.?]:)(\d{1,3}(?:\.\d{1,2})?) ?mm ?/ ?(s|mV)")


class Spelled(NamedTuple):
    """The text of a strip in `ALPHABET`, and of each character the chance and the middle, in pixels from the left;
    `columns` (n, 1 + alphabet) are the chances of nothing and of each character in columns of pixels."""

    text: str
    chances: tuple[float, ...]
    middles: tuple[float, ...]
    columns: FloatMap


class PrintedScale(NamedTuple):
    """Speed in mm/s and gain in mm/mV, None where none was read; and why a sheet can't be read at what is printed."""

    speed: float | None = None
    gain: float | None = None
    fault: str | None = None


def read_printed_scale(ink: UInt8Array, traces: tuple[float, float]) -> PrintedScale:
    """The scale that is printed on a straight sheet whose ink map (height, width) is `densities(...).print`, and whose
    rows of traces lie between two heights: lines of print below them are read first, then those above, then others.
    Raises `OSError` where the network's file is damaged."""
    lines = sorted(find_lines(ink), key=lambda line: _rank(line, traces))
    page = Image.fromarray(ink)
    found: list[tuple[float, str]] = []
    for batch in _batches(lines):
        spelled = spell([cut_strip(page, line) for line in batch])
        found += [scale for each in spelled for scale in scales_in(each)]
        if {unit for _, unit in found} == {"s", "mV"}:
            break
        found += _looked_at_again(
            page, {line: own for line, own in zip(batch, spelled, strict=True) if _is_likely(own)}
        )
        if {unit for _, unit in found} == {"s", "mV"}:
            break
    return settled(found)


def _is_likely(spelled: Spelled) -> bool:
    return len([*scales_in(spelled, 0.0)]) > len([*scales_in(spelled)]) or bool(_NEARLY.search(spelled.text))


def _looked_at_again(page: Image.Image, lines: Mapping[PrintLine, Spelled]) -> list[tuple[float, str]]:
    """The scales that lines name alike at each of `LOOKS`, nothing else with the same unit at any; where they name
    none, the ones they say most likely by all looks together."""
    told = {line: {unit: _told(own, unit) for unit in _UNITS} for line, own in lines.items()}
    lines = {line: own for line, own in lines.items() if max(each.max() for each in told[line].values()) > _HARDLY}
    if not lines:
        return []
    looks = [spell([cut_strip(page, _grown(line, look)) for line in lines]) for look in LOOKS]
    found = []
    for line, *again in zip(lines, *looks, strict=True):
        for unit, first in told[line].items():
            each = [{number for number, own in scales_in(look, LIKELY) if own == unit} for look in again]
            if all(numbers == each[0] for numbers in each) and len(each[0]) == 1:
                found.append((each[0].pop(), unit))
            elif first.max() > _HARDLY and unit not in {own for _, own in scales_in(lines[line])}:
                scores = np.mean([first, *(_told(look, unit) for look in again)], axis=0)
                found += [(number, unit) for number in likeliest(scores)]
    return found


def _told(spelled: Spelled, unit: str) -> NDArray[np.float32]:
    """How likely a line says each of `_TOLD` with a unit."""
    return word_scores(spelled.columns, ALPHABET, [number + _UNITS[unit] for number in _TOLD], " :")


def likeliest(scores: NDArray[np.float32]) -> list[float]:
    """The number that is said, by the scores of `_TOLD`; none where that is not clear."""
    told: dict[float, float] = {}
    for number, score in zip(_TOLD, scores.tolist(), strict=True):
        told[float(number)] = max(told.get(float(number), -np.inf), score + _LONGER * len(number))
    best = max(told, key=told.__getitem__)
    if max(score for number, score in zip(_TOLD, scores, strict=True) if float(number) == best) < _SAID:
        return []
    near = [number for number, score in told.items() if number != best and score > told[best] - _CLEARLY]
    return [best] if all(f"{best:g}".endswith(f"{number:g}") for number in near) else []


def _grown(line: PrintLine, factor: float) -> PrintLine:
    """A line as high as `factor` says, about its middle."""
    spare = round((factor - 1) * (line.bottom - line.top) / 2 + 0.2)
    return line._replace(top=line.top - spare, bottom=line.bottom + spare)


def settled(found: Sequence[tuple[float, str]]) -> PrintedScale:
    """What numbers with their units, s or mV, say of a sheet. Several gains, as of limb and chest leads, are a fault;
    several speeds, and numbers that no usual sheet has, are as if they were not read."""
    speeds, gains = ({number for number, unit in found if unit == own} for own in ("s", "mV"))
    if len(gains) > 1 and gains <= set(GAINS):
        listed = " and ".join(f"{gain:g}" for gain in sorted(gains))
        return PrintedScale(
            fault=f"The sheet names {listed} mm/mV, and only sheets of one gain are read. Send one that is printed at "
            "one gain."
        )
    return PrintedScale(_only(speeds, SPEEDS), _only(gains, GAINS))


def _only(numbers: set[float], usual: Sequence[float]) -> float | None:
    return next(iter(numbers)) if len(numbers) == 1 and numbers <= set(usual) else None


def scales_in(spelled: Spelled, sure: float = SURE) -> Iterator[tuple[float, str]]:
    """The numbers with their units, s or mV, that a strip names to the letter, each character with that chance."""
    text, chances, middles, _ = _spaced(spelled)
    for match in _SCALE.finditer(text):
        first, last = match.start(1), match.end(2)
        if min(chances[first:last]) >= sure and middles[first] > _CUT:
            yield float(match[1]), match[2]


def _spaced(spelled: Spelled) -> Spelled:
    """The text with spaces between digits only where these stand apart, by the distances of digits without one, or of
    the letters of "mm", and with `_UNCLEAR` between those that may belong to one number or to two."""
    letters = [n for n, letter in enumerate(spelled.text) if letter != " "]
    apart = {(a, b): spelled.middles[b] - spelled.middles[a] for a, b in pairwise(letters)}
    pairs = {(a, b): {spelled.text[a], spelled.text[b]} for a, b in apart}
    wide = _median([gap for pair, gap in apart.items() if pairs[pair] == {"m"}])
    narrow = _median([gap for (a, b), gap in apart.items() if b == a + 1 and pairs[a, b] <= _NUMBERS])
    near, far = (_NEAR * narrow, _FAR * narrow) if narrow else (_NEAR_M * wide, _FAR * wide)
    text, chances, middles = "", [], []
    for before, here in pairwise([-1, *letters]):
        gap = apart.get((before, here), 0.0)
        mark = " " if here > before + 1 or gap > _FAR * wide > 0 else ""
        if mark and gap <= far and pairs.get((before, here), {OTHER}) <= _DIGITS:
            mark = _UNCLEAR if gap > near else ""
        text += mark + spelled.text[here]
        chances += [1.0] * len(mark) + [spelled.chances[here]]
        middles += [spelled.middles[here]] * (1 + len(mark))
    return spelled._replace(text=text, chances=tuple(chances), middles=tuple(middles))


def _median(distances: Sequence[float]) -> float:
    """The median, 0 of none."""
    return float(np.median(distances)) if distances else 0.0


def spell(strips: Sequence[UInt8Array]) -> list[Spelled]:
    """The texts of strips (24, width) that `cut_strip` gave."""
    if not strips:
        return []
    paper = np.zeros((strips[0].shape[0], GAP), dtype=np.float32)
    joined = np.concatenate([part for strip in strips for part in (normalised(strip), paper)], axis=1)
    (chances,) = load(MODEL, CHECKSUM).run(["chances"], {"strips": joined[None, :, :, None]})
    begins = np.cumsum([0, *(strip.shape[1] + GAP for strip in strips)])
    return [
        _decode(chances[0, begin // _COLUMN : (begin + strip.shape[1]) // _COLUMN])
        for begin, strip in zip(begins.tolist(), strips, strict=False)
    ]


def normalised(strip: UInt8Array) -> FloatMap:
    """A strip's darkness, 0-1.5 of that of its print."""
    dark = max(_FAINTEST, float(np.percentile(strip, 96)))
    level: FloatMap = np.clip(strip / np.float32(dark), 0, 1.5)
    return level


def _rank(line: PrintLine, traces: tuple[float, float]) -> tuple[int, bool, int]:
    middle = (line.top + line.bottom) / 2
    short = line.right - line.left < _SHORT * (line.bottom - line.top)
    return (0 if middle > traces[1] else 1 if middle < traces[0] else 2), short, -line.bottom


def _batches(lines: Sequence[PrintLine]) -> Iterator[list[PrintLine]]:
    """Lines, so many at once as are read together."""
    batch: list[PrintLine] = []
    total = wide = 0
    for line in lines:
        width = strip_width(line)
        total += width
        if total > _MOST:
            break
        batch.append(line)
        wide += width
        if wide >= _TOGETHER:
            yield batch
            batch, wide = [], 0
    if batch:
        yield batch


def _decode(chances: FloatMap) -> Spelled:
    """The text of columns (n, 1 + alphabet): of neighbours with one character only the surest."""
    best = chances.argmax(axis=1)
    sure = chances.max(axis=1)
    edges = np.flatnonzero(np.diff(best, prepend=-1, append=-1))
    text, each, middles = "", [], []
    for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if best[begin] and not (text[-1:] == ALPHABET[best[begin] - 1] == " "):
            text += ALPHABET[best[begin] - 1]
            each.append(float(sure[begin:end].max()))
            middles.append(_COLUMN * (begin + end) / 2)
    return Spelled(text, tuple(each), tuple(middles), chances)
