"""Symptoms to diseases."""

from models.diagnoses.diagnosis import Diagnosis
from models.diagnoses.disease.explanation import explain
from models.diagnoses.disease.interpretation import Case, check_bundle, example, interpret, sample
from models.diagnoses.disease.knowledge import disease_knowledge
from models.diagnoses.judging import judge_form
from models.preprocessing.inputs import FORM, PreparedForm
from schemas.disease import DiseaseReading

DISEASE: Diagnosis[Case, PreparedForm, DiseaseReading] = Diagnosis(
    name="disease",
    path="/predict-disease",
    health_name="disease",
    title="Disease from symptoms",
    reads=FORM,
    interpret=interpret,
    sample=sample,
    judge=judge_form,
    knowledge=disease_knowledge(),
    example=example,
    check_bundle=check_bundle,
    explain=explain,
    named=lambda reading: (reading.prediction.code, reading.top_predictions[0].disease),
)
