"""`measurements.rhythm`: the rhythm by a bundle that has learned it, beside the intervals that were measured."""

from models.diagnoses.heart.figures import Figures
from models.diagnoses.heart.knowledge import Rhythms, heart_knowledge
from models.serving.bundle import Metadata
from models.serving.engine import RHYTHM, Outputs
from schemas.heart import Rhythm

NOT_LEARNED = "The model that answered does not assess the rhythm, beyond how irregular the measured beats are."
UNCERTAIN = "Neither fibrillation or flutter nor a rhythm from the sinus node is likely enough."

_FIBRILLATION, _SINUS, _EXTRASYSTOLES = "AFIB_AFLT", "SINUS", "EXTRASYSTOLES"


def tell_rhythm(outputs: Outputs, metadata: Metadata, figures: Figures) -> Rhythm:
    """The rhythm with its probability; none of a bundle that has not learned any, and none where none is likely.

    Fibrillation and flutter come first: who has them is not to be told of a sinus rhythm. The probability is that of
    the rhythm named, extrasystoles apart.
    """
    if not metadata.rhythm:
        return Rhythm(value=None, probability=None, reason=NOT_LEARNED)
    chances = {
        point.code: float(chance) for point, chance in zip(metadata.rhythm, outputs[RHYTHM].ravel(), strict=True)
    }
    present = {point.code for point in metadata.rhythm if chances[point.code] >= point.threshold}
    names = heart_knowledge().rhythms.value
    if _FIBRILLATION in present:
        return Rhythm(value=names.fibrillation, probability=_rounded(chances[_FIBRILLATION]), reason=None)
    if _SINUS not in present:
        return Rhythm(value=None, probability=None, reason=UNCERTAIN)
    name = _of_the_sinus_node(names, figures.rate)
    if _EXTRASYSTOLES in present:
        name = f"{name} {names.extrasystoles}"
    return Rhythm(value=name, probability=_rounded(chances[_SINUS]), reason=None)


def _of_the_sinus_node(names: Rhythms, rate: float | None) -> str:
    if rate is not None and rate < names.slow_below:
        return names.slow
    if rate is not None and rate > names.fast_above:
        return names.fast
    return names.sinus


def _rounded(chance: float) -> float:
    return round(min(max(chance, 0.0), 1.0), 4)
