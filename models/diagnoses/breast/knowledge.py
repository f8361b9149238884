"""The texts and likelihood bands of POST /analyze/breast."""

from functools import cache

from pydantic import Field

from models.diagnoses.knowledge import Document, Sourced, load
from schemas.breast import Subcategory
from schemas.common import Part, Probability, Recommendations, Severity, Urgency


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
    checked: Sourced[str]
    raised: Sourced[str]
    lowered: Sourced[str]


class UnreadUltrasound(Part):
    """The answer for a picture that is not one to rely on."""

    urgency: Sourced[Urgency]
    recommendations: Sourced[Recommendations]


class BreastKnowledge(Document):
    """knowledge.yaml, BI-RADS 1 to 6 in order."""

    diagnostic_prevalence: Sourced[Probability]
    screening_prevalence: Sourced[Probability]
    no_lesion_threshold: Sourced[Probability]
    not_assessed: Sourced[tuple[str, ...]]
    unsettled: Sourced[Recommendations]
    unread: UnreadUltrasound
    categories: tuple[BreastCategory, ...]
    consistency: BreastConsistency


@cache
def breast_knowledge() -> BreastKnowledge:
    """Texts and likelihood bands of POST /analyze/breast."""
    return load(__name__, "knowledge.yaml", BreastKnowledge)
