"""What a picture shows by the classes of its bundle."""

from models.diagnoses.picture.knowledge import PictureKnowledge
from models.diagnoses.probabilities import most_probable, name_classes, percent, threshold_of
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from schemas.picture import PicturePrediction, PictureReading


def interpret(knowledge: PictureKnowledge, outputs: Outputs, metadata: Metadata) -> PictureReading:
    """Read `probabilities`, (classes,), which sum to 1.

    The answer is settled where the leading class reaches its operating point, if the bundle states one; else its
    severity is uncertain, whatever the class. Raises `ValueError` where the bundle's classes are not those of its
    knowledge.yaml.
    """
    named = name_classes(outputs[PROBABILITIES], metadata, knowledge.classes)
    leading = most_probable(named)
    known = knowledge.classes[leading.class_id]
    settled = leading.probability >= threshold_of(leading.code, metadata, default=0.0)
    return PictureReading(
        prediction=PicturePrediction(
            class_id=leading.class_id,
            code=leading.code,
            settled=settled,
            name=leading.name if settled else f"Not settled: {leading.name} not excluded",
            confidence=leading.probability,
            confidence_percent=percent(leading.probability),
        ),
        severity=known.severity if settled else "uncertain",
        urgency=known.urgency.value,
        recommendations=known.recommendations.value,
        probabilities=named,
        not_assessed=knowledge.not_assessed,
    )
