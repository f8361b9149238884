"""Whether the evidence settles an answer, and which class it names.

What reassures needs positive evidence: the class over its own threshold, no graver one over its own, no alert, and an
input that is accepted. An input that is not accepted settles nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from models.diagnoses.probabilities import gravity
from schemas.common import Severity


@dataclass(frozen=True, slots=True)
class Weighed:
    """A class with its probability, the threshold from which it is present, both 0-1, and how grave it is.

    A `reassuring` one is not a finding to act upon, such as a normal or benign one.
    """

    code: str
    probability: float
    threshold: float
    severity: Severity
    reassuring: bool

    @property
    def present(self) -> bool:
        """Whether the probability reaches the threshold."""
        return self.probability >= self.threshold


class Verdict(NamedTuple):
    """The class that is named, and whether it is settled or only not excluded."""

    code: str
    settled: bool


def settle(
    classes: Sequence[Weighed],
    *,
    excluded_below: float,
    suspected: Collection[str] = (),
    alarmed: bool = False,
    accepted: bool = True,
) -> Verdict:
    """The most probable class that is present and doesn't reassure; else the most probable one that reassures, if it is
    present and nothing speaks against it; else the gravest that isn't excluded, not settled.

    A class is excluded whose probability is below `excluded_below` times its threshold and which no alert suspects
    (`suspected`); `alarmed` says that an alert stands. Where all are excluded the one nearest to its threshold is
    named; of an input that is not `accepted` none is excluded.
    """
    graver = [each for each in classes if not each.reassuring]
    if accepted:
        if found := [each for each in graver if each.present]:
            return Verdict(max(found, key=_probability).code, settled=True)
        reassuring = [each for each in classes if each.reassuring and each.present]
        if reassuring and not alarmed and not suspected:
            return Verdict(max(reassuring, key=_probability).code, settled=True)
    left = [
        each
        for each in graver
        if not accepted or each.code in suspected or each.probability >= excluded_below * each.threshold
    ]
    if not left:
        return Verdict(max(graver, key=_nearness).code, settled=False)
    return Verdict(max(left, key=lambda each: (gravity(each.severity), each.probability)).code, settled=False)


def _probability(weighed: Weighed) -> float:
    return weighed.probability


def _nearness(weighed: Weighed) -> float:
    return weighed.probability / max(weighed.threshold, 1e-9)
