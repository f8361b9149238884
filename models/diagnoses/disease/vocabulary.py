"""The symptoms that are known, and the words they are known by, from symptoms.yaml."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from rapidfuzz import fuzz, process

from models.diagnoses.disease.knowledge import SymptomKnowledge, symptom_knowledge
from models.diagnoses.disease.remembering import remembered
from models.diagnoses.disease.words import BOUNDARY, Rewriter, sentences, stem

_DENIALS = frozenset({"no", "not"})
_SHORTEST_ENTRY = 5
_FUZZY_PHRASE = 86
_NEAR_PHRASE = 60
_WHOLE_ENTRY = "="

Bag = frozenset[str]


@dataclass(frozen=True, slots=True)
class Phrase:
    """The words of a phrase, each in its base form, and the symptom it names."""

    words: Bag
    symptom: str


class Vocabulary:
    """Symptoms by name, phrase and near spelling. To be made once: its index takes some hundredths of a second."""

    def __init__(self, document: SymptomKnowledge) -> None:
        modelled, beyond = document.symptoms.value, document.beyond.value
        self.parts: Mapping[str, tuple[str, ...]] = {
            part: (*modelled.get(part, ()), *beyond.get(part, ())) for part in (modelled | beyond)
        }
        self.names: tuple[str, ...] = tuple(name for names in modelled.values() for name in names)
        """The symptoms that the model reads."""
        self.modelled = frozenset(self.names)
        self.of_the_past = frozenset(name for name in self.names if name.endswith(" known")) | {"past cancer"}
        known = (*self.names, *(name for names in beyond.values() for name in names))
        self.lasting = frozenset(document.lasting.value)
        self.events = frozenset(document.events.value)
        self.passing = frozenset(document.passing.value)
        self.stopwords = frozenset(document.stopwords.value)
        self._bases = {stem(form): base for base, forms in document.words.value.items() for form in (base, *forms)}
        self._forms = [form for base, forms in document.words.value.items() for form in (base, *forms)]
        self.base: Callable[[str], str] = cache(self._base)
        """The base form of a word: `hurting` is `pain`, `abdominal` is `abdomen`."""
        self.rewrites = Rewriter(document.rewrites.value)
        self._surfaces: list[list[str]] = []
        self.complaints = frozenset(self.base(word) for word in document.complaints.value)
        self.places = frozenset(self.base(word) for word in document.places.value)
        self.sides = frozenset(self.base(word) for word in document.sides.value)
        self.wider: Mapping[str, frozenset[str]] = {name: _wider(name, document.kinds.value) for name in known}
        self._spellings: dict[str, str] = {}
        self._bags: dict[Bag, str] = {}
        self.phrases: dict[str, list[Phrase]] = defaultdict(list)
        self._index(document)
        self._choices = tuple(self._spellings)
        self._longest_near = max(map(len, self._spellings)) * (200 - _FUZZY_PHRASE) // _FUZZY_PHRASE
        """Characters up to which an entry can be near a spelling: the ratio is twice the common ones over both."""
        self.companions = self._companions()
        """For each base form those that phrases put beside it, itself where it is a phrase alone."""
        self.base = remembered(self._base)  # from here on words come from anyone, and are kept within bounds

    def _base(self, word: str) -> str:
        stemmed = stem(word)
        return self._bases.get(stemmed, stemmed)

    @property
    def written(self) -> frozenset[str]:
        """Every word of a phrase, as it is written, and every form of the words that count as one."""
        return frozenset((*(word for words in self._surfaces for word in words), *self.rewrites.words, *self._forms))

    def spelt(self, words: str) -> str | None:
        """The symptom whose name or phrase is exactly that, else None."""
        return self._spellings.get(words)

    def worded(self, words: Iterable[str]) -> str | None:
        """The symptom that has a phrase of exactly those base words, else None."""
        return self._bags.get(frozenset(words))

    def nearest(self, words: str) -> str | None:
        """The symptom whose phrase is spelt almost so, else None."""
        if not _SHORTEST_ENTRY <= len(words) <= self._longest_near:
            return None
        near = process.extractOne(words, self._choices, scorer=fuzz.ratio, score_cutoff=_FUZZY_PHRASE)
        return self._spellings[near[0]] if near else None

    def suggestions(self, words: str, count: int) -> tuple[str, ...]:
        """Up to `count` symptoms whose names or phrases come nearest, best first."""
        near = process.extract(words, self._choices, scorer=fuzz.ratio, limit=4 * count, score_cutoff=_NEAR_PHRASE)
        return tuple(dict.fromkeys(self._spellings[phrase] for phrase, _, _ in near))[:count]

    def content(self, words: Iterable[str]) -> list[str]:
        """Base forms of the words that matter, boundaries kept."""
        return [word if word == BOUNDARY else self.base(word) for word in words if word not in self.stopwords]

    def _index(self, document: SymptomKnowledge) -> None:
        groups = (*document.symptoms.value.values(), *document.beyond.value.values())
        named = {name: plain(name) for symptoms in groups for name in symptoms}
        for name, spelling in named.items():
            self._spellings.setdefault(spelling, name)
        for symptoms in groups:
            for name, phrases in symptoms.items():
                self._add(name, named[name], name)
                for phrase in phrases:
                    self._add(phrase, plain(phrase.removeprefix(_WHOLE_ENTRY)), name)
        for bag, name in self._bags.items():
            rarest = max(bag, key=lambda word: (word not in self.complaints, word not in self.places, len(word), word))
            self.phrases[rarest].append(Phrase(bag, name))

    def _companions(self) -> dict[str, frozenset[str]]:
        beside: dict[str, set[str]] = defaultdict(set)
        for written in (*self._surfaces, *(phrase for phrase in self.rewrites.phrases if len(phrase) > 1)):
            bases = {self.base(word) for word in written if word not in self.stopwords}
            for base in bases:
                beside[base] |= bases if len(written) == 1 else bases - {base}
        return {base: frozenset(others) for base, others in beside.items()}

    def _add(self, phrase: str, spelling: str, name: str) -> None:
        self._spellings.setdefault(spelling, name)
        if phrase.startswith(_WHOLE_ENTRY):
            return
        words = spelling.split()
        self._surfaces.append(words)
        rewritten = self.rewrites(words)
        for form in (rewritten,) if rewritten == words else (rewritten, words):
            bag = frozenset(word for word in self.content(form) if word != BOUNDARY)
            if (len(bag) > 1 or form is rewritten) and bag and not _DENIALS.intersection(form):
                self._bags.setdefault(bag, name)


def plain(text: str) -> str:
    """A phrase in lower case, American spelling, words separated by single blanks, without punctuation."""
    return " ".join(word for words in sentences(text) for word in words if word != BOUNDARY)


def _wider(name: str, kinds: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    direct = kinds.get(name, ())
    return frozenset(direct).union(*(_wider(parent, kinds) for parent in direct))


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary of the knowledge files. Raises `KnowledgeError`."""
    return Vocabulary(symptom_knowledge())
