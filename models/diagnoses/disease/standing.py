"""Which words of a text are surely not the patient's now: denied, past, somebody else's, or hypothetical.

Not the reader's rules (negation.py, scope.py) over again, and not to be merged with them. They err to opposite sides:
there a doubt keeps a complaint out of the symptoms that a differential is counted from, here it keeps a danger in. And
they read other words: those as they were written, with every mark, before typing errors are mended, idioms left out and
phrases rewritten, since a phrase of danger must be found even where the reader has taken its words for something else.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from models.diagnoses.disease.words import each

HERE, AWAY, PAST, DENIED = 0, 1, 2, 3

_ENDS = frozenset(".;!?\n")
_BREAKS = frozenset(",:()/-") | _ENDS
_DENIALS = frozenset({"no", "without", "denies", "denied", "deny", "denying", "nor", "neither", "none", "nil"})
_LIST_DENIALS = frozenset({"denies", "denied", "deny", "denying"})
_NEAR_DENIALS = frozenset(each("not never hardly cant cannot dont doesnt didnt isnt arent wasnt havent hasnt hadnt"))
_REACH, _NEAR_REACH = 6, 3
_LEAST_BEFORE, _KIN_REACH = 4, 40
"""Characters before a turn to the present, and behind a relative within which it says what was had."""
_TURNS = frozenset(
    each(
        "but however although though except still now then because since yet only just and so with feels feel"
        " feeling started suddenly sudden today i im ive hes shes he she they has have is are was"
    )
)
_PSEUDO = frozenset(
    each(
        "doubt only sure certain idea relief better improvement improving improved stop stopping stopped"
        " going help helped helping longer matter reason end warning good use know let sense gone letting"
        " settle settling easing"
    )
)
_YEAR = re.compile(r"(?:19|20)\d\d$")
_ANSWERS = frozenset({"no", "n", "neither", "none", "nil", "absent", "negative", "denied", "nad", "normal", "fine"})
_PAST = re.compile(
    r"\b(?:\d+|few|several|many|some|couple of|two|three|four|five|six|seven|eight|nine|ten"
    r"|twenty) (?:years|yrs|decades) (?:ago|back|before)"
    r"|\byears ago\b|\ba year ago\b|\blast year\b|\b(?:back )?in (?:19|20)\d\d\b|\bas an? (?:child|kid"
    r"|teenager|teen|baby|boy|girl)\b"
    r"|\bwhen i was (?:a|an|young|little|younger|\d+)\b|\bprevious(?:ly)?\b|\bhistory of\b|\bh ?/ ?o\b"
    r"|\bpmh\w*\b|\bused to\b"
    r"|\bin the past\b|\bin my (?:teens|twenties|thirties|forties|youth)\b|\bin childhood\b|\blong behind\b"
    r"|\bonce had\b"
    r"|\blong ago\b|\bmonths ago\b(?! i (?:went|was|came))|\ball (?:checked|clear)\b|\brecovered\b"
    r"|\bold (?:stroke|heart attack)\b"
)
_PRESENT = re.compile(
    r"\b(?:now|today|tonight|this (?:morning|afternoon|evening)|currently|at the moment|again|still|since"
    r"|presently|these days|yesterday)\b"
)
_KIN = re.compile(
    r"\b(?:mother|father|mum|mom|dad|granddad|grandad|grandpa|gran|grandma|nan|grandmother|grandfather"
    r"|uncle|aunt|auntie|cousin|brother|sister"
    r"|parents?|grandparents?|friend|friends|colleague|coworker|neighbou?r|boss|mate|relatives?|someone"
    r"|somebody|people|actor|celebrity|dog|cat|pet)s?\b"
)
_KIN_HAD = re.compile(
    r"\b(?:had|died|dying|passed away|was diagnosed|has been diagnosed|diagnosed|suffered|suffers from"
    r"|has a history|got|lost)\b"
)
_RECENT = re.compile(
    r"\b(?:just|now|right now|today|tonight|this (?:morning|afternoon|evening)|(?:minutes?|mins?|hours?"
    r"|hrs?) ago|an hour|suddenly|again|first time|hes|shes|he is|she is|he has|she has|they are|wont|cant"
    r"|not breathing|since|keeps)\b"
)
_OWN = re.compile(
    r"\b(?:i have|ive|i am|im|i got|i feel|i just|i only|i keep|i sleep|my own|i think i|i want|should i"
    r"|am i|can i|do i|i had|my (?:problem|nose|throat|head|knee|back|foot|stomach|tummy|skin|eyes?|ears?"
    r"|mouth|symptoms?|cold))\b"
)
_MINE = re.compile(r"\b(?:i have|ive|i am|im|my)\b")
_FAMILY = re.compile(r"\bfamily history\b|\bfh\b|\bruns? in (?:the|my|our) family\b|\bin (?:the|my) family\b")
_IF = re.compile(
    r"\bshould i (?:worry|be worried|be concerned)\b|\bwhat (?:are|r) the (?:signs|symptoms"
    r"|warning signs)\b|\bhow (?:do|would|will|can) (?:i|you|we) (?:know|tell|spot|recogni[sz]e|prevent"
    r"|avoid)\b"
    r"|\bwhat (?:if|happens|would happen)\b|\brisk of\b|\b(?:afraid|scared|frightened|worried) (?:of"
    r"|about) (?:getting|having|developing|catching)\b"
    r"|\bif i (?:get|got|had|have|ever|take|took|started|developed|noticed|became|began|were to)\b"
    r"|(?<!sure )(?<!know )(?<!wonder )\bif (?:my|his|her|the) (?:\w+ ){1,3}"
    r"(?:swelled|swole|started|began|became|turned|went|closed|stopped)\b"
    r"|\bi (?:have )?(?:read|heard) that\b|\bin case (?:of|i)\b|\b(?:read|reading|heard|watched"
    r"|saw|article|film|programme|documentary|leaflet) (?:\w+ ){0,3}about\b|\bcan (?:you|it|i|this|a"
    r"|the) (?:\w+ ){0,3}(?:get|cause|give|lead)\b"
    r"|(?<!\bas )\bif (?:someone|somebody|a person|people|anyone)\b|\bhow to (?:prevent|avoid|treat|spot)\b"
    r"|\bto prevent\b|\bis it (?:dangerous|safe|possible)\b"
    r"|\bcourse (?:on|about)\b|\bfirst aid (?:course|training|class)\b|\bcurious (?:about|whether)\b"
    r"|\bwondering (?:if|whether|about) (?:i|you) (?:could|can|should)\b"
    r"|\bchances? of\b|\btrying to avoid\b|\bvaccin\w+ against\b|\bscreening for\b|\btested for\b"
    r"|\bwhat causes\b|\bdoes (?:\w+ ){1,4}cause\b"
)
_FICTION = re.compile(
    r"\b(?:films?|movies?|novels?|thrillers?|books?|story|stories|series|drama|soap|comic|documentary|episode)"
    r" (?:\w+ ){0,2}(?:where|in which|whose)\b"
    r"|\bin (?:an?|the|this|my|that) (?:film|movie|novel|thriller|book|story|series|soap|drama|programme)\b"
    r"|\b(?:he|she|somebody|someone|hero|heroine|villain|character|actor|man|woman)"
    r" in (?:the|my|this|that) (?:film|movie|novel|thriller|book|story|series|soap|drama|programme)\b"
)
_BACK_FROM_FICTION = re.compile(r"\b(?:now|but|i|ive|im|my|me|today|since|still|though|and then)\b")
_NONE_OF = re.compile(
    r"\b(?:neither|none|none of (?:these|those|them|that|this|it)|neither of (?:these|those|them)"
    r"|nothing of the (?:sort|kind)|not any of (?:these|those|them)) $"
)
"""Ends a sentence that denies what it named before."""
_ASKED = re.compile(r"\b(?:ask(?:s|ed|ing)?(?: \w+)? (?:about|for|if|whether)|about|any|such as|like)\b|:")

_PAST_HINTS = frozenset(
    each(
        "ago back before year last when previous previously history h pmh used past childhood child kid teenager teen"
        " baby boy girl behind once long months checked clear recovered old teens twenties thirties forties youth"
    )
)
_KIN_HINTS = frozenset(
    each(
        "family fh runs mother father mum mom dad granddad grandad grandpa gran grandma nan grandmother grandfather"
        " uncle aunt auntie cousin cousins brother brothers sister sisters parent parents grandparents"
        " friend friends colleague colleagues coworker neighbour neighbor neighbours boss mate"
        " relative relatives someone somebody people actor celebrity dog dogs cat cats pet pets"
    )
)
_IF_HINTS = frozenset(
    each(
        "should what whats how risk afraid scared frightened worried if case read reading heard watched"
        " saw article film programme documentary leaflet can prevent aid course curious wondering chance"
        " chances avoid vaccinated vaccination screening tested cause causes dangerous safe possible"
    )
)
"""Words without one of which a sentence is not past, not another's, not hypothetical."""
_FICTION_HINTS = frozenset(
    each(
        "film films movie movies novel novels thriller thrillers book books story stories series drama soap comic"
        " documentary episode programme"
    )
)
_NONE_HINTS = frozenset({"neither", "none", "nothing", "not"})


