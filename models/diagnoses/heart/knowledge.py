"""The texts of both ECG routes."""

from collections.abc import Iterable
from functools import cache

from models.diagnoses.knowledge import Document, Sourced, load
from schemas.common import Part, Probability, Severity, Staging, Urgency


class HeartClass(Part):
    """What an ECG may show. `settled_by` says what would settle it where it is not excluded; empty of the normal one,
    which is never named then."""

    code: str
    name: str
    severity: Severity
    staging: Sourced[Staging]
    urgency: Sourced[Urgency]
    treatment_options: Sourced[tuple[str, ...]]
    settled_by: Sourced[tuple[str, ...]] | None = None


class NotSettled(Part):
    """What is said where nothing is settled: the stage, where the ECG was read and where it can't be relied upon; how
    soon to act on a critical class that isn't excluded, and on another."""

    read: Sourced[Staging]
    not_relied_upon: Sourced[Staging]
    critical: Sourced[Urgency]
    other: Sourced[Urgency]


class HeartKnowledge(Document):
    """knowledge.yaml, classes in index order.

    A class whose probability is below `excluded_below` times its threshold counts as excluded.
    """

    default_threshold: Sourced[Probability]
    excluded_below: Sourced[Probability]
    not_settled: NotSettled
    not_assessed: Sourced[tuple[str, ...]]
    classes: tuple[HeartClass, ...]

    def suspects(self, alerts: Iterable[str]) -> set[str]:
        """The codes of the classes that the alerts of these names speak for."""
        return set()


@cache
def heart_knowledge() -> HeartKnowledge:
    """Texts of POST /analyze/heart."""
    return load(__name__, "knowledge.yaml", HeartKnowledge)
