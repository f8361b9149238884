"""The texts of both ECG routes."""

from functools import cache

from models.diagnoses.knowledge import Document, Sourced, load
from schemas.common import Part, Probability, Severity, Staging, Urgency


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


@cache
def heart_knowledge() -> HeartKnowledge:
    """Texts of POST /analyze/heart."""
    return load(__name__, "knowledge.yaml", HeartKnowledge)
