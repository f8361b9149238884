"""What a frontal chest X-ray shows: Normal or Pneumonia.

The name follows the model's operating point, chosen on validation, and not 0.5: Pneumonia where its probability is at
or above the threshold. `confidence` is the probability of the class that is named, so near the threshold it can be
below 0.5. Where Normal is named though pneumonia is the more probable (an operating point above 0.5), the answer is
not reassuring: severity, urgency and recommendations say that the picture does not settle it. How grave a pneumonia
is, a picture doesn't say (BTS grades it by CRB-65): the severity is the class's own.
"""

from models.diagnoses.probabilities import name_classes, percent, threshold_of
from models.diagnoses.xray.knowledge import xray_knowledge
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from schemas.xray import READING_EXAMPLE, XrayPrediction, XrayReading

_KNOWLEDGE = xray_knowledge()
_SAMPLE = XrayReading.model_validate(READING_EXAMPLE)


def interpret(outputs: Outputs, metadata: Metadata) -> XrayReading:
    """Read `probabilities`, (2,), of `normal` and `pneumonia`, which sum to 1.

    Raises `ValueError` where the bundle's classes are not the contract's.
    """
    named = name_classes(outputs[PROBABILITIES], metadata, _KNOWLEDGE.classes)
    normal, pneumonia = named
    threshold = threshold_of(pneumonia.code, metadata, default=_KNOWLEDGE.default_threshold.value)
    found = pneumonia if pneumonia.probability >= threshold else normal
    unsettled = found is normal and pneumonia.probability > normal.probability
    advice = _KNOWLEDGE.unsettled if unsettled else _KNOWLEDGE.classes[found.class_id].advice
    return XrayReading(
        prediction=XrayPrediction(
            class_id=found.class_id,
            code=found.code,
            name=found.name,
            confidence=found.probability,
            confidence_percent=percent(found.probability),
        ),
        severity=advice.severity,
        recommendations=advice.recommendations.value,
        urgency=advice.urgency.value,
        probabilities=named,
    )


def sample() -> XrayReading:
    """The fixed answer of the demo mode, the contract's example."""
    return _SAMPLE
