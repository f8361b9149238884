"""The texts of POST /analyze/skin."""

from functools import cache

from models.diagnoses.knowledge import Document, Sourced, load
from schemas.common import Part, Probability, Recommendations, Severity, StagingWithPrognosis, Urgency
from schemas.skin import LesionType


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
    benign_threshold: Sourced[Probability]
    staging: Sourced[StagingWithPrognosis]
    operating_point_reason: Sourced[str]
    total_reason: Sourced[str]
    unclear_reason: Sourced[str]
    title: Sourced[str]


class UnreadPicture(Part):
    """The answer for a picture that is not one to rely on."""

    staging: Sourced[StagingWithPrognosis]
    urgency: Sourced[Urgency]
    treatment_options: Sourced[tuple[str, ...]]
    title: Sourced[str]
    message: Sourced[str]
    actions: Sourced[tuple[str, ...]]


class SkinKnowledge(Document):
    """knowledge.yaml, classes in index order."""

    not_assessed: Sourced[tuple[str, ...]]
    classes: tuple[SkinClass, ...]
    suspicion: Suspicion
    unread: UnreadPicture


@cache
def skin_knowledge() -> SkinKnowledge:
    """Texts of POST /analyze/skin."""
    return load(__name__, "knowledge.yaml", SkinKnowledge)
