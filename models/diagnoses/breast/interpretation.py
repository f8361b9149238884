"""The BI-RADS category of a breast ultrasound.

The network answers three questions: is there a lesion at all, how likely would a biopsy show cancer, and how would a
radiologist grade it. They are made one on the scale 1, 2, 3, 4A, 4B, 4C, 5:

* No lesion is category 1, where its probability reaches the bundle's operating point `1`, chosen so that at most 1 % of
  the malignant lesions reach it. Where neither that nor the one of `lesion` is reached, nothing is settled.
* The probability of malignancy is learned from lesions alone: it holds if there is one. Where none is seen it counts
  with the probability that there is one after all (the law of total probability).
* A lesion's category is the assessed one: the median of what is left for 2 to 5, at a tie the graver. The categories
  are ordered, and the median errs by the fewest steps. Assessed as 4 is at least 4A, assessed as 5 at least 4C.
* From the operating point `suspicious` on, a probability of malignancy is at least 4A, 4B, 4C or 5 by the bands of the
  ACR BI-RADS Atlas: up to 10, up to 50, below 95 %, and from 95 % on. That cut is chosen for the group: of all lesions
  below it that are answered 2 or 3, at most 2 % were cancer when it was chosen, which is what category 3 promises. No
  network is that sure of a single picture, so below the cut the bands say nothing. A bundle without one is cut between
  2 and 5 %, by its operating point `malignant`.
* The graver of the two is answered, so that neither can talk the other out of a biopsy. Category 5 takes the atlas's
  95 %, whatever the assessment: with less it is 4C, which is acted on alike.

The probability is calibrated for people who were sent to a specialist or for a biopsy; for `screening` it is shown as
what it would be among people screened, by Bayes' rule. Category and urgency are those of the picture in either case.

Category 6 is for a malignancy known from a biopsy. No picture shows it: it is answered only on the caller's word.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

from models.diagnoses.breast.knowledge import BreastCategory, breast_knowledge
from models.diagnoses.probabilities import DECIMALS, name_classes, percent, point_of, threshold_of
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from schemas.breast import READING_EXAMPLE, Birads, BreastPrediction, BreastReading, Setting, Subcategory
from schemas.common import ClassProbability, Recommendations, Reliability

MALIGNANCY = "malignancy"
NO_LESION, LESION, SUSPICIOUS, OLD_POINT = "1", "lesion", "suspicious", "malignant"
"""Codes of operating points: of the probability of category 1, of that of all others, and of malignancy's."""

Grade = Literal["1", "2", "3", "4A", "4B", "4C", "5"]

_KNOWLEDGE = breast_knowledge()
_ASSESSED, _BIOPSY_PROVEN = _KNOWLEDGE.categories[:5], _KNOWLEDGE.categories[5]
_, _, _PROBABLY_BENIGN, _, _HIGHLY_SUGGESTIVE = (known.likelihood.value for known in _ASSESSED if known.likelihood)
_SUBCATEGORIES = _ASSESSED[3].subcategories
_SAMPLE = BreastReading.model_validate(READING_EXAMPLE)
_LEAST_GRADES: Sequence[Grade] = ("1", "2", "3", "4A", "4C")
_BIRADS: Sequence[Birads] = ("BI-RADS 1", "BI-RADS 2", "BI-RADS 3", "BI-RADS 4", "BI-RADS 5")
_NOT_SETTLED = "Not settled: {} not excluded"


def interpret(
    outputs: Outputs, metadata: Metadata, *, biopsy_proven: bool = False, setting: Setting = "diagnostic"
) -> BreastReading:
    """Read `probabilities`, (5,), of the assessments 1 to 5, which sum to 1, and `malignancy`, (), 0-1, calibrated for
    lesions.

    `confidence` is the probability of the category that is answered. Raises `ValueError` where the bundle's classes are
    not the contract's, or where it doesn't answer the probability of malignancy.
    """
    named = name_classes(outputs[PROBABILITIES], metadata, _ASSESSED)
    assessed, settled = assess(named, metadata)
    malignancy = _malignancy(outputs, metadata)
    if assessed == 0:
        malignancy *= 1.0 - named[0].probability
    grade = max(_LEAST_GRADES[assessed], grade_of(malignancy, suspicious_from(metadata)))
    settled = settled or grade > "3"
    answered = named[int(grade[0]) - 1] if settled else named[_PROBABLY_BENIGN_INDEX]
    known = _ASSESSED[answered.class_id]
    subcategory: Subcategory | None = grade if grade in _SUBCATEGORIES else None
    prevalence = prevalence_of(metadata)
    shown = _KNOWLEDGE.screening_prevalence.value if setting == "screening" else prevalence
    reading = BreastReading(
        prediction=_prediction(answered, known, subcategory, settled=settled),
        severity=known.severity if settled else "uncertain",
        recommendations=_advice(known, subcategory, metadata, settled=settled),
        urgency=known.urgency.value,
        probabilities=named,
        malignancy_probability=round(shifted(malignancy, prevalence, shown), DECIMALS),
        setting=setting,
        prevalence=shown,
        adjustment=_adjustment(assessed, grade, malignancy) if settled else None,
        not_assessed=_KNOWLEDGE.not_assessed.value,
    )
    return known_malignancy(reading) if biopsy_proven else reading


