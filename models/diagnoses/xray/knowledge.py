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
    """xray.yaml, classes in index order; `unsettled` is for a Normal that is the less probable class."""

    default_threshold: Sourced[Probability]
    classes: tuple[XrayClass, ...]
    unsettled: XrayAdvice


@cache
def xray_knowledge() -> XrayKnowledge:
    """Texts of POST /analyze/xray."""
    return load(__name__, "knowledge.yaml", XrayKnowledge)
