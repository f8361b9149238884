"""Symptoms to diseases: what was understood, how urgent it is, and which diseases explain it best."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.diagnoses.disease import features, findings, likeness, red_flags
from models.diagnoses.disease.danger_values import days_of
from models.diagnoses.disease.findings import Findings
from models.diagnoses.disease.knowledge import UrgencyLevel, disease_knowledge
from models.diagnoses.disease.languages import only_english
from models.diagnoses.disease.measurements import measure
from models.diagnoses.disease.patient import Patient
from models.diagnoses.disease.reading import Kind
from models.diagnoses.disease.red_flags import Raised
from models.diagnoses.disease.vocabulary import vocabulary
from models.diagnoses.disease.words import level
from models.diagnoses.probabilities import DECIMALS, percent
from models.serving.bundle import Metadata
from models.serving.engine import PROBABILITIES, Outputs
from schemas.disease import (
    REQUEST_EXAMPLE,
    CannotMiss,
    DiseasePrediction,
    DiseaseReading,
    DiseaseRequest,
    PatientDetails,
    RankedDisease,
    RedFlag,
    UnderstoodSpan,
)

_KNOWLEDGE = disease_knowledge()
_LEVELS = tuple(_KNOWLEDGE.urgencies)
_RANKED = 5
_MOST_TO_RULE_OUT = 5
_LEAST_SUSPICION = 0.01
_FEW_SYMPTOMS = 2
_FEWEST_FOR_EMERGENCY = 2
_LASTING = 21
"""Days from which a complaint is not left to itself."""
_FOR_WEEKS = re.compile(r"\bfor (?:many |several |some |a few |ages and )?(?:weeks|months|years|ages)\b", re.IGNORECASE)
_CIRCUMSTANCES = frozenset(vocabulary().parts["circumstances"]) | {"pregnancy", "recent childbirth", "missed periods"}
_VAGUE = (_CIRCUMSTANCES - {"recent cold"}) | {"injury"}
"""What may stand behind any complaint: of it alone nothing reassuring is said."""
_REASSURING: frozenset[UrgencyLevel] = frozenset({"routine", "self_care"})
_MILD: frozenset[UrgencyLevel] = frozenset({"soon", "routine", "self_care"})
_DOUBTED: UrgencyLevel = "urgent"
"""Where words are a little alike to a danger, somebody should ask within a day."""
_PARTS_OF_A_SEX: Mapping[str, frozenset[str]] = {
    "female": frozenset(vocabulary().parts["women and pregnancy"]),
    "male": frozenset({"testicle pain", "testicle swelling", "erection problems"}),
}


class NoKnownSymptomError(ValueError):
    """No symptom sent is known and present, nor any danger; the message suggests what to send, and whom to call."""


@dataclass(frozen=True, slots=True)
class Case:
    """A request as it was understood; `text` is what was sent, `complaint` the words of it that tell a trouble that has
    passed or of which no symptom is known, where nothing else was understood; `doubt` words that are a little alike to
    those that tell a danger."""

    findings: Findings
    patient: Patient
    red_flags: tuple[Raised, ...] = ()
    complaint: str | None = None
    text: str = ""
    not_used: tuple[str, ...] = ()
    doubt: str | None = None

    @property
    def values(self) -> dict[str, float | None]:
        """What the model reads, by feature name. A sex that the symptoms contradict is left out."""
        patient = replace(self.patient, sex=None) if self.contradictions else self.patient
        return features.values_of(self.findings, patient)

    @property
    def contradictions(self) -> tuple[str, ...]:
        """The sentence about symptoms or dangers that only the other sex has."""
        if self.patient.sex is None:
            return ()
        other = "male" if self.patient.sex == "female" else "female"
        named = [name for name in self.findings.present if name in _PARTS_OF_A_SEX[other]]
        named += [each.rule.name.lower() for each in self.red_flags if each.rule.sex == other]
        if not named:
            return ()
        sentence = _KNOWLEDGE.advice.contradiction.value
        return (sentence.format(sex=self.patient.sex, told=", ".join(dict.fromkeys(named))),)

    @property
    def understood_whole(self) -> bool:
        """Whether nothing that was sent remains unread."""
        return bool(self.findings.present) and not self.findings.unrecognized


def known_symptoms() -> tuple[str, ...]:
    """Every symptom by name, in the order of the body."""
    return tuple(name for names in vocabulary().parts.values() for name in names)


def symptoms_by_body_part() -> dict[str, tuple[str, ...]]:
    """The same, by part of the body."""
    return dict(vocabulary().parts)


def understand(request: DiseaseRequest) -> Case:
    """Find dangers, symptoms, age and sex in a request; what is sent as a field counts before what `text` says.

    Raises `NoKnownSymptomError` where no symptom and no danger is understood, or all are absent.
    """
    found = findings.read(request.symptoms, request.text)
    described = found.patient
    patient = Patient(
        age=request.age if request.age is not None else described.age,
        sex=request.sex or described.sex,
        pregnant_weeks=described.pregnant_weeks,
    )
    raised, doubt = _dangers(found, patient, request)
    complaint = None if found.present or raised else doubt or _unnamed_in(found, request.text)
    if not found.present and not raised and not complaint:
        told = None if found.absent else only_english(" ".join((request.text, *request.symptoms)))
        reason = told or (_none_present(found) if found.absent else _none_known(found))
        raise NoKnownSymptomError(f"{reason} {_KNOWLEDGE.advice.safety.value}")
    meant = [name for each in raised for name in each.rule.means]
    return Case(_with(found, meant), patient, raised, complaint, request.text, request.not_used, doubt)


def _unnamed_in(found: Findings, text: str) -> str | None:
    """The words that tell a trouble where no symptom is present: one that has passed, or none that is known."""
    passed = next((span for span in found.spans if span.kind is Kind.PAST), None)
    if passed:
        return text[passed.start : passed.end]
    return None if found.absent else red_flags.complaint(found, text)


def _dangers(found: Findings, patient: Patient, request: DiseaseRequest) -> tuple[tuple[Raised, ...], str | None]:
    """The rules that hold for a request, its text followed by its entries; where none of them is an emergency, the
    danger that its text is alike to, and the words that are a little alike to one."""
    entries = "\n".join(f"{entry}." for entry in request.symptoms)
    whole = "\n".join(filter(None, (request.text, entries)))
    before = len(whole) - len(entries)
    listed = [replace(each, start=each.start + before, end=each.end + before) for each in measure(level(entries))[1]]
    if listed:
        found = replace(found, measurements=(*found.measurements, *listed))
    heard = red_flags.hear(found, patient, whole)
    raised = red_flags.raised(found, patient, whole, heard)
    if not request.text or any(each.rule.urgency == "emergency" for each in raised):
        return tuple(raised), None
    like, doubt = red_flags.alike(found, patient, request.text, heard)
    if like and like.rule not in [each.rule for each in raised]:
        raised.append(like)
    return tuple(raised), doubt


def interpret(outputs: Outputs, metadata: Metadata, case: Case) -> DiseaseReading:
    """The five diseases that explain the case best, the gravest urgency, and advice.

    Raises `ValueError` where the bundle knows a disease that the knowledge file lacks.
    """
    diseases = _diseases(metadata.classes)
    probabilities = _suspected(outputs[PROBABILITIES], diseases, case)
    leading = np.argpartition(-probabilities, _RANKED - 1)[:_RANKED]
    ranking = _ranked(probabilities, metadata.classes, leading[np.argsort(-probabilities[leading], kind="stable")])
    shares = diseases.shares @ probabilities
    level = _urgency(case, ranking, dict(zip(_LEVELS, np.cumsum(shares).tolist(), strict=True)))
    grave = diseases.grave[probabilities[diseases.grave] >= _KNOWLEDGE.rule_out_from.value]
    near = grave[np.argsort(-probabilities[grave], kind="stable")[:_MOST_TO_RULE_OUT]]
    dangerous = _ranked(probabilities, metadata.classes, near)
    return _reading(case, ranking, level, dangerous)


def check_bundle(metadata: Metadata) -> None:
    """Raises `ValueError` where a disease of the bundle is unknown here, or its features are not the vocabulary's."""
    if unknown := [name for name in metadata.classes if name not in _KNOWLEDGE.diseases.value]:
        raise ValueError(f"disease/knowledge.yaml lacks {', '.join(unknown)}.")
    if metadata.tabular_preprocessing.names != features.feature_names():
        raise ValueError("its findings are not those of disease/symptoms.yaml; train it again.")
    likeness.weights()
    findings.read((), "ready")  # makes what the reader looks words up in, which the first request would wait for


