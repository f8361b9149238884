"""Answers and problems, as the JSON of this service has them, to FHIR R4B resources (hl7.org/fhir/R4B).

Whose picture or form it is isn't known here and isn't asked for: the resources name no patient, and whoever stores
them says whom they are about. All are preliminary: no clinician has seen them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from app.fhir.codes import CATEGORIES, FINDINGS, MEASUREMENTS, SNOMED, STUDIES, UCUM, concept

Json = Mapping[str, Any]
Resource = dict[str, Any]

_DEVICE = "model"
_HEART_RISK = "heart_risk"
_PRELIMINARY = "preliminary"
_NOBODY = {"display": "Not known to this service: whoever sent the values"}
_HORIZON_YEARS = 10
_TEN_YEAR_RISKS = {
    "total_cvd": "Cardiovascular disease within ten years",
    "ascvd": "Atherosclerotic cardiovascular disease within ten years",
    "heart_failure": "Heart failure within ten years",
}
_ISSUE_CODES: Mapping[int, str] = {
    400: "invalid",
    401: "login",
    404: "not-found",
    405: "not-supported",
    408: "timeout",
    409: "conflict",
    413: "too-long",
    414: "too-long",
    415: "not-supported",
    422: "processing",
    429: "throttled",
    431: "too-long",
    503: "transient",
    504: "timeout",
}
"""Of the value set issue-type, by HTTP status; any other is an `exception`."""


def resource_of(answer: Json, title: str, at: datetime | None = None) -> Resource:
    """The resource of an answer: a RiskAssessment of the heart-risk form, else a DiagnosticReport. `title` is that of
    the diagnosis, `at` the moment of the answer, now unless told otherwise."""
    now = at or datetime.now(UTC).replace(microsecond=0)
    made = (
        _risk_assessment(answer, title, now) if answer["model"]["name"] == _HEART_RISK else _report(answer, title, now)
    )
    if answer["demo_mode"]:
        made["meta"] = {"tag": [{"code": "demo", "display": "A fixed sample: no model is installed"}]}
    return made


def outcome_of(problem: Json) -> Resource:
    """The OperationOutcome of a problem."""
    severity = "fatal" if problem["status"] >= 500 else "error"
    code = _ISSUE_CODES.get(problem["status"], "exception")
    issues = [
        {"severity": severity, "code": code, "details": {"text": problem["error"]}, "diagnostics": problem["detail"]}
    ]
    issues += [
        {"severity": severity, "code": "value", "details": {"text": each["field"]}, "diagnostics": each["message"]}
        for each in problem["errors"]
    ]
    return {
        "resourceType": "OperationOutcome",
        "text": _narrative([problem["error"], problem["detail"], f"Request {problem['instance']}"]),
        "issue": issues,
    }


def _report(answer: Json, title: str, now: datetime) -> Resource:
    name = answer["model"]["name"]
    study = STUDIES.get(name, concept(title))
    observations = [
        {**made, "id": f"observation-{number}"} for number, made in enumerate(_observations(answer, study), start=1)
    ]
    conclusion = _conclusion(answer)
    report: Resource = {
        "resourceType": "DiagnosticReport",
        "language": "en",
        "text": _narrative([title, *conclusion, *_probability_lines(answer), *_notes(answer)]),
        "contained": [_device(answer), *observations],
        "identifier": [{"value": answer["request_id"]}],
        "status": _PRELIMINARY,
        "code": study,
        "issued": now.isoformat(),
        "result": [{"reference": f"#{each['id']}"} for each in observations],
        "conclusion": " ".join([*conclusion, answer["disclaimer"]]),
    }
    if name in CATEGORIES:
        report["category"] = [CATEGORIES[name]]
    if _holds(answer) and (named := FINDINGS.get((name, answer["prediction"]["code"]))):
        report["conclusionCode"] = [concept(_name(answer), SNOMED, *named)]
    return report


def _observations(answer: Json, study: Resource) -> Iterator[Resource]:
    """What the report rests on: the finding, then danger signs, what was measured and, of symptoms, what was said."""
    yield _finding(answer, study)
    for alert in (*answer["alerts"], *answer.get("red_flags", ())):
        evidence = alert.get("evidence") or ", ".join(alert.get("symptoms", ())) or alert.get("words") or alert["name"]
        sign = _observation(concept(alert["name"]), valueString=evidence)
        yield {**sign, "interpretation": [{"text": f"Danger sign: {_urgency(alert['urgency'])}"}]}
    if "malignancy_probability" in answer and answer["reliability"]["accepted"]:
        yield _observation(
            concept("Probability of malignancy"), valueQuantity=_probability(answer["malignancy_probability"])
        )
    for key, (code, unit) in MEASUREMENTS.items():
        measured = (answer.get("measurements") or {}).get(key)
        if measured and measured["value"] is not None:
            amount = {"value": measured["value"], "unit": measured["unit"], "system": UCUM, "code": unit}
            yield _observation(code, valueQuantity=amount)
    for present, key in ((True, "symptoms_analyzed"), (False, "symptoms_absent")):
        for symptom in answer.get(key, ()):
            yield _observation(concept(symptom), valueBoolean=present)


def _finding(answer: Json, study: Resource) -> Resource:
    """What the model answers; without a value where that is not to be relied on."""
    if not answer["reliability"]["accepted"]:
        reason = concept(answer["reliability"]["reason"] or "Unlike the training data")
        return _observation(study, dataAbsentReason=reason)
    components = [
        {"code": concept(name), "valueQuantity": _probability(probability)}
        for name, probability in _probabilities(answer)
    ]
    coded = FINDINGS.get((answer["model"]["name"], answer["prediction"]["code"])) if _holds(answer) else None
    value = concept(_name(answer), SNOMED, *coded) if coded else concept(_name(answer))
    made = _observation(study, valueCodeableConcept=value)
    return {**made, "component": components} if components else made


def _risk_assessment(answer: Json, title: str, now: datetime) -> Resource:
    """PS: probabilities of a RiskAssessment are percentages (its definition of `probability[x]`)."""
    predicted, ten_years = answer["prediction"], answer["ten_year_risk"]
    predictions: list[Resource] = []
    if answer["reliability"]["accepted"]:
        predictions.append(
            {
                "outcome": concept(answer["meaning"]),
                "probabilityDecimal": round(100 * predicted["probability"], 1),
                "qualitativeRisk": concept(predicted["risk_level"]),
            }
        )
    period = {"start": now.date().isoformat(), "end": _years_later(now, _HORIZON_YEARS)}
    predictions += [
        {
            "outcome": concept(outcome),
            "probabilityDecimal": round(100 * ten_years[key], 1),
            "whenPeriod": period,
            "rationale": ten_years["equation"],
        }
        for key, outcome in _TEN_YEAR_RISKS.items()
        if ten_years[key] is not None
    ]
    conclusion = _conclusion(answer)
    shown = [f"{each['outcome']['text']}: {each['probabilityDecimal']:g} %" for each in predictions]
    return {
        "resourceType": "RiskAssessment",
        "language": "en",
        "text": _narrative([title, *conclusion, *shown, *_notes(answer)]),
        "contained": [_device(answer)],
        "identifier": [{"value": answer["request_id"]}],
        "status": _PRELIMINARY,
        "code": concept(title),
        "subject": _NOBODY,
        "occurrenceDateTime": now.isoformat(),
        "performer": {"reference": f"#{_DEVICE}"},
        "prediction": predictions,
        "mitigation": " ".join(_sentence(each) for each in answer["recommendations"]),
        "note": [{"text": each} for each in (*conclusion, *_notes(answer))],
    }


def _device(answer: Json) -> Resource:
    model = answer["model"]
    return {
        "resourceType": "Device",
        "id": _DEVICE,
        "deviceName": [{"name": f"MediDiagnose-AI {model['name']}", "type": "model-name"}],
        "type": concept("Software; not a medical device"),
        "version": [{"value": model["version"]}],
        "note": [{"text": answer["disclaimer"]}],
    }


def _observation(code: Resource, **value: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "status": _PRELIMINARY,
        "code": code,
        **value,
        "device": {"reference": f"#{_DEVICE}"},
    }


def _probability(value: float) -> Resource:
    return {"value": value, "unit": "probability", "system": UCUM, "code": "1"}


def _probabilities(answer: Json) -> Sequence[tuple[str, float]]:
    """Names and probabilities of the classes, or of the likeliest diseases."""
    listed = answer.get("probabilities") or answer.get("top_predictions") or ()
    return [(each.get("name") or each["disease"], each["probability"]) for each in listed]


def _holds(answer: Json) -> bool:
    """Whether the answer names what it found, and may be relied on."""
    return bool(answer["reliability"]["accepted"] and answer["prediction"]["settled"])


def _name(answer: Json) -> str:
    named = answer["prediction"]
    name = named.get("name") or named.get("disease") or named.get("condition")
    return f"{named['birads']}: {name}" if named.get("birads") and named["settled"] else str(name)


def _conclusion(answer: Json) -> list[str]:
    """The answer in sentences, the most urgent first."""
    dangers = [each["name"] for each in (*answer["alerts"], *answer.get("red_flags", ()))]
    accepted = answer["reliability"]["accepted"]
    lines = [f"Danger signs: {', '.join(dangers)}."] if dangers else []
    lines.append(f"{_name(answer)}." if accepted else _sentence(answer["reliability"]["reason"] or "Not accepted"))
    if urgency := answer.get("urgency"):
        lines.append(_urgency(urgency))
    if answer["demo_mode"]:
        lines.insert(0, "A fixed sample of the demo mode, about nobody.")
    return lines


def _urgency(urgency: Json) -> str:
    return _sentence(f"{urgency['timeline']}: {urgency['action']}")


def _probability_lines(answer: Json) -> list[str]:
    if not answer["reliability"]["accepted"]:
        return []
    return [f"{name}: {100 * probability:.1f} %" for name, probability in _probabilities(answer)]


def _notes(answer: Json) -> list[str]:
    limits = [f"Not assessed: {each}." for each in answer["not_assessed"]]
    return [*limits, f"Model {answer['model']['name']} {answer['model']['version']}.", answer["disclaimer"]]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _narrative(lines: Iterable[str]) -> Resource:
    body = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'}


def _years_later(now: datetime, years: int) -> str:
    """Of 29 February the 28th."""
    day = now.date()
    last = day.replace(day=28) if (day.month, day.day) == (2, 29) else day
    return last.replace(year=day.year + years).isoformat()