def standing(words: Sequence[str], used: Collection[int] = (), fillers: Collection[str] = ()) -> list[int]:
    """For each word of a text 0 where it is the patient's and now, 1 where it is somebody else's or hypothetical, 2
    where it is past, 3 where it is denied.

    `used` are the places of words that belong to phrases themselves ("not" of "not breathing"), which deny nothing.
    """
    away = [HERE] * len(words)
    start = 0
    for at in range(len(words) + 1):
        if at == len(words) or words[at] in _ENDS:
            if at > start:
                _denied(words, start, at, away, used, fillers)
                _sentence(words, start, at, away)
            start = at + 1
    _answers(words, away)
    return away


def _sentence(words: Sequence[str], start: int, end: int, away: list[int]) -> None:
    said = frozenset(words[start:end])
    past = not said.isdisjoint(_PAST_HINTS) or any(map(_YEAR.match, said))
    kin, feared = not said.isdisjoint(_KIN_HINTS), not said.isdisjoint(_IF_HINTS)
    told, none = not said.isdisjoint(_FICTION_HINTS), not said.isdisjoint(_NONE_HINTS)
    if not (past or kin or feared or told or none):
        return
    offsets, text = [], ""
    for at in range(start, end):
        offsets.append(len(text))
        text += words[at] + " "
    bounds = [place - start for place in range(start, end) if words[place] == ","]
    if past or kin:
        for begin, last in _clauses(offsets, bounds, len(text)):
            if past:
                _mark_past(text[begin:last], begin, offsets, start, away)
            if kin:
                _mark_kin(text[begin:last], text[last:], begin, offsets, start, away)
    if feared and (hypothetical := _IF.search(text)):
        turn = _MINE.search(text, hypothetical.end())
        _mark(offsets, start, hypothetical.start(), turn.start() if turn else len(text), away, AWAY)
    if told and (fiction := _FICTION.search(text)):
        turn = _BACK_FROM_FICTION.search(text, fiction.end())
        _mark(offsets, start, fiction.start(), turn.start() if turn else len(text), away, AWAY)
    if none and (ended := _NONE_OF.search(text)) and (asked := _ASKED.search(text, 0, ended.start())):
        _mark(offsets, start, asked.start(), ended.start(), away, AWAY)