@cache
def example() -> Case:
    """The request of the OpenAPI document's example, understood."""
    return understand(DiseaseRequest.model_validate(REQUEST_EXAMPLE))


def sample(case: Case) -> DiseaseReading:
    """The fixed ranking of the demo mode with the request's own symptoms and red flags."""
    fixed = _KNOWLEDGE.sample.value
    level = _urgency(case, fixed.ranking, {})
    reading = _reading(case, fixed.ranking, level, ())
    advice = (_KNOWLEDGE.advice.red_flag.value,) if case.red_flags else ()
    return reading.model_copy(update={"recommendations": (*advice, *fixed.recommendations)})


def _with(found: Findings, meant: list[str]) -> Findings:
    """Findings with the symptoms that dangers mean; what is told as a danger is not absent."""
    if not (more := [name for name in dict.fromkeys(meant) if name not in found.present]):
        return found
    absent = tuple(name for name in found.absent if name not in more)
    return replace(found, present=(*found.present, *more), absent=absent)


def _suspected(probabilities: NDArray[np.float32], diseases: "_Diseases", case: Case) -> NDArray[np.float32]:
    """The model's probabilities mixed with those of the diseases that the gravest dangers stand for; what the model
    finds likelier of them weighs more. The more symptoms the model knows, the less is mixed."""
    gravest = min((each.rule.urgency for each in case.red_flags), key=_LEVELS.index, default=None)
    named = {name for each in case.red_flags if each.rule.urgency == gravest for name in each.rule.suspects}
    places = sorted(diseases.places[name] for name in named if name in diseases.places)
    if not places:
        return probabilities
    told = max(len(case.findings.present), _FEW_SYMPTOMS)
    share = _KNOWLEDGE.suspicion.value * (_FEW_SYMPTOMS / told) ** 2
    weights = probabilities[places] + _LEAST_SUSPICION
    mixed = (1 - share) * probabilities
    mixed[places] += share * weights / weights.sum()
    return mixed


