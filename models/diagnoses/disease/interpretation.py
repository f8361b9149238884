"""Symptoms to diseases: what was understood, how urgent it is, and which diseases explain it best."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from models.diagnoses.disease import features, findings, red_flags
from models.diagnoses.disease.findings import Findings
from models.diagnoses.disease.knowledge import RedFlagRule, UrgencyLevel, disease_knowledge
from models.diagnoses.disease.patient import Patient, describe
from models.diagnoses.disease.vocabulary import vocabulary
from models.diagnoses.probabilities import DECIMALS, percent
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from schemas.disease import (
    REQUEST_EXAMPLE,
    DiseasePrediction,
    DiseaseReading,
    DiseaseRequest,
    PatientDetails,
    RankedDisease,
    RedFlag,
)

_KNOWLEDGE = disease_knowledge()
_LEVELS = tuple(_KNOWLEDGE.urgencies)
_RANKED = 5


class NoKnownSymptomError(ValueError):
    """No symptom sent is known and present; the message suggests what to send."""


@dataclass(frozen=True, slots=True)
class Case:
    """A request as it was understood."""

    findings: Findings
    patient: Patient
    red_flags: tuple[tuple[RedFlagRule, tuple[str, ...]], ...]

    @property
    def values(self) -> dict[str, float | None]:
        """What the model reads, by feature name."""
        return features.values_of(self.findings, self.patient)


def known_symptoms() -> tuple[str, ...]:
    """Every symptom by name, in the order of the body."""
    return vocabulary().names


def symptoms_by_body_part() -> dict[str, tuple[str, ...]]:
    """The same, by part of the body."""
    return dict(vocabulary().parts)


def understand(request: DiseaseRequest) -> Case:
    """Find symptoms, age and sex in a request; what is sent as a field counts before what `text` says.

    Raises `NoKnownSymptomError` where no symptom is understood, or all are absent.
    """
    found = findings.read(request.symptoms, request.text)
    if not found.present:
        raise NoKnownSymptomError(_none_present(found) if found.absent else _none_known(found))
    described = describe(request.text) if request.text else Patient()
    patient = Patient(age=request.age if request.age is not None else described.age, sex=request.sex or described.sex)
    return Case(found, patient, tuple(red_flags.raised(found.present, patient)))


def interpret(outputs: Outputs, metadata: Metadata, case: Case) -> DiseaseReading:
    """The five diseases that explain the case best, the gravest urgency, and advice.

    Raises `ValueError` where the bundle knows a disease that the knowledge file lacks.
    """
    probabilities = outputs[PROBABILITIES]
    leading = np.argpartition(-probabilities, _RANKED - 1)[:_RANKED]
    order = leading[np.argsort(-probabilities[leading], kind="stable")].tolist()
    ranking = tuple(
        RankedDisease(disease=metadata.classes[place], probability=round(float(probabilities[place]), DECIMALS))
        for place in order
    )
    level = _urgency(case, ranking)
    return _reading(case, ranking, level, _advice(case, ranking[0], level))


def check_bundle(metadata: Metadata) -> None:
    """Raises `ValueError` where a disease of the bundle is unknown here, or its features are not the vocabulary's."""
    if unknown := [name for name in metadata.classes if name not in _KNOWLEDGE.diseases.value]:
        raise ValueError(f"disease/knowledge.yaml lacks {', '.join(unknown)}.")
    if metadata.tabular_preprocessing.names != features.feature_names():
        raise ValueError("its findings are not those of disease/symptoms.yaml; train it again.")


@cache
def example() -> Case:
    """The request of the OpenAPI document's example, understood."""
    return understand(DiseaseRequest.model_validate(REQUEST_EXAMPLE))


def sample(case: Case) -> DiseaseReading:
    """The fixed ranking of the demo mode with the request's own symptoms and red flags."""
    fixed = _KNOWLEDGE.sample.value
    level = _urgency(case, fixed.ranking)
    advice = (_KNOWLEDGE.advice.red_flag.value,) if case.red_flags else ()
    return _reading(case, fixed.ranking, level, (*advice, *fixed.recommendations))


def _reading(
    case: Case, ranking: tuple[RankedDisease, ...], level: UrgencyLevel, advice: tuple[str, ...]
) -> DiseaseReading:
    first = ranking[0]
    return DiseaseReading(
        prediction=DiseasePrediction(
            code=first.disease,
            disease=first.disease,
            confidence=first.probability,
            confidence_percent=percent(first.probability),
        ),
        top_predictions=ranking,
        symptoms_analyzed=case.findings.present,
        symptoms_absent=case.findings.absent,
        symptoms_unrecognized=case.findings.unrecognized,
        suggestions=case.findings.suggestions,
        red_flags=tuple(
            RedFlag(name=rule.name, symptoms=symptoms, urgency=_KNOWLEDGE.urgencies[rule.urgency].value)
            for rule, symptoms in case.red_flags
        ),
        urgency=_KNOWLEDGE.urgencies[level].value,
        recommendations=advice,
        patient=PatientDetails(age=case.patient.age, sex=case.patient.sex),
    )


def _urgency(case: Case, ranking: tuple[RankedDisease, ...]) -> UrgencyLevel:
    """The gravest of the red flags, the leading disease, and every disease that is probable enough."""
    likely = [
        _KNOWLEDGE.diseases.value[disease.disease].urgency
        for place, disease in enumerate(ranking)
        if place == 0 or disease.probability >= _KNOWLEDGE.urgent_from.value
    ]
    return min([*likely, *(rule.urgency for rule, _ in case.red_flags)], key=_LEVELS.index)


def _advice(case: Case, first: RankedDisease, level: UrgencyLevel) -> tuple[str, ...]:
    advice = _KNOWLEDGE.advice
    return (
        *((advice.red_flag.value,) if any(rule.urgency == "emergency" for rule, _ in case.red_flags) else ()),
        _KNOWLEDGE.urgencies[level].value.action,
        *_KNOWLEDGE.groups[_KNOWLEDGE.diseases.value[first.disease].group].value,
        *((advice.uncertain.value,) if first.probability < _KNOWLEDGE.uncertain_below.value else ()),
        advice.monitor.value,
    )


def _none_present(findings: Findings) -> str:
    return f"Only absent symptoms were understood: {', '.join(findings.absent)}. Send at least one that is present."


def _none_known(findings: Findings) -> str:
    near = dict.fromkeys(name for names in findings.suggestions.values() for name in names)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return f"None of the symptoms is known.{hint} GET /symptoms lists those that are."