def conclude(reading: BreastReading, _: Metadata, reliability: Reliability) -> BreastReading:
    """What of the reading stands for a picture of that reliability: of one that isn't accepted only what a biopsy has
    proven, and else nothing. Category 5 takes evidence of its own, so 4 is the gravest that isn't excluded."""
    if reliability.accepted or reading.prediction.code == _BIOPSY_PROVEN.code:
        return reading
    suspicious, unread = reading.probabilities[_SUSPICIOUS_INDEX], _KNOWLEDGE.unread
    return reading.model_copy(
        update={
            "prediction": _prediction(suspicious, _ASSESSED[_SUSPICIOUS_INDEX], None, settled=False),
            "severity": "uncertain",
            "recommendations": unread.recommendations.value,
            "urgency": unread.urgency.value,
            "adjustment": None,
        }
    )


def assess(named: Sequence[ClassProbability], metadata: Metadata) -> tuple[int, bool]:
    """The index of the assessed category, and whether it is settled if a lesion or none is there."""
    no_lesion = named[0].probability
    absent = threshold_of(NO_LESION, metadata, default=_KNOWLEDGE.no_lesion_threshold.value)
    if no_lesion >= absent:
        return 0, True
    present = threshold_of(LESION, metadata, default=1.0 - absent)
    return 1 + median(named[1:]), 1.0 - no_lesion >= present


def median(assessments: Sequence[ClassProbability]) -> int:
    """The index of the median category, at a tie the graver."""
    half = sum(each.probability for each in assessments) / 2
    reached = accumulate(each.probability for each in assessments)
    return next((index for index, share in enumerate(reached) if share > half), len(assessments) - 1)


def grade_of(malignancy: float, suspicious_from: float) -> Grade:
    """The least grade that a probability of malignancy, 0-1, stands for: `1`, or from `suspicious_from` on a band."""
    if malignancy >= _HIGHLY_SUGGESTIVE.above:
        return "5"
    if malignancy < suspicious_from:
        return "1"
    return next(name for name, known in _SUBCATEGORIES.items() if malignancy <= known.likelihood.value.up_to)


def suspicious_from(metadata: Metadata) -> float:
    """From which probability of malignancy on, 0-1, categories 2 and 3 are out of the question."""
    if point := point_of(SUSPICIOUS, metadata):
        return point.threshold
    least, most = _PROBABLY_BENIGN.up_to, _KNOWLEDGE.consistency.clearly_above.value
    stated = threshold_of(OLD_POINT, metadata, default=0.0)
    return min(max(stated, least + 10.0**-DECIMALS), most)


def prevalence_of(metadata: Metadata) -> float:
    """The share with cancer, 0-1, among those for whom the probability of malignancy is calibrated."""
    points = (point_of(SUSPICIOUS, metadata), point_of(OLD_POINT, metadata))
    stated: float | None = next((point.prevalence for point in points if point and point.prevalence), None)
    return stated or _KNOWLEDGE.diagnostic_prevalence.value


def shifted(probability: float, calibrated_for: float, prevalence: float) -> float:
    """A probability that was calibrated for one prevalence as it would be at another, all 0-1 (Bayes' rule)."""
    more = probability * prevalence / calibrated_for
    less = (1.0 - probability) * (1.0 - prevalence) / (1.0 - calibrated_for)
    return more / (more + less)


def sample(*, biopsy_proven: bool = False, setting: Setting = "diagnostic") -> BreastReading:
    """The fixed answer of the demo mode: the contract's example, or category 6 where a biopsy has proven cancer."""
    fixed = _SAMPLE.model_copy(update={"setting": setting})
    return known_malignancy(fixed) if biopsy_proven else fixed


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


_PROBABLY_BENIGN_INDEX, _SUSPICIOUS_INDEX = 2, 3


def _prediction(
    answered: ClassProbability, known: BreastCategory, subcategory: Subcategory | None, *, settled: bool
) -> BreastPrediction:
    return BreastPrediction(
        class_id=answered.class_id,
        code=answered.code,
        settled=settled,
        name=known.name if settled else _NOT_SETTLED.format(known.name),
        birads=_BIRADS[answered.class_id],
        subcategory=subcategory,
        confidence=answered.probability,
        confidence_percent=percent(answered.probability),
    )


def _advice(
    known: BreastCategory, subcategory: Subcategory | None, metadata: Metadata, *, settled: bool
) -> Recommendations:
    recommendations = known.recommendations.value
    if not settled:
        return _KNOWLEDGE.unsettled.value.model_copy(update={"actions": recommendations.actions})
    more = _SUBCATEGORIES[subcategory].suspicion.value if subcategory else ""
    point = point_of(SUSPICIOUS, metadata)
    if known.code in ("2", "3") and point and point.negative_predictive_value is not None:
        more = _KNOWLEDGE.consistency.checked.value.format(
            missed_percent=percent(1.0 - point.negative_predictive_value)
        )
    return recommendations.model_copy(update={"message": f"{recommendations.message} {more}".strip()})


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
