"""A free description, understood: each piece that matters, whose it is and when, what was measured, and who the patient
is."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from models.diagnoses.disease import measurements
from models.diagnoses.disease.languages import foreign_words
from models.diagnoses.disease.matching import Match, asking, find, joining, mended, speller
from models.diagnoses.disease.negation import Denial, negation
from models.diagnoses.disease.patient import Patient, patient_of
from models.diagnoses.disease.reading import Kind, Measurement, Span
from models.diagnoses.disease.remembering import remembered
from models.diagnoses.disease.scope import Scope, When, Who, scopes
from models.diagnoses.disease.vocabulary import vocabulary
from models.diagnoses.disease.words import BOUNDARY, MEASURED, Sentence, Token, each, level, split, stem

_BLANKS = re.compile(r"[^\S\n ]|\s{2,}")
_FOREIGN = 2
_LIMBS = frozenset(
    map(stem, each("shoulder arm elbow wrist hand finger thumb hip knee leg calf ankle foot heel toe back"))
)
_ON_SKIN = _LIMBS | frozenset(
    map(stem, each("forehead chin cheek scalp neck forearm shin thigh palm bum bottom armpit"))
)
_PLAIN_COMPLAINTS = frozenset(
    each("pain pains swelling bleeding discharge redness lump lumps ache aches aching soreness")
)
"""What is understood where it is denied, though no symptom is named: no pain."""
_WORRIES = frozenset({"anxiety", "stress", "family history", "contact with a sick person"})
_BLEEDS = frozenset(each("bleeding bleed bled bleeds spotting"))
_FROM_BELOW = "vaginal bleeding"
_BESIDE = 3
"""Words on either side of a bleeding among which a part of the body says whence."""
_INABILITY = frozenset({"cannot", "unable"})
"""A loss of some function, where no symptom holds the word."""
_SIDES = frozenset({"left", "right"})
_MEANS = frozenset({"mean", "meant", "sorry", "rather"})
_CORRECTS = frozenset({BOUNDARY, *each("no i wait sorry oops or my his her the not")})
"""Words between a wrong side and the right one."""
_CORRECTED = 8
_NOT_OF_A_CHILD = frozenset({"women and pregnancy", "children"})


@dataclass(frozen=True, slots=True)
class Description:
    """What a text tells: symptoms in order with their kinds, pieces, measurements, the patient; the words with typing
    errors by their places in the text, as they are taken to be meant."""

    symptoms: tuple[tuple[str, Kind], ...]
    spans: tuple[Span, ...]
    measurements: tuple[Measurement, ...]
    patient: Patient
    corrections: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class _Told:
    """A sentence: its words as they were `sent`, with typing errors mended (`written`), and with set phrases rewritten
    (`tokens`); what is denied, the scope, and the matches."""

    sent: list[Token]
    written: list[Token]
    tokens: list[Token]
    denied: list[Denial]
    scope: Scope
    matches: list[Match]


def describe(text: str) -> Description:
    """Understand a description of at most some thousand characters; takes about 1 ms for each 500."""
    plain, places = _without_blanks(text)
    masked, measured = measurements.measure(level(plain))
    told = list(_sentences(plain, masked))
    whose = _Whose(told)
    spans = [span for sentence in told for span in _spans(sentence, whose)]
    placed = [replace(found, kind=_kind_near(found, told, whose)) for found in measured]
    patient = patient_of(plain, placed)
    symptoms = [(match.symptom, whose.kind(sentence, match)) for sentence in told for match in sentence.matches]
    if patient.pregnant_weeks is not None or ("pregnancy", Kind.PRESENT) in symptoms:
        symptoms += [("bleeding in pregnancy", Kind.PRESENT)] * any(_bleeds(sentence, whose) for sentence in told)
    for found in placed:
        symptoms += _shown(found, patient)
        spans.append(Span(found.start, found.end, Kind.MEASUREMENT, _name_of(found, patient)))
    spans = sorted(_apart(spans), key=lambda span: span.start)
    return Description(
        tuple(symptoms),
        tuple(Span(places(span.start), places(span.end - 1) + 1, span.kind, span.symptom) for span in spans),
        tuple(replace(found, start=places(found.start), end=places(found.end - 1) + 1) for found in placed),
        patient,
        {places(at): word for at, word in _corrections(told)},
    )


class _Places:
    """From a place in the text without needless blanks to the place in the text as sent."""

    __slots__ = ("_sent", "_short")

    def __init__(self, starts: Sequence[tuple[int, int]]) -> None:
        self._short = [short for short, _ in starts]
        self._sent = [sent for _, sent in starts]

    def __call__(self, place: int) -> int:
        if len(self._sent) == 1:
            return place + self._sent[0]
        run = bisect_right(self._short, place) - 1
        return self._sent[run] + place - self._short[run]


def _without_blanks(text: str) -> tuple[str, _Places]:
    """The text with single blanks and line breaks, since patterns are slow at long runs of them."""
    stripped = text.strip()
    if not _BLANKS.search(stripped):
        return stripped, _Places([(0, len(text) - len(text.lstrip()))])
    pieces: list[str] = []
    starts: list[tuple[int, int]] = []
    length = before = 0
    for match in re.finditer(r"\S+", text):
        if pieces:
            between = text[before : match.start()]
            pieces.append("\n" if "\n" in between or "\r" in between else " ")
            length += 1
        if not starts or match.start() - starts[-1][1] != length - starts[-1][0]:
            starts.append((length, match.start()))
        pieces.append(match[0])
        length += len(match[0])
        before = match.end()
    return "".join(pieces), _Places(starts or [(0, 0)])


def _sentences(plain: str, masked: str) -> Iterator[_Told]:
    words, before = vocabulary(), Who.UNSAID
    sentences = split(plain, masked)
    is_english = not _is_foreign(token.text for sentence in sentences for token in sentence.tokens)
    for sentence in sentences:
        written = mended(sentence.tokens) if is_english else sentence.tokens
        needless = scopes().not_complaints([token.text for token in written]) | _taken_back(written)
        meant = [token for at, token in enumerate(written) if at not in needless] if needless else written
        if not meant:
            continue
        tokens = words.rewrites.tokens(meant)
        denied = negation().judge([token.text for token in tokens], asking(tokens), joining(tokens))
        scope = scopes().judge(Sentence(tokens, sentence.question), before)
        yield _Told(sentence.tokens, written, tokens, denied, scope, find(tokens, denied))
        before = next((who for who in reversed(scope.who) if who and who is not Who.OTHER), before)


def _taken_back(tokens: Sequence[Token]) -> set[int]:
    """Places of a side that was named by mistake, up to the right one: my right, no I mean left, arm."""
    found: set[int] = set()
    words = [token.text for token in tokens]
    for at, word in enumerate(words[:-1]):
        if word not in _MEANS or words[at + 1] not in _SIDES or words[at + 2 : at + 3] == ["now"]:
            continue
        wrong = next((place for place in range(at - 1, max(-1, at - _CORRECTED), -1) if words[place] in _SIDES), None)
        if wrong is not None and words[wrong] != words[at + 1] and _CORRECTS.issuperset(words[wrong + 1 : at]):
            found |= {*range(wrong, at + 1), *([at + 2] if words[at + 2 : at + 3] == [BOUNDARY] else [])}
    return found


def _is_foreign(words: Iterable[str]) -> bool:
    """Whether two words tell another language: then no word is an English one misspelt."""
    strange = [word for word in words if word in foreign_words() and not speller().knows(word)]
    return len(strange) >= _FOREIGN


def _corrections(told: Sequence[_Told]) -> Iterator[tuple[int, str]]:
    """Where each word with a typing error begins, and what it is taken for."""
    for sentence in told:
        for sent, written in zip(sentence.sent, sentence.written, strict=True):
            if sent.text != written.text:
                yield sent.start, written.text


class _Whose:
    """Decides who the patient is, and from that what each match and word is."""

    def __init__(self, told: Sequence[_Told]) -> None:
        self._words = vocabulary()
        self._of_the_unborn = frozenset(name for part in _NOT_OF_A_CHILD for name in self._words.parts[part])
        complained = {
            sentence.scope.who[min(match.places)]
            for sentence in told
            for match in sentence.matches
            if self._is_now(sentence, match)
        }
        self._too = any(sentence.scope.too for sentence in told)
        self._contrasted = any(sentence.scope.contrasted for sentence in told)
        self._speaks = Who.SPEAKER in complained
        self._another = bool(complained & {Who.SPEAKER, Who.THIRD, Who.UNSAID})

    def kind(self, sentence: _Told, match: Match) -> Kind:
        """What a match is taken for."""
        return self._kind(sentence, sorted(match.places), match.symptom)

    def kind_at(self, sentence: _Told, at: int) -> Kind:
        """What a word is taken for."""
        return self._kind(sentence, (at,), None)

    def _kind(self, sentence: _Told, places: Sequence[int], symptom: str | None) -> Kind:
        scope, who = sentence.scope, sentence.scope.who[places[0]]
        if self._of_another(scope, who, symptom):
            return Kind.OTHER_PERSON
        if any(scope.hypothetical[at] for at in places):
            return Kind.HYPOTHETICAL
        denied = [sentence.denied[at] for at in places]
        if Denial.DENIED in denied:
            return Kind.DENIED
        when = max(scope.when[at] for at in places)
        if Denial.OVER in denied:
            when = max(when, When.DAYS)
        if symptom is not None and self._still(symptom, when):
            return Kind.PRESENT
        return Kind.PAST if when else Kind.PRESENT

    def _still(self, symptom: str, when: When) -> bool:
        if when is When.DAYS:
            return symptom in self._words.events or not self._words.passing.isdisjoint(
                {symptom, *self._words.wider[symptom]}
            )
        return (when is When.WEEKS and symptom in self._words.events) or (
            when is When.HISTORY and symptom in self._words.lasting
        )

    def _of_another(self, scope: Scope, who: Who, symptom: str | None) -> bool:
        if who is Who.OTHER:
            return True
        if who is Who.CHILD:
            return self._speaks and not self._too and symptom not in self._of_the_unborn
        if who is Who.RELATIVE:
            return not self._too and (self._another or self._contrasted or (scope.had and not scope.recent))
        return False

    def _is_now(self, sentence: _Told, match: Match) -> bool:
        scope = sentence.scope
        return match.symptom not in _WORRIES and not any(
            sentence.denied[at] or scope.hypothetical[at] or scope.when[at] for at in match.places
        )


def _bleeds(sentence: _Told, whose: _Whose) -> bool:
    """Whether a pregnant patient tells of bleeding without a place: 26 weeks pregnant and bleeding."""
    words = vocabulary()
    claimed = {at: match for match in sentence.matches for at in match.places}
    if any(match.symptom == _FROM_BELOW and whose.kind(sentence, match) is Kind.PRESENT for match in sentence.matches):
        return True
    for at, token in enumerate(sentence.tokens):
        beside = sentence.tokens[max(0, at - _BESIDE) : at + _BESIDE]
        if (
            token.text in _BLEEDS
            and at not in claimed
            and whose.kind_at(sentence, at) is Kind.PRESENT
            and not any(words.base(other.text) in words.places for other in beside)
        ):
            return True
    return False


def _spans(sentence: _Told, whose: _Whose) -> Iterator[Span]:
    """The matches and what was not understood, each word in the largest match that holds it."""
    claimed: dict[int, Match] = {}
    for match in sorted(sentence.matches, key=lambda match: -len(match.places)):
        for at in match.places:
            claimed.setdefault(at, match)
    words = vocabulary()
    open_span: Span | None = None
    owner: tuple[Kind, str | None] | None = None
    kinds = {match.places: whose.kind(sentence, match) for match in sentence.matches}
    told_now = Kind.PRESENT in kinds.values()
    for at, token in enumerate(sentence.tokens):
        owned = claimed.get(at)
        taken = (kinds[owned.places], owned.symptom) if owned else _unmatched(sentence, at, owner, told_now=told_now)
        if taken is None:
            if token.text == BOUNDARY or token.text == MEASURED or token.text not in words.stopwords:
                owner = None
            continue
        kind, symptom = taken
        if open_span and owner == (kind, symptom) and token.start >= open_span.start:
            open_span = Span(open_span.start, max(open_span.end, token.end), kind, symptom)
        else:
            if open_span:
                yield open_span
            open_span, owner = Span(token.start, token.end, kind, symptom), (kind, symptom)
    if open_span:
        yield open_span


def _unmatched(
    sentence: _Told, at: int, before: tuple[Kind, str | None] | None, *, told_now: bool
) -> tuple[Kind, str | None] | None:
    """What a word in no match is taken for; what is feared or made up is that where the patient's own is `told_now`."""
    word = sentence.tokens[at].text
    if sentence.denied[at] is Denial.DENIED and word in _PLAIN_COMPLAINTS:
        return Kind.DENIED, None
    taken = _taken_alone(word, before)
    made_up = told_now and sentence.scope.hypothetical[at]
    return (Kind.HYPOTHETICAL, None) if made_up and taken == (Kind.NOT_UNDERSTOOD, None) else taken