def _ranked(
    probabilities: NDArray[np.float32], classes: tuple[str, ...], places: NDArray[np.intp]
) -> tuple[RankedDisease, ...]:
    return tuple(
        RankedDisease(disease=classes[place], probability=round(float(probabilities[place]), DECIMALS))
        for place in places.tolist()
    )


@dataclass(frozen=True, slots=True)
class _Diseases:
    """Of the diseases of a bundle `shares`, (levels, diseases), 1 where one has that urgency; the places of those that
    are emergencies; and the place of each."""

    shares: NDArray[np.float32]
    grave: NDArray[np.intp]
    places: Mapping[str, int]


@cache
def _diseases(classes: tuple[str, ...]) -> _Diseases:
    urgencies = [_KNOWLEDGE.diseases.value[name].urgency for name in classes]
    shares = np.array([[urgency == level for urgency in urgencies] for level in _LEVELS], np.float32)
    return _Diseases(shares, np.flatnonzero(shares[0]), {name: place for place, name in enumerate(classes)})


def emergency_share(classes: tuple[str, ...]) -> NDArray[np.float32]:
    """(diseases,): 1 where a disease is an emergency; its product with the probabilities is their chance together."""
    share: NDArray[np.float32] = _diseases(classes).shares[0]
    return share


def _reading(
    case: Case, ranking: tuple[RankedDisease, ...], level: UrgencyLevel, dangerous: tuple[RankedDisease, ...]
) -> DiseaseReading:
    advice = _KNOWLEDGE.advice
    told = not _VAGUE.issuperset(case.findings.present)
    settled = bool(case.findings.present) and ((case.understood_whole and told) or level not in _REASSURING)
    if case.doubt and level in _MILD:
        settled, level = False, _DOUBTED
    elif not settled:
        level = min(level, "soon", key=_LEVELS.index)
    elif _lasts(case):
        level = min(level, "routine", key=_LEVELS.index)
    unread = case.findings.unrecognized[:5] or ((case.complaint,) if case.complaint else ())
    return DiseaseReading(
        prediction=_prediction(case, ranking, dangerous, settled=settled),
        top_predictions=ranking,
        symptoms_analyzed=case.findings.present,
        symptoms_absent=case.findings.absent,
        symptoms_unrecognized=case.findings.unrecognized,
        suggestions=case.findings.suggestions,
        understood=tuple(
            UnderstoodSpan(
                text=case.text[span.start : span.end],
                start=span.start,
                end=span.end,
                kind=span.kind.value,
                symptom=span.symptom,
            )
            for span in case.findings.spans
        ),
        red_flags=tuple(map(_red_flag, case.red_flags)),
        cannot_miss=tuple(
            CannotMiss(**each.model_dump(), tell=_KNOWLEDGE.rule_out.value[each.disease]) for each in dangerous
        ),
        contradictions=case.contradictions,
        urgency=_KNOWLEDGE.urgencies[level].value,
        recommendations=_advice(case, ranking[0], level, settled=settled),
        not_assessed=(advice.unread.value.format(words=", ".join(unread)),) if unread else (),
        patient=PatientDetails(age=case.patient.age, sex=case.patient.sex),
        not_used=case.not_used,
    )


