"""What is known of symptoms and diseases: words, denials, red flags, urgency and advice."""

import re
from functools import cache
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from models.diagnoses.knowledge import Document, Sourced, load
from schemas.common import Part, Probability, Urgency
from schemas.disease import RankedDisease


class DiseaseSample(Part):
    """The fixed answer of the demo mode."""

    ranking: tuple[RankedDisease, ...] = Field(min_length=1)
    recommendations: tuple[str, ...] = Field(min_length=1)


UrgencyLevel = Literal["emergency", "urgent", "soon", "routine", "self_care"]


class DiseaseCare(Part):
    """What group of advice a disease belongs to, and how soon it wants a doctor."""

    group: str
    urgency: UrgencyLevel


class DiseaseAdvice(Part):
    """Sentences that any answer may carry."""

    uncertain: Sourced[str]
    monitor: Sourced[str]
    red_flag: Sourced[str]
    safety: Sourced[str]
    unsettled: Sourced[str]
    unread: Sourced[str]
    contradiction: Sourced[str]


class DiseaseKnowledge(Document):
    """disease.yaml, urgencies from the most to the least urgent."""

    urgencies: dict[UrgencyLevel, Sourced[Urgency]]
    urgent_from: Sourced[Probability]
    together_from: Sourced[dict[UrgencyLevel, Probability]]
    rule_out_from: Sourced[Probability]
    leading_from: Sourced[Probability]
    suspicion: Sourced[Probability]
    uncertain_below: Sourced[Probability]
    advice: DiseaseAdvice
    groups: dict[str, Sourced[tuple[str, ...]]]
    graded: dict[str, Sourced[str]]
    diseases: Sourced[dict[str, DiseaseCare]]
    confirmed: dict[str, Sourced[tuple[str, ...]]]
    rule_out: Sourced[dict[str, str]]
    sample: Sourced[DiseaseSample]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if tuple(self.urgencies) != get_args(UrgencyLevel):
            raise ValueError(f"`urgencies` must be {', '.join(get_args(UrgencyLevel))}, in that order.")
        if missing := {care.group for care in self.diseases.value.values()} ^ set(self.groups):
            raise ValueError(f"groups without advice, or without a disease: {', '.join(sorted(missing))}")
        if self.graded.keys() != self.groups.keys():
            raise ValueError("`graded` is of the groups and of no others")
        if unknown := {name for names in self.confirmed.values() for name in names.value} - set(self.diseases.value):
            raise ValueError(f"`confirmed` names what is no disease here: {', '.join(sorted(unknown))}")
        emergencies = {name for name, care in self.diseases.value.items() if care.urgency == "emergency"}
        if missing := emergencies ^ set(self.rule_out.value):
            raise ValueError(f"`rule_out` is of the emergencies and of no others: {', '.join(sorted(missing))}")
        return self