def _clauses(offsets: Sequence[int], bounds: Sequence[int], length: int) -> Iterator[tuple[int, int]]:
    """Where each clause of a sentence's text begins and ends."""
    for begin, stop in pairwise((0, *(bound + 1 for bound in bounds), len(offsets))):
        if begin < stop:
            yield offsets[begin], length if stop == len(offsets) else offsets[stop]


def _mark_past(clause: str, begin: int, offsets: Sequence[int], start: int, away: list[int]) -> None:
    """Mark a clause of the past up to a turn to the present."""
    if _PAST.search(clause):
        turn = _PRESENT.search(clause)
        until = turn.start() if turn and turn.start() > _LEAST_BEFORE else len(clause)
        _mark(offsets, start, begin, begin + until, away, PAST)


def _mark_kin(clause: str, rest: str, begin: int, offsets: Sequence[int], start: int, away: list[int]) -> None:
    """Mark what a relative had, up to a turn to the patient."""
    if _FAMILY.search(clause):
        _mark(offsets, start, begin, begin + len(clause), away, AWAY)
    kin = _KIN.search(clause)
    if kin is None or _RECENT.search(clause):
        return
    behind = clause[kin.end() :]
    own = _OWN.search(behind)
    told_own = own or _OWN.search(rest)
    if _KIN_HAD.search(behind[:_KIN_REACH]) or (told_own and "my " + kin[0] in clause):
        _mark(offsets, start, begin, begin + kin.end() + own.start() if own else begin + len(clause), away, AWAY)


