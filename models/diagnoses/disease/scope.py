"""Whose a complaint is, when it was, and whether it is said to be there at all.

After ConText (Harkema et al. 2009, doi:10.1016/j.jbi.2009.05.002); the words are data, negation.yaml.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from models.diagnoses.disease.knowledge import NegationKnowledge, negation_knowledge
from models.diagnoses.disease.words import BOUNDARY, Sentence, Token, each

_NUMBERS = frozenset(
    each("one two three four five six seven eight nine ten twelve few several couple many twenty thirty")
)
_BY = frozenset({"to", "with", "by", "from", "than", "like", "behind", "past", "without", "as", "for"})
_OPENS = frozenset({BOUNDARY, "and", "but", "so", "because", "that", "if", "think", "when", "since", "then"})
_THIRD = frozenset({"he", "she", "they", "his", "her", "their", "him", "them"})
_POSSESSIVE = frozenset({"his", "her", "their"})
_SUBJECTS = frozenset({"he", "she", "they"})
_MINE = frozenset({"my", "our"})
_DETERMINERS = frozenset(each("my our the a an own late elderly old little both older younger"))
_FINITE = frozenset(each("i my now today still am is are has have since but he she it feel feels got we"))
_NONE: list[tuple[list[str], str]] = []
_DIGITS = frozenset("0123456789")
_REACH = 3
_EVENT_REACH = 5
_AFTER_EVENT = frozenset({BOUNDARY, "my", "i", "the", "he", "she"})
_LIST_CLAUSE = 4
_PATTERNS = frozenset({"9", "1999", "*"})
_WORRY = frozenset({"worry", "worried"})
_HEADS = frozenset({":", "=", "-"})
_ONLY = frozenset({"only", "just"})
_EARLIER = frozenset(each("yesterday earlier first initially originally"))
_PERSON = frozenset(each("i he she we they"))
_HURTS = frozenset(each("bit bites bitten bite scratched scratches attacked mauled jumped knocked pulled kicked hair"))
"""What an animal does to the patient."""
_STATES = frozenset(each("have has had am is feel feels get got keep keeps cannot was were"))
_DEPENDS = frozenset(each("if could would should can will may do does did might"))
_THIS = frozenset({"this", "these"})
_FOUND = frozenset({"found", "spotted", "discovered"})
_CALLED = frozenset(each("mum mom mam mummy mommy dad daddy gran granny grandma grandpa grandad nan nana"))
"""What the speaker calls a relative, whom `she` or `he` before may mean."""
_PRESUMES = frozenset({("how", "come"), ("what", "can"), ("which", "cream"), ("what", "should")})
"""Begin questions of somebody who has what is asked about: how come I am dizzy, what can I take for a cough."""
_HIS = frozenset({"my", "our", "his", "her"})
_ASKS_WITHOUT_MARK = frozenset({"what", "how", "why", "which", "do", "does"})
_TELLS = frozenset({"not", "a", "have", "has", "had", "feel", "hardly", "barely"})
_IT = frozenset({"it", "they"})
"""Words at the start of a clause for what the clause before told: I had a rash last year and it came back."""
_RECURS = frozenset(each("return returned returns returning again still worse worsening ongoing continues keeps"))
_HAD = frozenset({"had", "got", "was", "were", "used"})


class Who(IntEnum):
    """Whose the words are."""

    UNSAID = 0
    SPEAKER = 1
    THIRD = 2
    """`he`, `she`: the patient, where no relative was named before."""
    RELATIVE = 3
    CHILD = 4
    OTHER = 5
    """A relative of the patient told of, an animal, the family's history."""


class When(IntEnum):
    """When a complaint was there."""

    NOW = 0
    DAYS = 1
    WEEKS = 2
    LONG = 3
    HISTORY = 4


@dataclass(frozen=True, slots=True)
class Scope:
    """What a sentence says of each of its words: `who`, `when`, whether `hypothetical`; whether the relatives in it
    `had` something, whether it speaks of what is `recent`, whether the speaker has it `too`, or
    says not to have it (`contrasted`)."""

    who: list[Who]
    when: list[When]
    hypothetical: list[bool]
    had: bool = False
    recent: bool = False
    too: bool = False
    contrasted: bool = False


