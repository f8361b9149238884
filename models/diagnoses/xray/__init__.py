"""Chest X-rays: normal or pneumonia."""

from models.diagnoses.diagnosis import Diagnosis
from models.diagnoses.explaining import explain_class
from models.diagnoses.judging import judge_film
from models.diagnoses.xray.interpretation import conclude, interpret, sample
from models.diagnoses.xray.knowledge import xray_knowledge
from models.preprocessing.dicom.modalities import CHEST_FILM
from models.preprocessing.inputs import SentPicture, pictures_of

XRAY = Diagnosis(
    name="xray",
    path="/analyze/xray",
    health_name="pneumonia",
    title="Chest X-ray",
    reads=pictures_of(CHEST_FILM),
    interpret=lambda outputs, metadata, _: interpret(outputs, metadata),
    sample=lambda _: sample(),
    judge=judge_film,
    knowledge=xray_knowledge(),
    example=lambda: SentPicture(b""),
    settle=conclude,
    explain=explain_class,
)