def _denied(
    words: Sequence[str], start: int, end: int, away: list[int], used: Collection[int], fillers: Collection[str]
) -> None:
    at = start
    while at < end:
        word = words[at]
        if at in used or (word not in _DENIALS and word not in _NEAR_DENIALS):
            at += 1
            continue
        following = words[at + 1 : at + 3]
        if word == "no" and at and words[at - 1] in _BREAKS and (not following or following[0] in _BREAKS):
            at += 1
            continue
        if word == "no" and following[:1] == ["more"] and not _NEAR_DENIALS.isdisjoint(words[max(start, at - 4) : at]):
            at += 2  # "can't cope no more" denies once
            continue
        if any(each in _PSEUDO for each in following[:1]) or "stop" in words[at + 1 : at + 9]:
            at += 2
            continue
        whole = word in _LIST_DENIALS
        at = _deny_from(words, at + 1, end, _REACH if word in _DENIALS else _NEAR_REACH, away, fillers, whole)


def _deny_from(
    words: Sequence[str], at: int, end: int, reach: int, away: list[int], fillers: Collection[str], whole: bool
) -> int:
    goes_on = whole or _list_goes_on(words, at, end)
    left, start = reach, at
    while at < end and left:
        word = words[at]
        if word == "or":
            left = reach
        elif word in _BREAKS:
            if not goes_on:
                return at
            left = reach
        elif (
            word in _TURNS and not (word == "and" and goes_on) and not (word in fillers and at - start < 2)
        ) or word in _DENIALS | _NEAR_DENIALS:
            return at
        away[at] = DENIED
        at, left = at + 1, left - (word not in fillers)
    return at


def _list_goes_on(words: Sequence[str], at: int, end: int) -> bool:
    """Whether an `or` comes before anything that turns the sentence."""
    for place in range(at, min(end, at + 24)):
        if words[place] in {"or", "nor"}:
            return True
        if words[place] in _DENIALS or words[place] in _TURNS:
            return False
    return False


def _mark(offsets: Sequence[int], start: int, begin: int, end: int, away: list[int], how: int) -> None:
    for at, offset in enumerate(offsets):
        if begin <= offset < end and away[start + at] == HERE:
            away[start + at] = how


def _answers(words: Sequence[str], away: list[int]) -> None:
    """`fever: no`, `rash? none`: the answer denies what stands before it, up to the last mark."""
    for at in range(2, len(words)):
        if (
            words[at] in _ANSWERS
            and words[at - 1] in {":", "?", "-"}
            and (at + 1 == len(words) or words[at + 1] in _BREAKS)
        ):
            for before in range(at - 2, -1, -1):
                if words[before] in _BREAKS:
                    break
                away[before] = DENIED