class Phrases:
    """Finds set phrases of several kinds in one pass, the longest first."""

    def __init__(self, phrases: Mapping[str, Iterable[str]]) -> None:
        self._by_first: dict[str, list[tuple[list[str], str]]] = defaultdict(list)
        for kind, listed in phrases.items():
            for phrase in listed:
                words = phrase.split()
                self._by_first[words[0]].append((words, kind))
        for entries in self._by_first.values():
            entries.sort(key=lambda entry: -len(entry[0]))
        self._firsts = frozenset(self._by_first)
        self._or_numbers = self._firsts | _NUMBERS
        self._after_number = self._by_first.get("9", [])
        self.words = (
            frozenset(word for entries in self._by_first.values() for phrase, _ in entries for word in phrase)
            - _PATTERNS
        )

    def find(self, words: Sequence[str]) -> list[tuple[int, int, str]]:
        """Start, end and kind of each phrase, from left to right, none within another."""
        found: list[tuple[int, int, str]] = []
        if not self._after_number and self._firsts.isdisjoint(words):
            return found
        after = 0
        firsts = self._or_numbers
        for at in [at for at, word in enumerate(words) if word in firsts or word[0] in _DIGITS]:
            if at < after:
                continue
            word = words[at]
            entries = self._by_first.get(word, _NONE)
            if word in _NUMBERS or word[0] in _DIGITS:
                entries = [*entries, *self._after_number]
            following = words[at + 1] if at + 1 < len(words) else BOUNDARY
            for phrase, kind in entries:
                if len(phrase) > 1 and phrase[1] != following and phrase[1] not in _PATTERNS:
                    continue
                if len(phrase) <= len(words) - at and all(map(_fits, phrase, words[at : at + len(phrase)])):
                    after = at + len(phrase)
                    found.append((at, after, kind))
                    break
        return found


def _fits(pattern: str, word: str) -> bool:
    if pattern == word or (pattern == "*" and word != BOUNDARY):
        return True
    if pattern == "9":
        return word[:1].isdigit() or word in _NUMBERS
    return pattern == "1999" and len(word) == 4 and word[:2] in ("19", "20") and word.isdigit()


