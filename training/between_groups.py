"""How much worse a model is for one group of people than for another, out of the tables that its card holds.

Of each attribute the best and the worst group are compared, figure by figure, with the interval of their difference by
MOVER, from those of the two (Zou and Donner 2008, Statistics in Medicine 27:1693): no pictures are needed. The largest
of several differences is larger than one would be by chance, which the section says. What the data do not tell is
named, and so is what was done.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import hypot
from typing import NamedTuple

from models.serving.bundle import Estimate
from training.card import format_estimate

HEADING = "## Between groups"
LEAST = 50
"""Cases of a group that is compared."""
ATTRIBUTES = ("sex", "age", "hospital", "device", "view", "skin type")
"""What a gap is looked for in."""
COMPARED = ("sex", "age", "tone", "hospital", "view", "resolution")
"""Attributes of tables; those that say what the truth is are no groups of people."""
SMALLER_IS_BETTER = ("ece", "brier")
DONE: Mapping[str, str] = {
    "skin": "Sharp and soft pictures are drawn in the same ratio for each class, and pictures are softened at random. "
    "Nothing was done by sex, age or skin. Tone is that of the lightest skin in a picture, a proxy that the camera's "
    "light moves (`training/skin_tone.py`).",
    "xray": "AP and PA films are balanced within the classes of NIH. Nothing was done by age or sex.",
    "breast": "Nothing: contrast, noise and framing are varied at random, so that the machine is not learned.",
    "heart_risk": "Nothing was done by sex or site: sex and age are among the values that the model weighs.",
    "heart_record": "Nothing.",
    "heart_image": "Nothing.",
    "disease": "Age and sex change how likely each disease is before a symptom is told. Nothing else was done.",
}

_EXPLAINED = (
    f"The best and the worst group of at least {LEAST} cases, with the 95 % interval of their difference (MOVER). The "
    "largest of several differences is larger than one would be, so one whose interval just leaves out 0 may be chance."
)
_SITE = ", learned from too"
_CELL = re.compile(r"(-?\d+\.\d+) \((-?\d+\.\d+) to (-?\d+\.\d+)\)")
_FIGURES = re.compile(r"sensitivity_|specificity_|auroc|macro_auroc|balanced_accuracy|ece|brier")
_SETS = re.compile(r"### (?P<set>.+)")


class Gap(NamedTuple):
    """The best and the worst group of an attribute in one figure, and their difference."""

    attribute: str
    figure: str
    best: str
    worst: str
    difference: Estimate


def section_of(name: str, card: str) -> str:
    """The section of a card in Markdown: gaps, what the data do not tell, and what was done."""
    lines = [HEADING, ""]
    told: set[str] = set()
    for title, groups in _tables(card):
        gaps = list(gaps_of(groups))
        told |= {gap.attribute for gap in gaps}
        if gaps:
            lines += [
                f"### Gaps: {title}",
                "",
                "| attribute | figure | best | worst | difference |",
                "|---|---|---|---|---|",
            ]
            lines += [_row(gap) for gap in gaps]
            lines.append("")
    if told:
        lines += [_EXPLAINED, ""]
    untold = [attribute for attribute in ATTRIBUTES if attribute not in told and _concerns(attribute, name)]
    if untold:
        lines += [f"The data do not tell how it fares by {_listing(untold)}: not measured.", ""]
    lines += [f"What was done about gaps: {DONE.get(name, 'nothing.')}", ""]
    return "\n".join(lines)


def gaps_of(groups: Mapping[str, Mapping[str, Estimate]]) -> Iterator[Gap]:
    """The gaps of a table of groups, `attribute=value`, with their figures."""
    by_attribute: dict[str, dict[str, Mapping[str, Estimate]]] = defaultdict(dict)
    for group, figures in groups.items():
        attribute, _, value = group.partition("=")
        if attribute in COMPARED and value != "unknown":
            by_attribute[attribute][value] = figures
    for attribute, values in by_attribute.items():
        for figure in dict.fromkeys(figure for figures in values.values() for figure in figures):
            found = {value: figures[figure] for value, figures in values.items() if figure in figures}
            if _FIGURES.match(figure) and len(found) > 1:
                ordered = sorted(found, key=lambda value: found[value].value)
                worst, best = ordered[:: len(ordered) - 1]
                if figure in SMALLER_IS_BETTER:
                    worst, best = best, worst
                yield Gap(attribute, figure, best, worst, difference(found[best], found[worst]))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """`one` less `other`, of two samples that share nobody, with its interval by MOVER."""
    value = one.value - other.value
    low = value - hypot(one.value - one.low, other.high - other.value)
    high = value + hypot(one.high - one.value, other.value - other.low)
    return Estimate(value=value, low=low, high=high, n=one.n + other.n)


def _tables(card: str) -> Iterator[tuple[str, dict[str, dict[str, Estimate]]]]:
    """Each set's table of groups of at least `LEAST` cases."""
    title, columns = "", list[str]()
    groups: dict[str, dict[str, Estimate]] = {}
    for line in [*card.partition(HEADING)[0].splitlines(), "### end"]:
        if heading := _SETS.fullmatch(line):
            if groups:
                yield title, groups
            title, columns, groups = heading["set"], [], {}
        elif line.startswith("| subgroup |"):
            columns = [cell.strip() for cell in line.strip("|").split("|")][2:]
        elif not line.startswith("|"):
            columns = []
        elif columns and line.startswith("| "):
            name, n, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            if int(n) >= LEAST:
                groups[_named(name)] = dict(_estimates(columns, cells, int(n)))


def _estimates(columns: Sequence[str], cells: Sequence[str], n: int) -> Iterator[tuple[str, Estimate]]:
    for column, cell in zip(columns, cells, strict=True):
        if match := _CELL.fullmatch(cell):
            value, low, high = map(float, match.groups())
            yield column, Estimate(value=value, low=low, high=high, n=n)


def _named(name: str) -> str:
    """The group as `attribute=value`, also where its table only has the value."""
    if "=" in name:
        return name
    if name in ("women", "men"):
        return f"sex={name}"
    return f"hospital={name.removesuffix(_SITE)}" if name.endswith(_SITE) else f"age={name}"


def _row(gap: Gap) -> str:
    return f"| {gap.attribute} | {gap.figure} | {gap.best} | {gap.worst} | {format_estimate(gap.difference)} |"


def _concerns(attribute: str, name: str) -> bool:
    """Whether an attribute means anything for a model's input."""
    only = {
        "view": ("xray",),
        "skin type": ("skin",),
        "device": ("skin", "xray", "breast", "heart_record", "heart_image"),
    }
    return name in only.get(attribute, (name,))


def _listing(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
