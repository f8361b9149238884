"""Which words of a sentence are denied, and which are about somebody else.

A small NegEx (Chapman et al. 2001, doi:10.1006/jbin.2001.1029) with ConText's experiencer (Harkema et al. 2009,
doi:10.1016/j.jbi.2009.05.002); triggers and terminators are data, negation.yaml.
"""

from collections import defaultdict
from collections.abc import Sequence
from enum import Enum
from functools import cache

from models.diagnoses.disease.knowledge import NegationKnowledge, negation_knowledge
from models.diagnoses.disease.words import BOUNDARY

_NEAR = 6
_RELATIVE_REACH = 3
_COORDINATIONS = frozenset({"or", "nor"})
_AUXILIARIES = frozenset(
    {"has", "have", "had", "having", "is", "are", "was", "were", "been", "be", "got", "then", "with"}
)


class Status(Enum):
    """What a sentence says of a word."""

    PRESENT = 1
    ABSENT = 2
    NOT_THE_PATIENT = 3


class Negation:
    """The rules of the knowledge file."""

    def __init__(self, rules: NegationKnowledge) -> None:
        self._lists = frozenset(rules.list_denials.value)
        self._near = frozenset(rules.near_denials.value)
        self._denials = frozenset(rules.denials.value) | self._lists | self._near
        self._following = frozenset(rules.following_denials.value)
        self._terminators = frozenset(rules.terminators.value)
        self._relatives = frozenset(rules.relatives.value)
        self._have = frozenset(rules.relatives_have.value)
        self._pseudo: dict[str, list[list[str]]] = defaultdict(list)
        for phrase in rules.pseudo_denials.value:
            self._pseudo[phrase.split()[0]].append(phrase.split())

    def judge(self, words: Sequence[str]) -> list[Status]:
        """The status of each word of a sentence, in order."""
        if not (self._denials | self._following | self._relatives).intersection(words):
            return [Status.PRESENT] * len(words)
        plain = self._without_pseudo(words)
        status = self._forward(plain)
        self._backward(plain, status)
        self._others(plain, status)
        return status

    def _without_pseudo(self, words: Sequence[str]) -> list[str]:
        plain = list(words)
        for at in range(len(plain)):
            for phrase in self._pseudo.get(plain[at], ()):
                if plain[at : at + len(phrase)] == phrase:
                    plain[at : at + len(phrase)] = [""] * len(phrase)
        return plain

    def _forward(self, words: Sequence[str]) -> list[Status]:
        status, trigger, since = [], "", 0
        for at, word in enumerate(words):
            if word in self._denials:
                trigger, since = word, at
            elif trigger and self._ends(words, at, trigger, since):
                trigger = ""
            status.append(Status.ABSENT if trigger else Status.PRESENT)
        return status

    def _ends(self, words: Sequence[str], at: int, trigger: str, since: int) -> bool:
        word = words[at]
        if word in self._terminators:
            return not (word in _AUXILIARIES and at - since <= 2)
        if trigger in self._near and at - since > _NEAR:
            return True
        return word == BOUNDARY and trigger not in self._lists and not self._goes_on(words, at + 1)

    def _goes_on(self, words: Sequence[str], start: int) -> bool:
        """Whether a list goes on to an `or` before anything ends it."""
        for word in words[start:]:
            if word in _COORDINATIONS:
                return True
            if word in self._terminators or word in self._denials:
                return False
        return False

    def _backward(self, words: Sequence[str], status: list[Status]) -> None:
        for at, word in enumerate(words):
            if word in self._following and (at + 1 == len(words) or words[at + 1] == BOUNDARY):
                for before in range(at - 1, -1, -1):
                    if words[before] == BOUNDARY or words[before] in {"but", "however", "except"}:
                        break
                    status[before] = Status.ABSENT

    def _others(self, words: Sequence[str], status: list[Status]) -> None:
        for at, word in enumerate(words):
            if word not in self._relatives:
                continue
            if self._have.intersection(words[at + 1 : at + 1 + _RELATIVE_REACH]):
                status[at:] = [Status.NOT_THE_PATIENT] * (len(status) - at)
                return


@cache
def negation() -> Negation:
    """The rules of the knowledge file. Raises `KnowledgeError`."""
    return Negation(negation_knowledge())