def _red_flag(danger: Raised) -> RedFlag:
    return RedFlag(
        name=danger.rule.name,
        symptoms=danger.symptoms,
        words=danger.words,
        alike=danger.alike,
        urgency=_KNOWLEDGE.urgencies[danger.rule.urgency].value,
        source=red_flags.citation(danger.rule),
    )


def _lasts(case: Case) -> bool:
    """Whether the text tells of weeks: a doctor should look at what does not pass by itself."""
    return _FOR_WEEKS.search(case.text) is not None or any(
        (days_of(found) or 0) >= _LASTING
        for found in case.findings.measurements
        if found.quantity == "duration" and found.kind is Kind.PRESENT
    )


def _prediction(
    case: Case, ranking: tuple[RankedDisease, ...], dangerous: tuple[RankedDisease, ...], *, settled: bool
) -> DiseasePrediction:
    """The most probable disease; where nothing is settled the gravest that is not excluded, or the danger."""
    first = ranking[0]
    if settled:
        named, name = first, first.disease
    else:
        named = dangerous[0] if dangerous else min(ranking, key=_gravity)
        subject = named.disease if case.findings.present else _unnamed(case, named)
        name = f"Not settled: {subject} not excluded"
    return DiseasePrediction(
        code=named.disease,
        disease=name,
        settled=settled,
        confidence=named.probability,
        confidence_percent=percent(named.probability),
    )


def _unnamed(case: Case, gravest: RankedDisease) -> str:
    """What is not excluded where no symptom is known: the danger, what was complained of, or the gravest disease."""
    if case.red_flags:
        return case.red_flags[0].rule.name
    return f'a serious cause of "{case.complaint}"' if case.complaint else gravest.disease


def _gravity(disease: RankedDisease) -> int:
    return _LEVELS.index(_KNOWLEDGE.diseases.value[disease.disease].urgency)


def _urgency(case: Case, ranking: tuple[RankedDisease, ...], at_least: Mapping[UrgencyLevel, float]) -> UrgencyLevel:
    """The gravest of the red flags, the leading disease, every disease that is probable enough, and what all diseases
    that are at least so urgent have together (`at_least`, 0-1). A single symptom that is no red flag by itself makes no
    emergency: of it the model knows little more than how grave its diseases are; circumstances without any symptom call
    for nobody today."""
    likely: list[UrgencyLevel] = [
        _KNOWLEDGE.diseases.value[disease.disease].urgency
        for disease in ranking
        if disease.probability >= _KNOWLEDGE.urgent_from.value
    ]
    if case.findings.present:
        first = _KNOWLEDGE.diseases.value[ranking[0].disease].urgency
        doubted = first == "emergency" and ranking[0].probability < _KNOWLEDGE.leading_from.value
        likely.append("urgent" if doubted else first)
    if len(set(case.findings.present) - _CIRCUMSTANCES) < _FEWEST_FOR_EMERGENCY:
        likely = ["urgent" if level == "emergency" else level for level in likely]
        at_least = {**at_least, "emergency": 0.0}
    if _CIRCUMSTANCES.issuperset(case.findings.present):
        likely = [max(level, "soon", key=_LEVELS.index) for level in likely]
        at_least = {**at_least, "urgent": 0.0}
    together = [level for level, limit in _KNOWLEDGE.together_from.value.items() if at_least.get(level, 0.0) >= limit]
    raised = [each.rule.urgency for each in case.red_flags]
    return min([*likely, *together, *raised], key=_LEVELS.index, default="soon")


def _advice(case: Case, first: RankedDisease, level: UrgencyLevel, *, settled: bool) -> tuple[str, ...]:
    advice = _KNOWLEDGE.advice
    group = _KNOWLEDGE.groups[_KNOWLEDGE.diseases.value[first.disease].group].value if case.findings.present else ()
    return (
        *((advice.red_flag.value,) if any(each.rule.urgency == "emergency" for each in case.red_flags) else ()),
        _KNOWLEDGE.urgencies[level].value.action,
        *(() if settled else (advice.unsettled.value, advice.safety.value)),
        *group,
        *((advice.uncertain.value,) if first.probability < _KNOWLEDGE.uncertain_below.value else ()),
        advice.monitor.value,
    )


def _none_present(findings: Findings) -> str:
    return f"Only absent symptoms were understood: {', '.join(findings.absent)}. Send at least one that is present."


def _none_known(findings: Findings) -> str:
    near = dict.fromkeys(name for names in findings.suggestions.values() for name in names)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return f"None of the symptoms is known.{hint} GET /symptoms lists those that are."
