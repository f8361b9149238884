"""What a frontal chest X-ray shows: Normal or Pneumonia.

Either is named where it reaches the model's operating point for it, chosen on validation: Pneumonia first, whatever
Normal has. Normal needs at least a half as well, and without an operating point of its own all that pneumonia's leaves.
Where neither is reached, or the picture is not accepted, nothing is settled: pneumonia is not excluded, and the texts
say what would settle it. `confidence` is the probability of the class that is named, so with an operating point below
0.5 it can be below 0.5. How grave a pneumonia is, a picture doesn't say (CRB65 grades it): the severity is the class's
own.
"""

from models.diagnoses.probabilities import name_classes, percent, threshold_of
from models.diagnoses.settling import Verdict, Weighed, settle
from models.diagnoses.xray.knowledge import xray_knowledge
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from schemas.common import ClassProbability, Reliability
from schemas.xray import READING_EXAMPLE, XrayPrediction, XrayReading

_KNOWLEDGE = xray_knowledge()
_SAMPLE = XrayReading.model_validate(READING_EXAMPLE)
_NORMAL, _PNEUMONIA = _KNOWLEDGE.classes


def interpret(outputs: Outputs, metadata: Metadata) -> XrayReading:
    """Read `probabilities`, (2,), of `normal` and `pneumonia`, which sum to 1.

    Raises `ValueError` where the bundle's classes are not the contract's.
    """
    return _reading(name_classes(outputs[PROBABILITIES], metadata, _KNOWLEDGE.classes), metadata, accepted=True)


def conclude(reading: XrayReading, metadata: Metadata, reliability: Reliability) -> XrayReading:
    """What of the reading stands for a picture of that reliability."""
    return reading if reliability.accepted else _reading(reading.probabilities, metadata, accepted=False)


def sample() -> XrayReading:
    """The fixed answer of the demo mode, the contract's example."""
    return _SAMPLE


def _reading(named: tuple[ClassProbability, ...], metadata: Metadata, *, accepted: bool) -> XrayReading:
    verdict = _verdict(named, metadata, accepted=accepted)
    found = next(each for each in named if each.code == verdict.code)
    advice = _KNOWLEDGE.classes[found.class_id].advice if verdict.settled else _KNOWLEDGE.unsettled
    return XrayReading(
        prediction=XrayPrediction(
            class_id=found.class_id,
            code=found.code,
            settled=verdict.settled,
            name=found.name if verdict.settled else "Not settled: Pneumonia not excluded",
            confidence=found.probability,
            confidence_percent=percent(found.probability),
        ),
        severity=advice.severity,
        recommendations=advice.recommendations.value,
        urgency=advice.urgency.value,
        probabilities=named,
        not_assessed=_KNOWLEDGE.not_assessed.value,
    )


def _verdict(named: tuple[ClassProbability, ...], metadata: Metadata, *, accepted: bool) -> Verdict:
    normal, pneumonia = named
    default = _KNOWLEDGE.default_threshold.value
    present = threshold_of(_PNEUMONIA.code, metadata, default=default)
    absent = max(threshold_of(_NORMAL.code, metadata, default=1.0 - present), default)
    return settle(
        [
            Weighed(normal.code, normal.probability, absent, _NORMAL.advice.severity, reassuring=True),
            Weighed(pneumonia.code, pneumonia.probability, present, _PNEUMONIA.advice.severity, reassuring=False),
        ],
        excluded_below=0.0,
        accepted=accepted,
    )