class Scopes:
    """The rules of the knowledge file."""

    def __init__(self, rules: NegationKnowledge) -> None:
        names = (
            "not_past",
            "recently_past",
            "long_past",
            "history",
            "since_event",
            "family_history",
            "together",
            "contrast",
        )
        self._phrases = Phrases({name: getattr(rules, name).value for name in names})
        self._idioms = Phrases({"idiom": rules.not_complaints.value})
        self._feared = Phrases({"hypothetical": rules.hypothetical.value})
        self._ends = Phrases({"end": rules.hypothetical_ends.value})
        self._relatives = frozenset(rules.relatives.value)
        self._children = frozenset(rules.children.value)
        self._animals = frozenset(rules.animals.value)
        self._animals_do = frozenset(rules.animals_do.value)
        self._relatives_have = frozenset(rules.relatives_have.value)
        self._tell = frozenset(rules.tell.value)
        self._had = frozenset(rules.relatives_had.value)
        self._recent = frozenset(rules.recent.value)
        self._speaker = frozenset(rules.speaker.value)
        named = self._relatives | self._children | self._animals
        self._named_ones = named | {f"{word}s" for word in named}
        self._persons = self._named_ones | self._speaker | _THIRD
        self._lasting = frozenset(rules.lasting.value)
        self._current = frozenset(rules.current.value)
        self._questions = frozenset(rules.questions.value)
        self._remedies = frozenset(rules.remedies.value)
        self._remedies_for = frozenset(rules.remedies_for.value)
        self._asked_of = frozenset(rules.asked_of.value)

    @property
    def words(self) -> frozenset[str]:
        """Every word that the rules look for."""
        sets = (
            self._phrases.words, self._feared.words, self._persons, self._tell, self._had, self._recent, self._lasting,
            self._current, self._questions, _BY, _DETERMINERS,
        )  # fmt: skip
        return frozenset[str]().union(*sets)

    def not_complaints(self, words: Sequence[str]) -> set[int]:
        """Places of words within phrases that only sound like a complaint."""
        found = {at for start, end, _ in self._idioms.find(words) for at in range(start, end)}
        for at in range(1, len(words)):
            if words[at] in self._remedies and words[at - 1] in self._remedies_for:
                found |= {at - 1, at}
        return found

    def judge(self, sentence: Sentence, before: Who) -> Scope:
        """What a sentence says of its words, where what went before spoke of `before`."""
        words = [token.text for token in sentence.tokens]
        found = self._phrases.find(words)
        kinds = {kind for _, _, kind in found}
        return Scope(
            who=self._who(words, before, "family_history" in kinds),
            when=self._when(sentence.tokens, words, found),
            hypothetical=self._hypothetical(sentence.tokens, words, question=sentence.question),
            had=self._tells_of_the_past(words),
            recent=not self._recent.isdisjoint(words),
            too="together" in kinds,
            contrasted=any(kind == "contrast" and words[end : end + 1] in ([], [BOUNDARY]) for _, end, kind in found),
        )

    def _tells_of_the_past(self, words: Sequence[str]) -> bool:
        """Whether somebody `had` something; who has had it still has."""
        return any(
            word in self._had and not (word == "had" and at and words[at - 1] in ("has", "have"))
            for at, word in enumerate(words)
        )

    def _who(self, words: Sequence[str], before: Who, family: bool) -> list[Who]:
        if family:
            own = next((at for at in range(1, len(words)) if self._speaks_of_own(words, at)), len(words))
            return [Who.OTHER] * own + self._who(words[own:], Who.UNSAID, family=False) if own else []
        if self._persons.isdisjoint(words):
            return [before] * len(words)
        who: list[Who] = []
        now: Who = Who.UNSAID
        relative: Who = before if before in (Who.RELATIVE, Who.CHILD) else Who.UNSAID
        for at, word in enumerate(words):
            if word in self._named_ones and (named := self._named(words, at, before)) is not None:
                now = named
                relative = named if named is not Who.OTHER else relative
            elif word in self._named_ones and relative is Who.UNSAID and self._tells_of(words, at):
                relative = Who.RELATIVE
            elif word in self._speaker and not self._of_another(words, at):
                now = Who.SPEAKER
            elif word in _SUBJECTS or (word in _THIRD and now is Who.UNSAID):
                now = relative or Who.THIRD
            who.append(now)
        start = before or next((said for said in who if said), Who.UNSAID)
        return [said or start for said in who]

    def _tells_of(self, words: Sequence[str], at: int) -> bool:
        """Whether my relative tells something, so that `his` behind it is the relative's own: my husband thinks his
        back is worse."""
        return words[at] in self._relatives and words[at - 1 : at] == ["my"] and words[at + 1 : at + 2] != [BOUNDARY]

    def _speaks_of_own(self, words: Sequence[str], at: int) -> bool:
        """Whether the patient is told of behind the family's history: ..., my knee hurts."""
        if words[at] == "i":
            return words[at - 1] in _OPENS
        following = words[at + 1 : at + 1 + _REACH]
        return words[at] == "my" and words[at - 1] == BOUNDARY and self._named_ones.isdisjoint(following)

    def _named(self, words: Sequence[str], at: int, before: Who) -> Who | None:
        """Whose complaint follows a word for a person or an animal; None where it changes nothing."""
        word, following = words[at], words[at + 1 : at + 1 + _REACH]
        if word in self._animals or word[:-1] in self._animals:
            mine = at > 0 and words[at - 1] in _HIS | {"the"} and (at == 1 or words[at - 2] in _OPENS)
            does = self._animals_do.intersection(following[:2]) or (mine and _HURTS.isdisjoint(words))
            return Who.OTHER if does else None
        if self._tell.intersection(following):
            return None
        if following[:2] == ["and", "i"]:
            return Who.SPEAKER
        first = at
        while first and words[first - 1] in _DETERMINERS:
            first -= 1
        possessed = bool(first) and words[first - 1] in _POSSESSIVE
        first -= possessed
        if first and words[first - 1] in _BY:
            return Who.OTHER if word in self._relatives and self._has_it(words, at) else None
        mine = not _MINE.isdisjoint(words[first:at])
        if not mine and not self._relatives_have.intersection(following) and first and words[first - 1] not in _OPENS:
            return None
        of_another = first and words[first - 1] in self._persons - self._speaker - _THIRD
        if of_another and not mine:
            return Who.OTHER
        if word in self._children:
            grown = {"he", "she"}.intersection(words[at + 1 :]) and "and" in words[at + 1 :]
            return Who.OTHER if possessed and grown else Who.CHILD
        if possessed and not self._tell.isdisjoint(words[:first]) and not self._relatives.isdisjoint(words[:2]):
            return Who.RELATIVE
        another = before is Who.THIRD and not mine and word not in _CALLED
        return Who.OTHER if possessed or another else Who.RELATIVE

    def _has_it(self, words: Sequence[str], at: int) -> bool:
        """Whether a relative whom the sentence only compares with has something: like my father, who had a stroke."""
        behind = [word for word in words[at + 1 : at + 4] if word != BOUNDARY]
        return behind[:1] == ["who"] and not {"has", "had", "is", "was", "been"}.isdisjoint(behind)

    def _of_another(self, words: Sequence[str], at: int) -> bool:
        """Whether a `my` belongs to a relative or an animal: my late father."""
        if words[at] not in ("my", "our"):
            return False
        following = at + 1
        while following < len(words) and words[following] in _DETERMINERS:
            following += 1
        return following < len(words) and words[following] in self._named_ones

    def _when(self, tokens: Sequence[Token], words: Sequence[str], found: Sequence[tuple[int, int, str]]) -> list[When]:
        when = [When.NOW] * len(words)
        self._mark_before_only(words, when)
        triggers = [(at, end, kind) for at, end, kind in found if kind in _TIMES and not _has_begun(words, at)]
        if not triggers:
            return when
        events = [self._event(words, start, end) for start, end, kind in triggers if kind == "since_event"]
        for start, end in events:
            when[start:end] = [When.WEEKS] * (end - start)
        earlier, goes_on = When.NOW, False
        clauses = list(self._clauses(words))
        for (start, end), (then, later) in zip(clauses, [*clauses[1:], (len(words), len(words))], strict=True):
            clause = words[start:end]
            said = [
                _TIMES[kind]
                for at, _, kind in triggers
                if start <= at < end
                and kind != "since_event"
                and not any(a <= at < b and words[a] != "after" for a, b in events)
            ]
            told_again = not _IT.isdisjoint(words[then : then + 2]) and not _RECURS.isdisjoint(words[then:later])
            until = later if told_again else end
            if said and When.HISTORY not in said and self._goes_on(words, start, until, triggers):
                said = []
            plain = len(clause) <= _LIST_CLAUSE and _FINITE.isdisjoint(clause) and self._current.isdisjoint(clause)
            headed = bool(start) and tokens[start - 1].mark in _HEADS
            time = max(said) if said else earlier if plain and (goes_on or headed) else When.NOW
            if time:
                when[start:end] = [time] * (end - start)
            goes_on = When.HISTORY in said or not _HAD.isdisjoint(clause) or (not said and bool(time)) or headed
            earlier = time
        return when

    def _goes_on(self, words: Sequence[str], start: int, end: int, triggers: Sequence[tuple[int, int, str]]) -> bool:
        """Whether a clause says that it lasts, in words beside those for when: not `first` of my first pregnancy; what
        somebody found is still there: I found a lump last week."""
        when = {at for first, last, _ in triggers for at in range(first, last)}
        return any(
            (words[at] in self._lasting and words[at - 1 : at] not in (["never"], ["not"]))
            or (
                words[at] in _FOUND and words[at - 1] in _PERSON and words[at + 1 : at + 2] in (["a"], ["an"], ["this"])
            )
            for at in range(start, end)
            if at not in when
        )

    def _mark_before_only(self, words: Sequence[str], when: list[When]) -> None:
        """Mark what was yesterday where today there is only something else: yesterday I was sick, today just tired."""
        if _ONLY.isdisjoint(words) or _EARLIER.isdisjoint(words):
            return
        clauses = list(self._clauses(words))
        for start, end in clauses:
            if _EARLIER.isdisjoint(words[start:end]) or not self._current.isdisjoint(words[start:end]):
                continue
            later = [words[first:last] for first, last in clauses if first >= end]
            if any(not self._current.isdisjoint(clause) and not _ONLY.isdisjoint(clause) for clause in later):
                when[start:end] = [When.DAYS] * (end - start)

    def _event(self, words: Sequence[str], start: int, end: int) -> tuple[int, int]:
        """What follows `since my`, up to the next clause; nothing where it goes on."""
        last = end
        while last < min(len(words), end + _EVENT_REACH) and words[last] not in _AFTER_EVENT:
            last += 1
        return (start, last) if self._lasting.isdisjoint(words[start:last]) else (start, start)

    def _clauses(self, words: Sequence[str]) -> Iterator[tuple[int, int]]:
        start = 0
        for at, word in enumerate(words):
            follows = word == "and" and at + 1 < len(words) and words[at + 1] in _FINITE
            if word == BOUNDARY or (word in self._current and not _ends_clause(words, at)) or follows:
                if at > start:
                    yield start, at
                start = at + (word == BOUNDARY)
        if start < len(words):
            yield start, len(words)

    def _hypothetical(self, tokens: Sequence[Token], words: Sequence[str], *, question: bool) -> list[bool]:
        feared = [False] * len(words)
        if words[0] in self._questions and not self._asserts(words) and (question or self._asks(words)):
            return [True] * len(words)
        found = self._feared.find(words)
        ends = {at for at, _, _ in self._ends.find(words)} if found else set()
        for start, end, _ in found:
            if words[end - 1] in _THIS and words[end : end + 1] and words[end] in self._remedies_for:
                continue
            if words[start] not in _WORRY:
                feared[start:end] = [True] * (end - start)
            at = end
            while (
                at < len(words)
                and not (at in ends and (at > end or words[at] in _THIS))
                and not (at > end and self._closes(tokens, at))
            ):
                feared[at] = True
                at += 1
        return feared

    def _asks(self, words: Sequence[str]) -> bool:
        """Whether words without a question mark ask something in general: how do you treat diarrhea."""
        if len(words) < 2 or words[1] in _TELLS:
            return False
        return words[0] in _ASKS_WITHOUT_MARK or (words[0] in ("is", "are") and not self._asked_of.isdisjoint(words))

    def _asserts(self, words: Sequence[str]) -> bool:
        """Whether a question tells something of the patient: my head, this cough, I have; not what would be if."""
        if not _HIS.isdisjoint(words) or tuple(words[:2]) in _PRESUMES:
            return True
        if words[0] == "why" and not _PERSON.isdisjoint(words[1:4]):
            return True
        return any(
            (words[at] in _PERSON and words[at + 1] in _STATES and not (at and words[at - 1] in _DEPENDS))
            or (words[at] in _THIS and not self._remedies_for.isdisjoint(words[at + 1 : at + 3]))
            or (words[at] == "with" and words[at + 1] in ("a", "an") and "i" in words[1:3])
            for at in range(len(words) - 1)
        )

    def _closes(self, tokens: Sequence[Token], at: int) -> bool:
        if tokens[at].text != BOUNDARY:
            return False
        following = [token.text for token in tokens[at + 1 : at + 4]]
        return tokens[at].mark in (":", "=") or not _FINITE.isdisjoint(following)


def _has_begun(words: Sequence[str], at: int) -> bool:
    """Whether an `ago` says since when something goes on: since they changed my pills three weeks ago."""
    for place in range(at - 1, -1, -1):
        if words[place] == BOUNDARY:
            return False
        if words[place] == "since":
            return True
    return False


def _ends_clause(words: Sequence[str], at: int) -> bool:
    return at + 1 == len(words) or words[at + 1] == BOUNDARY


_TIMES = {
    "recently_past": When.WEEKS,
    "long_past": When.LONG,
    "history": When.HISTORY,
    "since_event": When.WEEKS,
}


@cache
def scopes() -> Scopes:
    """The rules of the knowledge file. Raises `KnowledgeError`."""
    return Scopes(negation_knowledge())
