"""What a dermoscopy picture of a skin lesion shows.

`prediction` is always the most probable class. The rest of the answer follows suspicion rather than the lead, as NICE
NG12 refers a patient for what a finding may be, from a chance of cancer of about 3 % on. So where a graver class
reaches its operating point, or where the malignant and pre-cancerous classes together are the likelier half though a
benign one leads, staging says that the picture does not settle it, and severity, urgency, treatment options and
recommendations are those of the suspicious class, with the reason in `escalation` and in the message. Nothing ever
lowers them.
"""

import math
from typing import get_args

from models.diagnoses.probabilities import gravity, most_probable, name_classes, percent, threshold_of
from models.diagnoses.skin.knowledge import SkinClass, skin_knowledge
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from schemas.common import ClassProbability
from schemas.skin import READING_EXAMPLE, LesionType, SkinEscalation, SkinPrediction, SkinReading

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
    texts = lead
    staging, recommendations = lead.staging.value, lead.recommendations.value
    if escalation is not None:
        texts = next(known for known in _KNOWLEDGE.classes if known.code == escalation.code)
        staging = _KNOWLEDGE.suspicion.staging.value
        recommendations = texts.recommendations.value.model_copy(
            update={
                "title": _KNOWLEDGE.suspicion.title.value.format(suspect=texts.name),
                "message": escalation.reason,
            }
        )
    return SkinReading(
        prediction=SkinPrediction(
            class_id=leading.class_id,
            code=leading.code,
            name=leading.name,
            type=lead.type,
            confidence=leading.probability,
            confidence_percent=percent(leading.probability),
        ),
        staging=staging,
        severity=texts.severity,
        urgency=texts.urgency.value,
        treatment_options=texts.treatment_options.value,
        recommendations=recommendations,
        probabilities=named,
        escalation=escalation,
    )


def sample() -> SkinReading:
    """The fixed answer of the demo mode, the contract's example."""
    return _SAMPLE


def _class_of(candidate: ClassProbability) -> SkinClass:
    return _KNOWLEDGE.classes[candidate.class_id]


def _rank(candidate: ClassProbability) -> tuple[int, int]:
    known = _class_of(candidate)
    return gravity(known.severity), _TYPES.index(known.type)


def _escalation(
    named: tuple[ClassProbability, ...], leading: ClassProbability, metadata: Metadata
) -> SkinEscalation | None:
    suspects = [
        candidate for candidate in named if _class_of(candidate).type != "benign" and _rank(candidate) > _rank(leading)
    ]
    reached = [
        candidate
        for candidate in suspects
        if candidate.probability >= threshold_of(candidate.code, metadata, default=math.inf)
    ]
    texts = _KNOWLEDGE.suspicion
    total = sum(candidate.probability for candidate in suspects)
    if reached:
        suspect = max(reached, key=lambda candidate: (_rank(candidate), candidate.probability))
        template = texts.operating_point_reason.value
    elif _class_of(leading).type == "benign" and total >= texts.total_threshold.value:
        suspect = most_probable(suspects)
        template = texts.total_reason.value
    else:
        return None
    reason = template.format(
        leading=leading.name,
        leading_percent=percent(leading.probability),
        suspect=suspect.name,
        suspect_percent=percent(suspect.probability),
        threshold_percent=percent(threshold_of(suspect.code, metadata, default=math.inf)),
        total_percent=percent(total),
    )
    return SkinEscalation(code=suspect.code, name=suspect.name, probability=suspect.probability, reason=reason)
