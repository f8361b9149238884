"""Where in a breast ultrasound the network found what speaks for a lesion, or, for category 1, for none.

The bundle holds a map of malignancy too, which is not shown.
"""

from typing import TypeVar

from models.diagnoses.breast.interpretation import MALIGNANCY
from models.diagnoses.explaining import NOT, Answered, map_explanation
from models.preprocessing.picture import ReadPicture
from models.serving.engine import CLASS_ACTIVATION
from schemas.breast import BreastReading
from schemas.common import Explanation

SentT = TypeVar("SentT")

LESION = "lesion"
ROWS = (LESION, MALIGNANCY)
"""What the rows of the bundle's `class_activation` speak for."""


def explain(answered: Answered[SentT, ReadPicture, BreastReading]) -> Explanation | None:
    """The map of the lesion; None where the picture is not accepted, or there is no map."""
    metadata = answered.prediction.metadata
    if not answered.reliability.accepted or metadata.explains != ROWS:
        return None
    values = answered.prediction.outputs[CLASS_ACTIVATION][ROWS.index(LESION)]
    values = values / values.size
    if answered.reading.prediction.code == "1":
        return map_explanation(f"{NOT}{LESION}", -values, answered.prepared, metadata.map_method)
    return map_explanation(LESION, values, answered.prepared, metadata.map_method)
