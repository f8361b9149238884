"""What the answers say: names, severities, urgency and advice, read from the YAML files beside this one.

Every block of text names its source, a key of the file's own `sources`. The files are read once and checked whole:
a malformed one raises `KnowledgeError`, which names the file, when the diagnosis that uses it is imported.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Generic, Literal, Self, TypeVar, get_args

import yaml
from pydantic import Field, ValidationError, model_validator

from schemas.breast import Subcategory
from schemas.common import Part, Probability, Recommendations, Severity, Staging, StagingWithPrognosis, Urgency
from schemas.disease import RankedDisease
from schemas.heart_risk import RiskGrade, RiskLevel
from schemas.skin import LesionType

T = TypeVar("T")
DocumentT = TypeVar("DocumentT", bound="Document")

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class KnowledgeError(ValueError):
    """A knowledge file that can't be used; the message names the file and what is wrong with it."""


class Sourced(Part, Generic[T]):
    """A text (or a figure) and the keys of its sources, separated by commas."""

    source: str
    text: T


class Document(Part):
    """A knowledge file. `sources` maps a key to a citation; every key is used and every used key is there."""

    sources: dict[str, str] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _cited(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("sources"), Mapping):
            used, listed = set(_citations(data)), set(data["sources"])
            if used != listed:
                raise ValueError(f"cited but not in `sources`, or never cited: {', '.join(sorted(used ^ listed))}")
        return data


class Common(Document):
    """common.yaml: what every answer carries."""

    disclaimer: Sourced[str]


class SkinClass(Part):
    """A kind of skin lesion."""

    code: str
    name: str
    type: LesionType
    severity: Severity
    staging: Sourced[StagingWithPrognosis]
    urgency: Sourced[Urgency]
    treatment_options: Sourced[tuple[str, ...]]
    recommendations: Sourced[Recommendations]


class Suspicion(Part):
    """The answer where a suspicious class is too probable to be passed over; texts with braces are templates."""

    total_threshold: Sourced[Probability]
    staging: Sourced[StagingWithPrognosis]
    operating_point_reason: Sourced[str]
    total_reason: Sourced[str]
    title: Sourced[str]


class SkinKnowledge(Document):
    """skin.yaml, classes in index order."""

    classes: tuple[SkinClass, ...]
    suspicion: Suspicion


class XrayAdvice(Part):
    """What to do about a chest X-ray."""

    severity: Severity
    urgency: Sourced[Urgency]
    recommendations: Sourced[tuple[str, ...]]


class XrayClass(Part):
    """What a chest X-ray may show."""

    code: str
    name: str
    advice: XrayAdvice


class XrayKnowledge(Document):
    """xray.yaml, classes in index order; `unsettled` is for a Normal that is the less probable class."""

    default_threshold: Sourced[Probability]
    classes: tuple[XrayClass, ...]
    unsettled: XrayAdvice


class HeartClass(Part):
    """What an ECG may show."""

    code: str
    name: str
    severity: Severity
    staging: Sourced[Staging]
    urgency: Sourced[Urgency]
    treatment_options: Sourced[tuple[str, ...]]


class HeartKnowledge(Document):
    """heart.yaml, classes in index order."""

    default_threshold: Sourced[Probability]
    classes: tuple[HeartClass, ...]


class Likelihood(Part):
    """Band of the likelihood of malignancy, 0-1: above `above`, up to and including `up_to`."""

    above: Probability
    up_to: Probability


class BreastSubcategory(Part):
    """A part of category 4; `suspicion` completes the category's message."""

    likelihood: Sourced[Likelihood]
    suspicion: Sourced[str]


class BreastCategory(Part):
    """A BI-RADS assessment category."""

    code: str
    name: str
    severity: Severity
    likelihood: Sourced[Likelihood] | None
    subcategories: dict[Subcategory, BreastSubcategory] = Field(default_factory=dict)
    urgency: Sourced[Urgency]
    recommendations: Sourced[Recommendations]


class BreastConsistency(Part):
    """Where assessment and probability of malignancy disagree; texts with braces are templates."""

    clearly_above: Sourced[Probability]
    raised: Sourced[str]
    lowered: Sourced[str]


class BreastKnowledge(Document):
    """breast.yaml, BI-RADS 1 to 6 in order."""

    categories: tuple[BreastCategory, ...]
    consistency: BreastConsistency


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


class DiseaseKnowledge(Document):
    """disease.yaml, urgencies from the most to the least urgent."""

    urgencies: dict[UrgencyLevel, Sourced[Urgency]]
    urgent_from: Sourced[Probability]
    uncertain_below: Sourced[Probability]
    advice: DiseaseAdvice
    groups: dict[str, Sourced[tuple[str, ...]]]
    diseases: Sourced[dict[str, DiseaseCare]]
    sample: Sourced[DiseaseSample]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if tuple(self.urgencies) != get_args(UrgencyLevel):
            raise ValueError(f"`urgencies` must be {', '.join(get_args(UrgencyLevel))}, in that order.")
        if missing := {care.group for care in self.diseases.text.values()} ^ set(self.groups):
            raise ValueError(f"groups without advice, or without a disease: {', '.join(sorted(missing))}")
        return self


class RedFlagRule(Part):
    """Holds where each group of `all_of` has a present symptom, `unless` has none, and age (years) and sex fit. An age
    that is not known fits, unless it `must_be_known`."""

    name: str
    source: str
    urgency: UrgencyLevel
    all_of: tuple[tuple[str, ...], ...] = Field(min_length=1)
    unless: tuple[str, ...] = ()
    age: tuple[float, float] | None = None
    age_must_be_known: bool = False
    sex: Literal["female", "male"] | None = None


