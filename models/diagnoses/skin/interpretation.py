"""What a dermoscopy picture of a skin lesion shows.

The answer follows suspicion rather than the lead, as a patient is referred for what a finding may be. A suspicious
class (malignant or pre-cancerous) that leads is named. Where one reaches its operating point though a milder class
leads, or where all of them together reach theirs though a benign class leads, urgency, treatment options and
recommendations are those of the suspicious class, with the reason in `escalation` and in the message. A benign class is
settled only where nothing is suspicious and it reaches its own threshold; else the answer is not settled and names what
isn't excluded, as it is for a picture that isn't accepted. Nothing ever lowers an answer.
"""

import math
from typing import get_args

from models.diagnoses.probabilities import gravity, most_probable, name_classes, percent, point_of, threshold_of
from models.diagnoses.skin.knowledge import SkinClass, skin_knowledge
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from schemas.common import ClassProbability, Recommendations, Reliability
from schemas.skin import READING_EXAMPLE, LesionType, SkinEscalation, SkinPrediction, SkinReading

SUSPICIOUS = "suspicious"
"""The code of the operating point of all malignant and pre-cancerous classes together."""

_KNOWLEDGE = skin_knowledge()
_SAMPLE = SkinReading.model_validate(READING_EXAMPLE)
_TYPES: tuple[LesionType, ...] = get_args(LesionType)


def interpret(outputs: Outputs, metadata: Metadata) -> SkinReading:
    """Read `probabilities`, (7,), of the classes `akiec` to `vasc`, which sum to 1.

    Raises `ValueError` where the bundle's classes are not the contract's.
    """
    named = name_classes(outputs[PROBABILITIES], metadata, _KNOWLEDGE.classes)
    leading = most_probable(named)
    escalation = _escalation(named, leading, metadata)
    lead = _class_of(leading)
    if lead.type == "benign" and escalation is not None:
        suspect = next(each for each in named if each.code == escalation.code)
        return _unsettled(named, suspect, escalation)
    told = lead if escalation is None else next(each for each in _KNOWLEDGE.classes if each.code == escalation.code)
    recommendations, staging = told.recommendations.value, lead.staging.value
    if escalation is not None:
        recommendations = _suspecting(told, escalation.reason, recommendations)
        staging = _KNOWLEDGE.suspicion.staging.value
    return SkinReading(
        prediction=_prediction(leading, leading.name, settled=True),
        staging=staging,
        severity=told.severity,
        urgency=told.urgency.value,
        treatment_options=told.treatment_options.value,
        recommendations=recommendations,
        probabilities=named,
        escalation=escalation,
        not_assessed=_KNOWLEDGE.not_assessed.value,
    )


def conclude(reading: SkinReading, _: Metadata, reliability: Reliability) -> SkinReading:
    """What of the reading stands for a picture of that reliability: of one that isn't accepted, that nothing is ruled
    out."""
    if reliability.accepted:
        return reading
    gravest = max(reading.probabilities, key=_rank)
    unread = _KNOWLEDGE.unread
    return reading.model_copy(
        update={
            "prediction": _prediction(gravest, f"Not settled: {gravest.name} not excluded", settled=False),
            "staging": unread.staging.value,
            "severity": "uncertain",
            "urgency": unread.urgency.value,
            "treatment_options": unread.treatment_options.value,
            "recommendations": Recommendations(
                level="uncertain",
                title=unread.title.value,
                message=unread.message.value,
                actions=unread.actions.value,
            ),
            "escalation": None,
        }
    )


def named(reading: SkinReading) -> tuple[str, ...]:
    """The codes of the class that is named, and of that which the answer is graver for."""
    return (reading.prediction.code, *((reading.escalation.code,) if reading.escalation else ()))


def sample() -> SkinReading:
    """The fixed answer of the demo mode, the contract's example."""
    return _SAMPLE


def _unsettled(
    named: tuple[ClassProbability, ...], suspect: ClassProbability, escalation: SkinEscalation
) -> SkinReading:
    """The reading where a benign class leads and a suspicious one isn't excluded."""
    told = _class_of(suspect)
    recommendations = _suspecting(told, escalation.reason, told.recommendations.value)
    return SkinReading(
        prediction=_prediction(suspect, f"Not settled: {suspect.name} not excluded", settled=False),
        staging=_KNOWLEDGE.suspicion.staging.value,
        severity="uncertain",
        urgency=told.urgency.value,
        treatment_options=told.treatment_options.value,
        recommendations=recommendations.model_copy(update={"level": "uncertain"}),
        probabilities=named,
        escalation=escalation,
        not_assessed=_KNOWLEDGE.not_assessed.value,
    )


def _prediction(each: ClassProbability, name: str, *, settled: bool) -> SkinPrediction:
    return SkinPrediction(
        class_id=each.class_id,
        code=each.code,
        settled=settled,
        name=name,
        type=_class_of(each).type,
        confidence=each.probability,
        confidence_percent=percent(each.probability),
    )


def _suspecting(suspect: SkinClass, reason: str, recommendations: Recommendations) -> Recommendations:
    title = _KNOWLEDGE.suspicion.title.value.format(suspect=suspect.name)
    return recommendations.model_copy(update={"title": title, "message": reason})


def _class_of(candidate: ClassProbability) -> SkinClass:
    return _KNOWLEDGE.classes[candidate.class_id]


def _rank(candidate: ClassProbability) -> tuple[int, int]:
    known = _class_of(candidate)
    return gravity(known.severity), _TYPES.index(known.type)


def _escalation(
    named: tuple[ClassProbability, ...], leading: ClassProbability, metadata: Metadata
) -> SkinEscalation | None:
    """Why the answer is graver than its leading class: a class at its operating point first, then all together, then a
    benign lead too weak to be one."""
    graver = [each for each in named if _class_of(each).type != "benign" and _rank(each) > _rank(leading)]
    if not graver:
        return None
    texts, threshold = _KNOWLEDGE.suspicion, 0.0
    total = sum(each.probability for each in graver)
    reached = [each for each in graver if each.probability >= threshold_of(each.code, metadata, default=math.inf)]
    if reached:
        suspect = max(reached, key=lambda each: (_rank(each), each.probability))
        template, threshold = texts.operating_point_reason, threshold_of(suspect.code, metadata, default=math.inf)
    elif _class_of(leading).type != "benign":
        return None
    elif total >= (together := threshold_of(SUSPICIOUS, metadata, default=texts.total_threshold.value)):
        suspect, template, threshold = most_probable(graver), texts.total_reason, together
    elif leading.probability < threshold_of(leading.code, metadata, default=texts.benign_threshold.value):
        suspect, template = most_probable(graver), texts.unclear_reason
    else:
        return None
    point = point_of(suspect.code, metadata)
    reason = template.value.format(
        leading=leading.name,
        leading_percent=percent(leading.probability),
        suspect=suspect.name,
        suspect_percent=percent(suspect.probability),
        threshold_percent=percent(threshold),
        total_percent=percent(total),
        sensitivity_percent=percent(point.sensitivity) if point else "",
    )
    return SkinEscalation(code=suspect.code, name=suspect.name, probability=suspect.probability, reason=reason)
