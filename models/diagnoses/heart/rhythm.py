"""`measurements.rhythm`: the rhythm by a bundle that has learned it, beside the intervals that were measured."""

from models.diagnoses.heart.figures import Figures
from models.serving.bundle import Metadata
from models.serving.engine import Outputs
from schemas.heart import Rhythm

NOT_LEARNED = "The model that answered does not assess the rhythm; `rr_variation` says how irregular the beats are."


def tell_rhythm(_outputs: Outputs, _metadata: Metadata, _figures: Figures) -> Rhythm:
    """The rhythm with its probability; none of a bundle that has not learned any."""
    return Rhythm(value=None, probability=None, reason=NOT_LEARNED)
