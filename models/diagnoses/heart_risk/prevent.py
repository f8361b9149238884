"""The ten-year risk by the PREVENT equations, for callers who send what they need."""

import math
from collections.abc import Mapping

from models.diagnoses.heart_risk.knowledge import prevent_knowledge
from models.diagnoses.probabilities import DECIMALS
from schemas.heart_risk import SEXES, UNITS, HeartRiskRequest, TenYearRisk

NEEDED = ("hdl_cholesterol", "diabetes", "smoker", "egfr", "blood_pressure_treatment")
MMOL_PER_MG = 0.02586
"""Of cholesterol, mmol/L for 1 mg/dL, as the equations convert it."""

_KNOWLEDGE = prevent_knowledge()
_SEX_NAMES = {code: name for name, code in SEXES.items()}
_MIDDLE_BMI = 25.0


def ten_year_risk(request: HeartRiskRequest) -> TenYearRisk:
    """Total CVD, ASCVD and heart failure within ten years, 0-1, None with the reason where they can't be computed.

    Khan SS et al. Circulation 2024;149:430-449. Heart failure also needs `bmi`; `statin` is taken as no where absent.
    """
    if missing := [name for name in NEEDED if getattr(request, name) is None]:
        return _absent(_KNOWLEDGE.missing.value.format(fields=", ".join(map(_with_unit, missing))))
    if outside := _outside(request, [name for name in _KNOWLEDGE.ranges.value if name != "bmi"]):
        return _absent(_KNOWLEDGE.out_of_range.value.format(values=outside))
    notes = [] if request.statin is not None else [_KNOWLEDGE.no_statin.value]
    bmi_outside = _outside(request, ["bmi"])
    if request.bmi is None:
        notes.append(_KNOWLEDGE.no_bmi.value)
    elif bmi_outside:
        notes.append(_KNOWLEDGE.bmi_out_of_range.value.format(values=bmi_outside))
    terms = _terms(request)
    equations = _KNOWLEDGE.coefficients.value[_SEX_NAMES[request.sex]]
    return TenYearRisk(
        equation=_KNOWLEDGE.equation.value,
        total_cvd=_risk(equations.total_cvd, terms),
        ascvd=_risk(equations.ascvd, terms),
        heart_failure=None if request.bmi is None or bmi_outside else _risk(equations.heart_failure, terms),
        note=" ".join(notes) or None,
    )


def _absent(reason: str) -> TenYearRisk:
    return TenYearRisk(equation=_KNOWLEDGE.equation.value, note=reason)


def _with_unit(name: str) -> str:
    return f"{name} ({UNITS[name]})" if name in UNITS else name


def _outside(request: HeartRiskRequest, names: list[str]) -> str:
    """The values outside the equations' ranges, as text; empty where there are none."""
    found = []
    for name in names:
        value, allowed = getattr(request, name), _KNOWLEDGE.ranges.value[name]
        if value is not None and not allowed.low <= value <= allowed.high:
            found.append(f"{name} ({allowed.low:g} to {allowed.high:g} {UNITS[name]})")
    return ", ".join(found)


def _terms(request: HeartRiskRequest) -> Mapping[str, float]:
    """The terms of the equations; prevent.yaml defines them."""
    pressure, hdl, egfr = request.blood_pressure, request.hdl_cholesterol or 0.0, request.egfr or 0.0
    bmi = _MIDDLE_BMI if request.bmi is None else request.bmi
    diabetes, smoker = bool(request.diabetes), bool(request.smoker)
    treated, statin = bool(request.blood_pressure_treatment), bool(request.statin)
    age = (request.age - 55) / 10
    non_hdl = (request.cholesterol - hdl) * MMOL_PER_MG - 3.5
    hdl_term = (hdl * MMOL_PER_MG - 1.3) / 0.3
    high_pressure = (max(pressure, 110) - 130) / 20
    high_bmi = (max(bmi, 30) - 30) / 5
    low_egfr = (min(egfr, 60) - 60) / -15
    return {
        "age": age,
        "non_hdl": non_hdl,
        "hdl": hdl_term,
        "sbp_below_110": (min(pressure, 110) - 110) / 20,
        "sbp_from_110": high_pressure,
        "diabetes": diabetes,
        "smoker": smoker,
        "bmi_below_30": (min(bmi, 30) - 25) / 5,
        "bmi_from_30": high_bmi,
        "egfr_below_60": low_egfr,
        "egfr_from_60": (max(egfr, 60) - 90) / -15,
        "blood_pressure_treatment": treated,
        "statin": statin,
        "treated_sbp_from_110": treated * high_pressure,
        "treated_non_hdl": statin * non_hdl,
        "age_non_hdl": age * non_hdl,
        "age_hdl": age * hdl_term,
        "age_sbp_from_110": age * high_pressure,
        "age_diabetes": age * diabetes,
        "age_smoker": age * smoker,
        "age_bmi_from_30": age * high_bmi,
        "age_egfr_below_60": age * low_egfr,
        "constant": 1.0,
    }


def _risk(coefficients: Mapping[str, float], terms: Mapping[str, float]) -> float:
    log_odds = sum(coefficient * terms[name] for name, coefficient in coefficients.items())
    return round(1 / (1 + math.exp(-log_odds)), DECIMALS)