class RedFlagRule(Part):
    """Holds where each group of `all_of` has a present symptom and neither `unless` has one nor the text a class of
    `unless_said`, or where a line of `said` holds in the text (`models.diagnoses.disease.phrases`); where the text has
    no class of `silenced_by`, and where age (years) fits. An age that is not known fits, unless it `must_be_known`:
    then the lines of `said` name it themselves.

    `fires` are texts that raise the rule, `silent` near ones that don't; `means` are the symptoms that its words say,
    `suspects` the diseases that it stands for, `sex` is whom it concerns and bars nobody.
    """

    name: str
    source: str
    urgency: UrgencyLevel
    all_of: tuple[tuple[str, ...], ...] = ()
    unless: tuple[str, ...] = ()
    unless_said: tuple[str, ...] = ()
    silenced_by: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    means: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()
    age: tuple[float, float] | None = None
    age_must_be_known: bool = False
    sex: Literal["female", "male"] | None = None
    fires: tuple[str, ...] = Field(min_length=2)
    silent: tuple[str, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _looks_for_something(self) -> Self:
        if not self.all_of and not self.said:
            raise ValueError(f"{self.name}: neither `all_of` nor `said`.")
        return self


class RedFlagKnowledge(Document):
    """red_flags.yaml."""

    rules: tuple[RedFlagRule, ...] = Field(min_length=1)


class UnnamedWords(Part):
    """Words for parts of the body and bodily functions, and for what may be wrong with them."""

    part: tuple[str, ...]
    trouble: tuple[str, ...]


class DangerWords(Document):
    """danger_words.yaml: words and phrases by class, and classes that are made of others or known from elsewhere."""

    same: Sourced[dict[str, str]]
    fillers: Sourced[tuple[str, ...]]
    history: Sourced[tuple[str, ...]]
    measured: Sourced[tuple[str, ...]]
    known: Sourced[tuple[str, ...]]
    masks: Sourced[tuple[str, ...]]
    denying: Sourced[tuple[str, ...]]
    classes: Sourced[dict[str, tuple[str, ...]]]
    unnamed: Sourced[UnnamedWords]
    composed: Sourced[dict[str, tuple[str, ...]]]


class SymptomKnowledge(Document):
    """symptoms.yaml: symptoms by part of the body with their phrases, and the words that count as one. `beyond` are
    those that the model doesn't read; of a `lasting` one the history says that it is there, and an `event` of weeks ago
    still counts; a `passing` one warns also where it has passed."""

    beyond: Sourced[dict[str, dict[str, tuple[str, ...]]]]
    lasting: Sourced[tuple[str, ...]]
    events: Sourced[tuple[str, ...]]
    passing: Sourced[tuple[str, ...]]
    words: Sourced[dict[str, tuple[str, ...]]]
    rewrites: Sourced[dict[str, str]]
    symptoms: Sourced[dict[str, dict[str, tuple[str, ...]]]]
    kinds: Sourced[dict[str, tuple[str, ...]]]
    stopwords: Sourced[tuple[str, ...]]
    complaints: Sourced[tuple[str, ...]]
    places: Sourced[tuple[str, ...]]
    sides: Sourced[tuple[str, ...]]


class NegationKnowledge(Document):
    """negation.yaml: what denies a finding and what ends that, whose finding it is, when it was, and whether at all."""

    denials: Sourced[tuple[str, ...]]
    list_denials: Sourced[tuple[str, ...]]
    near_denials: Sourced[tuple[str, ...]]
    following_denials: Sourced[tuple[str, ...]]
    pseudo_denials: Sourced[tuple[str, ...]]
    meant: Sourced[dict[str, str]]
    beyond_compare: Sourced[tuple[str, ...]]
    relief: Sourced[tuple[str, ...]]
    answers: Sourced[tuple[str, ...]]
    well: Sourced[tuple[str, ...]]
    over: Sourced[tuple[str, ...]]
    functions: Sourced[tuple[str, ...]]
    terminators: Sourced[tuple[str, ...]]
    backward_ends: Sourced[tuple[str, ...]]
    relatives: Sourced[tuple[str, ...]]
    children: Sourced[tuple[str, ...]]
    animals: Sourced[tuple[str, ...]]
    animals_do: Sourced[tuple[str, ...]]
    relatives_have: Sourced[tuple[str, ...]]
    tell: Sourced[tuple[str, ...]]
    relatives_had: Sourced[tuple[str, ...]]
    recent: Sourced[tuple[str, ...]]
    family_history: Sourced[tuple[str, ...]]
    speaker: Sourced[tuple[str, ...]]
    together: Sourced[tuple[str, ...]]
    contrast: Sourced[tuple[str, ...]]
    recently_past: Sourced[tuple[str, ...]]
    long_past: Sourced[tuple[str, ...]]
    history: Sourced[tuple[str, ...]]
    since_event: Sourced[tuple[str, ...]]
    lasting: Sourced[tuple[str, ...]]
    not_past: Sourced[tuple[str, ...]]
    current: Sourced[tuple[str, ...]]
    hypothetical: Sourced[tuple[str, ...]]
    hypothetical_ends: Sourced[tuple[str, ...]]
    questions: Sourced[tuple[str, ...]]
    not_complaints: Sourced[tuple[str, ...]]
    remedies: Sourced[tuple[str, ...]]
    remedies_for: Sourced[tuple[str, ...]]
    asked_of: Sourced[tuple[str, ...]]


class OrdinaryWords(Document):
    """ordinary.yaml: words of everyday English, by kind, and those of illness, separated by blanks."""

    ordinary: Sourced[dict[str, str]]
    clinical: Sourced[str]


@cache
def disease_knowledge() -> DiseaseKnowledge:
    """Urgency, advice and texts of POST /predict-disease."""
    return load(__name__, "knowledge.yaml", DiseaseKnowledge)


@cache
def symptom_knowledge() -> SymptomKnowledge:
    """The vocabulary of symptoms."""
    return load(__name__, "symptoms.yaml", SymptomKnowledge)


@cache
def red_flag_knowledge() -> RedFlagKnowledge:
    """The dangers that call for care at once."""
    return load(__name__, "red_flags.yaml", RedFlagKnowledge)


@cache
def unconfirmed_urgencies() -> tuple[str, ...]:
    """The diseases whose urgency neither a red flag with a source that was read stands for nor `confirmed` names."""
    knowledge, flags = disease_knowledge(), red_flag_knowledge()
    raised = {
        (name, rule.urgency)
        for rule in flags.rules
        if not any("unconfirmed" in flags.sources[key] for key in rule.source.split(", "))
        for name in rule.suspects
    }
    said = {name for names in knowledge.confirmed.values() for name in names.value}
    return tuple(
        name
        for name, care in knowledge.diseases.value.items()
        if name not in said and (name, care.urgency) not in raised
    )


@cache
def danger_words() -> DangerWords:
    """The words that dangers are told in."""
    return load(__name__, "danger_words.yaml", DangerWords)


@cache
def negation_knowledge() -> NegationKnowledge:
    """How a finding is denied."""
    return load(__name__, "negation.yaml", NegationKnowledge)


def _verb_forms(verb: str) -> tuple[str, ...]:
    """`gripping`, `gripped`, `grips`; also some that nobody writes."""
    if verb.endswith(("s", "ed", "ing")):
        return ()
    root = verb.removesuffix("e")
    doubled = f"{verb}{verb[-1]}" if re.search(r"[^aeiou][aeiou][bdgmnprt]$", verb) else root
    return f"{verb}s", f"{doubled}ing", f"{doubled}ed"


@cache
def english() -> tuple[frozenset[str], frozenset[str]]:
    """Words of everyday English that say nothing of an illness, and words of illness, those of diseases' names among
    them."""
    document = load(__name__, "ordinary.yaml", OrdinaryWords)
    listed = {kind: words.split() for kind, words in document.ordinary.value.items()}
    ordinary = {word for words in listed.values() for word in words}
    ordinary |= {form for word in listed["doing"] for form in _verb_forms(word)}
    ordinary |= {f"{word}s" for kind in ("people", "things") for word in listed[kind] if not word.endswith("s")}
    named = re.findall(r"[a-z]{4,}", " ".join(disease_knowledge().diseases.value).lower())
    return frozenset(ordinary), frozenset(
        (*document.clinical.value.split(), *(word for word in named if word not in ordinary))
    )
