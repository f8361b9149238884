"""A model card as an HTML page: the Markdown that cards are written in, and no more of it.

Headings, paragraphs, lists, tables, bold words and code. Everything else is shown as it stands, so nothing that a
bundle of somebody else's says becomes markup. Tables of a reliability, whose rows are what was said and what came of
it, are drawn beside as a diagram, one for each group that they name.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

_HEADING = re.compile(r"(#{1,4}) (.+)")
_INLINE = re.compile(r"(\*\*[^*]+\*\*|`[^`]+`)")
_RULE = re.compile(r"\|(?:\s*:?-+:?\s*\|)+")
_SAID = re.compile(r"(?:(?P<group>.+), )?said (?P<said>0\.\d+|1\.0+)")
_SIZE, _MARGIN = 220, 24
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="stylesheet" href="../../ui/assets/page.css"></head>
<body class="card-page"><main class="card-text">
{body}
</main></body></html>
"""


def card_page(card: str) -> str:
    """The page of a card in Markdown."""
    title = next((line.removeprefix("# ") for line in card.splitlines() if line.startswith("# ")), "Model card")
    return _PAGE.format(title=escape(title), body="\n".join(_blocks(card.splitlines())))


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    for kind, grouped in groupby(_joined(lines), key=_kind):
        block = list(grouped)
        if kind == "heading":
            yield from map(_heading, block)
        elif kind == "list":
            yield f"<ul>{''.join(f'<li>{_inline(each[2:])}</li>' for each in block)}</ul>"
        elif kind == "table":
            yield _table(block)
        elif kind == "text":
            yield from (f"<p>{_inline(each)}</p>" for each in block)


def _joined(lines: Sequence[str]) -> Iterator[str]:
    """Lines, those of one paragraph or entry of a list together."""
    waiting = ""
    for line in lines:
        follows = line.strip() and waiting and _kind(line) == "text" and _kind(waiting) in ("text", "list")
        if follows:
            waiting = f"{waiting} {line.strip()}"
            continue
        if waiting:
            yield waiting
        waiting = line.rstrip()
        if not waiting:
            yield ""
    if waiting:
        yield waiting


def _kind(line: str) -> str:
    if not line.strip():
        return "nothing"
    if _HEADING.fullmatch(line):
        return "heading"
    if line.startswith(("* ", "- ")):
        return "list"
    return "table" if line.startswith("|") else "text"


def _heading(line: str) -> str:
    match = _HEADING.fullmatch(line)
    depth, text = (len(match[1]), match[2]) if match else (2, line)
    return f"<h{depth}>{_inline(text)}</h{depth}>"


def _inline(text: str) -> str:
    parts = []
    for part in _INLINE.split(text):
        if part.startswith("**") and part.endswith("**") and len(part) > len("****"):
            parts.append(f"<strong>{escape(part[2:-2])}</strong>")
        elif part.startswith("`") and part.endswith("`") and len(part) > len("``"):
            parts.append(f"<code>{escape(part[1:-1])}</code>")
        else:
            parts.append(escape(part))
    return "".join(parts)


def _table(lines: Sequence[str]) -> str:
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines if not _RULE.fullmatch(line)
    ]
    head, *body = rows
    cells = "".join(f"<th>{_inline(cell)}</th>" for cell in head)
    listed = "".join(f"<tr>{''.join(f'<td>{_inline(cell)}</td>' for cell in row)}</tr>" for row in body)
    table = f'<div class="wide-table"><table><thead><tr>{cells}</tr></thead><tbody>{listed}</tbody></table></div>'
    return _diagrams(body) + table


_Points = list[tuple[float, float, float, float]]
"""Of each bin what was said, and how often it was so, with the interval."""


def _diagrams(rows: Sequence[Sequence[str]]) -> str:
    """The reliability diagrams of rows `said 0.85` or `sex=female, said 0.85`, and `0.812 (0.790 to 0.833)`; nothing of
    other tables."""
    groups: dict[str, _Points] = defaultdict(list)
    for row in rows:
        said, found = _SAID.fullmatch(row[0]), re.findall(r"\d\.\d+", row[1] if len(row) > 1 else "")
        if said and len(found) == 3:
            value, low, high = map(float, found)
            groups[said["group"] or ""].append((float(said["said"]), value, low, high))
    drawn = [_diagram(group, points) for group, points in groups.items() if len(points) > 1]
    return f'<div class="diagrams">{"".join(drawn)}</div>' if drawn else ""


def _diagram(group: str, points: _Points) -> str:
    named = f" of {escape(group)}" if group else ""
    caption = f"<figcaption>{escape(group)}</figcaption>" if group else ""
    marks = "".join(
        f'<line x1="{_x(said)}" x2="{_x(said)}" y1="{_y(low)}" y2="{_y(high)}" stroke="currentColor"/>'
        f'<circle cx="{_x(said)}" cy="{_y(value)}" r="3.5" fill="currentColor"/>'
        for said, value, low, high in points
    )
    return (
        f'<figure><svg viewBox="0 0 {_SIZE} {_SIZE}" width="{_SIZE}" height="{_SIZE}" role="img" '
        f'aria-label="Reliability{named}: what was said, from left to right, and how often it was so, from below.">'
        f'<rect x="{_x(0)}" y="{_y(1)}" width="{_x(1) - _x(0)}" height="{_y(0) - _y(1)}" fill="none" '
        'stroke="currentColor" opacity="0.4"/>'
        f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="currentColor" stroke-dasharray="4" '
        f'opacity="0.5"/>{marks}'
        f'<text x="{_SIZE / 2}" y="{_SIZE - 6}" text-anchor="middle" font-size="11" fill="currentColor">said</text>'
        f'<text x="{_MARGIN - 6}" y="{_MARGIN - 8}" font-size="11" fill="currentColor">was so</text></svg>'
        f"{caption}</figure>"
    )


def _x(share: float) -> float:
    return round(_MARGIN + share * (_SIZE - 2 * _MARGIN), 1)


def _y(share: float) -> float:
    return round(_SIZE - _MARGIN - share * (_SIZE - 2 * _MARGIN), 1)
