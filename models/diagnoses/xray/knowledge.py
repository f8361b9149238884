"""The texts of POST /analyze/xray."""

from functools import cache

from models.diagnoses.knowledge import Document, Sourced, load
from schemas.common import Part, Probability, Severity, Urgency


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
    """knowledge.yaml, classes in index order; `unsettled` is the answer where neither is."""

    default_threshold: Sourced[Probability]
    not_assessed: Sourced[tuple[str, ...]]
    classes: tuple[XrayClass, ...]
    unsettled: XrayAdvice


@cache
def xray_knowledge() -> XrayKnowledge:
    """Texts of POST /analyze/xray."""
    return load(__name__, "knowledge.yaml", XrayKnowledge)
