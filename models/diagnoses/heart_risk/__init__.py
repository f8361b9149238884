"""The chance of coronary heart disease from a form."""

from models.diagnoses.diagnosis import Diagnosis
from models.diagnoses.heart_risk.interpretation import RiskForm, explain, interpret, judge, sample, settle, unknown
from models.diagnoses.heart_risk.knowledge import heart_risk_knowledge
from models.preprocessing.inputs import FORM, PreparedForm
from schemas.heart_risk import REQUEST_EXAMPLE, HeartRiskReading, HeartRiskRequest

HEART_RISK: Diagnosis[RiskForm, PreparedForm, HeartRiskReading] = Diagnosis(
    name="heart_risk",
    path="/predict-heart",
    health_name="heart_risk",
    title="Heart risk",
    reads=FORM,
    interpret=lambda outputs, metadata, form: interpret(outputs, metadata, form.request),
    sample=lambda form: sample(form.request),
    judge=judge,
    settle=settle,
    unknown=lambda form: unknown(form.request),
    knowledge=heart_risk_knowledge(),
    example=lambda: RiskForm(HeartRiskRequest.model_validate(REQUEST_EXAMPLE)),
    explain=lambda answered: explain(answered.reading),
)