class RedFlagKnowledge(Document):
    """red_flags.yaml."""

    rules: tuple[RedFlagRule, ...] = Field(min_length=1)


class SymptomKnowledge(Document):
    """symptoms.yaml: symptoms by part of the body with their phrases, and the words that count as one."""

    words: Sourced[dict[str, tuple[str, ...]]]
    rewrites: Sourced[dict[str, str]]
    symptoms: Sourced[dict[str, dict[str, tuple[str, ...]]]]
    kinds: Sourced[dict[str, tuple[str, ...]]]
    stopwords: Sourced[tuple[str, ...]]
    complaints: Sourced[tuple[str, ...]]
    places: Sourced[tuple[str, ...]]
    sides: Sourced[tuple[str, ...]]


class NegationKnowledge(Document):
    """negation.yaml: what denies a finding, what ends a denial, and whose finding it is."""

    denials: Sourced[tuple[str, ...]]
    list_denials: Sourced[tuple[str, ...]]
    near_denials: Sourced[tuple[str, ...]]
    following_denials: Sourced[tuple[str, ...]]
    pseudo_denials: Sourced[tuple[str, ...]]
    terminators: Sourced[tuple[str, ...]]
    relatives: Sourced[tuple[str, ...]]
    relatives_have: Sourced[tuple[str, ...]]


class RiskBand(Part):
    """A band of the probability, above the band before it and up to and including `up_to`."""

    level: RiskLevel
    condition: str
    up_to: Sourced[Probability]
    recommendations: Sourced[tuple[str, ...]]


class Grade(Part):
    """The grade of a value from `at_least` on."""

    at_least: float
    risk: RiskGrade
    source: str
    advice: str | None = None


class RiskGrades(Part):
    """Grades of each value, in ascending order: years, mm Hg, mg/dL."""

    age_male: tuple[Grade, ...]
    age_female: tuple[Grade, ...]
    blood_pressure: tuple[Grade, ...]
    cholesterol: tuple[Grade, ...]


class HeartRiskKnowledge(Document):
    """heart_risk.yaml, bands in ascending order."""

    meaning: Sourced[str]
    without_symptoms: Sourced[str]
    bands: tuple[RiskBand, ...]
    grades: RiskGrades


class Range(Part):
    """From `low` to `high`, both included."""

    low: float
    high: float


class PreventCoefficients(Part):
    """Coefficients of each outcome by the name of the term."""

    total_cvd: dict[str, float]
    ascvd: dict[str, float]
    heart_failure: dict[str, float]


class PreventKnowledge(Document):
    """prevent.yaml; `coefficients` by `female` and `male`, texts with braces are templates."""

    equation: Sourced[str]
    missing: Sourced[str]
    out_of_range: Sourced[str]
    no_bmi: Sourced[str]
    bmi_out_of_range: Sourced[str]
    no_statin: Sourced[str]
    ranges: Sourced[dict[str, Range]]
    coefficients: Sourced[dict[str, PreventCoefficients]]


@cache
def common() -> Common:
    """What every answer carries. Raises `KnowledgeError`, as all functions here do."""
    return _read("common.yaml", Common)


@cache
def skin() -> SkinKnowledge:
    """Texts of POST /analyze/skin."""
    return _read("skin.yaml", SkinKnowledge)


@cache
def xray() -> XrayKnowledge:
    """Texts of POST /analyze/xray."""
    return _read("xray.yaml", XrayKnowledge)


@cache
def heart() -> HeartKnowledge:
    """Texts of POST /analyze/heart."""
    return _read("heart.yaml", HeartKnowledge)


@cache
def breast() -> BreastKnowledge:
    """Texts and likelihood bands of POST /analyze/breast."""
    return _read("breast.yaml", BreastKnowledge)


@cache
def disease() -> DiseaseKnowledge:
    """Urgency, advice and texts of POST /predict-disease."""
    return _read("disease.yaml", DiseaseKnowledge)


@cache
def symptoms() -> SymptomKnowledge:
    """The vocabulary of symptoms."""
    return _read("symptoms.yaml", SymptomKnowledge)


@cache
def red_flags() -> RedFlagKnowledge:
    """The combinations of symptoms that call for urgent care."""
    return _read("red_flags.yaml", RedFlagKnowledge)


@cache
def negation() -> NegationKnowledge:
    """How a finding is denied."""
    return _read("negation.yaml", NegationKnowledge)


@cache
def heart_risk() -> HeartRiskKnowledge:
    """Bands, grades and texts of POST /predict-heart."""
    return _read("heart_risk.yaml", HeartRiskKnowledge)


@cache
def prevent() -> PreventKnowledge:
    """The PREVENT equations and the texts about them."""
    return _read("prevent.yaml", PreventKnowledge)


def parse(name: str, content: bytes, document: type[DocumentT]) -> DocumentT:
    """Check the YAML `content` of the file `name` against `document`. Raises `KnowledgeError`."""
    try:
        return document.model_validate(yaml.load(content, Loader=_Loader))  # noqa: S506 - a safe loader, in C if built
    except (yaml.YAMLError, ValidationError) as error:
        raise KnowledgeError(f"Knowledge file {name} is not valid: {error}") from error


def _read(name: str, document: type[DocumentT]) -> DocumentT:
    return parse(name, files(__name__).joinpath(name).read_bytes(), document)


def _citations(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(source := node.get("source"), str):
            yield from source.split(", ")
        for child in node.values():
            yield from _citations(child)
    elif isinstance(node, list):
        for child in node:
            yield from _citations(child)
