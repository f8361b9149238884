"""The BI-RADS category of a breast ultrasound.

The network answers twice: the category a radiologist would assess, 1 to 5, and the calibrated probability that a
biopsy would show cancer. The two are made one on the scale 1, 2, 3, 4A, 4B, 4C, 5:

* The assessment is the median of its distribution, the graver of two at a tie. The categories are ordered, and the
  median errs by the fewest steps; unlike the most probable category it never falls when probability moves upward.
  Assessed as 4 is at least 4A, assessed as 5 at least 4C.
* The probability of malignancy is at least 4A, 4B, 4C or 5 by the bands of the ACR BI-RADS Atlas: above 2, 10 and 50 %,
  and from 95 % on. Above 2 % counts from the bundle's operating point `malignant` on, which validation has shown to be
  clearly above; without one from 2 % itself, and from 5 % whatever the bundle states.
* The graver of the two is answered, so that neither can talk the other out of a biopsy: a probability clearly above
  2 % is never answered below 4, and an assessment of 4 or 5 with a probability below 2 % stays a 4. Category 5 takes
  the atlas's 95 %, whatever the assessment: with less it is 4C, which is acted on alike.

Category 6 is for a malignancy known from a biopsy. No picture shows it: it is answered only on the caller's word.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

from models.diagnoses.breast.knowledge import breast_knowledge
from models.diagnoses.probabilities import DECIMALS, name_classes, percent, threshold_of
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from schemas.breast import READING_EXAMPLE, Birads, BreastPrediction, BreastReading, Subcategory
from schemas.common import ClassProbability

MALIGNANCY = "malignancy"
OPERATING_POINT = "malignant"

Grade = Literal["1", "2", "3", "4A", "4B", "4C", "5"]

_KNOWLEDGE = breast_knowledge()
_ASSESSED, _BIOPSY_PROVEN = _KNOWLEDGE.categories[:5], _KNOWLEDGE.categories[5]
_, _, _PROBABLY_BENIGN, _, _HIGHLY_SUGGESTIVE = (known.likelihood.value for known in _ASSESSED if known.likelihood)
_SUBCATEGORIES = _ASSESSED[3].subcategories
_SAMPLE = BreastReading.model_validate(READING_EXAMPLE)
_LEAST_GRADES: Sequence[Grade] = ("1", "2", "3", "4A", "4C")
_BIRADS: Sequence[Birads] = ("BI-RADS 1", "BI-RADS 2", "BI-RADS 3", "BI-RADS 4", "BI-RADS 5")


def interpret(outputs: Outputs, metadata: Metadata, *, biopsy_proven: bool = False) -> BreastReading:
    """Read `probabilities`, (5,), of the assessments 1 to 5, which sum to 1, and `malignancy`, (), 0-1, calibrated.

    `confidence` is the probability of the category that is answered. Raises `ValueError` where the bundle's classes are
    not the contract's, or where it doesn't answer the probability of malignancy.
    """
    named = name_classes(outputs[PROBABILITIES], metadata, _ASSESSED)
    malignancy = _malignancy(outputs, metadata)
    assessed = median(named)
    grade = max(_LEAST_GRADES[assessed], grade_of(malignancy, suspicious_from(metadata)))
    answered = named[int(grade[0]) - 1]
    known = _ASSESSED[answered.class_id]
    recommendations = known.recommendations.value
    subcategory: Subcategory | None = None
    if grade in _SUBCATEGORIES:
        subcategory = grade
        message = f"{recommendations.message} {_SUBCATEGORIES[grade].suspicion.value}"
        recommendations = recommendations.model_copy(update={"message": message})
    reading = BreastReading(
        prediction=BreastPrediction(
            class_id=answered.class_id,
            code=answered.code,
            name=answered.name,
            birads=_BIRADS[answered.class_id],
            subcategory=subcategory,
            confidence=answered.probability,
            confidence_percent=percent(answered.probability),
        ),
        severity=known.severity,
        recommendations=recommendations,
        urgency=known.urgency.value,
        probabilities=named,
        malignancy_probability=malignancy,
        adjustment=_adjustment(assessed, grade, malignancy),
    )
    return known_malignancy(reading) if biopsy_proven else reading


def median(assessments: Sequence[ClassProbability]) -> int:
    """The index of the median category, at a tie the graver."""
    half = sum(each.probability for each in assessments) / 2
    reached = accumulate(each.probability for each in assessments)
    return next((index for index, share in enumerate(reached) if share > half), len(assessments) - 1)


def grade_of(malignancy: float, suspicious_from: float) -> Grade:
    """The least grade that a probability of malignancy, 0-1, stands for: `1`, or from `suspicious_from` on a band."""
    if malignancy >= _HIGHLY_SUGGESTIVE.above:
        return "5"
    if malignancy < suspicious_from or malignancy <= _PROBABLY_BENIGN.up_to:
        return "1"
    return next(name for name, known in _SUBCATEGORIES.items() if malignancy <= known.likelihood.value.up_to)


def suspicious_from(metadata: Metadata) -> float:
    """From which probability of malignancy on, 0-1, category 3 is out of the question: 2 to 5 %."""
    stated = threshold_of(OPERATING_POINT, metadata, default=_PROBABLY_BENIGN.up_to)
    return min(max(stated, _PROBABLY_BENIGN.up_to), _KNOWLEDGE.consistency.clearly_above.value)


def sample(*, biopsy_proven: bool = False) -> BreastReading:
    """The fixed answer of the demo mode: the contract's example, or category 6 where a biopsy has proven cancer."""
    return known_malignancy(_SAMPLE) if biopsy_proven else _SAMPLE


def known_malignancy(reading: BreastReading) -> BreastReading:
    """Category 6 in place of the picture's own, whose probabilities stay; that of malignancy is 1, as proven."""
    return reading.model_copy(
        update={
            "prediction": BreastPrediction(
                class_id=5,
                code=_BIOPSY_PROVEN.code,
                name=_BIOPSY_PROVEN.name,
                birads="BI-RADS 6",
                confidence=1.0,
                confidence_percent=percent(1.0),
            ),
            "severity": _BIOPSY_PROVEN.severity,
            "recommendations": _BIOPSY_PROVEN.recommendations.value,
            "urgency": _BIOPSY_PROVEN.urgency.value,
            "malignancy_probability": 1.0,
            "adjustment": None,
        }
    )


def _malignancy(outputs: Outputs, metadata: Metadata) -> float:
    bundle = f"Bundle {metadata.name} {metadata.version}"
    if MALIGNANCY not in outputs:
        raise ValueError(f"{bundle} has no output `{MALIGNANCY}`.")
    value = round(outputs[MALIGNANCY].item(), DECIMALS)
    if not 0 <= value <= 1:
        raise ValueError(f"{bundle} answers a `{MALIGNANCY}` of {value}, which is no probability.")
    return value


def _adjustment(assessed: int, grade: Grade, malignancy: float) -> str | None:
    own, answered = _ASSESSED[assessed].code, grade[0]
    if own == answered:
        return None
    texts = _KNOWLEDGE.consistency
    template = texts.raised if own < answered else texts.lowered
    return template.value.format(
        assessed=own,
        answered=grade,
        malignancy_percent=percent(malignancy),
        bound_percent=percent(_HIGHLY_SUGGESTIVE.above),
    )