def _taken_alone(word: str, before: tuple[Kind, str | None] | None) -> tuple[Kind, str | None] | None:
    """What a word that is in no match is taken for, where that matters; `before` is what the word before it was."""
    if before is not None and _is_where(word, before[1]):
        return before
    return (Kind.NOT_UNDERSTOOD, None) if _matters(word) else None


def _is_where(word: str, symptom: str | None) -> bool:
    """Whether a word behind a symptom only says where it is: a splinter in my thumb, a cold sore on my lip."""
    if symptom is None:
        return False
    words = vocabulary()
    base = words.base(word)
    return base in words.places and (
        base in map(words.base, symptom.split()) or (base in _ON_SKIN and symptom in words.parts["skin"])
    )


@remembered
def _matters(word: str) -> bool:
    """Whether a word that is in no match may be a complaint: a part of the body, or no everyday word."""
    words = vocabulary()
    if not word[0].isalpha() or len(word) == 1 or word in words.stopwords:
        return False
    if word in _INABILITY:
        return True
    base = words.base(word)
    if base in words.complaints or (base in words.places and not speller().is_ordinary(word)):
        return True
    return not speller().is_ordinary(word) and word not in _looked_for()


@cache
def _looked_for() -> frozenset[str]:
    return negation().words | scopes().words


def _apart(spans: Iterable[Span]) -> Iterator[Span]:
    """The spans without what an earlier one, or a larger measurement, covers."""
    end = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.end > end:
            yield span if span.start >= end else replace(span, start=end)
            end = span.end


def _kind_near(found: Measurement, told: Sequence[_Told], whose: _Whose) -> Kind:
    """What the words around a measurement are taken for; a denial does not reach it."""
    for sentence in told:
        if sentence.tokens[-1].end <= found.start:
            continue
        for at, token in enumerate(sentence.tokens):
            if token.end > found.start and token.text != BOUNDARY:
                kind = whose.kind_at(sentence, at)
                return Kind.PRESENT if kind is Kind.DENIED else kind
    return Kind.PRESENT


def _shown(found: Measurement, patient: Patient) -> list[tuple[str, Kind]]:
    if found.kind is not Kind.PRESENT:
        return [(name, found.kind) for name, is_there in measurements.shown(found, patient.age) if is_there]
    shown = measurements.shown(found, patient.age)
    return [(name, Kind.PRESENT if is_there else Kind.DENIED) for name, is_there in shown]


def _name_of(found: Measurement, patient: Patient) -> str | None:
    return next((name for name, is_there in measurements.shown(found, patient.age) if is_there), None)
