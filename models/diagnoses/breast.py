"""The BI-RADS category of a breast ultrasound.

Category 6 is for a malignancy known from a biopsy. No picture shows it: it is answered only on the caller's word.
"""

from models import knowledge
from models.diagnoses.probabilities import percent
from schemas.breast import READING_EXAMPLE, BreastPrediction, BreastReading

_BIOPSY_PROVEN = knowledge.breast().categories[-1]
_SAMPLE = BreastReading.model_validate(READING_EXAMPLE)


def sample(*, biopsy_proven: bool = False) -> BreastReading:
    """The fixed answer of the demo mode: the contract's example, or category 6 where a biopsy has proven cancer."""
    return known_malignancy(_SAMPLE) if biopsy_proven else _SAMPLE


def known_malignancy(reading: BreastReading) -> BreastReading:
    """Category 6 in place of the picture's own, whose probabilities stay; that of malignancy is 1, as proven."""
    return reading.model_copy(
        update={
            "prediction": BreastPrediction(
                class_id=5,
                name=_BIOPSY_PROVEN.name,
                birads="BI-RADS 6",
                confidence=1.0,
                confidence_percent=percent(1.0),
            ),
            "severity": _BIOPSY_PROVEN.severity,
            "recommendations": _BIOPSY_PROVEN.recommendations.text,
            "urgency": _BIOPSY_PROVEN.urgency.text,
            "malignancy_probability": 1.0,
        }
    )
