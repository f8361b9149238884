"""What a model gets wrong, and of which inputs: counted where it is measured, told in words in its card.

Of the inputs of a class, how many are not named so, what is said instead, and the share by kind of input: sex, age,
sharpness, view, or what else the set knows. The words are made from `measured.json` alone.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from models.diagnoses.catalogue import BY_NAME
from models.diagnoses.heart_risk import HEART_RISK
from models.diagnoses.heart_risk.interpretation import code_of
from models.diagnoses.heart_risk.knowledge import heart_risk_knowledge
from models.serving.bundle import MISTAKEN, Estimate
from training.card import format_estimate
from training.evaluate import share

HEADING = "## What it gets wrong"
EVERYTHING = "any"
"""Stands for all classes together, where there are too many to tell each."""
REFUSED, NOT_SETTLED = "refused", "not settled"
MOST_CLASSES = 10
FEWEST, FEWEST_OF_KIND = 10, 20
"""Inputs of a class, and of a kind of it, of which a share is told."""
MOST_SAID, FEWEST_SAID = 3, 3
REPEATS = 400
_ARTERIES = {"narrowed": "a narrowed artery (`narrowed`)", "not_narrowed": "no narrowed artery (`not_narrowed`)"}
_OF_BANDS = (
    "This model names a band, not a finding. A chance of at least a half counts as a narrowed artery named, a smaller "
    "one as none; what was said instead is the band. The patients had not been seen by the model that gave their "
    "chance: what ships is of the same kind and has learned from all of them."
)
_SHARE, _INSTEAD = "not named", "said instead"
_KEY = re.compile(rf"(?P<code>.+?): (?:{_SHARE}(?:, (?P<kind>.+))?|{_INSTEAD}, (?P<said>.+))")


class Case(NamedTuple):
    """An input: the codes that are true of it, the one that is named or else `REFUSED` or `NOT_SETTLED`, of which kinds
    it is, as `sex=female`, and whose."""

    true: Collection[str]
    said: str
    kinds: Collection[str]
    owner: str

    @property
    def wrong(self) -> bool:
        return self.said not in self.true


class _Told(NamedTuple):
    """Of a class the share that is not named so, whole and by kind, and what is said instead."""

    share: Estimate
    kinds: dict[str, Estimate]
    instead: dict[str, Estimate]


def figures(cases: Sequence[Case]) -> Iterator[tuple[str, Estimate]]:
    """Of each class with enough inputs the share that is not named so, of all and of each kind, and the share of each
    thing that is said instead, with 95 % intervals, whole groups drawn with replacement."""
    codes = sorted({code for case in cases for code in case.true})
    if len(codes) > MOST_CLASSES:
        yield from _of_class(EVERYTHING, cases)
        return
    for code in codes:
        yield from _of_class(code, [case for case in cases if code in case.true])


def _of_class(code: str, cases: Sequence[Case]) -> Iterator[tuple[str, Estimate]]:
    if len(cases) < FEWEST:
        return
    yield f"{code}: {_SHARE}", _share([case.wrong for case in cases], cases)
    wrong = Counter(case.said for case in cases if case.wrong)
    for said, count in wrong.most_common(MOST_SAID):
        if count < FEWEST_SAID:
            break
        yield f"{code}: {_INSTEAD}, {said}", _share([case.said == said for case in cases], cases)
    by_kind: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        for kind in case.kinds:
            by_kind[kind].append(case)
    for kind in sorted(by_kind):
        own = by_kind[kind]
        if FEWEST_OF_KIND <= len(own) < len(cases):
            yield f"{code}: {_SHARE}, {kind}", _share([case.wrong for case in own], own)


def _share(chosen: Sequence[bool], cases: Sequence[Case]) -> Estimate:
    return share(chosen, [case.owner for case in cases], REPEATS)


def section_of(name: str, document: Mapping[str, Any]) -> str:
    """The section of a model's card in Markdown, from its measured.json; empty where nothing was counted."""
    lines, names = list[str](), names_of(name)
    for title, found in document["sets"].items():
        if title.startswith(MISTAKEN):
            lines += [f"### {title.removeprefix(MISTAKEN)}", ""]
            told = _read({key: Estimate(**value) for key, value in found.items()})
            for code in sorted(told, key=lambda code: told[code].share.value, reverse=True):
                lines.append(f"* {_sentence(code, told[code], names)}")
            lines.append("")
    if not lines:
        return ""
    about = (
        f"Of each class with at least {FEWEST} inputs the share that was not named so, what was said most instead, and "
        f"the kinds of at least {FEWEST_OF_KIND} inputs with the largest and the smallest share; with 95 % intervals. "
        "Of many kinds the two extremes lie further apart by chance than two kinds would."
    )
    return "\n".join([HEADING, "", about, "", *([_OF_BANDS, ""] if name == HEART_RISK.name else []), *lines])


def names_of(name: str) -> dict[str, str]:
    """What the codes of a diagnosis are called, where its knowledge lists them."""
    if name == HEART_RISK.name:
        bands = {code_of(band): f"{band.condition} (`{code_of(band)}`)" for band in heart_risk_knowledge().bands}
        return {**_ARTERIES, **bands}
    knowledge = BY_NAME[name].knowledge if name in BY_NAME else None
    listed = getattr(knowledge, "classes", getattr(knowledge, "categories", ()))
    return {each.code: f"{each.name} (`{each.code}`)" for each in listed}


def _read(found: Mapping[str, Estimate]) -> dict[str, _Told]:
    told: dict[str, _Told] = {}
    for key, value in found.items():
        match = _KEY.fullmatch(key)
        if match is None:
            raise ValueError(f"{key} is no share of what is mistaken")
        if match["said"]:
            told[match["code"]].instead[match["said"]] = value
        elif match["kind"]:
            told[match["code"]].kinds[match["kind"]] = value
        else:
            told[match["code"]] = _Told(value, {}, {})
    return told


def _sentence(code: str, told: _Told, names: Mapping[str, str]) -> str:
    n = told.share.n
    subject = "cases of any disease" if code == EVERYTHING else f"inputs with {names.get(code, code)}"
    if told.share.value == 0:
        return f"Of {n} {subject} all were named right: {format_estimate(told.share)} were not."
    wrong = round(told.share.value * n)
    text = f"Of {n} {subject} {wrong} were not named so, {format_estimate(told.share)}."
    if told.instead:
        listed = [f"{round(value.value * n)} {names.get(said, said)}" for said, value in told.instead.items()]
        text += f" Said most instead: {', '.join(listed)}."
    ordered = sorted(told.kinds, key=lambda kind: told.kinds[kind].value)
    if ordered and told.kinds[ordered[0]].value < told.kinds[ordered[-1]].value:
        most, least = (f"`{kind}`, {_of(told.kinds[kind])}" for kind in (ordered[-1], ordered[0]))
        text += f" Most often of {most}; least often of {least}."
    return text


def _of(value: Estimate) -> str:
    return f"{format_estimate(value)} of {value.n}"
