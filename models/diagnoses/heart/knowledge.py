"""The texts of both ECG routes."""

from collections.abc import Iterable
from functools import cache
from typing import Literal

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


class StLimits(Part):
    """mV at the J point from which ST is elevated: in V2 and V3 by age and sex, and in all other leads."""

    others: float
    women: float
    men_from_40: float
    men_under_40: float


class Rule(Part):
    """A danger sign: its name, the class it speaks for, and how urgent it is."""

    name: str
    suspects: str
    urgency: Sourced[Urgency]


class ElevationRule(Rule):
    """ST elevation in two contiguous leads."""

    limits: Sourced[StLimits]


class DepressionRule(Rule):
    """ST depression, mV."""

    depression: Sourced[float]


class FigureRule(Rule):
    """A figure below or above a limit, in the unit of its measurement; the source of the urgency has the limit too."""

    figure: Literal["rate", "longest", "qtc_fridericia", "qrs"]
    below: float | None = None
    above: float | None = None


class Imitators(Part):
    """What may look like an infarction, with the figures that speak for it."""

    wide_qrs: str
    hypertrophy: str
    early_repolarisation: str


class AlertRules(Part):
    """The rules of alerts; the tolerances, mV, are by how far a level has to pass a limit; `misread` is said beside one
    of a sheet whose traces do not fit together."""

    tolerance_of_records: Sourced[float]
    tolerance_of_records_in_v2_v3: Sourced[float]
    tolerance_of_sheets: Sourced[float]
    tolerance_of_sheets_in_v2_v3: Sourced[float]
    st_elevation: ElevationRule
    posterior: DepressionRule
    widespread_depression: DepressionRule
    imitators: Sourced[Imitators]
    misread: Sourced[str]
    figures: tuple[FigureRule, ...]

    @property
    def all(self) -> tuple[Rule, ...]:
        """Every rule."""
        return self.st_elevation, self.posterior, self.widespread_depression, *self.figures


class Rhythms(Part):
    """Names of rhythms, and the rates a minute below and above which one from the sinus node is slow and fast."""

    fibrillation: str
    sinus: str
    slow: str
    fast: str
    extrasystoles: str
    slow_below: float
    fast_above: float


class NotSettled(Part):
    """What is said where nothing is settled: the stage, where the ECG was read and where it can't be relied upon; how
    soon to act on a critical class that isn't excluded, and on another."""

    read: Sourced[Staging]
    not_relied_upon: Sourced[Staging]
    critical: Sourced[Urgency]
    other: Sourced[Urgency]


class HeartKnowledge(Document):
    """knowledge.yaml, classes in index order.

    A class whose probability is below `excluded_below` times its threshold counts as excluded. From a QRS of
    `no_normal_from_qrs` milliseconds on nothing is named Normal.
    """

    default_threshold: Sourced[Probability]
    excluded_below: Sourced[Probability]
    no_normal_from_qrs: Sourced[float]
    not_settled: NotSettled
    not_assessed: Sourced[tuple[str, ...]]
    rhythm_not_assessed: Sourced[str]
    voltages_not_assessed: Sourced[str]
    times_not_assessed: Sourced[str]
    rhythms: Sourced[Rhythms]
    classes: tuple[HeartClass, ...]
    alerts: AlertRules

    def suspects(self, alerts: Iterable[str]) -> set[str]:
        """The codes of the classes that the alerts of these names speak for."""
        names = set(alerts)
        return {rule.suspects for rule in self.alerts.all if rule.name in names} if names else set()

    def cite(self, source: str) -> str:
        """The citations of the keys of a `source`."""
        return "; ".join(self.sources[key] for key in source.split(", "))


@cache
def heart_knowledge() -> HeartKnowledge:
    """Texts of POST /analyze/heart."""
    return load(__name__, "knowledge.yaml", HeartKnowledge)
