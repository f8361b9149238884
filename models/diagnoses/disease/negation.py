"""Which words of a sentence are denied.

A small NegEx (Chapman et al. 2001, doi:10.1006/jbin.2001.1029) with answers ("fever: no") and what is said to be well
or over ("the headache is gone"); triggers and terminators are data, negation.yaml.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from enum import IntEnum
from functools import cache

from models.diagnoses.disease.knowledge import NegationKnowledge, negation_knowledge
from models.diagnoses.disease.words import BOUNDARY, MEASURED, each
from models.diagnoses.knowledge import KnowledgeError

_NEAR = 6
_BEFORE = 3
_SHORT_LIST = 2
_NUMBERS = frozenset(each("one two three four five six seven eight nine ten several few"))
_COORDINATIONS = frozenset({"or", "nor"})
_NEW_SUBJECTS = frozenset(each("a an my the i he she his her it now am is has have feel feels"))
_EXCEPTIONS = frozenset(each("apart except besides barring"))
_SYMPTOMS = frozenset(each("symptom symptoms sign signs"))
_ALL = frozenset(each("all every each usual other full"))
_HARDLY = frozenset(each("never not hardly rarely seldom scarcely barely"))
_TIMES = frozenset(each("day night week month hour morning evening meal minute"))
_DOUBLED = 8
"""Words between a denial and a `without` that undoes it."""
_ONE = frozenset(each("one some bit little slight"))
_BUT_NOW = frozenset(each("but today now i he she do does am is have has it"))
"""Words of a clause that says that what is not so usually is so now: I am not usually dizzy, but I am today."""
_DOES = frozenset({("i", "do"), ("he", "does"), ("she", "does"), ("i", "have"), ("i", "am")})
_BUT_ONE = _ONE | frozenset(
    each(
        "well actually ok okay maybe perhaps a an small tiny wait no sorry now i he she have has got there is but today"
    )
)
"""Words of a clause that takes back a denial: no cough, well, a little one; I said no fever but now I have one."""
_PRONOUNS = frozenset(
    each(
        "it that this which they these those has have is are was now all both he she i been again back to but totally"
        " completely practically virtually quite finally monday tuesday wednesday thursday friday saturday sunday"
    )
)
_NEVER_MORE = frozenset(each("none nothing not never"))
_NOW = frozenset(
    each(
        "now today since anymore tonight currently lately presently more or on yet monday tuesday wednesday thursday"
        " friday saturday sunday"
    )
)
_LOOKED = frozenset(each("i we have had looked checked searched for it everywhere all over"))
"""Words of a clause that only says that one looked: I have checked, none."""
_LOOKS = frozenset({"looked", "checked", "searched"})
_HOLDERS = frozenset(each("i he she we they"))
_VERBS = frozenset(each("have has had am is are was were got get gets feel feels felt"))
_RELIEF_REACH = 4
_LASTS = "<lasts>"
"""Stands for a `not` that says that something goes on."""
_ANSWERING = frozenset(each("i have had has he she they got get but and we"))
_ASKED = frozenset(each("asked asks about any"))
_HEADS = frozenset({"negative", "denies", "denied", "absent", "nil"})
_THAT, _UNTRUE = frozenset({"that", "this", "which"}), frozenset({("not", "true"), ("not", "right"), ("a", "lie")})
_ELSE = frozenset({"else", "other"})
_HEADED = "<headed>"
"""Stands for a word that heads a list of what is not there: negative: seizure, fever."""
_AFTER = frozenset(
    each(
        "now since today again this yesterday completely by after and at last within for a on in before already from"
        " around with once overnight soon quickly entirely thanks during over finally altogether"
    )
)
_AUXILIARIES = frozenset(
    {"has", "have", "had", "having", "is", "are", "was", "were", "been", "be", "got", "then", "with"}
)


_OBSERVED = frozenset(each("noticed experienced developed noted reported mentioned shows"))
"""Verbs that end a denial, unless they are denied themselves: I have not noticed any swelling."""
_WITHOUT_ENDS = frozenset({"i", "he", "she", "it", "they"})


class Denial(IntEnum):
    """What is said of a word: nothing, that it is not there, or that what was told before is over."""

    NONE = 0
    DENIED = 1
    OVER = 2


class Negation:
    """The rules of the knowledge file."""

    def __init__(self, rules: NegationKnowledge) -> None:
        self._lists = frozenset(rules.list_denials.value)
        self._near = frozenset(rules.near_denials.value)
        self._denials = frozenset(rules.denials.value) | self._lists | self._near
        self._following = frozenset(rules.following_denials.value)
        self._answers = frozenset(rules.answers.value)
        self._well = frozenset(rules.well.value)
        self._over = frozenset(rules.over.value)
        self._functions = frozenset(rules.functions.value)
        self._terminators = frozenset(rules.terminators.value) | {MEASURED}
        self._backward_ends = frozenset(rules.backward_ends.value) | {BOUNDARY, MEASURED}
        self._relief = frozenset(rules.relief.value) | self._over
        self._compared: dict[str, list[list[str]]] = defaultdict(list)
        for phrase in rules.beyond_compare.value:
            self._compared[phrase.split()[0]].append(phrase.split())
        self._any = self._denials | self._following | self._answers | self._well | self._over | _NEVER_MORE | {"better"}
        self._pseudo: dict[str, list[list[str]]] = defaultdict(list)
        for phrase in rules.pseudo_denials.value:
            self._pseudo[phrase.split()[0]].append(phrase.split())
        self._meant: dict[str, list[tuple[list[str], list[str]]]] = defaultdict(list)
        for phrase, meant in rules.meant.value.items():
            words = phrase.split()
            self._meant[words[0]].append((words, [word.strip("_") for word in meant.split()]))
            if len(words) != len(meant.split()):
                raise KnowledgeError(f"negation.yaml: {phrase!r} and what it means differ in their number of words")
        self._heard = self._any | {max(phrase.split(), key=len) for phrase in rules.meant.value} | _SYMPTOMS

    @property
    def words(self) -> frozenset[str]:
        """Every word that the rules look for."""
        phrases = (word for phrases in self._pseudo.values() for phrase in phrases for word in phrase)
        return self._any | self._terminators | self._backward_ends | frozenset(phrases) - {BOUNDARY, MEASURED}

    def judge(self, words: Sequence[str], asking: Collection[int] = (), joining: Collection[int] = ()) -> list[Denial]:
        """What is said of each word of a sentence; `asking` are the places of boundaries behind which an answer may
        stand (`:`, `?`, a dash or a bracket), `joining` those that end no denial (`/`)."""
        if self._heard.isdisjoint(words):
            return [Denial.NONE] * len(words)
        plain = self._without_pseudo(words)
        answers = self._answered(plain, asking)
        denied = self._forward([word if at not in joining else "" for at, word in enumerate(plain)], answers, asking)
        for at in answers:
            self._deny_answered(plain, at, asking, denied)
        self._backward(plain, denied, asking)
        self._all_but(plain, denied)
        self._contradicted(words, denied)
        return denied

    def _all_but(self, words: Sequence[str], denied: list[Denial]) -> None:
        """Deny what is the one exception of all: every symptom of a cold except a cough."""
        if _SYMPTOMS.isdisjoint(words):
            return
        for at, word in enumerate(words):
            before = words[at - self._clause(words, at) : at]
            if word not in _EXCEPTIONS or _SYMPTOMS.isdisjoint(before) or _ALL.isdisjoint(before):
                continue
            if not self._denials.isdisjoint(before):
                continue
            for place in range(at + 1, len(words)):
                if words[place] in self._terminators - _EXCEPTIONS or words[place] == BOUNDARY:
                    break
                denied[place] = Denial.DENIED

    def _contradicted(self, words: Sequence[str], denied: list[Denial]) -> None:
        """Take back what is denied before `but that is not true`, or `well, a little one`."""
        for at in range(1, len(words) - 2):
            said = at + 1 + (words[at + 1] == "is")
            ends = words[said + 2 : said + 3] in ([], [BOUNDARY])
            if words[at] in _THAT and ends and tuple(words[said : said + 2]) in _UNTRUE:
                denied[:at] = [Denial.NONE] * at
        last = len(words) - self._clause(words, len(words))
        turned = frozenset(words[last:])
        if (
            last
            and turned <= _BUT_NOW
            and not (turned.isdisjoint(_NOW) or turned.isdisjoint(_AUXILIARIES | {"do", "does", "am"}))
        ):
            denied[:last] = [Denial.NONE] * last
        if tuple(words[-2:]) in _DOES and "but" in words[:-2]:
            denied[: words.index("but")] = [Denial.NONE] * words.index("but")
        start = len(words)
        while start and (words[start - 1] in _BUT_ONE or words[start - 1] == BOUNDARY):
            start -= 1
        if start and words[-1] in _ONE and len(words) - start > 2:
            denied[:start] = [Denial.NONE] * start

    def _without_pseudo(self, words: Sequence[str]) -> list[str]:
        plain = list(words)
        self._without_double(plain)
        for at in range(len(plain)):
            for phrase in self._pseudo.get(plain[at], ()):
                if plain[at : at + len(phrase)] == phrase:
                    plain[at : at + len(phrase)] = [""] * len(phrase)
            for phrase, meant in self._meant.get(plain[at], ()):
                if plain[at : at + len(phrase)] == phrase and self._means(plain[at + len(phrase) :]):
                    plain[at : at + len(phrase)] = meant
            if plain[at] in self._near and self._without_relief(plain, at):
                plain[at] = _LASTS
            elif plain[at] in self._near and self._beyond_compare(plain, at):
                plain[at] = ""
        return plain

    def _means(self, following: Sequence[str]) -> bool:
        """Whether a phrase is followed by a complaint, not by a relief: not instead of getting better."""
        return self._relief.isdisjoint(following[:1]) and not (
            following[:1] in (["getting"], ["going"]) and not self._relief.isdisjoint(following[1:2])
        )

    def _without_double(self, words: list[str]) -> None:
        """Take out what denies and a `without` behind it, which together say that it is there: I cannot eat without
        heartburn, hardly an hour without pain."""
        for at, word in enumerate(words):
            if word != "without":
                continue
            for before in range(at - 1, max(-1, at - 1 - _DOUBLED), -1):
                if words[before] == BOUNDARY or words[before] in ("and", "or"):
                    break
                never = words[before] in _HARDLY or (words[before] == "no" and words[before + 1] in _TIMES)
                if never or words[before] == "cannot":
                    words[at], words[before] = "", "" if never else "cannot"
                    break

    def _without_relief(self, words: Sequence[str], at: int) -> bool:
        """Whether a `not` says that something does not get better: not getting any better."""
        for word in words[at + 1 : at + 1 + _RELIEF_REACH]:
            if word in self._relief:
                return True
            if word in self._terminators - _AUXILIARIES or word == BOUNDARY:
                return False
        return False

    def _beyond_compare(self, words: list[str], at: int) -> bool:
        return any(
            words[place : place + len(phrase)] == phrase
            for place in range(at + 1, len(words))
            if words[place] in self._compared
            for phrase in self._compared[words[place]]
        )

    def _answered(self, words: Sequence[str], asking: Collection[int]) -> frozenset[int]:
        """Places of a `no` that stands alone and answers what is before it."""
        return frozenset(
            at
            for at, word in enumerate(words)
            if word in self._answers
            and at
            and (at + 1 == len(words) or words[at + 1] == BOUNDARY)
            and (at - 1 in asking or words[at - 1] != BOUNDARY or self._looked_before(words, at) is not None)
        )

    def _deny_answered(self, words: Sequence[str], answer: int, asking: Collection[int], denied: list[Denial]) -> None:
        place = answer - 2 if answer - 1 in asking else answer - 1
        if (looked := self._looked_before(words, answer)) is not None:
            place = looked - 1
        if (
            looked is None
            and words[answer] in ("neither", "none")
            and (asked := self._asked_before(words, answer)) is not None
        ):
            denied[asked:answer] = [Denial.DENIED] * (answer - asked)
            return
        while place >= 0 and words[place] != BOUNDARY:
            denied[place] = Denial.DENIED
            place -= 1

    def _looked_before(self, words: Sequence[str], answer: int) -> int | None:
        """The boundary before `I have looked` where a `none` behind it answers what was said before; else None."""
        if words[answer] != "none" or words[answer - 1] != BOUNDARY:
            return None
        start = answer - 1 - self._clause(words, answer - 1)
        looked = _LOOKED.issuperset(words[start : answer - 1]) and not _LOOKS.isdisjoint(words[start : answer - 1])
        return start - 1 if looked and start else None

    def _asked_before(self, words: Sequence[str], answer: int) -> int | None:
        """Where a clause begins that `I have neither` answers: what was asked about, else the clause before; None
        where `neither` has words of its own."""
        own = answer - 1
        while own >= 0 and words[own] != BOUNDARY:
            own -= 1
        if own < 0 or not _ANSWERING.issuperset(words[own + 1 : answer]):
            return None
        asked = [at for at in range(own) if words[at] in _ASKED]
        return asked[-1] + 1 if asked else next((at + 1 for at in range(own - 1, -1, -1) if words[at] == BOUNDARY), 0)

    def _forward(self, words: Sequence[str], answers: Collection[int], asking: Collection[int]) -> list[Denial]:
        denied, trigger, since = [], "", 0
        for at, word in enumerate(words):
            if word in self._denials and at not in answers and not self._backs(words, at):
                trigger, since = word, at
            elif at in asking and trigger in _HEADS and _ELSE.issuperset(words[since + 1 : at]):
                trigger = _HEADED
            elif trigger and self._ends(words, at, trigger, since):
                trigger = ""
            denied.append(Denial.DENIED if trigger else Denial.NONE)
        return denied

    def _backs(self, words: Sequence[str], at: int) -> bool:
        """Whether a `free` belongs to the word before it: fever-free."""
        return words[at] == "free" and bool(at) and (at + 1 == len(words) or words[at + 1] not in ("of", "from"))

    def _ends(self, words: Sequence[str], at: int, trigger: str, since: int) -> bool:
        word = words[at]
        if word in self._terminators:
            return not (word in _AUXILIARIES | _OBSERVED and at - since <= 2)
        if word == "and" and at - since > 1 and at + 1 < len(words) and words[at + 1] in _NEW_SUBJECTS:
            return True
        if trigger == "without" and word in _WITHOUT_ENDS and at - since > 1:
            return True
        if trigger in self._near and (at - since > _NEAR or self._is_rather(words, at, since)):
            return True
        return (
            word == BOUNDARY and trigger not in self._lists and trigger != _HEADED and not self._goes_on(words, at + 1)
        )

    def _is_rather(self, words: Sequence[str], at: int, since: int) -> bool:
        """Whether a `so much as` behind what is denied tells what is there instead: not sore so much as numb."""
        if words[at] == "as" and list(words[since + 1 : since + 3]) == ["so", "much"] and at > since + 3:
            return True
        return list(words[at - 2 : at + 1]) == ["so", "much", "as"] and not _AUXILIARIES.issuperset(
            words[since + 1 : at - 2]
        )

    def _goes_on(self, words: Sequence[str], start: int) -> bool:
        """Whether a list goes on to an `or` before anything ends it."""
        for word in words[start:]:
            if word in _COORDINATIONS:
                return True
            if word in self._terminators or word in self._denials:
                return False
        return False

    def _backward(self, words: Sequence[str], denied: list[Denial], asking: Collection[int]) -> None:
        for at, word in enumerate(words):
            last = at + 1 == len(words) or words[at + 1] == BOUNDARY
            if word in self._following and last:
                self._deny_back(words, at, denied)
            elif word == "free" and self._backs(words, at):
                self._deny_back(words, at, denied, reach=_SHORT_LIST)
            elif word == "have" and last and self._is_put_first(words, at):
                self._deny_back(words, at, denied)
            elif word in _NEVER_MORE and self._is_over(words, at):
                self._deny_clause(words, at, denied)
            elif last and at - 1 in asking and (word in self._over or word in self._well):
                self._deny_back(words, at - 1, denied)
            elif self._is_well(words, at, last=last):
                self._deny_well(words, at, denied)

    def _is_put_first(self, words: Sequence[str], at: int) -> bool:
        """Whether a clause that ends with `I do not have` begins with what is not there: fever I do not have."""
        start = at - self._clause(words, at)
        holder, verb, denial = words[at - 3 : at] if at - start > 3 else ("", "", "")
        if holder not in _HOLDERS or verb not in ("do", "does", "did") or denial != "not":
            return False
        return _VERBS.isdisjoint(words[start : at - 3])

    def _is_well(self, words: Sequence[str], at: int, *, last: bool) -> bool:
        """Whether a word ends a clause, or comes before when, and says that all is well or over."""
        if words[at] == "went":
            return last and at > 1 and words[at - 1] not in _HOLDERS
        if words[at] == "better":
            return not last and words[at + 1] in _NOW
        return (words[at] in self._well or words[at] in self._over) and (last or self._dates(words[at + 1]))

    def _deny_well(self, words: Sequence[str], at: int, denied: list[Denial]) -> None:
        """Deny what is said to be well or over: the clause before, or the one before that where it is but `it has`."""
        clause = self._clause(words, at)
        start = at - clause
        if start and words[start - 1] in _EXCEPTIONS:
            return
        lost = words[at] in self._over and not self._functions.isdisjoint(words[start:at])
        before = words[max(0, at - _RELIEF_REACH) : at]
        if lost or _LASTS in before or not self._denials.isdisjoint(before[-_BEFORE:]):
            return
        over = words[at] in self._over
        self._deny_back(words, at, denied, reach=clause)
        now = at + 1 < len(words) and words[at + 1] in _NOW
        said_now = not _NOW.isdisjoint(words[start:at]) and (_PRONOUNS | _NOW).issuperset(words[start:at])
        if said_now or (_PRONOUNS.issuperset(words[start:at]) and ((over and clause) or now)):
            self._deny_clause(words, start, denied)

    def _dates(self, word: str) -> bool:
        """Whether a word behind `stopped` says when, not what."""
        return word in _AFTER or word[:1].isdigit() or word in _NUMBERS or word == MEASURED

    def _is_over(self, words: Sequence[str], at: int) -> bool:
        """Whether a `none` or `not` ends a clause with a word for the present: none since, but not today, now I do
        not."""
        end = next((place for place in range(at + 1, len(words)) if words[place] == BOUNDARY), len(words))
        if words[at] == "not" and at + 1 == end:
            start = at - self._clause(words, at)
            return (
                at > 0
                and words[at - 1] in _AUXILIARIES | _HOLDERS | {"do", "does"}
                and not _NOW.isdisjoint(words[start:at])
            )
        return at + 1 < end <= at + 4 and _NOW.issuperset(words[at + 1 : end])

    def _deny_clause(self, words: Sequence[str], end: int, denied: list[Denial]) -> None:
        """Deny the clause that ends before a place, whatever marks or turns stand between."""
        start = end - self._clause(words, end)
        if not _PRONOUNS.issuperset(words[start:end]) and words[end] != "not":
            self._deny_back(words, end, denied, reach=end - start, how=Denial.OVER)
            return
        last = start
        while last and words[last - 1] in self._backward_ends:
            last -= 1
        for place in range(last - 1, -1, -1):
            if words[place] == BOUNDARY:
                return
            denied[place] = denied[place] or Denial.OVER

    def _clause(self, words: Sequence[str], at: int) -> int:
        """Words of the clause before a place, a list of two included: `cough and fever are gone`."""
        length = 0
        for place in range(at - 1, -1, -1):
            if words[place] in self._backward_ends:
                break
            if words[place] == "and" and not self._starts_short(words, place):
                break
            length += 1
        return length

    def _starts_short(self, words: Sequence[str], place: int) -> bool:
        before = (
            next((gone for gone in range(1, place + 1) if words[place - gone] in self._backward_ends), place + 1) - 1
        )
        return before <= _SHORT_LIST

    def _deny_back(
        self,
        words: Sequence[str],
        at: int,
        denied: list[Denial],
        reach: int | None = None,
        how: Denial = Denial.DENIED,
    ) -> None:
        for before in range(at - 1, -1 if reach is None else max(-1, at - 1 - reach), -1):
            if words[before] in self._backward_ends:
                break
            denied[before] = denied[before] or how


@cache
def negation() -> Negation:
    """The rules of the knowledge file. Raises `KnowledgeError`."""
    return Negation(negation_knowledge())
